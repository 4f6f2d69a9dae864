"""How near a run comes to the shortest time that a rate limit allows, whatever its kind."""

from collections.abc import Callable

import pytest

from .limiters import (
    NO_WAIT,
    RIGHT_WAITS,
    WRONG_WAITS,
    Changing,
    FixedWindow,
    Limiter,
    Load,
    NamedWait,
    SlidingWindow,
    TokenBucket,
    run,
    shortest_time,
)

LIMITERS: dict[str, Callable[[int], Limiter]] = {
    "fixed window": FixedWindow,
    "aligned window": lambda limit: FixedWindow(limit, second=40),
    "sliding window": SlidingWindow,
    "bucket with bursts": lambda limit: TokenBucket(limit, burst=limit),
}


def times_the_shortest(limiter: Callable[[], Limiter], wait: NamedWait, concurrency: int) -> float:
    load = Load(sessions=250, concurrency=concurrency, latency=0.2)
    return run(limiter(), load, wait).seconds / shortest_time(limiter(), load)


def each(named: dict[str, NamedWait]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("wait", named.values(), ids=named.keys())


each_limiter = pytest.mark.parametrize("limiter", LIMITERS.values(), ids=LIMITERS.keys())
each_limit = pytest.mark.parametrize("limit", [10, 100])
each_concurrency = pytest.mark.parametrize("concurrency", [8, 64])


@each_limiter
@each_limit
@each_concurrency
@pytest.mark.parametrize(
    ("waits", "most"),
    [(RIGHT_WAITS, 1.15), (WRONG_WAITS, 1.5), (NO_WAIT, 1.3)],
    ids=["right", "wrong", "none"],
)
def test_a_run_loses_little_time_whatever_wait_the_service_names(
    limiter: Callable[[int], Limiter],
    limit: int,
    concurrency: int,
    waits: dict[str, NamedWait],
    most: float,
) -> None:
    for wait in waits.values():
        assert times_the_shortest(lambda: limiter(limit), wait, concurrency) <= most


@each_limit
@each_concurrency
@each(RIGHT_WAITS | WRONG_WAITS | NO_WAIT)
def test_a_run_finds_the_pace_of_a_limiter_that_wants_requests_evenly_spaced(
    limit: int, concurrency: int, wait: NamedWait
) -> None:
    assert times_the_shortest(lambda: TokenBucket(limit, burst=1), wait, concurrency) <= 2.5


@pytest.mark.parametrize("limiter", [FixedWindow, SlidingWindow])
@each_concurrency
@each(RIGHT_WAITS)
def test_a_run_soon_uses_a_limit_that_becomes_higher(
    limiter: type[FixedWindow | SlidingWindow], concurrency: int, wait: NamedWait
) -> None:
    load = Load(sessions=600, concurrency=concurrency, latency=0.2)
    seconds = run(Changing(limiter(100), 215, 400), load, wait).seconds
    assert seconds <= 1.15 * shortest_time(Changing(limiter(100), 215, 400), load)


@pytest.mark.parametrize(("limiter", "most"), [(FixedWindow, 0.5), (SlidingWindow, 1)])
@each_limit
@each_concurrency
@each(RIGHT_WAITS)
def test_few_requests_get_status_429(
    limiter: type[FixedWindow | SlidingWindow],
    limit: int,
    concurrency: int,
    wait: NamedWait,
    most: float,
) -> None:
    load = Load(sessions=600, concurrency=concurrency, latency=5)
    assert run(limiter(limit), load, wait).limited <= most * load.sessions


@pytest.mark.parametrize("limit", [1, 2, 5])
@each_limiter
@each_concurrency
@each(RIGHT_WAITS)
def test_few_requests_get_status_429_even_under_a_very_low_limit(
    limiter: Callable[[int], Limiter], limit: int, concurrency: int, wait: NamedWait
) -> None:
    load = Load(sessions=50, concurrency=concurrency, latency=0.2)
    assert run(limiter(limit), load, wait).limited <= load.sessions
