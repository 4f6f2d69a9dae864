"""How many sessions share one service: its rate limit, and repeats while it is down. Pure."""

import math

from .errors import DeleteSessionError
from .transport import TimedOutError


class RepeatBudget:
    """What tries beyond the first may cost, so that a service that is down is not hammered.

    Successes at the first try refill it. In an outage of any length it pays for twenty repeats.
    """

    _CAPACITY = 100
    _COST = 5
    _COST_AFTER_TIME_OUT = 10

    def __init__(self) -> None:
        self._left = self._CAPACITY

    def may_repeat(self, error: DeleteSessionError) -> bool:
        """Pay for a repeat after this error, if there is enough."""
        timed_out = isinstance(error.__cause__, TimedOutError)
        cost = self._COST_AFTER_TIME_OUT if timed_out else self._COST
        if self._left < cost:
            return False
        self._left -= cost
        return True

    def refill(self) -> None:
        """Give back a little, after a success at the first try."""
        self._left = min(self._CAPACITY, self._left + 1)


class RateLimitGate:
    """Says when a request may go, from what the service's refusals (429) tell.

    A refusal closes the gate until the wait that it names is over. It also shows how many
    requests the service takes in one window and how long a window is; from then on the gate
    closes by itself when a window is full. A probe, one request more, finds out whether the
    service takes more by now: after each probe that is refused, twice as many windows go by
    without one; one that is not refused doubles what a window is thought to take.

    The service has one bucket for each team and minute, which refused requests fill too.
    """

    _MOST_WINDOWS_UNPROBED = 8

    def __init__(self) -> None:
        self.opens_at = -math.inf  #: closed until then, in seconds on the clock that `now` tells
        self.closings = 0  #: how often refusals closed it in a row, with no other answer between
        self._window_takes = math.inf  # requests
        self._window_length = math.inf  # seconds
        self._window_began: float | None = None  # when its first request went
        self._passed = 0  # requests of this window that were not refused
        self._closed = False
        self._unanswered = 0
        self._unprobed = 0  # windows still to go by without a probe
        self._patience = 1

    def allows(self, now: float) -> bool:
        """Tell whether one more request may go now."""
        if now < self.opens_at:
            return False
        if self._closed or self._window_is_over(now):
            self._closed = False
            self._window_began = None
            self._passed = 0
            self._unprobed -= 1
        if self._passed < self._window_takes:
            return True
        if self._unprobed > 0 and self._window_began is not None:
            self._closed = True
            self.opens_at = self._window_began + self._window_length
            return False
        # Beside others a probe might be taken in the place of one of them, and tell nothing.
        return self._unanswered == 0

    def _window_is_over(self, now: float) -> bool:
        return self._window_began is not None and now >= self._window_began + self._window_length

    def sent(self, now: float) -> bool:
        """Count a request that goes now, and tell whether it is a probe."""
        if self._window_began is None:
            self._window_began = now
        self._unanswered += 1
        self._passed += 1
        return self._passed > self._window_takes

    def accepted(self, *, probe: bool) -> None:
        """Note an answer that is no refusal, or that none came."""
        self._unanswered -= 1
        self.closings = 0
        if probe:
            self._window_takes *= 2
            self._patience = 1

    def refused(self, now: float, wait: float, *, probe: bool) -> None:
        """Close for so many seconds."""
        self._unanswered -= 1
        self._passed = max(0, self._passed - 1)
        self._window_takes = max(1, self._passed)
        if now >= self.opens_at:
            self.closings += 1
            self._unprobed = self._patience + 1 if probe else 0
            self._patience = min(self._MOST_WINDOWS_UNPROBED, 2 * self._patience) if probe else 1
        self._closed = True
        self.opens_at = max(self.opens_at, now + wait)
        if self._window_began is not None:
            self._window_length = self.opens_at - self._window_began
