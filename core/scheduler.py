"""Which sessions of a run may send now, which ones wait and until when, and what came of each.

No I/O: `deletions` and `async_deletions` send the requests and wait.
"""

import enum
import errno
import heapq
import math
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from .conversation import Failed, Step, Wait, checked_response, converse
from .delete_session import AsyncDeleteSession, DeleteSession
from .errors import (
    DeleteSessionError,
    OutageError,
    Outcome,
    RateLimitError,
    ServiceUnavailableError,
    UnreachableError,
)
from .job import Job
from .logger import logger
from .pacing import Outage, Pause, RateLimitGate
from .receipt import DeletionReceipt, SessionFate
from .transport import ConnectionLostError, Request, TransportError
from .wire import checked_session_id, is_from_service

_MOST_HELD_IN_OUTAGE = 8
"""How many ids a run holds in an outage, however low its concurrency: each half-open probe is for
another id, since some may fail for a reason of their own."""

_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE}


class Stage(enum.IntEnum):
    """Where a run stands. It never goes back."""

    NOT_BEGUN = 0
    TAKES_IDS = 1
    HAS_ALL_IDS = 2  #: there are no more, or they failed
    ENDED_EARLY = 3  #: by an outage or a rate limit: nothing new is sent
    LEFT = 4  #: by whoever began it: nothing new is sent, and the countdown runs


class Scheduler:
    """Holds the sessions of a run, and decides which of them may send.

    A driver takes ids with `admit` while `has_room`, sends what `hand_out` gives, returns what came
    of each to `settle`, and waits for `due_in` seconds or a result. It does so until `is_finished`.

    Args:
        delete_session: its transport gives the time; its key and policy are used.
        concurrency: the most requests in flight.
    """

    def __init__(
        self, delete_session: DeleteSession | AsyncDeleteSession, concurrency: int
    ) -> None:
        self.outcomes: deque[Outcome] = deque()  #: of those that have ended
        self.failure: Exception | None = None  #: what ended the run before the ids did
        self._delete_session = delete_session
        self._concurrency = concurrency
        self._has_lowered_concurrency = False
        self._reached = {Stage.NOT_BEGUN}
        self._gate = RateLimitGate(delete_session.retry, delete_session.random)
        self._outage = Outage(delete_session.retry, delete_session.random)
        self._jobs: dict[Job, None] = {}  # those that were taken, and have no outcome yet
        self._in_flight: dict[Job, None] = {}
        self._queue: deque[Job] = deque()
        self._waiting: list[tuple[float, int, Job]] = []  # a heap: due when, of which number
        self._reading = 0.0  # seconds that the caller's iterator took: they count for nobody
        self._last_pause = "", 0  # what holds the run back, or nothing; and the pause's number

    @property
    def stage(self) -> Stage:
        """Where the run stands."""
        return max(self._reached)

    def reach(self, stage: Stage) -> None:
        """Go on to a stage. A signal's handler may do so at any moment, and is never undone."""
        self._reached.add(stage)

    @property
    def is_stopped(self) -> bool:
        """Whether nothing new is sent."""
        return self.stage >= Stage.ENDED_EARLY

    @property
    def is_finished(self) -> bool:
        """Whether nothing is on its way, and nothing will be."""
        return self.stage >= Stage.HAS_ALL_IDS and not self._jobs and not self.outcomes

    @property
    def pause(self) -> Pause | None:
        """What holds the whole run back now."""
        reason, left = "rate limit", self._gate.paused_until - self._now()
        if self._outage.is_on:
            reason, left = "outage", max(self._outage.next_probe_at - self._working_time(), left)
        if self.is_stopped or (left <= 0 and not self._outage.is_on):
            return None
        waiting = len(self._jobs) - len(self._in_flight)
        number = self._last_pause[1]
        return Pause(reason=reason, seconds_left=max(0.0, left), waiting=waiting, number=number)

    @property
    def summary(self) -> str:
        """What is on its way, in a few words."""
        waiting = len(self._jobs) - len(self._in_flight)
        return f"{len(self._in_flight)} in flight, {waiting} waiting, {len(self.outcomes)} ended"

    def has_room(self) -> bool:
        """Say whether one more id may be taken."""
        if self.stage >= Stage.HAS_ALL_IDS:
            return False
        if self._outage.is_on:
            is_needed = not self._queue or self._queue[0].has_failed
            return is_needed and len(self._jobs) < max(self._concurrency, _MOST_HELD_IN_OUTAGE)
        # An id that waits for its retry must not stop the run, even at a concurrency of 1.
        return (
            not self._queue
            and len(self._in_flight) < self._concurrency
            and len(self._jobs) < max(self._concurrency, 2)
        )

    def due_in(self) -> float | None:
        """Return the seconds until something may be sent. None: a result must come first."""
        if self.is_stopped:
            return 0.0 if self._queue or self._waiting else None
        due = self._outage.ends_run_at - self._working_time()
        if self._waiting:
            due = min(due, self._waiting[0][0] - self._now())
        if self._queue:
            due = min(due, self._next_send_in())
        return None if due == math.inf else max(0.0, due)

    def admit(self, next_id: Callable[[], str | uuid.UUID]) -> None:
        """Take the next id, if there is one, and begin its conversation."""
        began = self._now()
        try:
            session_id = next_id()
        except Exception as error:
            self.reach(Stage.HAS_ALL_IDS)
            if not isinstance(error, StopIteration | StopAsyncIteration):
                self.failure = error
            return
        try:
            job = Job(checked_session_id(session_id))
        except DeleteSessionError as error:
            self.outcomes.append(error.with_traceback(None))
            return
        self._jobs[job] = None  # First of all: an interruption may come between any two steps.
        self._reading += self._now() - began
        self._end_waits()  # What came due meanwhile goes first.
        job.conversation = converse(
            job.session_id,
            headers=self._delete_session.headers,
            retry=self._delete_session.retry,
            monotonic=lambda: self._working_time() - job.excused,
            random=self._delete_session.random,
        )
        self._advance(job, job.conversation.__next__)
        if self._outage.is_on:  # It goes first: the others have failed.
            self._queue.rotate(1)

    def hand_out(self) -> Iterator[Job]:
        """Give those whose request is to be sent now. Each must be settled, or taken back."""
        self._end_waits()
        if not self.is_stopped and self._working_time() >= self._outage.ends_run_at:
            self._end_outage()
        if self.is_stopped:
            self.end_all_that_wait()
        while self._queue and self._next_send_in() <= 0:
            if self.is_stopped:  # meanwhile, by a signal or another thread
                return
            job = self._queue.popleft()
            self._excuse(job)
            job.requests += 1
            job.sent_at = self._working_time()
            job.is_probe = self._outage.is_on
            job.number = self._gate.note_sent(self._now())
            self._in_flight[job] = None
            if not job.is_probe:
                self._last_pause = "", self._last_pause[1]
            yield job

    def arguments(self, job: Job) -> tuple[Request, float]:
        """Return the request of a job that may be sent, and its timeout in seconds."""
        left = self._outage.ends_run_at - job.sent_at
        return job.send.request, min(job.send.timeout, max(left, 0.001))

    def take_back(self, job: Job, error: Exception) -> None:
        """Take back a job that was handed out and whose request nobody could begin to send.

        It goes again when others have ended. If there are none, the run ends.
        """
        del self._in_flight[job]
        job.requests -= 1
        if not self._in_flight:
            self._end_faulty(error)
            self.reach(Stage.ENDED_EARLY)
        self._lower_concurrency()
        self._queue.appendleft(job)

    def settle(self, job: Job, end: object) -> None:
        """Take what came of a request.

        Args:
            job: it was given by `hand_out`.
            end: the response, or what the transport raised.
        """
        del self._in_flight[job]
        if isinstance(end, TransportError):
            self._advance(job, partial(job.conversation.throw, end))
            end.__traceback__ = None  # Its frames hold the run, and the session's error holds it.
            return
        if isinstance(end, BaseException):
            self._give_up(job, end)
            return
        try:
            response = checked_response(end)
        except TypeError as error:
            self._give_up(job, error)
            return
        if is_from_service(response):
            self._outage.note_response(sent_at=job.sent_at)
        self._advance(job, partial(job.conversation.send, response))
        if response.status != 429:
            self._gate.note_accepted(job.number)

    def end_all_that_wait(self) -> None:
        """End what is neither in flight nor ended, with what its last attempt met."""
        while self._queue:
            self._end_unsent(self._queue.popleft())
        while self._waiting:
            self._end_unsent(self._waiting.pop(0)[2])

    def end_all(self) -> None:
        """End also what is in flight, and what an interruption (Ctrl-C) left half-way."""
        self.end_all_that_wait()
        self._in_flight.clear()
        for job in list(self._jobs):
            outcome = job.outcome or UnreachableError(
                "the run was left before the response was read",
                session_id=job.session_id,
                session_fate=SessionFate.UNKNOWN if job.requests else SessionFate.UNTOUCHED,
                attempts=job.requests,
            )
            self._end(job, outcome)

    def _now(self) -> float:
        return self._delete_session.transport.monotonic()

    def _working_time(self) -> float:
        """Return the time on a clock that stands still while the caller's iterator works."""
        return self._now() - self._reading

    def _end_waits(self) -> None:
        """Queue those whose wait for a retry is over."""
        while self._waiting and self._waiting[0][0] <= self._now():
            job = heapq.heappop(self._waiting)[2]
            self._advance(job, job.conversation.__next__)

    def _excuse(self, job: Job) -> None:
        """Let the time since the job waits, or was sent, not count against its deadline."""
        now = self._working_time()
        job.excused += now - job.since
        job.since = now

    def _next_send_in(self) -> float:
        if len(self._in_flight) >= self._concurrency:
            return math.inf
        if not self._outage.is_on:
            return self._gate.next_send_at - self._now()
        if any(job.is_probe for job in self._in_flight):
            return math.inf
        until_probe = self._outage.next_probe_at - self._working_time()
        return max(until_probe, self._gate.paused_until - self._now())

    def _advance(self, job: Job, resume: Callable[[], Step]) -> None:
        try:
            step = resume()
            while isinstance(step, Failed):
                step = job.conversation.send(self._hold_back(job, step.error, step.is_last))
        except StopIteration as end:
            receipt: DeletionReceipt = end.value
            self._end(job, receipt)
        except DeleteSessionError as error:
            self._end(job, error.with_traceback(None))  # An outcome must not hold the run.
        else:
            if isinstance(step, Wait):
                heapq.heappush(self._waiting, (self._now() + step.seconds, job.number, job))
                return
            job.send = step
            job.since = self._working_time()
            # A rate-limited one goes first, behind those that were rate limited before it.
            place = len(self._queue)
            if isinstance(job.error, RateLimitError):
                errors = [isinstance(other.error, RateLimitError) for other in self._queue]
                place = [*errors, False].index(False)
            self._queue.insert(place, job)

    def _end(self, job: Job, outcome: Outcome) -> None:
        self._outage.forget(job.session_id)
        job.outcome = outcome  # An interruption may come between any two steps.
        if all(other is not outcome for other in self.outcomes):
            self.outcomes.append(outcome)
        del self._jobs[job]

    def _end_unsent(self, job: Job) -> None:
        """End a session that waits, with what its last attempt met."""
        error = job.error or UnreachableError(
            "the run ended before anything was sent",
            session_id=job.session_id,
            session_fate=SessionFate.UNTOUCHED,
        )
        self._end(job, error)

    def _hold_back(self, job: Job, error: DeleteSessionError, is_last: bool) -> bool:
        """Take an attempt that failed, and return whether the run retries it without charge.

        Returns:
            True: the attempt and its time do not count for the session, which is sent again when
            the run lets it. False: what follows is the session's own affair.
        """
        job.error = error
        is_held_back = True
        if isinstance(error, RateLimitError):
            self._close_gate(job, error)
        elif _is_out_of_descriptors(error) and self._in_flight:
            self._lower_concurrency()
        else:
            self._look_for_outage(job, error, is_last=is_last)
            is_held_back = self._outage.is_on or self.is_stopped
        if is_held_back:
            self._excuse(job)
            self._note_pause()
        return is_held_back

    def _close_gate(self, job: Job, error: RateLimitError) -> None:
        now, latency = self._now(), self._working_time() - job.sent_at
        self._gate.note_limited(job.number, latency=latency, now=now, retry_after=error.retry_after)
        lasted, wait = now - (self._gate.limited_since or now), error.retry_after or 0.0
        if max(wait, lasted) > self._delete_session.retry.deadline:
            reason = f"the rate limit has let no request through for {lasted:.0f} s"
            if wait > lasted:
                reason = f"the rate limit asks for a wait of {wait:.0f} s"
            self._end_run(reason, lasted, error)

    def _look_for_outage(self, job: Job, error: DeleteSessionError, *, is_last: bool) -> None:
        is_conflict = isinstance(error, ServiceUnavailableError) and error.status == 409
        is_stale = getattr(error.__cause__, "stale", False)
        # Once no id is left that could show the opposite, such failures are their ids' own affair.
        has_all = self.stage >= Stage.HAS_ALL_IDS
        if is_conflict or is_stale or (has_all and self._outage.is_refuted(job.session_id)):
            return
        self._outage.note_failure(
            job.session_id,
            error,
            sent_at=job.sent_at,
            now=self._working_time(),
            oldest_in_flight=min((other.sent_at for other in self._in_flight), default=math.inf),
            is_last=is_last,
        )

    def _lower_concurrency(self) -> None:
        self._concurrency = max(1, len(self._in_flight))
        if not self._has_lowered_concurrency:
            self._has_lowered_concurrency = True
            logger.warning(
                "this process has no file descriptor or thread left: the run goes on with fewer"
                " requests at a time. Take a lower concurrency, or raise the limit (ulimit -n -u)."
            )

    def _end_outage(self) -> None:
        lasted = self._working_time() - self._outage.began_at
        reason = f"the service has been away for {lasted:.0f} s"
        if self._outage.is_met_by_pages_alone:
            reason = f"in {lasted:.0f} s, nothing from the service yet: check the address"
        self._end_run(reason, lasted, self._outage.last_error)

    def _end_run(self, reason: str, lasted: float, error: DeleteSessionError) -> None:
        retry_after = getattr(error, "retry_after", None)
        self.failure = OutageError(reason, lasted=lasted, retry_after=retry_after)
        self.failure.__cause__ = error
        self.reach(Stage.ENDED_EARLY)

    def _give_up(self, job: Job, error: BaseException) -> None:
        """End a session whose transport broke the port: it cannot say what became of it."""
        self._end_faulty(error)
        reason = f"the transport failed ({type(error).__name__})"
        failure = ConnectionLostError(reason)
        failure.__cause__ = error
        outcome = UnreachableError(
            reason, session_id=job.session_id, attempts=job.requests, transient=False
        )
        outcome.__cause__ = failure
        self._end(job, outcome)

    def _end_faulty(self, error: BaseException) -> None:
        """Take no more ids: the transport, or the system, does not do its part."""
        self.reach(Stage.HAS_ALL_IDS)
        self.failure = RuntimeError(f"no request can be sent ({type(error).__name__})")
        self.failure.__cause__ = error

    def _note_pause(self) -> None:
        """Count and log a pause that has just begun."""
        pause, (noted, number) = self.pause, self._last_pause
        reason = pause.reason if pause else ""
        if pause and reason != noted:
            number += 1
            logger.warning(
                "%s: nothing is sent for %.1f s, %d sessions wait",
                reason,
                pause.seconds_left,
                pause.waiting,
            )
        self._last_pause = reason, number


def _is_out_of_descriptors(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NO_DESCRIPTORS:
            return True
        error = error.__cause__
    return False
