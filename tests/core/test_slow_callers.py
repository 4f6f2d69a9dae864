"""A caller that is slow, and what it does between two outcomes, costs no session its deadline."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from firecrawl_interact.core import RetryPolicy

from ..simulation.kinds import BACKEND_404, NO_CONNECTION, STOPPING
from ..simulation.play import play
from ..simulation.watch import Scenario, Step
from ..simulation.ways import Awaited, Way, both_ways
from ..simulation.world import Outage, Weather, full_journal
from .outages import destroyed, ids

COUNT = 20
WORLDS: Mapping[str, Scenario] = {
    "a 502 each": Scenario(ids=ids(COUNT), meets={name: [STOPPING] for name in ids(COUNT)}),
    "half a second away": Scenario(
        ids=ids(COUNT), weather=Weather(outages=[Outage(0.5, 1.0, NO_CONNECTION)])
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


@pytest.mark.parametrize(
    "ids_of_run", [["bad", "worse", Step(100, "good")], ["bad", Step(100, "worse"), "good"]]
)
def test_an_id_that_is_awaited_while_others_fail_for_ever_ends_no_run(
    ids_of_run: Sequence[object],
) -> None:
    fail_for_ever = {name: [BACKEND_404.after(0.1)] * 200 for name in ("bad", "worse")}
    scenario = Scenario(
        ids=ids_of_run,
        ids_are_awaited=True,
        meets=fail_for_ever,
        fail_for_ever=fail_for_ever.keys(),
        retry=RetryPolicy(deadline=60),
    )
    assert play(scenario, Awaited).world.flaws == []
