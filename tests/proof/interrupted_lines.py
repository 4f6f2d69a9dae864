"""A Ctrl-C at every line of a run and its scheduler: no id that was taken is forgotten.

A signal's handler runs between two steps of Python's. Here it does so before each line, once, in
small blocking runs. What it may cost is knowledge: the session whose response is being read is
`UNKNOWN`. Two things are not claimed. An id that the caller's iterator has just given, and that
the run has not noted yet, is in nobody's hands. And a request that was given to a thread in
that moment may go on.
"""

from collections.abc import Sequence
from typing import TypeVar

from firecrawl_interact.core import RetryPolicy

from ..core.steps import Interruption, at_each_line
from ..simulation.kinds import FAULTY, LIMITED_FOR_20, LOST, NOT_DELETED, SERVED, Kind
from ..simulation.play import perform, watch_over
from ..simulation.virtual_threads import NothingWillHappenError
from ..simulation.watch import Scenario
from ..simulation.ways import Blocking
from ..simulation.world import Flaw, Weather
from .claims_of_runs import ClaimBrokenError

_T = TypeVar("_T")

NOT_CLAIMED = {"the end", "attempts", "leaving"}
"""The line may lie before the run knows that it is left, or between a request and its count."""

_MODULES = ("deletions", "scheduler")
"""Those that keep what a run knows from one moment to the next."""

SCHEDULES: Sequence[Sequence[Kind]] = (
    (LIMITED_FOR_20, LOST),
    (NOT_DELETED, LOST, LOST, FAULTY),
)


def play(kinds: Sequence[Kind], leave_at: int | None, at: int) -> tuple[int, list[Flaw]]:
    """Play one run, with a Ctrl-C before one of its lines.

    Returns:
        How many lines it passed, and what is not as it is claimed to be.
    """
    script = iter(kinds)
    options = (SERVED, LOST)

    def choose(given: Sequence[_T], /) -> _T:
        if given is options:
            return next(script, SERVED)  # type: ignore[return-value]  # one of the kinds
        return given[0]

    scenario = Scenario(
        ids=[f"id-{number}" for number in range(3)],
        weather=Weather(kinds=options),
        retry=RetryPolicy(max_attempts=3),
        concurrency=2,
        leave_at_outcome=leave_at,
    )
    way = Blocking()
    watch = watch_over(scenario, way, choose)
    world, watch.interrupted = watch.world, at > 0
    # Signals meet the main thread.
    ctrl_c = Interruption(at, KeyboardInterrupt, unseen={"__init__", "_carry"})
    try:
        with at_each_line(ctrl_c, *_MODULES):
            way.play(watch, perform(watch, way))
    except KeyboardInterrupt:  # before the run began
        world.claim("one outcome", not watch.taken, "the run takes ids before it begins")
    except NothingWillHappenError as error:
        world.claim("one outcome", None, f"the run never ends: {error}")
    not_claimed = NOT_CLAIMED if ctrl_c.met else set()
    if ctrl_c.met[:1] == ["admit"]:  # The run may not have noted the id yet.
        not_claimed = not_claimed | {"one outcome"}
    return ctrl_c.moments, [flaw for flaw in world.flaws if flaw.claim not in not_claimed]


def interrupt_each_line() -> int:
    """Interrupt runs before each of their lines, and return how many lines that were.

    Raises:
        ClaimBrokenError: something is not as it is claimed to be.
    """
    count = 0
    for number, kinds in enumerate(SCHEDULES):
        for leave_at in (None, 1):
            lines, at = 1, 0
            while at <= lines:
                passed, flaws = play(kinds, leave_at, at)
                lines = lines if at else passed
                if flaws:
                    how = f"play(SCHEDULES[{number}], {leave_at}, {at})"
                    raise ClaimBrokenError(f"Ctrl-C before line {at}", how, flaws)
                at += 1
            count += lines
    return count
