"""An interruption at every step of the event loop, and at every line of an awaited run.

SIGTERM with a handler that raises `SystemExit`, and a second Ctrl-C, stop the event loop wherever
it is. `asyncio.run` cancels what is left then, and the caller's own `finally` still awaits.
"""

import asyncio
import contextvars
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import TypeVarTuple

import pytest

from ..simulation.kinds import STOPPING, limited
from ..simulation.play import begin, consume, watch_over
from ..simulation.watch import Scenario, Step, Watch
from ..simulation.ways import Awaited, ThreadlessLoop
from .steps import Interruption, at_each_line

_Ts = TypeVarTuple("_Ts")

MODULES = ("async_deletions", "shielding", "scheduler")
UNSEEN = {"__init__", "<lambda>", "__del__", "_warn_if_abandoned", "is_stopped", "stage"}

IDS = Scenario(
    ids="abcd", concurrency=2, meets={"a": [STOPPING], "b": [limited(20)], "d": [STOPPING]}
)
AWAITED_IDS = replace(IDS, ids=[Step(0.75, name) for name in "abcd"], ids_are_awaited=True)

# The request of that moment, or what asyncio was about to await.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
]


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


async def take_all(
    watch: Watch, way: Awaited, interruption: Interruption, come_to: list[str]
) -> None:
    deletions = begin(watch, way)
    come_to.append("the block")
    try:
        await consume(watch, way, deletions)
    finally:
        come_to.append("the caller's own finally")
        for _ in range(2):  # The interruption may come here, too.
            with suppress(KeyboardInterrupt):
                async for outcome in deletions:
                    watch.receive(outcome)
        interruption.is_over = True


def interrupt_each(kind: type[BaseException], scenario: Scenario, *, is_line: bool) -> int:
    """Play a run once for each moment, and return how many moments there are."""
    moment, moments = 0, 1
    while moment <= moments:
        interruption, come_to = Interruption(moment, kind, UNSEEN), list[str]()
        way = Awaited(None if is_line else InterruptedLoop(interruption))
        watch = watch_over(scenario, way)
        with suppress(kind), at_each_line(interruption, *MODULES) if is_line else nullcontext():
            way.play(watch, take_all(watch, way, interruption, come_to))
        assert len(come_to) != 1, "it never left the block"
        # An id that the iterator has just given, and that the run has not noted, is nobody's.
        if not {"admit", "_take_next_id", "_read"}.intersection(interruption.met):
            ids = [outcome.session_id for outcome in watch.outcomes]
            assert Counter(ids) == Counter(watch.taken)
        moments = moments if moment else interruption.moments
        moment += 1
    return moments


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("scenario", [IDS, AWAITED_IDS], ids=["ids", "awaited ids"])
def test_an_interruption_between_two_steps_of_the_event_loop_costs_no_outcome(
    interruption: type[BaseException], scenario: Scenario
) -> None:
    assert interrupt_each(interruption, scenario, is_line=False) > 50


@pytest.mark.parametrize(
    ("interruption", "scenario"),
    [
        (KeyboardInterrupt, IDS),
        (SystemExit, AWAITED_IDS),
        (KeyboardInterrupt, replace(AWAITED_IDS, leave_at_outcome=1)),
    ],
)
def test_an_interruption_before_any_line_of_a_run_costs_no_outcome_and_gives_none_twice(
    interruption: type[BaseException], scenario: Scenario
) -> None:
    assert interrupt_each(interruption, scenario, is_line=True) > 500
