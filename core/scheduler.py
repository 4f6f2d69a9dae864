"""Which sessions of a run may send now, which ones wait and until when, and what came of each.

No I/O: `deletions` and `async_deletions` send the requests and wait.
"""

import logging
import math
import uuid
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from .conversation import Failed, Send, Step, checked_response, converse
from .delete_session import AsyncDeleteSession, DeleteSession
from .errors import DeleteSessionError, Outcome, RateLimitError, RunEndedError
from .pacing import Job, Outage, Pause, RateLimitGate
from .transport import ConnectionLostError, TransportError

logger: logging.Logger = logging.getLogger("firecrawl_interact")

_MOST_HELD_IN_OUTAGE = 8
"""How many ids a run of a lower concurrency holds: some may fail for a reason of their own."""


class Scheduler:
    """Holds the sessions of a run, and decides which of them may send.

    A driver takes ids with `admit` while `has_room`, sends what `hand_out` gives, returns what came
    of each to `settle`, and waits for `due_in` seconds or a result. It does so until `is_finished`.
    """

    def __init__(
        self, delete_session: DeleteSession | AsyncDeleteSession, concurrency: int
    ) -> None:
        self.outcomes: deque[Outcome] = deque()  #: of those that have ended
        self.in_flight: dict[Job, None] = {}  #: those whose request was sent
        self.failure: Exception | None = None  #: what ended the run before the ids did
        self.takes_ids: bool = True  #: whether there may be one more
        self.is_stopped: bool = False  #: whether nothing new is sent
        self._delete_session = delete_session
        self._concurrency = concurrency
        backoff = partial(delete_session.retry.pause, random=delete_session.random)
        self._gate = RateLimitGate(backoff)
        self._outage = Outage(backoff, deadline=delete_session.retry.deadline)
        self._pauses = 0
        self._jobs: dict[Job, None] = {}  # those that were taken, and have no outcome yet
        self._queue: list[Job] = []  # of those that wait: who is due first goes first
        self._reading = 0.0  # seconds that the caller's iterator took: charged to no session

    def stop(self) -> None:
        """Take and send nothing new. A signal's handler may do so at any moment."""
        self.takes_ids, self.is_stopped = False, True

    @property
    def is_finished(self) -> bool:
        """Whether nothing is on its way, and nothing will be."""
        return not (self.takes_ids or self._jobs or self.outcomes)

    @property
    def pause(self) -> Pause | None:
        """What holds the whole run back now."""
        left = self._gate.paused_until - self._now()
        if self.is_stopped or (left <= 0 and not self._outage.is_on):
            return None
        reason, error = "rate limit", None
        if self._outage.is_on:
            reason, error = "outage", self._outage.failures[-1].error
            left = max(0.0, left, self._outage.next_probe_at - self._working_time())
        elif limits := [job.error for job in self._queue if isinstance(job.error, RateLimitError)]:
            error = limits[-1]  # Those that got a 429 go first, in the order of their responses.
        return Pause(
            reason=reason, seconds_left=left, waiting=self.waiting, number=self._pauses, error=error
        )

    @property
    def waiting(self) -> int:
        """How many of those that were taken wait."""
        return len(self._jobs) - len(self.in_flight)

    def has_room(self) -> bool:
        """Say whether one more id may be taken."""
        if not self.takes_ids:
            return False
        next_due_at = self._queue[0].due_at if self._queue else math.inf
        if self._outage.is_on:
            most = max(self._concurrency, _MOST_HELD_IN_OUTAGE)
            return next_due_at > -math.inf and len(self._jobs) < most
        # An id that waits for its retry must not stop the run, even at a concurrency of 1.
        is_free = next_due_at > self._now() and len(self.in_flight) < self._concurrency
        return is_free and len(self._jobs) < max(self._concurrency, 2)

    def due_in(self) -> float:
        """Return the seconds until something may be sent. Infinity: a result must come first."""
        if self.is_stopped:
            return 0.0 if self._queue else math.inf
        until_end = self._outage.ends_run_at - self._working_time()
        return max(0.0, min(self._next_send_in(), until_end))

    def admit(self, next_id: Callable[[], str | uuid.UUID]) -> None:
        """Take the next id, if there is one, and begin its conversation."""
        began = self._now()
        try:
            session_id = next_id()
        except Exception as error:
            self.takes_ids = False
            if not isinstance(error, StopIteration | StopAsyncIteration):
                self.failure = error
            return
        job = Job(session_id)
        self._jobs[job] = None  # First of all: an interruption may come between any two steps.
        self._reading += self._now() - began
        job.conversation = converse(
            session_id,
            headers=self._delete_session.headers,
            retry=self._delete_session.retry,
            monotonic=lambda: job.clock,
            random=self._delete_session.random,
        )
        self._advance(job, job.conversation.__next__)

    def hand_out(self) -> Iterator[Job]:
        """Give those whose request is to be sent now. They are in flight when the next is given."""
        if not self.is_stopped and self._working_time() >= self._outage.ends_run_at:
            lasted = self._working_time() - self._outage.failures[0].failed_at
            cause = self._outage.failures[-1].error
            wait = getattr(cause, "retry_after", None)
            message = f"the service has been away for {lasted:.0f} s"
            ended = RunEndedError(message, reason="outage", lasted=lasted, retry_after=wait)
            if self._outage.is_met_by_pages_alone:
                message = f"in {lasted:.0f} s, nothing from the service yet: check the address"
                ended = RunEndedError(message, reason="address", lasted=lasted, retry_after=wait)
            self._end_run(ended, cause)
        self.end_what_is_left()
        # It may be stopped meanwhile, by a signal or another thread.
        while self._next_send_in() <= 0 and not self.is_stopped:
            job = self._queue.pop(0)
            job.requests += 1
            job.sent_at = self._working_time()
            job.timeout = min(job.send.timeout, max(0.001, self._outage.ends_run_at - job.sent_at))
            job.number = self._gate.note_sent(self._now())
            yield job
            self.in_flight[job] = None

    def note_not_sent(self, job: Job, error: Exception) -> None:
        """Note that nothing could carry a request. The run ends with what is in flight."""
        job.requests -= 1
        self._queue.insert(0, job)
        self._end_run(RuntimeError(f"no request can be sent: {error}"), error)

    def settle(self, job: Job, end: object) -> None:
        """Take the response to a request, or what the transport raised. Once ended: nothing."""
        if job not in self.in_flight:
            return
        del self.in_flight[job]
        job.clock += self._working_time() - job.sent_at
        if isinstance(end, TransportError):
            self._advance(job, partial(job.conversation.throw, end))
            end.__traceback__ = None  # Its frames hold the run, and the error holds it.
            return
        try:
            response = checked_response(end)
        except TypeError as error:
            cause = end if isinstance(end, BaseException) else error
            self._end_run(RuntimeError(f"no request can be sent ({type(cause).__name__})"), cause)
            # The transport broke the port: it cannot say what became of the session.
            outcome = job.unreachable(f"the transport failed ({type(cause).__name__})")
            outcome.transient = False
            outcome.__cause__ = ConnectionLostError(outcome.args[0])
            outcome.__cause__.__cause__ = cause
            self._end(job, outcome)
            return
        if response.status != 429:
            self._gate.note_accepted(job.number)
        self._advance(job, partial(job.conversation.send, response))

    def end_what_is_left(self, *, even_in_flight: bool = False) -> None:
        """Once it is stopped, end what is not in flight, with what its last attempt met."""
        if even_in_flight:
            self.in_flight.clear()
        while self._queue and self.is_stopped:
            job = self._queue.pop(0)
            self._end(job, job.error or job.unreachable("the run ended before anything was sent"))
        if not self.in_flight and self.is_stopped:
            for job in list(self._jobs):  # An interruption (Ctrl-C) may leave one half-way.
                left = job.unreachable("the run was left before the response was read")
                self._end(job, job.outcome or left)

    def _now(self) -> float:
        return self._delete_session.transport.monotonic()

    def _working_time(self) -> float:
        """Return the time on a clock that stands still while the caller's iterator works."""
        return self._now() - self._reading

    def _next_send_in(self) -> float:
        if not self._queue or len(self.in_flight) >= self._concurrency:
            return math.inf
        now, due_at = self._now(), self._queue[0].due_at
        if not self._outage.is_on:
            return max(due_at, self._gate.next_send_at) - now
        if any(job.sent_at >= self._outage.next_probe_at for job in self.in_flight):
            return math.inf  # A half-open probe is on its way.
        until_probe = self._outage.next_probe_at - self._working_time()
        return max(until_probe, due_at - now, self._gate.paused_until - now)

    def _advance(self, job: Job, resume: Callable[[], Step]) -> None:
        job.due_at = self._now()
        try:
            step = resume()
            while not isinstance(step, Send):
                if isinstance(step, Failed):
                    step = job.conversation.send(self._hold_back(job, step))
                else:
                    job.clock += step.seconds
                    job.due_at = self._now() + step.seconds
                    step = next(job.conversation)
        except StopIteration as end:
            self._note_response(job, end.value)
            self._end(job, end.value)
        except DeleteSessionError as error:
            self._note_response(job, error)
            self._end(job, error.with_traceback(None))  # An outcome must not hold the run.
        else:
            job.send = step
            is_new_in_outage = self._outage.is_on and job.error is None
            if is_new_in_outage or isinstance(job.error, RateLimitError):
                job.due_at = -math.inf  # It goes first.
            insort(self._queue, job, key=lambda other: other.due_at)

    def _end(self, job: Job, outcome: Outcome) -> None:
        job.outcome = outcome  # An interruption may come between any two steps.
        if all(other is not outcome for other in self.outcomes):
            self.outcomes.append(outcome)
        del self._jobs[job]

    def _hold_back(self, job: Job, failed: Failed) -> bool:
        """Take an attempt that failed, and return whether the run retries it without charge."""
        job.error = failed.error.with_traceback(None)  # Its frames hold the run.
        self._note_response(job, failed.error)
        if isinstance(failed.error, RateLimitError):
            begins, is_held_back = self._close_gate(job, failed.error), True
        else:
            begins = self._look_for_outage(job, failed)
            is_held_back = self._outage.is_on or self.is_stopped
        if is_held_back:
            job.clock -= self._working_time() - job.sent_at
        if begins and (pause := self.pause) is not None:
            self._pauses += 1
            text = "%s: nothing is sent for %.1f s, %d sessions wait"
            logger.warning(text, pause.reason, pause.seconds_left, pause.waiting)
        return is_held_back

    def _note_response(self, job: Job, outcome: Outcome) -> None:
        if outcome.is_from_service:
            self._outage.note_response(sent_at=job.sent_at)

    def _close_gate(self, job: Job, error: RateLimitError) -> bool:
        now, latency, wait = self._now(), self._working_time() - job.sent_at, error.retry_after
        begins = self._gate.note_limited(job.number, latency=latency, now=now, wait=wait)
        lasted = now - self._gate.limited_since
        if max(wait or 0.0, lasted) > self._delete_session.retry.deadline:
            message = f"the rate limit has let no request through for {lasted:.0f} s"
            if wait is not None and wait > lasted:
                message = f"the rate limit asks for a wait of {wait:.0f} s"
            ended = RunEndedError(message, reason="rate limit", lasted=lasted, retry_after=wait)
            self._end_run(ended, error)
        return begins

    def _look_for_outage(self, job: Job, failed: Failed) -> bool:
        is_conflict = getattr(failed.error, "status", None) == 409
        if is_conflict or getattr(failed.error.__cause__, "stale", False):
            return False
        job.first_failed = min(job.first_failed, job.sent_at)
        # The service was there, and no id is left to show the opposite: it is the session's own.
        if not self.takes_ids and job.first_failed <= self._outage.served_at:
            return False
        now = self._working_time()
        oldest = min((other.sent_at for other in self.in_flight), default=math.inf)
        return self._outage.note_failure(failed, sent_at=job.sent_at, now=now, oldest=oldest)

    def _end_run(self, failure: Exception, cause: BaseException) -> None:
        failure.__cause__ = cause
        self.failure = failure
        self.stop()
