"""An interruption at every line of a run, and at every step of an event loop: no id is forgotten.

A signal's handler runs between two steps of Python's. Here it raises before each line, once, in
small runs. SIGTERM with a handler that raises `SystemExit`, and a second Ctrl-C, stop an event
loop wherever it is. `asyncio.run` cancels what is left, and the caller's `finally` still awaits.

What it may cost is knowledge: the session whose response is being read is `UNKNOWN`. Two things are
not claimed. An id that an asynchronous iterator has just given, and that the run has not noted yet,
is in nobody's hands. And a request that was given to a thread in that moment may go on.
"""

import asyncio
import contextvars
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import TypeVarTuple

import pytest

from firecrawl_interact.core import RetryPolicy

from ..core.outages import ids
from ..core.steps import Interruption, at_each_line
from ..simulation.kinds import (
    FAULTY,
    LIMITED_FOR_20,
    LOST,
    NOT_DELETED,
    STOPPING,
    FaultyError,
    Kind,
)
from ..simulation.play import begin, consume, take_rest, watch_over
from ..simulation.watch import Scenario, Step, Watch
from ..simulation.ways import Awaited, Blocking, ThreadlessLoop, Way
from ..simulation.world import full_journal
from .claims_of_runs import refuse

_Ts = TypeVarTuple("_Ts")

NOT_CLAIMED = {"the end", "attempts", "leaving"}
"""The line may lie before the run knows that it is left, or between a request and its count."""
MODULES = ("run", "deletions", "async_deletions", "shielding", "scheduler")
UNSEEN = {"__init__", "<lambda>", "__del__", "_warn_if_abandoned", "_hand_out_or_end"}
"""No signal's handler runs between lines of `_hand_out_or_end`, which has no call and no loop."""
OF_THREADS = {"_work"}
"""Signals meet the main thread."""

FEW = Scenario(ids=ids(3), concurrency=2, retry=RetryPolicy(max_attempts=3))
MEETS = [
    {"0": [LIMITED_FOR_20], "1": [LOST]},
    {"0": [NOT_DELETED, LOST], "1": [LOST, FAULTY]},
    {"1": [LOST.after(5)]},
]
IDS = Scenario(
    ids="abcd",
    concurrency=2,
    meets={"a": [STOPPING], "b": [LIMITED_FOR_20], "d": [STOPPING]},
)
AWAITED_IDS = replace(IDS, ids=[Step(0.75, name) for name in "abcd"], ids_are_awaited=True)

# The request of that moment, or what asyncio was about to await.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")


class InterruptedLoop(ThreadlessLoop):
    """Is interrupted between two of its steps, as long as the run wants more of them."""

    def __init__(self, interruption: Interruption) -> None:
        super().__init__()
        self._interruption = interruption

    def call_soon(
        self,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        if self._interruption.count():
            super().call_soon(self._interruption.interrupt)
        return super().call_soon(callback, *args, context=context)


async def take_all(watch: Watch, way: Way, interruption: Interruption) -> None:
    deletions = begin(watch, way)
    try:
        await consume(watch, way, deletions)
    except Exception as error:
        watch.raised.append(error)
    finally:
        watch.leaves += 1
        await take_rest(watch, deletions)
        interruption.is_over = True


def play(scenario: Scenario, at: int, kind: type[BaseException], new_way: type[Way] | None) -> int:
    """Play a run with one interruption, and return how many moments it passed.

    Without a way, the event loop is interrupted between two steps, and else a line is.
    """
    unseen = UNSEEN | (OF_THREADS if new_way is Blocking else set())
    interruption = Interruption(at, kind, unseen)
    way = new_way() if new_way else Awaited(InterruptedLoop(interruption))
    watch = watch_over(scenario, way, set_up=full_journal)
    watch.interrupted = at > 0
    with suppress(kind), at_each_line(interruption, *MODULES) if new_way else nullcontext():
        way.play(watch, take_all(watch, way, interruption))
    watch.world.claim("one outcome", not watch.taken or watch.leaves, "it never left the block")
    watch.check_end()
    not_claimed = NOT_CLAIMED if at else set()
    if "_read" in interruption.met:
        not_claimed = not_claimed | {"one outcome"}
    flaws = [flaw for flaw in watch.world.flaws if flaw.claim not in not_claimed]
    refuse(flaws, f"{kind.__name__} at moment {at} of {scenario}")
    return interruption.moments


def play_each(
    scenario: Scenario, kind: type[BaseException], new_way: type[Way] | None, least: int
) -> None:
    moments = play(scenario, 0, kind, new_way)
    assert moments > least
    for at in range(1, moments + 1):
        play(scenario, at, kind, new_way)


@pytest.mark.parametrize("leave_at", [None, 1])
@pytest.mark.parametrize("meets", MEETS)
def test_a_ctrl_c_before_any_line_of_a_blocking_run_costs_no_outcome(
    meets: dict[str, list[Kind]], leave_at: int | None
) -> None:
    scenario = replace(FEW, meets=meets, leave_at_outcome=leave_at)
    play_each(scenario, KeyboardInterrupt, Blocking, 300)


@pytest.mark.parametrize(
    "scenario", [replace(FEW, meets=MEETS[1]), replace(IDS, leave_at_outcome=1)]
)
def test_nor_does_the_exception_of_a_signal_s_handler(scenario: Scenario) -> None:
    play_each(scenario, FaultyError, Blocking, 300)


@pytest.mark.parametrize(
    ("kind", "scenario"),
    [
        (KeyboardInterrupt, IDS),
        (SystemExit, AWAITED_IDS),
        (KeyboardInterrupt, replace(AWAITED_IDS, leave_at_outcome=1)),
    ],
)
def test_nor_does_an_interruption_before_any_line_of_an_awaited_one(
    kind: type[BaseException], scenario: Scenario
) -> None:
    play_each(scenario, kind, Awaited, 500)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("scenario", [IDS, AWAITED_IDS], ids=["ids", "awaited ids"])
def test_nor_does_an_interruption_between_two_steps_of_the_event_loop(
    kind: type[BaseException], scenario: Scenario
) -> None:
    play_each(scenario, kind, None, 50)
