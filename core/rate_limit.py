"""The rate limit of a run: when the next request may be sent. Pure.

Times are in seconds on the transport's clock, except how long nothing was accepted, which is
counted in seconds that the run itself has `waited`, so that a slow caller ends no run.
"""

import math
from collections.abc import Callable

_HALF_LIFE = 1.8  # in seconds; tests/benchmarks/rate_limits.py found it


class RateLimitGate:
    """Says when the next request may be sent, from the responses with status 429.

    A 429 pauses the run for as long as the service asks. If nothing is accepted then, the next
    pause is the backoff at least, and requests are two latencies apart until one is accepted.

    After the first pause, requests are spaced evenly: by the seconds from the first request to the
    end of the pause, divided by the number of requests sent in them that got no 429 so far; but by
    no more than the seconds from the last request to the end of the pause. Each request after that
    shortens the spacing, which halves in 1.8 seconds of sending, or in four latencies if these are
    longer; no request does more than halve it. A 429 that begins a pause doubles it, but pauses in
    a row double it once. Two pauses are in a row if no request was accepted between them, and a 429
    to the first request after the earlier one begins the later one. A lost request does not count.
    """

    def __init__(self, backoff: Callable[[int], float]) -> None:
        self.paused_until: float = -math.inf  #: nothing is sent until then
        self._limited_since: float | None = None  # `waited`, when the first 429 of a row came
        self._backoff = backoff
        self._sent = 0
        self._last_uninformative = 0  # Up to this request, a response says nothing of the pause.
        self._limited = 0  # how many requests got a 429
        self._first_sent_at = math.inf
        self._last_sent_at = -math.inf
        self._latency = 0.0  # of the last 429 that began a pause
        self._spacing = 0.0  # seconds between two requests
        self._pauses_in_a_row = 0  # with no accepted request between them

    @property
    def next_send_at(self) -> float:
        """When one more request may be sent."""
        # A second pause in a row shows that the first was too short. Until a request is accepted,
        # each has the time to get its 429 before the next one goes.
        of_probes = max(0.1, 2 * self._latency) if self._pauses_in_a_row > 1 else 0.0
        return max(self.paused_until, self._last_sent_at + max(self._spacing, of_probes))

    def limited_for(self, waited: float) -> float:
        """Return the seconds in which there were 429s, and no request was accepted."""
        return 0.0 if self._limited_since is None else waited - self._limited_since

    def note_sent(self, now: float) -> int:
        """Count a request that is sent now, and return its number."""
        self._first_sent_at = min(self._first_sent_at, now)
        not_limited = self._sent - self._limited
        if self._last_sent_at >= self.paused_until:  # No pause since the last request.
            halvings = self._spacing / max(_HALF_LIFE, 4 * self._latency)
            self._spacing *= 2 ** -min(1.0, halvings)
        elif not_limited and not self._spacing:  # The first one after a pause, and no spacing yet.
            average = (self.paused_until - self._first_sent_at) / not_limited
            self._spacing = min(average, self.paused_until - self._last_sent_at)
        self._sent += 1
        self._last_sent_at = now
        return self._sent

    def note_accepted(self, number: int) -> None:
        """Note that a request got another status than 429."""
        self._limited_since = None
        if number > self._last_uninformative:
            self._pauses_in_a_row = 0

    def note_lost(self, number: int) -> None:
        """Note that a request got no response. It says nothing of the pause: the next one will."""
        if number == self._last_uninformative + 1:
            self._last_uninformative = number

    def note_limited(
        self, number: int, *, latency: float, now: float, waited: float, wait: float | None
    ) -> bool:
        """Note that a request got a 429 now, and return whether a pause begins with it.

        `latency` is how long the request took, and `wait` for how long the 429 asks to wait.
        """
        if self._limited_since is None:
            self._limited_since = waited
        self._limited += 1
        seconds = wait or 0.0
        # A 429 to a request from before the pause says nothing new, but perhaps a longer time.
        begins = number > self._last_uninformative
        if begins:
            # If it is not the first request after the pause, that one was accepted, or still is
            # under way: the pause was long enough as far as anybody knows.
            is_first_after_pause = number == self._last_uninformative + 1
            self._pauses_in_a_row = self._pauses_in_a_row + 1 if is_first_after_pause else 1
            if self._pauses_in_a_row == 1:
                self._spacing *= 2
            if self._pauses_in_a_row > 1 or wait is None:
                seconds = max(seconds, self._backoff(self._pauses_in_a_row))
            self._latency = latency
            self._last_uninformative = self._sent
        self.paused_until = max(self.paused_until, now + seconds)
        return begins
