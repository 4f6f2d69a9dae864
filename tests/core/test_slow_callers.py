"""A caller that is slow, and what it does between two outcomes, costs no session its deadline.

Each of these is played with a caller that takes no time, too: neither may lose a session.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import pytest

from firecrawl_interact.core import RetryPolicy

from ..simulation.kinds import BACKEND_404, BUSY, NO_CONNECTION, STOPPING
from ..simulation.play import play
from ..simulation.watch import Scenario, Step
from ..simulation.ways import Awaited, Way, both_ways
from ..simulation.world import Outage, Weather, full_journal
from .limiters import Limited
from .outages import destroyed, ids
from .rate_limit_kinds import RateLimit

_T = TypeVar("_T")

COUNT = 20
UNAVAILABLE = BUSY._replace(headers=())
WORLDS: Mapping[str, Scenario] = {
    "a 503 each": Scenario(ids=ids(COUNT), meets={name: [UNAVAILABLE] for name in ids(COUNT)}),
    "a 502 each": Scenario(ids=ids(COUNT), meets={name: [STOPPING] for name in ids(COUNT)}),
    "a rate limit": Scenario(
        ids=ids(COUNT), weather=Weather(limiter=lambda: Limited(RateLimit(60)))
    ),
    "half a second": Scenario(
        ids=ids(COUNT), weather=Weather(outages=[Outage(0.5, 1.0, NO_CONNECTION)])
    ),
    # The first probe fails, and the id after it ends at once: in an outage.
    "an outcome in an outage": Scenario(
        ids=[*ids(8), "..", *ids(COUNT)[8:]],
        meets={**{name: [STOPPING] for name in ids(7)}, "7": [STOPPING] * 2},
    ),
}
for _world in WORLDS.values():
    _world.weather.seconds = [0.25]

BUSY_FOR = [[0.5], [10.0], [0.0, 300.0]]
"""Seconds for each outcome, or each id: 300 once in a while."""


def _scenarios(world: Scenario, seconds: list[float]) -> Mapping[str, Scenario]:
    turns = itertools.cycle([0.0] * 9 + seconds if len(seconds) > 1 else seconds)
    steps = [Step(next(turns), name) for name in world.ids]
    return {
        "nobody": world,
        "the consumer": replace(world, busy=seconds),
        "the iterator": replace(world, ids=steps),
        "the asynchronous iterable": replace(world, ids=steps, ids_are_awaited=True),
        "the journal": replace(world, journal_seconds=seconds),
    }


@pytest.mark.parametrize("deadline", [4, 240])
@pytest.mark.parametrize("seconds", BUSY_FOR, ids=["0.5 s", "10 s", "once 300 s"])
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
@both_ways
def test_a_slow_caller_costs_no_session(
    way: type[Way], world: Scenario, seconds: list[float], deadline: float
) -> None:
    turns = itertools.cycle([0] * 9 + [-1])

    def choose(options: Sequence[_T], /) -> _T:
        return options[next(turns)]

    policy = RetryPolicy(deadline=deadline)
    for who, scenario in _scenarios(world, seconds).items():
        watch = play(replace(scenario, retry=policy), way, choose, set_up=full_journal)
        assert watch.world.flaws == [], who
        assert (destroyed(watch), watch.raised) == (COUNT, []), who


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
