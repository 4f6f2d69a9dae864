"""An interruption at every step of the event loop, and at every line of an awaited run.

SIGTERM with a handler that raises `SystemExit`, and a second Ctrl-C, stop the event loop wherever
it is. `asyncio.run` cancels what is left then, and the caller's own `finally` still awaits.
"""

import asyncio
import contextvars
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Generator
from contextlib import nullcontext, suppress
from functools import partial
from typing import TypeVarTuple

import pytest

from firecrawl_interact.core import Outcome, Response

from .scripted_transport import DESTROYED, UNAVAILABLE, response
from .side_by_side import AsyncFunctionTransport, many_awaited
from .steps import Interruption, at_each_line
from .virtual_time import VirtualTimeLoop

_Ts = TypeVarTuple("_Ts")

MODULES = ("async_deletions", "asyncio_tasks", "scheduler")
UNSEEN = {"__init__", "<lambda>", "__del__", "_warn_if_left", "is_stopped", "stage"}
LIMITED = response(429, {"success": False}, {"retry-after": "20"})

# The request of that moment, or what asyncio was about to await.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
]


class Run:
    """A run of four ids, two at a time, and what is seen of it."""

    def __init__(self, *, are_awaited: bool, is_left_early: bool) -> None:
        self.taken: list[str] = []
        self.outcomes: list[Outcome] = []
        self.has_begun = self.has_left = self.is_over = False
        self._are_awaited, self._is_left_early = are_awaited, is_left_early
        self._meets = iter([UNAVAILABLE, LIMITED, DESTROYED, UNAVAILABLE])

    async def _respond(self, session_id: str) -> Response:
        await asyncio.sleep(1)
        return next(self._meets, DESTROYED)

    def _ids(self) -> Generator[str]:
        for session_id in "abcd":
            self.taken.append(session_id)
            yield session_id

    async def _awaited_ids(self) -> AsyncGenerator[str]:
        for session_id in self._ids():
            yield session_id
            await asyncio.sleep(0.75)

    async def main(self) -> None:
        ids = self._awaited_ids() if self._are_awaited else self._ids()
        deletions = many_awaited(AsyncFunctionTransport(self._respond), concurrency=2)(ids)
        self.has_begun = True
        try:
            async with deletions:
                async for outcome in deletions:
                    self.outcomes.append(outcome)
                    if self._is_left_early:
                        break
        finally:
            self.has_left = True
            for _ in range(2):  # The interruption may come here, too.
                with suppress(KeyboardInterrupt):
                    async for outcome in deletions:
                        self.outcomes.append(outcome)
            self.is_over = True

    def check(self, met: Collection[str]) -> None:
        """Check it. `met`: the functions that were interrupted."""
        assert self.has_left is self.has_begun
        # An id that the iterator has just given, and that the run has not noted, is nobody's.
        if not {"admit", "_admit_next_id", "_next"}.intersection(met):
            assert Counter(outcome.session_id for outcome in self.outcomes) == Counter(self.taken)


class InterruptedLoop(VirtualTimeLoop):
    """Is interrupted between two of its steps, as long as the run wants more of them."""

    def __init__(self, interruption: Interruption, run: Run) -> None:
        super().__init__()
        self._interruption, self._run = interruption, run

    def call_soon(
        self,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        if not self._run.is_over and self._interruption.count():
            super().call_soon(self._interruption.interrupt)
        return super().call_soon(callback, *args, context=context)


def interrupt_each(
    kind: type[BaseException], *, are_awaited: bool, is_line: bool, is_left_early: bool = False
) -> int:
    """Play a run once for each moment, and return how many moments there are."""
    moment, moments = 0, 1
    while moment <= moments:
        run = Run(are_awaited=are_awaited, is_left_early=is_left_early)
        interruption = Interruption(moment, kind, UNSEEN)
        loop = VirtualTimeLoop if is_line else partial(InterruptedLoop, interruption, run)
        with (
            suppress(kind),
            asyncio.Runner(loop_factory=loop) as runner,
            at_each_line(interruption, *MODULES) if is_line else nullcontext(),
        ):
            runner.run(run.main())
        run.check(interruption.met)
        moments = moments if moment else interruption.moments
        moment += 1
    return moments


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("are_awaited", [False, True])
def test_an_interruption_between_two_steps_of_the_event_loop_costs_no_outcome(
    interruption: type[BaseException], are_awaited: bool
) -> None:
    assert interrupt_each(interruption, are_awaited=are_awaited, is_line=False) > 50


@pytest.mark.parametrize(
    ("interruption", "are_awaited", "is_left_early"),
    [(KeyboardInterrupt, False, False), (SystemExit, True, False), (KeyboardInterrupt, True, True)],
)
def test_an_interruption_before_any_line_of_a_run_costs_no_outcome_and_gives_none_twice(
    interruption: type[BaseException], are_awaited: bool, is_left_early: bool
) -> None:
    moments = interrupt_each(
        interruption, are_awaited=are_awaited, is_line=True, is_left_early=is_left_early
    )
    assert moments > 500
