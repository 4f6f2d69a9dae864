"""Runs that are written down, and small runs in every schedule.

Each written run shows what seeds seldom meet. A small run is played once for each way in which its
first requests may go: what becomes of each, after how many seconds, and what it did to the session
that nobody sees. After so many requests the world is calm. No schedule is merged with another.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import TypeVar

from firecrawl_interact.core import RetryPolicy

from ..simulation import kinds
from ..simulation.play import play
from ..simulation.watch import Scenario, Step
from ..simulation.ways import Awaited, Blocking, Way
from ..simulation.world import Choose, MemoryJournal, Outage, Weather, World
from .claims_of_runs import refuse

_T = TypeVar("_T")

WAYS: Sequence[type[Way]] = (Blocking, Awaited)


def ids(count: int) -> list[str]:
    return [f"id-{number}" for number in range(count)]


SCENARIOS = {
    "an outage longer than two attempts": Scenario(
        ids=ids(10),
        concurrency=2,
        retry=RetryPolicy(max_attempts=2),
        is_only_held_back=True,
        weather=Weather(outages=[Outage(3.5, 203.5, kinds.NO_CONNECTION)]),
    ),
    "an outage of 0.9 times the deadline": Scenario(
        ids=ids(60),
        is_only_held_back=True,
        weather=Weather(outages=[Outage(1.5, 1.5 + 0.9 * 240, kinds.BROKEN_GATEWAY)]),
    ),
    "one of 0.9 times the deadline, in the service's own words": Scenario(
        ids=ids(60),
        is_only_held_back=True,
        weather=Weather(outages=[Outage(1.5, 1.5 + 0.9 * 240, kinds.BACKEND_404)]),
    ),
    "an outage during the pause that a 429 asks for": Scenario(
        ids=["id-0", Step(1, "id-1"), "id-2"],
        ids_are_awaited=True,
        meets={
            "id-0": [kinds.limited(60).after(3)],
            "id-1": [kinds.LOST.after(2.5)],
            "id-2": [kinds.LOST.after(2.5)],
        },
    ),
    "a caller that takes 300 s for an outcome in an outage": Scenario(
        ids=["id-0", "id-1", "..", "id-2", "id-3"],
        concurrency=2,
        is_only_slow=True,
        busy=(300.0,),
        meets={"id-0": [kinds.LOST] * 2, "id-1": [kinds.LOST] * 2},
    ),
}

TOO_LONG = Scenario(
    ids=ids(60), weather=Weather(outages=[Outage(1.5, 1.5 + 1.1 * 240, kinds.BROKEN_GATEWAY)])
)
"""An outage of 1.1 times the deadline."""

FEW = (kinds.SERVED, kinds.LOST, kinds.NO_CONNECTION, kinds.LIMITED_FOR_20)
AT_ANY_TIME = Weather(
    kinds=(*FEW, kinds.STOPPING, kinds.UNAUTHORIZED),
    seconds=(1.0, 2.5),
    later=(5.0,),
    has_details=False,
    calm_after=3,
)
OF_FEW_KINDS = replace(AT_ANY_TIME, kinds=FEW)
TWO = Scenario(
    ids=ids(2),
    weather=AT_ANY_TIME,
    retry=RetryPolicy(max_attempts=3, attempt_timeout=10, deadline=60),
    concurrency=2,
    chances=(0.5,),
)
ONE_BY_ONE = replace(AT_ANY_TIME, seconds=(1.0,), effects=("none", "later"), calm_after=4)
THREE = replace(TWO, ids=ids(3), weather=OF_FEW_KINDS)
FOUR_AT_ONCE = replace(OF_FEW_KINDS, seconds=(1.0,), calm_after=4)
ALL_LATER = replace(OF_FEW_KINDS, effects=("later",))
ENDED = replace(THREE, weather=ALL_LATER, concurrency=3)

SMALL_RUNS = {
    "two ids side by side": [TWO],
    "two ids one by one": [replace(TWO, weather=ONE_BY_ONE, concurrency=1)],
    "three ids": [THREE],
    "four ids": [replace(TWO, ids=ids(4), weather=FOUR_AT_ONCE, concurrency=4)],
    "three ids, ended early": [
        *(replace(ENDED, stop_at_request=number) for number in (1, 2, 3)),
        *(replace(ENDED, leave_at_outcome=number) for number in (1, 2)),
        *(replace(ENDED, interrupt_at=(seconds,)) for seconds in (0.5, 1.0, 2.0, 3.0)),
        replace(ENDED, interrupt_at=(0.5, 1.5)),
        replace(ENDED, interrupt_at=(0.5,), shutdown_timeout=1.0),
        replace(ENDED, stop_at=(2.0,), ids_fail=True),
    ],
}


def check(name: str) -> None:
    """Play a written run in both ways."""
    for way in WAYS:
        refuse(play(SCENARIOS[name], way).world.flaws, f"{name}, {way.__name__}")


def check_each(name: str) -> int:
    """Play every schedule of small runs in both ways, and return how many there are."""
    schedules = 0
    for scenario, way in product(SMALL_RUNS[name], WAYS):
        for choose in each_in_its_turn():
            schedules += 1
            flaws = play(scenario, way, choose, journal).world.flaws
            refuse(flaws, f"schedule {schedules} of {name}")
    return schedules


def journal(world: World) -> MemoryJournal:
    return MemoryJournal(world, dict.fromkeys(world.sessions))


def each_in_its_turn() -> Iterator[Choose]:
    """Take all ways through a tree of choices, one after the other."""
    path, counts = list[int](), list[int]()  # which option of each choice, and of how many

    def choose(options: Sequence[_T], /) -> _T:
        if len(counts) == len(path):
            path.append(0)
        counts.append(len(options))
        return options[path[len(counts) - 1]]

    yield choose
    while path:
        if path[-1] + 1 == counts[len(path) - 1]:
            path.pop()
        else:
            path[-1] += 1
            counts.clear()
            yield choose
