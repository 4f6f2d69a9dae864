"""How near a run comes to the shortest time that a rate limit allows, whatever its kind."""

from itertools import product

import pytest

from firecrawl_interact.adapters import RateLimit

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

WAITS = RIGHT_WAITS | WRONG_WAITS | NO_WAIT
MOST = dict.fromkeys(RIGHT_WAITS, 1.15) | dict.fromkeys(WRONG_WAITS, 1.5) | {"none": 1.3}

each_kind = pytest.mark.parametrize("kind", RATE_LIMITS)
each_limit = pytest.mark.parametrize("limit", [10, 100])
each_concurrency = pytest.mark.parametrize("concurrency", [8, 64])


def times_the_shortest(limit: RateLimit, wait: str, concurrency: int) -> float:
    load = Load(sessions=250, concurrency=concurrency, latency=0.2)
    return run(Limited(limit), load, WAITS[wait]).seconds / shortest_time(Limited(limit), load)


@each_kind
@each_limit
@each_concurrency
def test_a_run_loses_little_time_whatever_wait_the_service_names(
    kind: str, limit: int, concurrency: int
) -> None:
    times = {
        wait: times_the_shortest(RATE_LIMITS[kind](limit), wait, concurrency) for wait in WAITS
    }
    assert {wait for wait in WAITS if times[wait] > MOST[wait]} == set(), times


@each_limit
@each_concurrency
@pytest.mark.parametrize("wait", WAITS)
def test_a_run_finds_the_pace_of_a_limiter_that_wants_requests_evenly_spaced(
    limit: int, concurrency: int, wait: str
) -> None:
    assert times_the_shortest(RateLimit(limit, burst=1), wait, concurrency) <= 2.5


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
