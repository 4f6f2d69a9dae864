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

LIMITS = RATE_LIMITS | {"evenly spaced": lambda limit: RateLimit(limit, burst=1)}
MOST = dict.fromkeys(RIGHT_WAITS, 1.2) | dict.fromkeys(WRONG_WAITS, 1.5) | {"none": 1.3}


@pytest.mark.parametrize("kind", LIMITS)
@pytest.mark.parametrize(("limit", "concurrency"), [(10, 64), (100, 8)])
def test_a_run_loses_little_time_whatever_wait_the_service_names(
    kind: str, limit: int, concurrency: int
) -> None:
    load = Load(sessions=2 * limit + 30, concurrency=concurrency, latency=0.2)
    shortest = shortest_time(Limited(LIMITS[kind](limit)), load)
    for wait, named in (RIGHT_WAITS | WRONG_WAITS | NO_WAIT).items():
        seconds = run(Limited(LIMITS[kind](limit)), load, named).seconds
        assert seconds <= shortest * (3.6 if kind == "evenly spaced" else MOST[wait]), wait


@pytest.mark.parametrize(
    ("kind", "wait"), [*product(["fixed window", "sliding window"], RIGHT_WAITS)]
)
def test_a_run_soon_uses_a_limit_that_becomes_higher(kind: str, wait: str) -> None:
    def limiter() -> Limited:
        return Limited(RATE_LIMITS[kind](100), 215, RATE_LIMITS[kind](400))

    load = Load(sessions=600, concurrency=8, latency=0.2)
    assert run(limiter(), load, RIGHT_WAITS[wait]).seconds <= 1.15 * shortest_time(limiter(), load)


@pytest.mark.parametrize("kind", RATE_LIMITS)
@pytest.mark.parametrize(("limit", "sessions", "latency"), [(1, 10, 0.2), (10, 100, 0.2)])
def test_few_requests_get_status_429(kind: str, limit: int, sessions: int, latency: float) -> None:
    for concurrency, named in product((8, 64), RIGHT_WAITS.values()):
        came = run(Limited(RATE_LIMITS[kind](limit)), Load(sessions, concurrency, latency), named)
        assert came.limited <= 2 * sessions
