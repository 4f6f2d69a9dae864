"""Every schedule of small runs: all that may become of the first requests of two to four ids.

A schedule says of each request what becomes of it, after how many seconds, and what it did to the
session that nobody sees; and who ends the run early, and when. After so many requests the world is
calm. Each schedule is played by the blocking run and by the awaited one. None is merged with
another. `python -m tests.proof.small_runs 1` plays one request more of each kind of run.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from firecrawl_interact.core import RetryPolicy

from . import simulated_world as world_of
from .awaited_runs import LoopClock, ThreadlessLoop, run_awaited
from .blocking_runs import run_blocking
from .claims_of_runs import ClaimBrokenError
from .simulated_runs import Plan, Step, Watch
from .simulated_world import SERVED, Clock, Flaw, Kind, MemoryJournal, Weather, World
from .virtual_blocking import BlockingClock

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
    """Fields of a `Plan`: how it is ended early."""


KINDS = (
    SERVED,
    world_of.STOPPING,
    world_of.LOST,
    world_of.NO_CONNECTION,
    world_of.LIMITED_FOR_20,
    world_of.UNAUTHORIZED,
)
FEW_KINDS = (SERVED, world_of.LOST, world_of.NO_CONNECTION, world_of.LIMITED_FOR_20)
EARLY: Sequence[Mapping[str, object]] = (
    *({"stop_at_request": number} for number in (1, 2, 3)),
    *({"leave_at_outcome": number} for number in (1, 2)),
    *({"interrupt_at": (seconds,)} for seconds in (0.5, 1.0, 2.0, 3.0)),
    {"interrupt_at": (0.5, 1.5)},
    {"interrupt_at": (0.5,), "shutdown_timeout": 1.0},
    {"stop_at": 2.0, "ids_fail": True},
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
RETRY = RetryPolicy(max_attempts=3, attempt_timeout=10, deadline=60)


def play_each(small: SmallRun, *, is_awaited: bool) -> int:
    """Play each schedule, and return how many there are.

    Raises:
        ClaimBrokenError: something is not as it is claimed to be.
    """
    turns = EachInItsTurn()
    schedules = 0
    while not schedules or turns.path:
        schedules += 1
        flaws = play(small, turns, is_awaited=is_awaited)
        if flaws:
            how = f"play({small}, EachInItsTurn({turns.path}), is_awaited={is_awaited})"
            raise ClaimBrokenError(f"schedule {turns.path}", how, flaws)
        turns.turn_to_next()
    return schedules


def play(small: SmallRun, turns: EachInItsTurn, *, is_awaited: bool) -> list[Flaw]:
    """Play one schedule, and return what is not as it is claimed to be."""

    def watched(clock: Clock) -> Watch:
        weather = Weather(kinds=small.kinds, seconds=small.seconds, later=(5.0,))
        world = World(
            clock,
            turns.choose,
            weather,
            effects=small.effects,
            has_details=False,
            calm_after=small.requests,
        )
        ids = [f"id-{number}" for number in range(small.ids)]
        for session_id in ids:
            world.open(session_id)
        plan = Plan(
            steps=[Step(0.0, session_id) for session_id in ids],
            retry=RETRY,
            concurrency=small.concurrency,
            chances=(0.5,),
            **turns.choose(small.endings),  # type: ignore[arg-type]  # fields of a Plan
        )
        return Watch(world, plan, MemoryJournal(world, dict.fromkeys(ids)))

    return flaws_of(watched, is_awaited=is_awaited)


def flaws_of(watched: Callable[[Clock], Watch], *, is_awaited: bool) -> list[Flaw]:
    """Play the run that is watched, in one of the two ways, and return its flaws."""
    if not is_awaited:
        clock = BlockingClock()
        watch = watched(clock)
        run_blocking(watch, clock)
        return watch.world.flaws
    with asyncio.Runner(loop_factory=ThreadlessLoop) as runner:
        watch = watched(LoopClock(runner.get_loop()))
        runner.run(run_awaited(watch))
    return watch.world.flaws


def main(more: int) -> None:
    logging.getLogger("firecrawl_interact").setLevel(logging.CRITICAL)
    for what, smallest in SMALL_RUNS.items():
        small = smallest._replace(requests=smallest.requests + more)
        for is_awaited in (False, True):
            count = play_each(small, is_awaited=is_awaited)
            print(f"{what}, {'awaited' if is_awaited else 'blocking'}: {count:,} schedules")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
