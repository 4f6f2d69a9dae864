"""Which sessions of a run may send now, which ones wait and until when, and what came of each.

No I/O: `deletions` and `async_deletions` send the requests and wait.
"""

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
from .session_ids import checked_session_id
from .transport import ConnectFailedError, ConnectionLostError, Request, Response, TransportError
from .wire import is_from_service

_MOST_HELD_IN_OUTAGE = 8
"""How many ids a run holds in an outage, however low its concurrency: each request that finds out
whether the service is back is for another id, since some may fail for a reason of their own."""

_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE}


class Scheduler:
    """Holds the sessions of a run, and decides which of them may send.

    A driver takes ids with `admit` while `has_room`, sends what `hand_out` gives, returns each
    result to `settle`, and waits for `due_in` seconds or a result. It does so until `is_finished`.

    Args:
        delete_session: its transport gives the time; its key and policy are used.
        concurrency: the most requests in flight.
    """

    def __init__(
        self, delete_session: DeleteSession | AsyncDeleteSession, concurrency: int
    ) -> None:
        self.outcomes: deque[Outcome] = deque()  #: of those that have ended
        self.failure: Exception | None = None  #: what ended the run before the ids did
        self.is_stopped: bool = False  #: whether nothing new is sent
        self._delete_session = delete_session
        self._now = delete_session.transport.monotonic
        self._retry = delete_session.retry
        self._concurrency = concurrency
        self._has_lowered_concurrency = False
        self._gate = RateLimitGate(delete_session.retry, delete_session.random)
        self._outage = Outage(delete_session.retry, delete_session.random)
        self._jobs: dict[Job, None] = {}  # those that were taken, and have no outcome yet
        self._in_flight: dict[Job, None] = {}
        self._probe: Job | None = None  # finds out whether the service is back
        self._queue: deque[Job] = deque()
        self._waiting: list[tuple[float, int, Job]] = []  # a heap: due when, in which order
        self._waits = 0
        self._pauses = 0
        self._paused_for: str  # what holds the run back: the reason of its last pause, or nothing
        self._rate_limited_since: float | None = None
        self._has_more_ids = True

    @property
    def is_finished(self) -> bool:
        """Whether nothing is on its way, and nothing will be."""
        is_over = self.is_stopped or not self._has_more_ids
        return is_over and not self._jobs and not self.outcomes

    @property
    def pause(self) -> Pause | None:
        """What holds the whole run back now."""
        now = self._now()
        reason, until = "", now
        if self._outage.is_on:
            reason, until = "outage", max(self._outage.next_request_at, self._gate.paused_until)
        elif now < self._gate.paused_until:
            reason, until = "rate limit", self._gate.paused_until
        if not reason or self.is_stopped:
            return None
        return Pause(
            reason=reason,
            seconds_left=max(0.0, until - now),
            waiting=len(self._jobs) - len(self._in_flight),
            number=self._pauses,
        )

    @property
    def summary(self) -> str:
        """What is on its way, in a few words."""
        waiting = len(self._jobs) - len(self._in_flight)
        return f"{len(self._in_flight)} in flight, {waiting} waiting, {len(self.outcomes)} ended"

    def has_room(self) -> bool:
        """Say whether one more id may be taken."""
        if self.is_stopped or not self._has_more_ids:
            return False
        if self._outage.is_on:
            is_needed = not self._queue or self._queue[0].is_failure
            return is_needed and len(self._jobs) < max(self._concurrency, _MOST_HELD_IN_OUTAGE)
        # An id that waits for its retry must not stop the run, even at a concurrency of 1.
        return (
            not self._queue
            and len(self._in_flight) < self._concurrency
            and len(self._jobs) < max(self._concurrency, 2)
        )

    def due_in(self) -> float | None:
        """Return the seconds until something may be sent. None: a response must come first."""
        if self.is_stopped:
            return 0.0 if self._queue or self._waiting else None
        due = self._waiting[0][0] if self._waiting else math.inf
        if self._queue:
            due = min(due, self._next_send_at())
        due = min(due, self._outage.ends_run_at)
        return None if due == math.inf else max(0.0, due - self._now())

    def admit(self, next_id: Callable[[], str | uuid.UUID]) -> None:
        """Take the next id, if there is one, and begin its conversation."""
        try:
            session_id = next_id()
        except Exception as error:
            self._has_more_ids = False
            if not isinstance(error, StopIteration | StopAsyncIteration):
                self.failure = error
            return
        try:
            job = Job(checked_session_id(session_id))
        except DeleteSessionError as error:
            self.outcomes.append(error.with_traceback(None))
            return
        self._jobs[job] = None
        job.conversation = converse(
            job.session_id,
            headers=self._delete_session.headers,
            retry=self._retry,
            monotonic=lambda: self._now() - job.excused,
            random=self._delete_session.random,
        )
        self._advance(job, job.conversation.__next__)
        if self._outage.is_on:  # It goes first: the others have failed.
            self._queue.rotate(1)

    def hand_out(self) -> Iterator[Job]:
        """Give those whose request is to be sent now. Each must be settled afterwards."""
        while self._waiting and self._waiting[0][0] <= self._now():
            job = heapq.heappop(self._waiting)[2]
            self._advance(job, job.conversation.__next__)
        if not self.is_stopped and self._now() >= self._outage.ends_run_at:
            self._end_outage()
        if self.is_stopped:
            self.end_all_that_wait()
        while self._queue and self._next_send_at() <= (now := self._now()):
            if self.is_stopped:  # meanwhile, by a signal or another thread
                return
            job = self._queue.popleft()
            job.excused += now - job.ready_at
            job.requests += 1
            job.sent_at = now
            job.number = self._gate.note_sent(now)
            self._in_flight[job] = None
            if self._outage.is_on:
                self._probe = job
            else:
                self._paused_for = ""
            yield job

    def arguments(self, job: Job) -> tuple[Request, float]:
        """Return the request of a job that may be sent, and its timeout in seconds."""
        left = self._outage.ends_run_at - job.sent_at
        return job.send.request, min(job.send.timeout, max(left, 0.001))

    def settle(self, job: Job, result: Callable[[], Response]) -> None:
        """Take what came of a request.

        Args:
            job: it was given by `hand_out`.
            result: returns the response, or raises what the transport raised.
        """
        try:
            response = checked_response(result())
        except TransportError as failure:
            self._fail(job, failure)
        except Exception as error:
            self.give_up_carrier(job, error, sent=True)
        else:
            self._land(job)
            if is_from_service(response):
                self._outage.note_response(sent_at=job.sent_at)
            self._advance(job, partial(job.conversation.send, response))
            if response.status != 429:
                self._rate_limited_since = None
                self._gate.note_accepted(job.number)
            if self._paused_for and not job.is_failure:  # A response can end a pause.
                self._note_pause()

    def give_up_carrier(self, job: Job, error: BaseException, *, sent: bool) -> None:
        """Note that an executor, or a faulty transport, did not do its part. The run ends."""
        reason = f"the request was not carried ({type(error).__name__})"
        kind = ConnectionLostError if sent else ConnectFailedError
        failure = kind(reason, transient=False)
        failure.__cause__ = error
        self._has_more_ids = False
        end = RuntimeError(f"{reason}: the executor or the transport cannot be used")
        end.__cause__ = error
        self.failure = end
        if not sent:
            self._fail(job, failure)
            return
        self._land(job)  # No retry: such a transport cannot tell what became of the session.
        outcome = UnreachableError(
            reason, session_id=job.session_id, attempts=job.requests, transient=False
        )
        outcome.__cause__ = failure
        self._end(job, outcome)

    def withdraw(self, job: Job) -> None:
        """Take back a request that was given, and that nobody has begun to send."""
        self._land(job)
        self._end_unsent(job)

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

    def _next_send_at(self) -> float:
        if len(self._in_flight) >= self._concurrency:
            return math.inf
        if not self._outage.is_on:
            return self._gate.next_send_at
        if self._probe:
            return math.inf
        return max(self._outage.next_request_at, self._gate.paused_until)

    def _land(self, job: Job) -> None:
        job.is_failure = False
        del self._in_flight[job]
        if self._probe is job:
            self._probe = None

    def _fail(self, job: Job, failure: TransportError) -> None:
        self._land(job)
        self._advance(job, partial(job.conversation.throw, failure))
        failure.__traceback__ = None  # Its frames hold the run, and the session's error holds it.

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
                self._waits += 1
                due = self._now() + step.seconds
                heapq.heappush(self._waiting, (due, self._waits, job))
                return
            job.send = step
            job.ready_at = self._now()
            if isinstance(job.error, RateLimitError):
                self._put_first(job)
            else:
                self._queue.append(job)

    def _put_first(self, job: Job) -> None:
        """Put a job before all others, but behind those that were rate limited before it."""
        ahead = 0
        while ahead < len(self._queue) and isinstance(self._queue[ahead].error, RateLimitError):
            ahead += 1
        self._queue.insert(ahead, job)

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
        """Decide, when an attempt has failed, whether that is the whole run's affair.

        Returns:
            True: the attempt and its time do not count for the session, which is sent again when
            the run lets it. False: what follows is the session's own affair.
        """
        job.error = error
        now = self._now()
        is_held_back = True
        if isinstance(error, RateLimitError):
            self._close_gate(job, error, now)
        elif _is_out_of_descriptors(error) and self._in_flight:
            self._lower_concurrency()
        else:
            self._look_for_outage(job, error, now, is_last=is_last)
            is_held_back = self._outage.is_on or self.is_stopped
        if is_held_back:
            job.excused += now - job.sent_at
            self._note_pause()
        return is_held_back

    def _close_gate(self, job: Job, error: RateLimitError, now: float) -> None:
        if self._rate_limited_since is None:
            self._rate_limited_since = now
        self._gate.note_limited(
            job.number, sent_at=job.sent_at, now=now, retry_after=error.retry_after
        )
        lasted, wait = now - self._rate_limited_since, error.retry_after or 0.0
        if max(wait, lasted) > self._retry.deadline:
            reason = f"the rate limit has let no request through for {lasted:.0f} s"
            if wait > lasted:
                reason = f"the rate limit asks for a wait of {wait:.0f} s"
            self._end_run(reason, lasted, error)

    def _look_for_outage(
        self, job: Job, error: DeleteSessionError, now: float, *, is_last: bool
    ) -> None:
        is_conflict = isinstance(error, ServiceUnavailableError) and error.status == 409
        is_stale = getattr(error.__cause__, "stale", False)
        # Once no id is left that could show the opposite, such failures are their ids' own affair.
        is_alone = not self._has_more_ids and self._outage.is_refuted(job.session_id)
        if is_conflict or is_stale or is_alone:
            return
        job.is_failure = True
        self._outage.note_failure(
            job.session_id,
            error,
            sent_at=job.sent_at,
            now=now,
            oldest_in_flight=min((other.sent_at for other in self._in_flight), default=math.inf),
            is_last=is_last,
        )

    def _lower_concurrency(self) -> None:
        self._concurrency = len(self._in_flight)
        if not self._has_lowered_concurrency:
            self._has_lowered_concurrency = True
            logger().warning(
                "this process has no file descriptor left: the run goes on with fewer requests at"
                " a time. Take a lower concurrency, or let the process open more (ulimit -n)."
            )

    def _end_outage(self) -> None:
        lasted = self._now() - self._outage.began_at
        reason = f"the service has been away for {lasted:.0f} s"
        if self._outage.is_met_by_pages_alone:
            reason = f"in {lasted:.0f} s, nothing from the service yet: check the address"
        self._end_run(reason, lasted, self._outage.last_error)

    def _end_run(self, reason: str, lasted: float, error: DeleteSessionError) -> None:
        retry_after = getattr(error, "retry_after", None)
        self.failure = OutageError(reason, lasted=lasted, retry_after=retry_after)
        self.failure.__cause__ = error
        self.is_stopped = True

    def _note_pause(self) -> None:
        """Count and log a pause that has just begun."""
        pause = self.pause
        reason = pause.reason if pause else ""
        if pause and reason != self._paused_for:
            self._pauses += 1
            logger().warning(
                "%s: nothing is sent for %.1f s, %d sessions wait",
                reason,
                pause.seconds_left,
                pause.waiting,
            )
        self._paused_for = reason


def _is_out_of_descriptors(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NO_DESCRIPTORS:
            return True
        error = error.__cause__
    return False
