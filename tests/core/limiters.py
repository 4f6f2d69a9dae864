"""Rate limiters of several kinds, and runs against them on a virtual clock."""

import heapq
import math
import random
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from ..simulation.play import play
from ..simulation.watch import Scenario
from ..simulation.ways import Awaited
from ..simulation.world import Limiter, Weather
from .rate_limit_kinds import RateLimit, Usage

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


NamedWait = Callable[[float], int | None]

RIGHT_WAITS: dict[str, NamedWait] = {"rounded up": math.ceil, "rounded": round}
"""What a service may name as the time to wait, by the time that is right."""
WRONG_WAITS: dict[str, NamedWait] = {
    "half": lambda wait: math.floor(wait / 2),
    "0 s": lambda _: 0,
    "1 s": lambda _: 1,
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

    seconds: float
    limited: int  # responses with status 429


def run(limiter: Limiter, load: Load, named_wait: NamedWait) -> Run:
    """Play a run under a limiter, in which no session may be lost."""
    weather = Weather(
        seconds=[load.latency],
        seconds_of_429=load.latency_of_429,
        limiter=lambda: limiter,
        named_wait=named_wait,
        is_named_in_header=named_wait is not RIGHT_WAITS["rounded"],
    )
    ids = [f"{number}" for number in range(load.sessions)]
    chance = random.Random(1)  # noqa: S311 - a schedule, no secret
    watch = play(
        Scenario(ids=ids, concurrency=load.concurrency, weather=weather), Awaited, chance.choice
    )
    assert (watch.raised, len(watch.outcomes), watch.world.flaws) == ([], load.sessions, [])
    return Run(watch.over_at, len(watch.world.sent) - load.sessions)
