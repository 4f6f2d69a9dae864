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

import msgspec

from .circuit_breaker import CircuitBreaker
from .conversation import Failed, Send, Step, converse
from .delete_session import AsyncDeleteSession, DeleteSession
from .errors import DeleteSessionError, Outcome, RateLimitError, RunEndedError
from .job import Job
from .log import log
from .rate_limit import RateLimitGate
from .transport import ConnectionLostError, Response, TransportError

_MOST_IN_OUTAGE = 8
"""How many ids a run of a lower concurrency holds in an outage, so that each probe has another."""
_A_ROUNDING = 0.001
"""Seconds. Sums of floats are not exact, and so short a wait moves no virtual clock."""


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """What holds a whole run back at the moment."""

    reason: str  #: `rate limit` or `outage`
    seconds_left: float  #: seconds until something may be sent
    waiting: int  #: how many of the ids that were taken wait meanwhile
    number: int  #: which pause of the run this is, from 1: a higher number is another pause
    error: DeleteSessionError | None = None  #: the last 429, or the last failure of the outage


class Scheduler:
    """Holds the sessions of a run, and decides which of them may send.

    When its driver is asked for an outcome, it first calls `end_remaining()`: an interruption
    (Ctrl-C) may have left something half-way. Then, until there are `outcomes` or `is_finished`:

    1. `settle(job, result)` for each request that has landed.
    2. `next_job()` until it returns None. Each job is sent: `job.send.request`, which may take
       `job.timeout` seconds. Then `note_sent(job)`; or `note_not_sent(job, error)`, if nothing can
       carry it. Whoever carries it sets `job.landed_at`.
    3. If there are no `outcomes`, and `has_room()`: `admit(ids)`.
    4. Otherwise it waits for `due_in()` seconds, or until a request lands, and adds that time to
       `waited`. If it awaits the caller's next id meanwhile, and `needs_new_id` is true, it adds
       nothing: that time is the caller's.

    The outcomes are the driver's, which takes them out. Once the run is finished, it raises
    `ended_by`, if there is such an error. A driver that waits no longer for what is in flight calls
    `stop()` and `end_remaining(even_in_flight=True)`; `settle` ignores what lands after that.
    `stop` may be called from any thread, and all else from one.
    """

    def __init__(
        self, delete_session: DeleteSession | AsyncDeleteSession, concurrency: int
    ) -> None:
        self.outcomes: deque[Outcome] = deque()  #: of those that have ended
        self.in_flight: dict[Job, None] = {}  #: those whose request was sent
        self.ended_by: Exception | None = None  #: what ended the run before the ids did
        self.is_stopped: bool = False  #: whether nothing new is sent
        self.has_ids: bool = True  #: whether there may be one more
        self.waited: float = 0.0  #: seconds. What the caller does between outcomes is no wait
        self._delete_session = delete_session
        self._concurrency = concurrency
        backoff = partial(delete_session.retry.pause, random=delete_session.random)
        self._gate = RateLimitGate(backoff)
        self._breaker = CircuitBreaker(backoff, delete_session.retry.deadline)
        self._pauses = 0
        self._last_limit: RateLimitError | None = None
        self._jobs: list[Job] = []  # those that were taken, and have no outcome yet
        self._queue: list[Job] = []  # those of them that wait, in the order in which they go

    def stop(self) -> None:
        """Take and send nothing new. A signal's handler may do so at any moment."""
        self.is_stopped = True

    @property
    def takes_ids(self) -> bool:
        """Whether one more may be taken."""
        return self.has_ids and not self.is_stopped

    @property
    def is_finished(self) -> bool:
        """Whether nothing is on its way, and nothing will be."""
        return not (self.takes_ids or self._jobs or self.outcomes)

    @property
    def waiting(self) -> int:
        """How many of those that were taken wait."""
        return len(self._jobs) - len(self.in_flight)

    def has_room(self) -> bool:
        """Say whether one more id may be taken."""
        if not self.takes_ids or (self._queue and self._queue[0].goes_first):
            return False  # A new id would only wait behind what goes first.
        if self._breaker.is_open:
            return self._has_room_in_outage()
        if self._queue and self._queue[0].due_at <= self._now():
            return False  # A retry that is due goes before a new id.
        # One id that waits for its retry must not stop a run with a concurrency of 1.
        most = max(self._concurrency, 2)
        return len(self.in_flight) < self._concurrency and len(self._jobs) < most

    def _has_room_in_outage(self) -> bool:
        if not self._breaker.has_probed:
            return False  # The first half-open probe is for an id that is held already.
        has_fewer = len(self._jobs) < max(self._concurrency, _MOST_IN_OUTAGE)
        return has_fewer or self._breaker.may_be_ids_own

    @property
    def needs_new_id(self) -> bool:
        """Whether only another id can show what the run waits for, or none is held."""
        return self.takes_ids and (self._breaker.may_be_ids_own or not self._jobs)

    def admit(self, ids: Iterator[str | uuid.UUID]) -> None:
        """Take the next id, if there is one, and begin its conversation."""
        held = len(self._jobs)
        try:
            # One call that runs no Python but that of the ids, so that a Ctrl-C loses none.
            self._jobs.extend(map(Job, map(next, [ids])))
        except Exception as error:
            if len(self._jobs) > held:  # A signal's handler raised it, when the id was here.
                raise
            self.note_end_of_ids(error)
            return
        if len(self._jobs) == held:
            self.note_end_of_ids(None)
            return
        job = self._jobs[-1]
        job.conversation = converse(
            job.session_id,
            headers=self._delete_session.headers,
            retry=self._delete_session.retry,
            monotonic=lambda: job.charged,  # What counts against its deadline, and nothing else.
            random=self._delete_session.random,
        )
        self._advance(job, job.conversation.__next__, now=self._now())

    def note_end_of_ids(self, error: BaseException | None) -> None:
        """Note that no id comes any more, and what ended them, if that was an error."""
        self.has_ids = False
        if isinstance(error, Exception) and self.ended_by is None:
            self.ended_by = error

    def _advance(self, job: Job, resume: Callable[[], Step], *, now: float) -> None:
        """Let a conversation go on until it ends, or wants to send: then its job waits."""
        job.due_at = now
        try:
            step = resume()
            while not isinstance(step, Send):
                if isinstance(step, Failed):
                    step = job.conversation.send(self._note_failed(job, step))
                else:
                    job.charged += step.seconds
                    job.due_at = now + step.seconds
                    step = next(job.conversation)
        except StopIteration as end:
            self._note_if_service_works(job, end.value)
            self._end(job, end.value)
        except DeleteSessionError as error:
            self._note_if_service_works(job, error)
            self._breaker.note_if_probe(job, error)  # `_note_failed` sees transient ones alone.
            self._end(job, error.with_traceback(None))  # An outcome must not hold the run.
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            # The response cannot be read: the transport broke the port.
            lost = self._end_faulty(error.with_traceback(None))
            self._end(job, job.unreachable(lost))
        else:
            job.send = step
            # One that has waited a 429 out goes first. So does a new id, if only such a one tells.
            only_new_ids_tell = self._breaker.has_probed and self._breaker.may_be_ids_own
            is_wanted_now = job.error is None and only_new_ids_tell
            job.goes_first = isinstance(job.error, RateLimitError) or is_wanted_now
            insort(self._queue, job, key=lambda other: (not other.goes_first, other.due_at))

    def due_in(self) -> float:
        """Return the seconds until something may be sent. Infinity: a result must come first."""
        if self.is_stopped:
            return 0.0 if self._queue else math.inf  # `next_job` ends those that wait.
        return max(0.0, min(self._next_send_in(), self._outage_ends_in()))

    def _next_send_in(self) -> float:
        if not self._queue or len(self.in_flight) >= self._concurrency:
            return math.inf
        now = self._now()
        due_in = self._queue[0].due_at - now
        if not self._breaker.is_open:
            return max(due_in, self._gate.next_send_at - now)
        if self._breaker.probe in self.in_flight:
            return math.inf  # Half-open probes go one at a time.
        return max(due_in, self._breaker.next_probe_at - now, self._gate.paused_until - now)

    def next_job(self) -> Job | None:
        """End what is over. Take one out of those that wait, to be sent now. None: not now."""
        self._look_at_outage()
        self.end_remaining()
        if self._next_send_in() > 0 or self.is_stopped:  # A signal may have come just now.
            return None
        job = self._queue.pop(0)
        if self._breaker.is_open:
            self._breaker.probe = job
        job.requests += 1
        job.sent_at = job.landed_at = self._now()
        job.timeout = min(job.send.timeout, self._breaker.longest_timeout(self.waited))
        job.number = self._gate.note_sent(job.sent_at)
        return job

    def note_sent(self, job: Job) -> None:
        """Note that its request is on its way."""
        self.in_flight[job] = None

    def note_not_sent(self, job: Job, error: Exception) -> None:
        """Note that nothing can carry a request. The run ends with what is in flight."""
        job.requests -= 1
        self._end_run(RuntimeError(f"no request can be sent: {error}"), error)

    def settle(self, job: Job, result: Response | BaseException) -> None:
        """Take the response to a request, or what the transport raised. Once ended: nothing."""
        if job not in self.in_flight:
            return
        del self.in_flight[job]
        job.charged += job.latency
        if not isinstance(result, BaseException):
            if getattr(result, "status", None) != 429:  # The conversation checks what it is.
                self._gate.note_accepted(job.number)
            self._advance(job, partial(job.conversation.send, result), now=job.landed_at)
            return
        self._gate.note_lost(job.number)
        lost = result if isinstance(result, TransportError) else self._end_faulty(result)
        self._advance(job, partial(job.conversation.throw, lost), now=job.landed_at)
        lost.__traceback__ = None  # Its frames hold the run, and the error holds it.

    def _note_if_service_works(self, job: Job, outcome: Outcome) -> None:
        if not isinstance(outcome, DeleteSessionError) or outcome.shows_service_works:
            self._breaker.note_response(sent_at=job.sent_at)

    def _note_failed(self, job: Job, failed: Failed) -> bool:
        """Note an attempt that failed. Return whether it is held back: it counts for nothing."""
        job.error = failed.error.with_traceback(None)  # Its frames hold the run.
        self._note_if_service_works(job, failed.error)
        if isinstance(failed.error, RateLimitError):
            begins = self._note_rate_limit(job, failed.error)
            is_held_back = True
        else:
            oldest = min((other.sent_at for other in self.in_flight), default=math.inf)
            begins = self._breaker.note_failure(
                job, failed, waited=self.waited, oldest_sent_at=oldest, takes_ids=self.takes_ids
            )
            # A stopped run makes no retry: the job ends with this error.
            is_held_back = self._breaker.is_open or self.is_stopped
        if is_held_back:
            job.charged -= job.latency
        self._pauses += begins
        if begins and (pause := self.pause) is not None:
            text = "%s: %s. Next request in %.1f s; the run ends if this lasts beyond the deadline"
            log(logging.WARNING, text, pause.reason, failed.error.args[0], pause.seconds_left)
        return is_held_back

    def _note_rate_limit(self, job: Job, error: RateLimitError) -> bool:
        """Note a 429, end the run if it would last too long, and say whether a pause begins."""
        self._last_limit = error
        wait = error.retry_after
        begins = self._gate.note_limited(
            job.number, latency=job.latency, now=job.landed_at, waited=self.waited, wait=wait
        )
        lasted = self._gate.limited_for(self.waited)
        if max(wait or 0.0, lasted) > self._delete_session.retry.deadline:
            message = f"the rate limit has let no request through for {lasted:.0f} s"
            if wait is not None and wait > lasted:
                message = f"the rate limit asks for a wait of {wait:.0f} s"
            ended = RunEndedError(message, reason="rate limit", lasted=lasted, retry_after=wait)
            self._end_run(ended, error)
        return begins

    @property
    def pause(self) -> Pause | None:
        """What holds the whole run back now."""
        now = self._now()
        left = self._gate.paused_until - now
        if self._breaker.is_open and self._breaker.failures:
            reason = "outage"
            error: DeleteSessionError | None = self._breaker.failures[-1].error
            left = max(0.0, left, self._breaker.next_probe_at - now)
        else:
            reason = "rate limit"
            error = self._last_limit
        if self.is_stopped or (reason == "rate limit" and left <= 0):
            return None
        return Pause(
            reason=reason, seconds_left=left, waiting=self.waiting, number=self._pauses, error=error
        )

    @property
    def _have_all_failed(self) -> bool:
        """Whether no id remains that has not failed."""
        return not self.takes_ids and all(job.failing_since is not None for job in self._jobs)

    def _outage_ends_in(self) -> float:
        return self._breaker.ends_in(self.waited, have_all_failed=self._have_all_failed)

    def _look_at_outage(self) -> None:
        """End the run, or the outage, once it has lasted for long enough."""
        if self.is_stopped or self._outage_ends_in() > _A_ROUNDING:
            return
        if self._breaker.may_be_ids_own and self._have_all_failed:
            # As if the service had responded: from now on each of them fails by itself.
            self._breaker.note_response(sent_at=self._now())
            return
        self._end_run(self._breaker.end_error(self.waited), self._breaker.failures[-1].error)

    def _end_faulty(self, cause: BaseException) -> TransportError:
        """End the run: the transport broke the port, and cannot say what became of the session."""
        kind = type(cause).__name__
        self._end_run(RuntimeError(f"no request can be sent ({kind})"), cause)
        lost = ConnectionLostError(f"the transport failed ({kind})")
        lost.__cause__ = cause
        return lost

    def _end_run(self, error: Exception, cause: BaseException) -> None:
        error.__cause__ = cause
        if self.ended_by is None and not self.is_stopped:  # The first reason is the reason.
            self.ended_by = error
        self.stop()

    def end_remaining(self, *, even_in_flight: bool = False) -> None:
        """Once it is stopped, end what is not in flight, with what its last attempt met."""
        if even_in_flight:
            self.in_flight.clear()
        if self.is_stopped:
            self._queue.clear()
            # An interruption (Ctrl-C) may have left one of them half-way.
            for job in [one for one in self._jobs if one not in self.in_flight]:
                self._end(job, job.outcome or job.if_left())

    def _end(self, job: Job, outcome: Outcome) -> None:
        job.outcome = outcome  # An interruption may come between any two steps.
        if all(other is not outcome for other in self.outcomes):
            self.outcomes.append(outcome)
        self._jobs.remove(job)

    def _now(self) -> float:
        return self._delete_session.transport.monotonic()
