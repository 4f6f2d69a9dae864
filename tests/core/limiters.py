"""Rate limiters of several kinds, and runs against them on a virtual clock."""

import heapq
import math
import random
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

from firecrawl_interact.core import RetryPolicy

try:
    from firecrawl_interact.core.rate_limit import RateLimitGate
except ImportError:
    RateLimitGate = None

from .rate_limit_kinds import RateLimit, Usage

MINUTE = 60.0
ROUNDING = 1e-9
"""Seconds. Times are floats: two that are nearer to each other are the same."""


class Limiter(Protocol):
    def request(self, now: float) -> float:
        """Count a request. Return 0 if it is accepted, else the seconds until one would be."""


RATE_LIMITS: dict[str, Callable[[int], RateLimit]] = {
    "fixed window": RateLimit,
    "aligned window": partial(RateLimit, window="aligned"),
    "sliding window": partial(RateLimit, window="sliding"),
    "bucket": lambda limit: RateLimit(limit, burst=limit),
}


class Limited:
    """A service with a rate limit, which may have another one later.

    An aligned window begins at a `second` of each minute.
    """

    def __init__(
        self,
        limit: RateLimit,
        changes_at: float = math.inf,
        then: RateLimit | None = None,
        *,
        second: float = 40,
    ) -> None:
        self._limit, self._changes_at, self._then = limit, changes_at, then or limit
        self._second, self._usage = second, Usage()

    def request(self, now: float) -> float:
        limit = self._limit if now < self._changes_at else self._then
        return self._usage.count_request(limit, now - self._second)


class Shared:
    """A limiter that another client uses too: so many requests a minute, evenly or in bursts."""

    def __init__(self, limiter: Limiter, others: int, *, in_bursts: bool) -> None:
        self.limiter, self.others, self.in_bursts, self.sent = limiter, others, in_bursts, 0

    def request(self, now: float) -> float:
        while (sent_at := self._others_next()) <= now + ROUNDING:
            self.limiter.request(sent_at)
            self.sent += 1
        return self.limiter.request(now)

    def _others_next(self) -> float:
        minutes = self.sent // self.others if self.in_bursts else self.sent / self.others
        return minutes * MINUTE


NamedWait = Callable[[float], float | None]

RIGHT_WAITS: dict[str, NamedWait] = {
    "exact": lambda wait: wait,
    "rounded up": math.ceil,
    "rounded": lambda wait: (math.floor(wait + 0.5) or 1) + 0.5,  # the text, and half a second
}
"""What a service may name as the time to wait, by the time that is right."""
WRONG_WAITS: dict[str, NamedWait] = {
    "half": lambda wait: wait / 2,
    "rounded down": math.floor,
    "0 s": lambda _: 0.0,
    "1 s": lambda _: 1.0,
}
NO_WAIT: dict[str, NamedWait] = {"none": lambda _: None}


class Load(NamedTuple):
    """What a run has to do. Latencies are in seconds."""

    sessions: int
    concurrency: int
    latency: float
    latency_of_429: float = 0.2


def shortest_time(limiter: Limiter, load: Load) -> float:
    """Return the seconds that a client needs which asks every second, and pays nothing for it."""
    now, free_at = 0.0, [0.0] * load.concurrency
    for _ in range(load.sessions):
        now = max(now, heapq.heappop(free_at))
        while wait := limiter.request(now):
            now += min(wait, 1.0)
        heapq.heappush(free_at, now + load.latency)
    return max(free_at)


class Run(NamedTuple):
    """What came of a run."""

    seconds: float  # Infinite: it gave up.
    limited: int  # responses with status 429, without those for requests in flight at the first


def run(limiter: Limiter, load: Load, named_wait: NamedWait) -> Run:
    """Send requests as a scheduler does that asks the gate."""
    retry = RetryPolicy()
    chance = random.Random(1)  # noqa: S311 - no secret
    gate = RateLimitGate(partial(retry.pause, random=chance.random))
    now = accepted_at = 0.0
    waiting, limited, in_flight_at_first = load.sessions, 0, 0
    # when it ends, its number, when it was sent, and 0 if it is accepted, or else the wait
    in_flight: list[tuple[float, int, float, float]] = []
    while waiting or in_flight:
        may_send = waiting > 0 and len(in_flight) < load.concurrency
        if may_send and gate.next_send_at <= now + ROUNDING:
            number = gate.note_sent(now)
            wait = limiter.request(now)
            latency = load.latency_of_429 if wait else load.latency
            heapq.heappush(in_flight, (now + latency, number, now, wait))
            waiting -= 1
            continue
        ends_at = in_flight[0][0] if in_flight else math.inf
        now = max(now, min(ends_at, gate.next_send_at if may_send else math.inf))
        while in_flight and in_flight[0][0] <= now:
            _, number, sent_at, wait = heapq.heappop(in_flight)
            if not wait:
                gate.note_accepted(number)
                accepted_at = now
                continue
            in_flight_at_first = in_flight_at_first or number + len(in_flight)
            limited += number > in_flight_at_first
            waiting += 1
            latency = now - sent_at
            gate.note_limited(number, latency=latency, now=now, waited=now, wait=named_wait(wait))
            if now - accepted_at > retry.deadline:
                return Run(math.inf, limited)
    return Run(now, limited)
