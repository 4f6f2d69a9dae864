"""Limiters of several kinds, of so many requests a minute: Firecrawl's own, and those of gateways.

`request` counts a request. It returns 0 if that is accepted, else the seconds until one is.
"""

import heapq
import math
from collections import deque
from collections.abc import Callable

from .world import Limiter

MINUTE = 60.0
_ROUNDING = 1e-6  # of floats: a request exactly at the end is not too early


class FixedWindow:
    """Firecrawl's own kind: a minute begins with a request, and counts a 429, too."""

    def __init__(self, requests: int) -> None:
        self._requests = requests
        self._consumed = 0
        self._ends = -math.inf

    def request(self, now: float) -> float:
        if self._ends - now < _ROUNDING:
            self._ends = now + MINUTE
            self._consumed = 0
        self._consumed += 1
        return 0 if self._consumed <= self._requests else self._ends - now


class SlidingWindow:
    """It is always the last minute. A 429 does not count in it."""

    def __init__(self, requests: int) -> None:
        self._accepted = deque([-math.inf] * requests)  # when each of the last ones came

    def request(self, now: float) -> float:
        wait = self._accepted[0] + MINUTE - now
        if wait > _ROUNDING:
            return wait
        self._accepted.popleft()
        self._accepted.append(now)
        return 0


class Bucket:
    """A token bucket, which is refilled evenly. With a `burst` of 1, it is nginx's `limit_req`."""

    def __init__(self, requests: int, burst: int | None = None) -> None:
        self._seconds_for_one = MINUTE / requests
        self._spare = (burst or requests) - 1
        self._is_full_at = -math.inf

    def request(self, now: float) -> float:
        wait = self._is_full_at - self._spare * self._seconds_for_one - now
        if wait > _ROUNDING:
            return wait
        self._is_full_at = max(self._is_full_at, now) + self._seconds_for_one
        return 0


LIMITERS: dict[str, Callable[[int], Limiter]] = {
    "fixed window": FixedWindow,
    "sliding window": SlidingWindow,
    "bucket": Bucket,
}


def shortest_time(limiter: Limiter, sessions: int, concurrency: int, latency: float) -> float:
    """Return the seconds that a client needs which asks every second, and pays nothing for it."""
    now, free_at = 0.0, [0.0] * concurrency
    for _ in range(sessions):
        now = max(now, heapq.heappop(free_at))
        while wait := limiter.request(now):
            now += min(wait, 1.0)
        heapq.heappush(free_at, now + latency)
    return max(free_at)
