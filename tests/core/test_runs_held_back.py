"""Runs that an outage, bad ids, a slow caller or a rate limit hold back, on a virtual clock."""

import itertools
import logging
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import pytest

from firecrawl_interact.core import DeletionReceipt, RetryPolicy, RunEndedError

from ..simulation import kinds as k
from ..simulation.limiters import RATE_LIMITS, Limited, shortest_time
from ..simulation.play import play
from ..simulation.watch import Scenario, Step, Watch, ids
from ..simulation.ways import Awaited, Blocking, Way, both_ways
from ..simulation.world import Limiter, Outage, Weather, World, full_journal
from .scripted_transport import log_records

_T = TypeVar("_T")

IDS = 100

PAGES = ("a login page", "a redirect", "a 404 page", "a router's 404", "a gateway's 403")
FAULTS = {
    "refused": k.NO_CONNECTION,
    "502": k.BROKEN_GATEWAY,
    "lost": k.LOST,
    "silent": k.SILENCE,
    "backend": k.BACKEND_404,
    **dict(zip(PAGES, k.PAGES, strict=True)),
}


def run_through(
    fault: str,
    seconds_away: float,
    latency: float,
    *,
    from_start: bool = False,
    way: type[Way] = Awaited,
) -> Watch:
    """Play a run through an outage, in which each request meets one of the `FAULTS`.

    A page must be the first that a run meets, `from_start`, for its address to look wrong. An
    outage without an end has more ids than a run takes in it.
    """
    count = IDS if math.isfinite(seconds_away) else 1_000
    kind = FAULTS[fault]
    begins = 2 * latency if kind.is_a_page and not from_start else 0.0
    outage = Outage(begins, begins + seconds_away, kind)
    scenario = Scenario(ids=ids(count), weather=Weather(seconds=[latency], outages=[outage]))
    return play(scenario, way, random.Random(2).choice)  # noqa: S311 - a schedule, no secret


def restart(fault: str, count: int, concurrency: int, seconds_ragged: float) -> Watch:
    """Play a run through a rolling restart: around a minute's outage, half the requests fail."""
    seconds_away, seed = 60, repr((fault, count, concurrency, seconds_ragged))
    chance = random.Random(seed)  # noqa: S311 - a schedule, no secret
    begins, worlds = chance.uniform(0, 0.1 * count / concurrency), list[World]()
    weather = Weather(kinds=[k.SERVED, FAULTS[fault].after(0.05)], seconds=[0.2])

    def choose(options: Sequence[_T], /) -> _T:
        if options is not weather.kinds:
            return chance.choice(options)
        since = worlds[0].clock.time() - begins
        if seconds_ragged <= since <= seconds_ragged + seconds_away:
            return options[1]
        is_ragged = 0 <= since <= 2 * seconds_ragged + seconds_away
        return options[is_ragged and chance.random() < 0.5]

    scenario = Scenario(ids=ids(count), concurrency=concurrency, weather=weather)
    return play(scenario, Awaited, choose, worlds.append)


def destroyed(watch: Watch) -> int:
    return sum(isinstance(outcome, DeletionReceipt) for outcome in watch.outcomes)


in_each_way_at_another_latency = pytest.mark.parametrize(
    ("way", "latency"), [(Blocking, 0.2), (Awaited, 5)], ids=["blocking", "awaited"]
)


@pytest.mark.parametrize("fault", ["refused", "lost", "502"])
def test_a_rolling_restart_before_an_outage_costs_hardly_an_id(fault: str) -> None:
    restarts = itertools.product((8, 30, 100), (8, 32), (1, 3, 5))
    watches = [restart(fault, *each) for each in restarts]
    assert [watch.raised for watch in watches if watch.raised] == []
    count = sum(len(watch.outcomes) for watch in watches)
    assert count - sum(map(destroyed, watches)) <= count / 400


@in_each_way_at_another_latency
@pytest.mark.parametrize("fault", FAULTS)
def test_an_outage_without_an_end_ends_the_run(fault: str, latency: float, way: type[Way]) -> None:
    watch = run_through(fault, math.inf, latency, way=way)
    policy = RetryPolicy()
    [outage] = watch.raised
    assert isinstance(outage, RunEndedError)
    assert watch.world.flaws == []
    assert outage.lasted >= policy.deadline
    assert watch.over_at <= policy.deadline + 2 * policy.attempt_timeout
    assert watch.world.in_vain <= 1_300
    assert len(watch.taken) <= 650


@both_ways
def test_an_outage_in_which_each_id_was_tried_leaves_nothing_to_raise(way: type[Way]) -> None:
    with log_records(logging.WARNING) as records:
        weather = Weather(outages=[Outage(0, math.inf, k.NO_CONNECTION)])
        watch = play(Scenario(ids=ids(IDS), weather=weather), way)
    assert (watch.raised, watch.world.flaws, len(watch.outcomes)) == ([], [], IDS)
    [*_, last] = [record.getMessage() for record in records]
    assert last == "the run ends: nothing was deleted for 240 s (no connection)"


@both_ways
def test_an_error_that_ends_a_run_says_how_many_were_deleted_before(way: type[Way]) -> None:
    outage = Outage(1.9, math.inf, k.NO_CONNECTION)
    watch = play(Scenario(ids=ids(1_000), weather=Weather(outages=[outage])), way)
    [error] = watch.raised
    says = f"nothing was deleted for 240 s; {destroyed(watch)} were before (no connection)."
    assert says in str(error)


@both_ways
def test_an_outage_that_the_api_reports_costs_few_requests_however_long_the_list_is(
    way: type[Way],
) -> None:
    weather = Weather(seconds=[0.05], outages=[Outage(2, 202, k.STOPPING)])
    watch = play(Scenario(ids=ids(600), weather=weather), way)
    assert (destroyed(watch), watch.world.flaws) == (600, [])
    assert watch.world.in_vain <= 1_100


@both_ways
@pytest.mark.parametrize("fault", PAGES)
def test_pages_alone_from_the_start_end_a_run_after_30_s(fault: str, way: type[Way]) -> None:
    watch = run_through(fault, math.inf, 0.2, from_start=True, way=way)
    assert watch.over_at == pytest.approx(30, abs=1)
    [outage] = watch.raised
    assert "no response from Firecrawl's API in 30 s, check the API URL" in str(outage)
    for seconds_away in (2, 25):  # Pages that end in time cost no session.
        assert destroyed(run_through(fault, seconds_away, 0.2, from_start=True, way=way)) == IDS


# A caller that is slow, and what it does between two outcomes, costs no session its deadline

COUNT = 20
WORLDS: Mapping[str, Scenario] = {
    "a 502 each": Scenario(ids=ids(COUNT), meets={name: [k.STOPPING] for name in ids(COUNT)}),
    "half a second away": Scenario(
        ids=ids(COUNT), weather=Weather(outages=[Outage(0.5, 1.0, k.NO_CONNECTION)])
    ),
}


@pytest.mark.parametrize("deadline", [4, 240])
@pytest.mark.parametrize("seconds", [[10.0], [*[0.0] * 9, 300.0]], ids=["10 s", "once 300 s"])
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
@both_ways
def test_a_slow_caller_costs_no_session(
    way: type[Way], world: Scenario, seconds: Sequence[float], deadline: float
) -> None:
    world = replace(world, retry=RetryPolicy(deadline=deadline))
    world.weather.seconds = [0.25]
    turns = itertools.cycle(seconds)
    steps = [Step(next(turns), name) for name in world.ids]
    for scenario in (
        world,
        replace(world, busy=[max(seconds)]),
        replace(world, ids=steps),
        replace(world, ids=steps, ids_are_awaited=True),
        replace(world, journal_seconds=[max(seconds)]),
    ):
        watch = play(scenario, way, set_up=full_journal)
        assert (watch.world.flaws, destroyed(watch), watch.raised) == ([], COUNT, [])


# How near a run comes to the shortest time that a rate limit allows, whatever its kind

NamedWait = Callable[[float], int | None]

RIGHT_WAITS: dict[str, NamedWait] = {"rounded up": math.ceil, "rounded": round}
"""What a service may name as the time to wait, by the time that is right."""
WRONG_WAITS: dict[str, NamedWait] = {
    "half": lambda wait: math.floor(wait / 2),
    "0 s": lambda _: 0,
    "1 s": lambda _: 1,
}
NO_WAIT: dict[str, NamedWait] = {"none": lambda _: None}
LATENCY = 0.2


def run(limiter: Limiter, sessions: int, concurrency: int, named_wait: NamedWait) -> Watch:
    """Play a run under a limiter, in which no session may be lost."""
    weather = Weather(
        seconds=[LATENCY],
        limiter=lambda: limiter,
        named_wait=named_wait,
        is_named_in_header=named_wait is not RIGHT_WAITS["rounded"],
    )
    chance = random.Random(1)  # noqa: S311 - a schedule, no secret
    scenario = Scenario(ids=ids(sessions), concurrency=concurrency, weather=weather)
    watch = play(scenario, Awaited, chance.choice)
    assert (watch.raised, len(watch.outcomes), watch.world.flaws) == ([], sessions, [])
    return watch


MOST = dict.fromkeys(RIGHT_WAITS, 1.2) | dict.fromkeys(WRONG_WAITS, 1.5) | {"none": 1.3}


@pytest.mark.parametrize("kind", RATE_LIMITS)
@pytest.mark.parametrize(("limit", "concurrency"), [(10, 64), (100, 8)])
def test_a_run_loses_little_time_with_each_wait(kind: str, limit: int, concurrency: int) -> None:
    sessions = 2 * limit + 30
    shortest = shortest_time(Limited(RATE_LIMITS[kind](limit)), sessions, concurrency, LATENCY)
    for wait, named in (RIGHT_WAITS | WRONG_WAITS | NO_WAIT).items():
        seconds = run(Limited(RATE_LIMITS[kind](limit)), sessions, concurrency, named).over_at
        assert seconds <= shortest * MOST[wait], wait


@pytest.mark.parametrize("kind", RATE_LIMITS)
def test_few_requests_get_status_429(kind: str) -> None:
    for concurrency, named in itertools.product((8, 64), RIGHT_WAITS.values()):
        came = run(Limited(RATE_LIMITS[kind](10)), 100, concurrency, named)
        assert len(came.world.sent) - 100 <= 200
