"""How near a run comes to the shortest time that a rate limit allows, whatever its kind."""

import pytest

from firecrawl_interact.adapters import RateLimit

from .limiters import (
    NO_WAIT,
    RATE_LIMITS,
    RIGHT_WAITS,
    WRONG_WAITS,
    Limited,
    Load,
    NamedWait,
    run,
    shortest_time,
)


def times_the_shortest(limit: RateLimit, wait: NamedWait, concurrency: int) -> float:
    load = Load(sessions=250, concurrency=concurrency, latency=0.2)
    return run(Limited(limit), load, wait).seconds / shortest_time(Limited(limit), load)


def each(named: dict[str, NamedWait]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("wait", named.values(), ids=named.keys())


each_kind = pytest.mark.parametrize("kind", RATE_LIMITS)
each_window = pytest.mark.parametrize("kind", ["fixed window", "sliding window"])
each_limit = pytest.mark.parametrize("limit", [10, 100])
each_concurrency = pytest.mark.parametrize("concurrency", [8, 64])


@each_kind
@each_limit
@each_concurrency
@pytest.mark.parametrize(
    ("waits", "most"),
    [(RIGHT_WAITS, 1.15), (WRONG_WAITS, 1.5), (NO_WAIT, 1.3)],
    ids=["right", "wrong", "none"],
)
def test_a_run_loses_little_time_whatever_wait_the_service_names(
    kind: str,
    limit: int,
    concurrency: int,
    waits: dict[str, NamedWait],
    most: float,
) -> None:
    for wait in waits.values():
        assert times_the_shortest(RATE_LIMITS[kind](limit), wait, concurrency) <= most


@each_limit
@each_concurrency
@each(RIGHT_WAITS | WRONG_WAITS | NO_WAIT)
def test_a_run_finds_the_pace_of_a_limiter_that_wants_requests_evenly_spaced(
    limit: int, concurrency: int, wait: NamedWait
) -> None:
    assert times_the_shortest(RateLimit(limit, burst=1), wait, concurrency) <= 2.5


@each_window
@each_concurrency
@each(RIGHT_WAITS)
def test_a_run_soon_uses_a_limit_that_becomes_higher(
    kind: str, concurrency: int, wait: NamedWait
) -> None:
    def limiter() -> Limited:
        return Limited(RATE_LIMITS[kind](100), 215, RATE_LIMITS[kind](400))

    load = Load(sessions=600, concurrency=concurrency, latency=0.2)
    assert run(limiter(), load, wait).seconds <= 1.15 * shortest_time(limiter(), load)


@pytest.mark.parametrize(("kind", "most"), [("fixed window", 0.5), ("sliding window", 1)])
@each_limit
@each_concurrency
@each(RIGHT_WAITS)
def test_few_requests_get_status_429(
    kind: str,
    limit: int,
    concurrency: int,
    wait: NamedWait,
    most: float,
) -> None:
    load = Load(sessions=600, concurrency=concurrency, latency=5)
    assert run(Limited(RATE_LIMITS[kind](limit)), load, wait).limited <= most * load.sessions


@pytest.mark.parametrize("limit", [1, 2, 5])
@each_kind
@each_concurrency
@each(RIGHT_WAITS)
def test_few_requests_get_status_429_even_under_a_very_low_limit(
    kind: str, limit: int, concurrency: int, wait: NamedWait
) -> None:
    load = Load(sessions=50, concurrency=concurrency, latency=0.2)
    assert run(Limited(RATE_LIMITS[kind](limit)), load, wait).limited <= load.sessions
