"""When a run may send: each session's own clock, the rate limit, and outages. Pure."""

import math
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from .conversation import Conversation, Failed, Send
from .errors import (
    DeleteSessionError,
    NotTriedError,
    Outcome,
    ServiceUnavailableError,
    UnreachableError,
)
from .receipt import SessionFate

_HALF_LIFE = 1.8  # in seconds; tests/benchmarks/rate_limits.py found it
_PAGES_ALONE = 30.0  # seconds; a run that meets other people's pages alone has a wrong address


class Job:
    """One session of a run, and its own clock. Times are in seconds."""

    conversation: Conversation
    send: Send  # what the conversation wants next
    sent_at: float  # its last request
    timeout: float  # of that
    number: int  # of that, among all of the run
    due_at: float  # when it may be sent again, at the earliest
    clock: float = 0.0  # It runs only while what the policy limits goes on.
    requests: int = 0
    first_failed: float = math.inf  # when the first request was sent that failed
    error: DeleteSessionError | None = None  # what the last attempt met
    outcome: Outcome | None = None

    def __init__(self, session_id: object) -> None:
        self.session_id = session_id  # as it was given

    def unreachable(self, reason: str) -> UnreachableError | NotTriedError:
        """Return the outcome of a session that got no response, for a reason of the run."""
        session_id = str(self.session_id)
        if not self.requests:
            return NotTriedError(reason, session_id=session_id)
        fate = SessionFate.UNKNOWN
        return UnreachableError(
            reason, session_id=session_id, session_fate=fate, attempts=self.requests
        )


class RateLimitGate:
    """Says when the next request may be sent, from the responses with status 429.

    A 429 pauses the run for as long as the service asks. If nothing is accepted then, the next
    pause is the backoff at least, and half-open probes go one by one. After the first pause,
    requests are spaced evenly, as the service has accepted them until then, pause included. The
    spacing halves in about two seconds of sending, and each 429 after a pause doubles it.
    """

    def __init__(self, backoff: Callable[[int], float]) -> None:
        self.paused_until: float = -math.inf  #: nothing is sent until then
        self.limited_since: float = math.inf  #: since when nothing was accepted
        self._backoff = backoff
        self._sent = 0
        self._sent_before_pause = 0
        self._limited = 0  # how many requests got a 429
        self._first_sent_at = math.inf
        self._last_sent_at = -math.inf
        self._latency = 0.0  # of the last 429 that began a pause
        self._spacing = 0.0  # seconds between two requests
        self._pauses_in_a_row = 0  # with no accepted request between them

    @property
    def next_send_at(self) -> float:
        """When one more request may be sent."""
        of_probes = max(0.1, 2 * self._latency) if self._pauses_in_a_row > 1 else 0.0
        return max(self.paused_until, self._last_sent_at + max(self._spacing, of_probes))

    def note_sent(self, now: float) -> int:
        """Count a request that is sent now, and return its number."""
        self._first_sent_at = min(self._first_sent_at, now)
        if self._last_sent_at >= self.paused_until:  # It was sent after the spacing.
            self._spacing *= 2 ** -min(1.0, self._spacing / max(_HALF_LIFE, 4 * self._latency))
        elif not self._spacing and self._sent > self._limited:
            average = (self.paused_until - self._first_sent_at) / (self._sent - self._limited)
            self._spacing = min(average, self.paused_until - self._last_sent_at)
        self._sent += 1
        self._last_sent_at = now
        return self._sent

    def note_accepted(self, number: int) -> None:
        """Note that a request got another status than 429."""
        self.limited_since = math.inf
        if number > self._sent_before_pause:
            self._pauses_in_a_row = 0

    def note_limited(self, number: int, *, latency: float, now: float, wait: float | None) -> bool:
        """Note a 429 to a request, and return whether a pause begins with it.

        `latency` is the seconds between the two, and `wait` those that it asks to wait, if any.
        """
        self.limited_since = min(self.limited_since, now)
        self._limited += 1
        seconds = wait or 0.0
        is_new = number > self._sent_before_pause
        if is_new:  # Another one says nothing new, but perhaps a longer time.
            is_first = number > self._sent_before_pause + 1  # Those before it were accepted.
            self._pauses_in_a_row = 1 if is_first else self._pauses_in_a_row + 1
            if self._pauses_in_a_row == 1:
                self._spacing *= 2
            if self._pauses_in_a_row > 1 or wait is None:
                seconds = max(seconds, self._backoff(self._pauses_in_a_row))
            self._latency = latency
            self._sent_before_pause = self._sent
        self.paused_until = max(self.paused_until, now + seconds)
        return is_new


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """What holds a whole run back at the moment."""

    reason: str  #: `rate limit` or `outage`
    seconds_left: float  #: seconds until something may be sent
    waiting: int  #: how many of the ids that were taken wait meanwhile
    number: int  #: which pause of the run this is, from 1: a higher number is another pause
    error: DeleteSessionError | None = None  #: the last 429, or the last failure of the outage


class Failure(NamedTuple):
    """An attempt that may be a sign of an outage. Times are seconds on the run's clock."""

    error: DeleteSessionError
    sent_at: float
    failed_at: float


class Outage:
    """Says whether the service is away, and when a half-open probe may find out.

    A failure counts until a request that was sent later gets a response of the service itself. A
    page of a gateway is a failure, too. The service is away if the failures of at least two ids
    count, and if all that was in flight at the first of them has failed as well, or if one of the
    ids would be given up otherwise. The policy's backoff lies between two probes.
    """

    def __init__(self, backoff: Callable[[int], float], deadline: float) -> None:
        self.is_on: bool = False  #: whether the service is away
        self.next_probe_at: float  #: once it is away
        self.served_at: float = -math.inf  #: when what the service last responded to was sent
        self.is_met_by_pages_alone: bool = True  #: those of others, and no response
        self.failures: list[Failure] = []  #: those that count
        self._backoff = backoff
        self._deadline = deadline
        self._probes = 0  # that failed

    @property
    def ends_run_at(self) -> float:
        """When it has lasted for longer than the policy's deadline."""
        most = _PAGES_ALONE if self.is_met_by_pages_alone else math.inf
        return self.failures[0].failed_at + min(self._deadline, most) if self.is_on else math.inf

    def note_failure(self, failed: Failed, *, sent_at: float, now: float, oldest: float) -> bool:
        """Note an attempt that has failed, and return whether an outage begins with it.

        `oldest` is when the oldest request that is still in flight was sent.
        """
        if sent_at <= self.served_at:
            return False
        if isinstance(failed.error, ServiceUnavailableError | UnreachableError):
            self.is_met_by_pages_alone = False
        self.failures.append(Failure(failed.error, sent_at, now))
        ids = {one.error.session_id for one in self.failures}
        have_all_failed = failed.is_last or oldest > self.failures[0].failed_at
        is_new = not self.is_on and len(ids) > 1 and have_all_failed
        if is_new or (self.is_on and sent_at >= self.next_probe_at):
            self.is_on = True
            self._probes += 1
            wait = getattr(failed.error, "retry_after", None) or 0.0
            self.next_probe_at = min(now + max(self._backoff(self._probes), wait), self.ends_run_at)
        return is_new

    def note_response(self, *, sent_at: float) -> None:
        """Note a response of the service itself: it was there at `sent_at`."""
        self.is_met_by_pages_alone = False
        self.served_at = max(self.served_at, sent_at)
        self.failures = [failure for failure in self.failures if failure.sent_at > self.served_at]
        if not self.failures:
            self.is_on, self._probes = False, 0
