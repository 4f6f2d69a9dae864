"""Runs that are written down, and small runs in every schedule.

Each written run shows one thing that a planted fault would break. A small run is played once for
each way in which its first requests may go: what becomes of each, after how many seconds, and what
it did to the session that nobody sees. After so many requests the world is calm. None of these
schedules is merged with another.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from firecrawl_interact.core import RetryPolicy

from ..simulation import kinds
from ..simulation.kinds import SERVED, Kind
from ..simulation.play import play
from ..simulation.watch import Scenario
from ..simulation.ways import Awaited, Blocking, Way
from ..simulation.world import Choose, MemoryJournal, Outage, Weather, World
from .claims_of_runs import refuse

_T = TypeVar("_T")

WAYS: Sequence[type[Way]] = (Blocking, Awaited)


def ids(count: int) -> list[str]:
    return [f"id-{number}" for number in range(count)]


def each(session_ids: Sequence[str], *meets: Kind) -> dict[str, Sequence[Kind]]:
    return dict.fromkeys(session_ids, meets)


SCENARIOS = {
    # The first request is under way while others fail; its 429 comes in the midst of the outage.
    "a 429 in an outage": Scenario(
        ids=ids(8),
        concurrency=3,
        retry=RetryPolicy(max_attempts=1),
        meets=each(ids(8)[3:], kinds.NO_CONNECTION.after(0.5))
        | {"id-0": [kinds.LIMITED_FOR_20.after(5)]},
    ),
    # All four retries are due in the same moment.
    "a stop at the second request of a turn": Scenario(
        ids=ids(4), meets=each(ids(4), kinds.NOT_DELETED), stop_at_request=6
    ),
    "ids that wait for their retries": Scenario(
        ids=ids(12), concurrency=1, meets=each(ids(12), *[kinds.NOT_DELETED] * 3)
    ),
    "a run that is left while nothing comes": Scenario(
        ids=ids(4),
        shutdown_timeout=1.0,
        leave_at_outcome=1,
        meets=each(ids(4)[1:], kinds.SILENCE.after(80)),
    ),
    "a gateway shows its page": Scenario(
        ids=ids(60),
        is_only_held_back=True,
        weather=Weather(outages=[Outage(3.5, 63.5, kinds.PAGES[0])]),
    ),
    "an outage longer than two attempts": Scenario(
        ids=ids(10),
        concurrency=2,
        retry=RetryPolicy(max_attempts=2),
        is_only_held_back=True,
        weather=Weather(outages=[Outage(3.5, 203.5, kinds.NO_CONNECTION)]),
    ),
}


def small(
    count: int, weather: Weather, concurrency: int, ending: Mapping[str, object] | None = None
) -> Scenario:
    """Return a run of so many ids. `ending`: fields of a `Scenario` that end it early."""
    return Scenario(
        ids=ids(count),
        weather=weather,
        retry=RetryPolicy(max_attempts=3, attempt_timeout=10, deadline=60),
        concurrency=concurrency,
        chances=(0.5,),
        **ending or {},  # type: ignore[arg-type]  # see above
    )


def weather(
    calm_after: int, kinds: Sequence[Kind], seconds: Sequence[float], *effects: str
) -> Weather:
    return Weather(
        kinds=kinds,
        seconds=seconds,
        effects=effects,
        later=(5.0,),
        has_details=False,
        calm_after=calm_after,
    )


FEW = (SERVED, kinds.LOST, kinds.NO_CONNECTION, kinds.LIMITED_FOR_20)
KINDS = (*FEW, kinds.STOPPING, kinds.UNAUTHORIZED)
AT_ANY_TIME = ("none", "at once", "later")
ENDINGS: Sequence[Mapping[str, object]] = (
    *({"stop_at_request": number} for number in (1, 2, 3)),
    *({"leave_at_outcome": number} for number in (1, 2)),
    *({"interrupt_at": (seconds,)} for seconds in (0.5, 1.0, 2.0, 3.0)),
    {"interrupt_at": (0.5, 1.5)},
    {"interrupt_at": (0.5,), "shutdown_timeout": 1.0},
    {"stop_at": (2.0,), "ids_fail": True},
)

SMALL_RUNS = {
    "two ids side by side": [small(2, weather(3, KINDS, (1.0, 2.5), *AT_ANY_TIME), 2)],
    "two ids one by one": [small(2, weather(4, KINDS, (1.0,), "none", "later"), 1)],
    "three ids": [small(3, weather(3, FEW, (1.0, 2.5), *AT_ANY_TIME), 2)],
    "four ids": [small(4, weather(4, FEW, (1.0,), *AT_ANY_TIME), 4)],
    "three ids, ended early": [
        small(3, weather(3, FEW, (1.0, 2.5), "later"), 3, ending) for ending in ENDINGS
    ],
}


def check(name: str) -> None:
    """Play a written run in both ways.

    Raises:
        ClaimBrokenError: something is not as it is claimed to be.
    """
    for way in WAYS:
        refuse(play(SCENARIOS[name], way).world.flaws, f"{name}, {way.__name__}")


def check_each(name: str) -> int:
    """Play every schedule of small runs in both ways, and return how many there are.

    Raises:
        ClaimBrokenError: something is not as it is claimed to be.
    """
    schedules = 0
    for scenario in SMALL_RUNS[name]:
        for way in WAYS:
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
