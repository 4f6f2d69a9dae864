"""How near a run comes to the shortest time that a rate limit allows, whatever its kind."""

import heapq
import math
import random
from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import pytest

from ..simulation.limiters import RATE_LIMITS, Limited, RateLimit
from ..simulation.play import play
from ..simulation.watch import Scenario, ids
from ..simulation.ways import Awaited
from ..simulation.world import Limiter, Weather

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
    chance = random.Random(1)  # noqa: S311 - a schedule, no secret
    watch = play(
        Scenario(ids=ids(load.sessions), concurrency=load.concurrency, weather=weather),
        Awaited,
        chance.choice,
    )
    assert (watch.raised, len(watch.outcomes), watch.world.flaws) == ([], load.sessions, [])
    return Run(watch.over_at, len(watch.world.sent) - load.sessions)


LIMITS = RATE_LIMITS | {"evenly spaced": lambda limit: RateLimit(limit, burst=1)}
MOST = dict.fromkeys(RIGHT_WAITS, 1.2) | dict.fromkeys(WRONG_WAITS, 1.5) | {"none": 1.3}


@pytest.mark.parametrize("kind", LIMITS)
@pytest.mark.parametrize(("limit", "concurrency"), [(10, 64), (100, 8)])
def test_a_run_loses_little_time_with_each_wait(kind: str, limit: int, concurrency: int) -> None:
    load = Load(sessions=2 * limit + 30, concurrency=concurrency, latency=0.2)
    shortest = shortest_time(Limited(LIMITS[kind](limit)), load)
    for wait, named in (RIGHT_WAITS | WRONG_WAITS | NO_WAIT).items():
        seconds = run(Limited(LIMITS[kind](limit)), load, named).seconds
        assert seconds <= shortest * (3.6 if kind == "evenly spaced" else MOST[wait]), wait


@pytest.mark.parametrize("kind", RATE_LIMITS)
@pytest.mark.parametrize(("limit", "sessions", "latency"), [(1, 10, 0.2), (10, 100, 0.2)])
def test_few_requests_get_status_429(kind: str, limit: int, sessions: int, latency: float) -> None:
    for concurrency, named in product((8, 64), RIGHT_WAITS.values()):
        came = run(Limited(RATE_LIMITS[kind](limit)), Load(sessions, concurrency, latency), named)
        assert came.limited <= 2 * sessions
