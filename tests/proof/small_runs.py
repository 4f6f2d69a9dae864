"""Every schedule of small runs: all that may become of the first requests of two to four ids.

A schedule says of each request what becomes of it, after how many seconds, and what it did to the
session that nobody sees; and who ends the run early, and when. After so many requests the world is
calm. Each schedule is played by the blocking run and by the awaited one. None is merged with
another. `python -m tests.proof.small_runs 1` plays one request more of each kind of run.
"""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from firecrawl_interact.core import RetryPolicy

from ..simulation import kinds
from ..simulation.kinds import SERVED, Kind
from ..simulation.play import play
from ..simulation.watch import Scenario
from ..simulation.ways import Awaited, Blocking, Way
from ..simulation.world import Flaw, MemoryJournal, Weather, World
from .claims_of_runs import ClaimBrokenError

_T = TypeVar("_T")


class EachInItsTurn:
    """Takes all ways through a tree of choices, one after the other.

    Args:
        path: the first way: which option of each choice. What follows it are first options.
    """

    def __init__(self, path: Sequence[int] = ()) -> None:
        self.path = list(path)
        self._counts: list[int] = []  # of options, for each choice of this way

    def choose(self, options: Sequence[_T], /) -> _T:
        if len(options) == 1:
            return options[0]
        place = len(self._counts)
        self._counts.append(len(options))
        if place == len(self.path):
            self.path.append(0)
        return options[self.path[place]]

    def turn_to_next(self) -> None:
        """Turn to the next way. The path is empty when there is none."""
        while self.path and self.path[-1] + 1 == self._counts[len(self.path) - 1]:
            self.path.pop()
        if self.path:
            self.path[-1] += 1
        self._counts.clear()


class SmallRun(NamedTuple):
    """Runs whose every schedule is played."""

    ids: int
    requests: int
    """How many are left to the schedule."""
    kinds: Sequence[Kind]
    concurrency: int
    seconds: Sequence[float] = (1.0, 2.5)
    effects: Sequence[str] = ("none", "at once", "later")
    endings: Sequence[Mapping[str, object]] = ({},)
    """Fields of a `Scenario`: how it is ended early."""


KINDS = (
    SERVED,
    kinds.STOPPING,
    kinds.LOST,
    kinds.NO_CONNECTION,
    kinds.LIMITED_FOR_20,
    kinds.UNAUTHORIZED,
)
FEW_KINDS = (SERVED, kinds.LOST, kinds.NO_CONNECTION, kinds.LIMITED_FOR_20)
EARLY: Sequence[Mapping[str, object]] = (
    *({"stop_at_request": number} for number in (1, 2, 3)),
    *({"leave_at_outcome": number} for number in (1, 2)),
    *({"interrupt_at": (seconds,)} for seconds in (0.5, 1.0, 2.0, 3.0)),
    {"interrupt_at": (0.5, 1.5)},
    {"interrupt_at": (0.5,), "shutdown_timeout": 1.0},
    {"stop_at": (2.0,), "ids_fail": True},
)

SMALL_RUNS = {
    "two ids side by side": SmallRun(2, 3, KINDS, 2),
    "two ids one by one": SmallRun(2, 4, KINDS, 1, seconds=(1.0,), effects=("none", "later")),
    "three ids": SmallRun(3, 3, FEW_KINDS, 2),
    "four ids": SmallRun(4, 4, FEW_KINDS, 4, seconds=(1.0,)),
    "three ids, ended early": SmallRun(
        3, 3, FEW_KINDS, 3, effects=("later",), seconds=(1.0, 2.5), endings=EARLY
    ),
}


def play_each(small: SmallRun, new_way: Callable[[], Way]) -> int:
    """Play each schedule, and return how many there are.

    Raises:
        ClaimBrokenError: something is not as it is claimed to be.
    """
    turns = EachInItsTurn()
    schedules = 0
    while not schedules or turns.path:
        schedules += 1
        flaws = play_one(small, turns, new_way)
        if flaws:
            how = f"play_one({small}, EachInItsTurn({turns.path}), {new_way})"
            raise ClaimBrokenError(f"schedule {turns.path}", how, flaws)
        turns.turn_to_next()
    return schedules


def play_one(small: SmallRun, turns: EachInItsTurn, new_way: Callable[[], Way]) -> list[Flaw]:
    """Play one schedule, and return what is not as it is claimed to be."""
    scenario = Scenario(
        ids=[f"id-{number}" for number in range(small.ids)],
        weather=Weather(
            kinds=small.kinds,
            seconds=small.seconds,
            effects=small.effects,
            later=(5.0,),
            has_details=False,
            calm_after=small.requests,
        ),
        retry=RetryPolicy(max_attempts=3, attempt_timeout=10, deadline=60),
        concurrency=small.concurrency,
        chances=(0.5,),
        **turns.choose(small.endings),  # type: ignore[arg-type]  # fields of a Scenario
    )

    def journal(world: World) -> MemoryJournal:
        return MemoryJournal(world, dict.fromkeys(world.sessions))

    return play(scenario, new_way, turns.choose, journal).world.flaws


def main(more: int) -> None:
    logging.getLogger("firecrawl_interact").setLevel(logging.CRITICAL)
    for what, smallest in SMALL_RUNS.items():
        small = smallest._replace(requests=smallest.requests + more)
        for way in (Blocking, Awaited):
            print(f"{what}, {way.__name__}: {play_each(small, way):,} schedules")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
