"""A Ctrl-C at every line of a run and its scheduler: no id that was taken is forgotten.

A signal's handler runs between two steps of Python's. Here it does so before each line, once, in
small blocking runs. What it may cost is knowledge: the session whose response is being read is
`UNKNOWN`. Two things are not claimed. An id that the caller's iterator has just given, and that
the run has not noted yet, is in nobody's hands. And a request that was given to a thread in
that moment may go on.
"""

from collections.abc import Mapping, Sequence

import pytest

from firecrawl_interact.core import RetryPolicy

from ..core.steps import Interruption, at_each_line
from ..simulation.kinds import FAULTY, LIMITED_FOR_20, LOST, NOT_DELETED, Kind
from ..simulation.play import perform, watch_over
from ..simulation.virtual_threads import NothingWillHappenError
from ..simulation.watch import Scenario
from ..simulation.ways import Blocking
from .claims_of_runs import refuse
from .scenarios import ids

NOT_CLAIMED = {"the end", "attempts", "leaving"}
"""The line may lie before the run knows that it is left, or between a request and its count."""

_MODULES = ("deletions", "scheduler")
"""Those that keep what a run knows from one moment to the next."""


def play(scenario: Scenario, at: int) -> int:
    """Play a run, with a Ctrl-C before one of its lines, and return how many lines it passed."""
    way = Blocking()
    watch = watch_over(scenario, way)
    world, watch.interrupted = watch.world, at > 0
    # Signals meet the main thread.
    ctrl_c = Interruption(at, KeyboardInterrupt, unseen={"__init__", "_work"})
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
    flaws = [flaw for flaw in world.flaws if flaw.claim not in not_claimed]
    refuse(flaws, f"Ctrl-C before line {at} of {scenario}")
    return ctrl_c.moments


@pytest.mark.parametrize("leave_at", [None, 1])
@pytest.mark.parametrize(
    "meets",
    [
        {"id-0": [LIMITED_FOR_20], "id-1": [LOST]},
        {"id-0": [NOT_DELETED, LOST], "id-1": [LOST, FAULTY]},
        {"id-1": [LOST.after(5)]},
    ],
)
def test_a_ctrl_c_before_any_line_of_a_run_costs_no_outcome(
    meets: Mapping[str, Sequence[Kind]], leave_at: int | None
) -> None:
    policy = RetryPolicy(max_attempts=3)
    scenario = Scenario(
        ids=ids(3), meets=meets, retry=policy, concurrency=2, leave_at_outcome=leave_at
    )
    lines = play(scenario, at=0)
    assert lines > 300
    for at in range(1, lines + 1):
        play(scenario, at)
