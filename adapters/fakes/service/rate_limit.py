"""How many requests a `FakeService` accepts from a team, and which wait a 429 names."""

import math
from collections import deque
from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from .faults import FakeServiceError

Window: TypeAlias = Literal["fixed", "aligned", "sliding"]

_WINDOWS = ("fixed", "aligned", "sliding")
_ROUNDING = 1e-6  # of floats: a request exactly at the end is not too early


def round_as_the_service_does(seconds: float) -> int:
    """Round to whole seconds, as `Math.round(ms / 1000) || 1` does: up to half a second too low."""
    return math.floor(seconds + 0.5) or 1


class RateLimit(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """A limit of requests for each team: in a window of time, or as a token bucket.

    `RateLimit(10)` is the service's own kind. `RateLimit(600, burst=1)` accepts one request every
    0.1 s, as gateways do (nginx `limit_req`).

    Raises:
        FakeServiceError: a value cannot work.
    """

    requests: int
    """How many it accepts in `seconds`. 0: none."""
    seconds: float = 60
    window: Window = "fixed"
    """`"fixed"` begins with a request, and the next one with the first request after its end.
    `"aligned"` begins at each multiple of `seconds` on the service's clock, like a minute of the
    day. `"sliding"` is always the last `seconds`. A 429 does not count in it."""
    burst: int | None = None
    """The size of a token bucket, which is refilled at `requests` in `seconds`. None: a window."""
    retry_after: Callable[[float], int | None] = round_as_the_service_does
    """Which wait a 429 names. It takes the seconds until a request is accepted again, and returns
    whole seconds; None: the response names no wait. `math.ceil` is never too short."""

    def __post_init__(self) -> None:
        least = 0 if self.burst is None else 1
        if type(self.requests) is not int or self.requests < least:
            raise FakeServiceError(f"requests must be an int from {least} on: {self.requests!r}")
        if not 0 < self.seconds < math.inf:
            raise FakeServiceError(f"seconds must be more than 0 and finite: {self.seconds!r}")
        if self.window not in _WINDOWS:
            raise FakeServiceError(f"window must be one of {_WINDOWS}: {self.window!r}")
        if self.burst is not None and (type(self.burst) is not int or self.burst < 1):
            raise FakeServiceError(f"burst must be an int from 1 on: {self.burst!r}")
        if self.burst is not None and self.window != "fixed":
            raise FakeServiceError("a rate limit has a window or a burst, not both")


class Usage:
    """What one team has used of its rate limit, which may change between two requests."""

    def __init__(self) -> None:
        self.consumed: int = 0  #: of what is allowed now, with the request just counted
        self._window_ends = -math.inf
        self._taken: deque[float] = deque()  # when each request in the sliding window came
        self._bucket_is_full_at = -math.inf

    def count_request(self, limit: RateLimit, now: float) -> float:
        """Count a request. Return 0 if it is accepted, else the seconds until one is."""
        if limit.burst is not None:
            return self._count_in_bucket(limit, limit.burst, now)
        if limit.window == "sliding":
            return self._count_in_sliding_window(limit, now)
        return self._count_in_window(limit, now)

    def _count_in_window(self, limit: RateLimit, now: float) -> float:
        if self._window_ends - now < _ROUNDING:
            began = now
            if limit.window == "aligned":
                began = math.floor((now + _ROUNDING) / limit.seconds) * limit.seconds
            self._window_ends = began + limit.seconds
            self.consumed = 0
        self.consumed += 1
        return 0 if self.consumed <= limit.requests else self._window_ends - now

    def _count_in_sliding_window(self, limit: RateLimit, now: float) -> float:
        taken = self._taken
        while taken and taken[0] + limit.seconds - now < _ROUNDING:
            taken.popleft()
        self.consumed = len(taken) + 1
        if self.consumed <= limit.requests:
            taken.append(now)
            return 0
        return (taken[-limit.requests] if limit.requests else now) + limit.seconds - now

    def _count_in_bucket(self, limit: RateLimit, burst: int, now: float) -> float:
        seconds_for_one = limit.seconds / limit.requests
        wait = self._bucket_is_full_at - (burst - 1) * seconds_for_one - now
        if wait > _ROUNDING:
            self.consumed = burst + 1
            return wait
        self._bucket_is_full_at = max(self._bucket_is_full_at, now) + seconds_for_one
        return 0
