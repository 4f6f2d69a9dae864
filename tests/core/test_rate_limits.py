"""How near a run comes to the shortest time that a rate limit allows, whatever its kind."""

from itertools import product

import pytest

from .limiters import (
    NO_WAIT,
    RATE_LIMITS,
    RIGHT_WAITS,
    WRONG_WAITS,
    Limited,
    Load,
    run,
    shortest_time,
)
from .rate_limit_kinds import RateLimit

WAITS = RIGHT_WAITS | WRONG_WAITS | NO_WAIT
LIMITS = RATE_LIMITS | {"evenly spaced": lambda limit: RateLimit(limit, burst=1)}
MOST = dict.fromkeys(RIGHT_WAITS, 1.15) | dict.fromkeys(WRONG_WAITS, 1.5) | {"none": 1.3}

each_concurrency = pytest.mark.parametrize("concurrency", [8, 64])


@pytest.mark.parametrize("kind", LIMITS)
@pytest.mark.parametrize("limit", [10, 100])
@each_concurrency
def test_a_run_loses_little_time_whatever_wait_the_service_names(
    kind: str, limit: int, concurrency: int
) -> None:
    load = Load(sessions=250, concurrency=concurrency, latency=0.2)
    shortest = shortest_time(Limited(LIMITS[kind](limit)), load)
    for wait, most in MOST.items():
        seconds = run(Limited(LIMITS[kind](limit)), load, WAITS[wait]).seconds
        assert seconds <= shortest * (2.5 if kind == "evenly spaced" else most), wait


@pytest.mark.parametrize("kind", ["fixed window", "sliding window"])
@each_concurrency
@pytest.mark.parametrize("wait", RIGHT_WAITS)
def test_a_run_soon_uses_a_limit_that_becomes_higher(
    kind: str, concurrency: int, wait: str
) -> None:
    def limiter() -> Limited:
        return Limited(RATE_LIMITS[kind](100), 215, RATE_LIMITS[kind](400))

    load = Load(sessions=600, concurrency=concurrency, latency=0.2)
    assert run(limiter(), load, WAITS[wait]).seconds <= 1.15 * shortest_time(limiter(), load)


@pytest.mark.parametrize(
    ("kind", "limit", "sessions", "latency", "most"),
    [
        *product(["fixed window"], [10, 100], [600], [5], [0.5]),
        *product(["sliding window"], [10, 100], [600], [5], [1]),
        *product(RATE_LIMITS, [1, 2, 5], [50], [0.2], [1]),
        *product(["fixed window"], [10], [100], [tenths / 10 for tenths in range(1, 20)], [0.5]),
    ],
)
def test_few_requests_get_status_429(
    kind: str, limit: int, sessions: int, latency: float, most: float
) -> None:
    for concurrency, wait in product((8, 64), RIGHT_WAITS.values()):
        load = Load(sessions, concurrency, latency)
        assert run(Limited(RATE_LIMITS[kind](limit)), load, wait).limited <= most * sessions
