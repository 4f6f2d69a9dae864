"""Limiters of several kinds: the service's own, and those of gateways and other services."""

import heapq
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

Window: TypeAlias = Literal["fixed", "sliding"]

_ROUNDING = 1e-6  # of floats: a request exactly at the end is not too early


@dataclass(frozen=True)
class RateLimit:
    """A limit of requests: in a window of time, or as a token bucket.

    `RateLimit(10)` is the service's own kind. `RateLimit(600, burst=1)` accepts one request every
    0.1 s, as gateways do (nginx `limit_req`).
    """

    requests: int
    """How many it accepts in `seconds`."""
    seconds: float = 60
    window: Window = "fixed"
    """`"fixed"` begins with a request, and the next one with the first request after its end.
    `"sliding"` is always the last `seconds`. A 429 does not count in it."""
    burst: int | None = None
    """The size of a token bucket, which is refilled at `requests` in `seconds`. None: a window."""


class Limited:
    """A service with a rate limit."""

    def __init__(self, limit: RateLimit) -> None:
        self._limit = limit
        self._consumed = 0  # in the window of now
        self._window_ends = -math.inf
        self._accepted: deque[float] = deque()  # when each request in the sliding window came
        self._bucket_is_full_at = -math.inf

    def request(self, now: float) -> float:
        """Count a request. Return 0 if it is accepted, else the seconds until one is."""
        limit = self._limit
        if limit.burst is not None:
            return self._count_in_bucket(limit, limit.burst, now)
        if limit.window == "sliding":
            return self._count_in_sliding_window(limit, now)
        return self._count_in_window(limit, now)

    def _count_in_window(self, limit: RateLimit, now: float) -> float:
        if self._window_ends - now < _ROUNDING:
            self._window_ends = now + limit.seconds
            self._consumed = 0
        self._consumed += 1
        return 0 if self._consumed <= limit.requests else self._window_ends - now

    def _count_in_sliding_window(self, limit: RateLimit, now: float) -> float:
        accepted = self._accepted
        while accepted and accepted[0] + limit.seconds - now < _ROUNDING:
            accepted.popleft()
        if len(accepted) < limit.requests:
            accepted.append(now)
            return 0
        return accepted[-limit.requests] + limit.seconds - now

    def _count_in_bucket(self, limit: RateLimit, burst: int, now: float) -> float:
        seconds_for_one = limit.seconds / limit.requests
        wait = self._bucket_is_full_at - (burst - 1) * seconds_for_one - now
        if wait > _ROUNDING:
            return wait
        self._bucket_is_full_at = max(self._bucket_is_full_at, now) + seconds_for_one
        return 0


RATE_LIMITS: dict[str, Callable[[int], RateLimit]] = {
    "fixed window": RateLimit,
    "sliding window": partial(RateLimit, window="sliding"),
    "bucket": lambda limit: RateLimit(limit, burst=limit),
}


def shortest_time(limiter: Limited, sessions: int, concurrency: int, latency: float) -> float:
    """Return the seconds that a client needs which asks every second, and pays nothing for it."""
    now, free_at = 0.0, [0.0] * concurrency
    for _ in range(sessions):
        now = max(now, heapq.heappop(free_at))
        while wait := limiter.request(now):
            now += min(wait, 1.0)
        heapq.heappush(free_at, now + latency)
    return max(free_at)
