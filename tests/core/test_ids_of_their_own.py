"""Lists with ids that fail for ever: no UUID, forgotten by the backend, or not to be settled.

`Scenario.fail_for_ever` says what must hold: see `Watch`.
"""

import random
from collections.abc import Iterator, Sequence

import pytest

from ..simulation.kinds import (
    BACKEND_404,
    BROKEN_GATEWAY,
    CONFLICT,
    LOST,
    NOT_A_UUID,
    NOT_DELETED,
    SILENCE,
    STOPPING,
    Kind,
)
from ..simulation.play import play
from ..simulation.watch import Scenario, Watch
from ..simulation.ways import Way, both_ways
from ..simulation.world import Outage, Weather
from .outages import destroyed, ids

KINDS = {
    "the backend's 404": BACKEND_404.after(0.1),
    "no UUID": NOT_A_UUID.after(0.1),
    "502": STOPPING.after(0.3),
    "409": CONFLICT.after(0.1),
    "200, success false": NOT_DELETED.after(0.1),
}


def _half_of_200() -> str:
    marks = ["x"] * 100 + ["."] * 100
    random.Random(4).shuffle(marks)  # noqa: S311 - a schedule, no secret
    return "".join(marks)


def _lists(heads: Sequence[int], tails: Sequence[int], alone: Sequence[int]) -> Iterator[str]:
    """Give lists of ids: an x fails for ever."""
    yield from ("x" * count + "." * 20 for count in heads)
    yield from ("." * 20 + "x" * count for count in tails)
    yield from ("x" * count for count in alone)
    yield ".x" * 30


def play_list(marks: str, kind: Kind, concurrency: int, way: type[Way]) -> Watch:
    bad = {f"{number}": [kind] * 200 for number, mark in enumerate(marks) if mark == "x"}
    scenario = Scenario(
        ids=ids(len(marks)),
        meets=bad,
        fail_for_ever=bad.keys(),
        concurrency=concurrency,
        weather=Weather(seconds=[0.2]),
    )
    return play(scenario, way, random.Random(3).choice)  # noqa: S311 - see above


FEW = [*_lists(heads=(1, 8, 20), tails=(1, 2, 8), alone=(1, 2, 12))]
MANY = [*_lists(range(1, 21), range(1, 9), range(1, 13)), _half_of_200()]


@pytest.mark.parametrize("lists", [FEW, pytest.param(MANY, marks=pytest.mark.slow)], ids=len)
@both_ways
@pytest.mark.parametrize("concurrency", [1, 4, 8, 16, 64])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_ids_that_fail_for_ever_cost_no_other_id_wherever_they_are(
    kind: Kind, concurrency: int, way: type[Way], lists: Sequence[str]
) -> None:
    for marks in lists:
        assert play_list(marks, kind, concurrency, way).world.flaws == [], marks


@both_ways
@pytest.mark.parametrize("kind", [BACKEND_404, STOPPING])
@pytest.mark.parametrize(("count", "concurrency"), [(3, 1), (5, 2), (8, 8), (20, 4)])
def test_a_backend_that_is_away_for_25_s_costs_a_small_run_nothing(
    count: int, concurrency: int, kind: Kind, way: type[Way]
) -> None:
    weather = Weather(outages=[Outage(0.5, 25.5, kind)])
    scenario = Scenario(ids=ids(count), concurrency=concurrency, weather=weather)
    assert destroyed(play(scenario, way)) == count


@both_ways
@pytest.mark.parametrize("kind", [BACKEND_404, BROKEN_GATEWAY, SILENCE])
@pytest.mark.parametrize("seconds_away", [2, 60, 200])
@pytest.mark.parametrize("concurrency", [1, 16])
def test_an_outage_that_begins_while_40_ids_were_never_sent_costs_nothing(
    concurrency: int, seconds_away: float, kind: Kind, way: type[Way]
) -> None:
    begins = (400 - 40 - concurrency) / concurrency
    weather = Weather(outages=[Outage(begins, begins + seconds_away, kind)])
    scenario = Scenario(ids=ids(400), concurrency=concurrency, weather=weather)
    watch = play(scenario, way)
    assert (destroyed(watch), watch.raised) == (400, [])


@both_ways
@pytest.mark.parametrize("kind", [LOST, BROKEN_GATEWAY])
@pytest.mark.parametrize("bad", [8, 12, 40])
def test_an_outage_that_ends_while_ids_that_fail_for_ever_are_held_costs_nothing(
    bad: int, kind: Kind, way: type[Way]
) -> None:
    good = ids(100)
    names = [f"bad-{number}" for number in range(bad)]
    every_second = [name for pair in zip(good, names, strict=False) for name in pair]
    fails = NOT_A_UUID.after(0.1)
    scenario = Scenario(
        ids=[*every_second, *good[bad:]],
        meets={name: [fails, kind.after(0.1), *[fails] * 200] for name in names},
        weather=Weather(outages=[Outage(1, 6, kind)], seconds=[0.1]),
    )
    watch = play(scenario, way, random.Random(5).choice)  # noqa: S311 - see above
    assert (destroyed(watch), watch.raised) == (100, [])
