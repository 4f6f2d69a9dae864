"""Runs that an outage, a slow caller or a rate limit holds back, on a virtual clock.

What an outage and bad ids cost the sessions: `test_no_session_fares_worse`.
"""

import itertools
import logging
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import pytest

from firecrawl_interact.core import DeletionReceipt, RetryPolicy, RunEndedError

from ..simulation import kinds as k
from ..simulation.limiters import LIMITERS, shortest_time
from ..simulation.play import play
from ..simulation.watch import Scenario, Step, Watch, ids
from ..simulation.ways import Awaited, Way
from ..simulation.world import Outage, Weather, full_journal
from .scripted_transport import log_records


def run_through(outage: Outage, count: int, way: type[Way]) -> Watch:
    weather = Weather(seconds=[0.2], outages=[outage])
    return play(Scenario(ids=ids(count), weather=weather), way)


def destroyed(watch: Watch) -> int:
    return sum(isinstance(outcome, DeletionReceipt) for outcome in watch.outcomes)


# Outages without an end, and wrong addresses


@pytest.mark.parametrize("kind", [k.NO_CONNECTION, k.SILENCE, k.STOPPING, k.PAGES[0]])
def test_an_endless_outage_ends_the_run_after_few_requests(kind: k.Kind, way: type[Way]) -> None:
    watch = run_through(Outage(1.9, math.inf, kind), 1_000, way)
    [outage] = watch.raised
    assert isinstance(outage, RunEndedError)
    assert f"nothing was deleted for 240 s; {destroyed(watch)} were before (" in str(outage)
    assert watch.world.flaws == []
    assert 240 <= outage.lasted <= watch.over_at <= 240 + 2 * RetryPolicy().attempt_timeout
    assert watch.world.in_vain <= 1_300
    assert len(watch.taken) - destroyed(watch) <= 650


def test_an_outage_in_which_each_id_was_tried_is_raised_too(way: type[Way]) -> None:
    with log_records(logging.WARNING) as records:
        watch = run_through(Outage(0, math.inf, k.NO_CONNECTION), 100, way)
    assert (watch.world.flaws, len(watch.outcomes)) == ([], 100)
    assert [type(error) for error in watch.raised] == [RunEndedError]
    [*_, last] = [record.getMessage() for record in records]
    assert last == "the run ends: nothing was deleted for 240 s (no connection)"


def test_a_run_holds_at_most_1000_ids_that_have_not_ended(way: type[Way]) -> None:
    weather = Weather(seconds=[0.2], outages=[Outage(0, math.inf, k.NO_CONNECTION)])
    retry = RetryPolicy(deadline=1_000)
    watch = play(Scenario(ids=ids(3_000), weather=weather, retry=retry), way)
    assert len(watch.taken) == 1_000


@pytest.mark.parametrize("kind", k.PAGES)
def test_pages_alone_from_the_start_end_a_run_after_30_s(kind: k.Kind, way: type[Way]) -> None:
    watch = run_through(Outage(0, math.inf, kind), 1_000, way)
    assert watch.over_at == pytest.approx(30, abs=1)
    [outage] = watch.raised
    assert "no response from Firecrawl's API in 30 s, check the API URL" in str(outage)
    assert destroyed(run_through(Outage(0, 25, kind), 100, way)) == 100


# A caller that is slow, and what it does between two outcomes, costs no session its deadline


@pytest.mark.parametrize("deadline", [4, 240])
@pytest.mark.parametrize("seconds", [[10.0], [*[0.0] * 9, 300.0]], ids=["10 s", "once 300 s"])
def test_a_slow_caller_costs_no_session(
    way: type[Way], seconds: Sequence[float], deadline: float
) -> None:
    names, turns = ids(20), itertools.cycle(seconds)
    world = Scenario(
        ids=names,
        meets={name: [k.STOPPING] for name in names},
        weather=Weather(seconds=[0.25]),
        retry=RetryPolicy(deadline=deadline),
    )
    steps = [Step(next(turns), name) for name in names]
    for scenario in (
        replace(world, busy=[max(seconds)]),
        replace(world, ids=steps),
        replace(world, ids=steps, ids_are_awaited=True),
        replace(world, journal_seconds=[max(seconds)]),
    ):
        watch = play(scenario, way, set_up=full_journal)
        assert (watch.world.flaws, destroyed(watch), watch.raised) == ([], 20, [])


# How near a run comes to the shortest time that a rate limit allows, whatever its kind

NamedWait = Callable[[float], int | None]
WAITS: dict[str, tuple[NamedWait, float]] = {
    "rounded up": (math.ceil, 1.2),
    "rounded": (round, 1.2),
    "half": (lambda wait: math.floor(wait / 2), 1.5),
    "0 s": (lambda _: 0, 1.5),
    "1 s": (lambda _: 1, 1.5),
    "none": (lambda _: None, 1.3),
}
"""What a service may name as the time to wait, by the time that is right; and how many times the
shortest time a run takes then, at most."""


@pytest.mark.parametrize(("named_wait", "most"), WAITS.values(), ids=WAITS)
@pytest.mark.parametrize("kind", LIMITERS)
@pytest.mark.parametrize(("limit", "concurrency"), [(10, 64), (100, 8)])
def test_a_rate_limit_costs_no_session_little_time_and_few_requests(
    kind: str, limit: int, concurrency: int, named_wait: NamedWait, most: float
) -> None:
    count, new_limiter = 2 * limit + 30, partial(LIMITERS[kind], limit)
    weather = Weather(
        seconds=[0.2],
        limiter=new_limiter,
        named_wait=named_wait,
        is_named_in_header=named_wait is not round,
    )
    scenario = Scenario(ids=ids(count), concurrency=concurrency, weather=weather)
    watch = play(scenario, Awaited, random.Random(1).choice)  # noqa: S311 - a schedule, no secret
    assert (watch.raised, destroyed(watch), watch.world.flaws) == ([], count, [])
    assert watch.over_at <= shortest_time(new_limiter(), count, concurrency, 0.2) * most
    is_right = named_wait in {math.ceil, round}
    assert len(watch.world.sent) <= count + 200 or not is_right
