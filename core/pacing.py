"""When a run may send: the service's rate limit, and its outages. Pure.

Both hold the whole run back. A name that asks changes nothing; the methods that begin with `note_`
take what happened.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from .errors import DeleteSessionError, ResponseError, ServiceUnavailableError
from .retry import RetryPolicy

_HALF_LIFE = 1.8
"""Seconds of sending in which the spacing halves; at least four latencies.
`tests/benchmarks/rate_limits.py` found it."""

_PAGES_ALONE = 30.0
"""Seconds after which a run ends that has met other people's pages alone, and never the service:
its address is wrong. A service that restarts is a 5xx, or no connection."""


class RateLimitGate:
    """Says when the next request may be sent, from the responses with status 429.

    A 429 pauses the run for as long as the service asks, and after the pause requests are spaced.
    The first spacing is the average at which the service has accepted requests so far, pause
    included. Each request that was sent after the spacing shortens it, and each later 429
    doubles it.

    If the first request after a pause gets a 429 too, the next pause grows as the policy's backoff
    does, and a half-open probe goes alone after it.

    Args:
        retry: its backoff is used where the service names no time, or too short a time.
        random: gives a number from 0 to 1.
    """

    def __init__(self, retry: RetryPolicy, random: Callable[[], float]) -> None:
        #: nothing is sent until then, in seconds on the run's clock
        self.paused_until: float = -math.inf
        #: since when the service has accepted nothing; None: the last response was no 429
        self.limited_since: float | None = None
        self._retry = retry
        self._random = random
        self._sent = 0
        self._sent_before_pause = 0
        self._limited = 0  # how many requests got a 429
        self._first_sent_at: float
        self._last_sent_at = -math.inf
        self._spacing = 0.0  # seconds between two requests
        self._shortest_spacing = 0.0
        self._half_life = _HALF_LIFE
        self._is_first_spacing = True
        self._pauses_in_a_row = 0  # with no accepted request between them

    @property
    def next_send_at(self) -> float:
        """When one more request may be sent."""
        spacing = max(self._spacing, self._shortest_spacing)
        return max(self.paused_until, self._last_sent_at + spacing)

    def note_sent(self, now: float) -> int:
        """Count a request that is sent now, and return its number."""
        if not self._sent:
            self._first_sent_at = now
        if self._last_sent_at >= self.paused_until:  # It was sent after the spacing.
            self._spacing *= 2 ** -min(1.0, self._spacing / self._half_life)
        elif self._is_first_spacing and self._sent > self._limited:
            average = (self.paused_until - self._first_sent_at) / (self._sent - self._limited)
            self._spacing = min(average, self.paused_until - self._last_sent_at)
        self._sent += 1
        self._last_sent_at = now
        return self._sent

    def note_accepted(self, number: int) -> None:
        """Note that a request got another status than 429."""
        self.limited_since = None
        if number > self._sent_before_pause:
            self._pauses_in_a_row = 0
            self._shortest_spacing = 0.0

    def note_limited(
        self, number: int, *, latency: float, now: float, retry_after: float | None
    ) -> None:
        """Note a 429, and pause.

        Args:
            number: which request it is for.
            latency: seconds from that request to its response.
            now: the time, in seconds.
            retry_after: the seconds that the service asks to wait. None: it names no time.
        """
        self.limited_since = now if self.limited_since is None else self.limited_since
        self._limited += 1
        wait = retry_after or 0.0
        if number > self._sent_before_pause:  # Another one says nothing new, but perhaps a time.
            wait = self._begin_pause(number, latency, wait, is_told=retry_after is not None)
        self.paused_until = max(self.paused_until, now + wait)

    def _begin_pause(self, number: int, latency: float, wait: float, *, is_told: bool) -> float:
        accepted = number - 1 - self._sent_before_pause  # since the last pause
        if self._pauses_in_a_row and not accepted:
            self._pauses_in_a_row += 1
            backoff = self._retry.pause(self._pauses_in_a_row, self._random)
            wait = max(wait, backoff)
            self._shortest_spacing = min(backoff, max(0.1, 2 * latency))
        else:
            self._pauses_in_a_row = 1
            self._shortest_spacing = 0.0
            wait = wait if is_told else self._retry.pause(1, self._random)
            self._is_first_spacing = self._is_first_spacing and not self._spacing
            self._spacing *= 2
        self._half_life = max(_HALF_LIFE, 4 * latency)
        self._sent_before_pause = self._sent
        return wait


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """What holds a whole run back at the moment."""

    reason: str
    """`rate limit` or `outage`."""
    seconds_left: float
    """Seconds until the next request may be sent."""
    waiting: int
    """How many of the ids that were taken wait meanwhile."""
    number: int
    """Which pause of the run this is, from 1: a higher number is another pause."""


class _Failure(NamedTuple):
    session_id: str
    sent_at: float
    failed_at: float


class Outage:
    """Says whether the service is away, and when a half-open probe may find out.

    A failure counts until a request that was sent later gets a response of the service itself. A
    page of a gateway is a failure, too. The service is away if the failures of at least two ids
    count, and if all that was in flight at the first of them has failed as well, or if one of the
    ids would be given up otherwise.

    Args:
        retry: its backoff lies between two probes; its deadline is how long an outage may last.
        random: gives a number from 0 to 1.
    """

    def __init__(self, retry: RetryPolicy, random: Callable[[], float]) -> None:
        self.is_on: bool = False  #: whether the service is away
        self.next_probe_at: float = -math.inf
        self.last_error: DeleteSessionError
        #: whether no request of the run met anything but the page of somebody else
        self.is_met_by_pages_alone: bool = True
        self._retry = retry
        self._random = random
        self._failures: list[_Failure] = []
        self._refuted: set[str] = set()
        self._served_at = -math.inf  # when the last request was sent that the service responded to
        self._probes: int  # that failed

    @property
    def began_at(self) -> float:
        """When the first failure came, in seconds on the run's clock."""
        return self._failures[0].failed_at

    @property
    def ends_run_at(self) -> float:
        """When it has lasted for longer than the policy's deadline."""
        longest = self._retry.deadline
        if self.is_met_by_pages_alone:
            longest = min(longest, _PAGES_ALONE)
        return self.began_at + longest if self.is_on else math.inf

    def note_failure(  # noqa: PLR0913 - what is known of one failure
        self,
        session_id: str,
        error: DeleteSessionError,
        *,
        sent_at: float,
        now: float,
        oldest_in_flight: float,
        is_last: bool,
    ) -> None:
        """Note a failure that may be a sign of an outage.

        Args:
            session_id: whose request failed.
            error: what it met.
            sent_at: when the request was sent, in seconds.
            now: the time, in seconds.
            oldest_in_flight: when the oldest request that is still in flight was sent.
            is_last: whether the id is given up now, unless an outage is the reason.
        """
        if sent_at <= self._served_at:
            self._refuted.add(session_id)
            return
        if not isinstance(error, ResponseError) or isinstance(error, ServiceUnavailableError):
            self.is_met_by_pages_alone = False
        self.last_error = error
        self._failures.append(_Failure(session_id, sent_at, now))
        is_new = not self.is_on
        if is_new:
            ids = {failure.session_id for failure in self._failures}
            self.is_on = len(ids) > 1 and (is_last or oldest_in_flight > self.began_at)
            self._probes = 0
        if self.is_on and (is_new or sent_at >= self.next_probe_at):
            self._probes += 1
            backoff = self._retry.pause(self._probes, self._random)
            retry_after = getattr(error, "retry_after", None) or 0.0
            self.next_probe_at = min(now + max(backoff, retry_after), self.ends_run_at)

    def note_response(self, *, sent_at: float) -> None:
        """Note a response of the service itself: it was there at `sent_at`."""
        self.is_met_by_pages_alone = False
        self._served_at = max(self._served_at, sent_at)
        failures, self._failures = self._failures, []
        for failure in failures:
            if failure.sent_at <= sent_at:
                self._refuted.add(failure.session_id)
            else:
                self._failures.append(failure)
        self.is_on = self.is_on and bool(self._failures)

    def is_refuted(self, session_id: str) -> bool:
        """Say whether an id failed while the service served others."""
        return session_id in self._refuted

    def forget(self, session_id: str) -> None:
        """Note that the run is done with an id."""
        self._refuted.discard(session_id)
