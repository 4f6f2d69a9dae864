"""An interruption at every step of the event loop, and at every line of an awaited run.

SIGTERM with a handler that raises `SystemExit`, and a second Ctrl-C, stop the event loop wherever
it is. `asyncio.run` cancels what is left then, and the caller's own `finally` still awaits.
"""

import asyncio
import contextvars
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import nullcontext, suppress
from types import FrameType
from typing import TypeVarTuple

import pytest

from firecrawl_interact.core import Outcome, Response

from .scripted_transport import DESTROYED, UNAVAILABLE, response
from .side_by_side import AsyncFunctionTransport, many_awaited
from .steps import at_each_line
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

each_interruption = pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
each_way_to_read_ids = pytest.mark.parametrize("are_awaited", [False, True])


class Interruption:
    """Raises an exception at one of many moments of a run, from 1. 0: at none.

    Args:
        kind: what is raised.
        at: at which moment.
        is_line: whether the moments lie before lines, or else between two steps of the loop.
        is_over: says whether the run has ended.
    """

    def __init__(
        self, kind: type[BaseException], at: int, *, is_line: bool, is_over: Callable[[], bool]
    ) -> None:
        self.moments = 0
        self.met: set[str] = set()  # the functions of that line
        self._kind, self._at, self._is_line, self._is_over = kind, at, is_line, is_over

    def before_a_line(self, frame: FrameType) -> None:
        name = frame.f_code.co_name
        if name in UNSEEN:
            return
        self.moments += 1
        if self.moments == self._at:
            self.met = {name, frame.f_back.f_code.co_name if frame.f_back else ""}
            raise self._kind

    def before_a_step(self, loop: "InterruptedLoop") -> None:
        if not self._is_line and not self._is_over():
            self.moments += 1
            if self.moments == self._at:
                loop.call_now(self._raise)

    def _raise(self) -> None:
        raise self._kind

    def loop(self) -> "InterruptedLoop":
        return InterruptedLoop(self)


class InterruptedLoop(VirtualTimeLoop):
    """Is interrupted between two of its steps."""

    def __init__(self, interruption: Interruption) -> None:
        super().__init__()
        self._interruption = interruption

    def call_soon(
        self,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        self._interruption.before_a_step(self)
        return super().call_soon(callback, *args, context=context)

    def call_now(self, callback: Callable[[], object]) -> None:
        super().call_soon(callback)


class Run:
    """A run of four ids, two at a time, and what is seen of it."""

    def __init__(self, *, are_awaited: bool) -> None:
        self.taken: list[str] = []
        self.outcomes: list[Outcome] = []
        self.has_begun = self.has_left = self.is_over = False
        self._are_awaited = are_awaited
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
        finally:
            self.has_left = True
            async for outcome in deletions:
                self.outcomes.append(outcome)
            self.is_over = True

    def check(self, met: set[str]) -> None:
        """Check it. `met`: the functions that were interrupted."""
        assert self.has_left is self.has_begun
        # An id that the iterator has just given, and that the run has not noted, is nobody's.
        if not met & {"admit", "_admit_next_id", "_next"}:
            assert Counter(outcome.session_id for outcome in self.outcomes) == Counter(self.taken)


def interrupt_each(kind: type[BaseException], *, are_awaited: bool, is_line: bool) -> int:
    """Play a run once for each moment, and return how many moments there are."""
    moment, moments = 0, 1
    while moment <= moments:
        run = Run(are_awaited=are_awaited)
        interruption = Interruption(kind, moment, is_line=is_line, is_over=lambda: run.is_over)  # noqa: B023 - it is asked in this turn alone
        with (
            suppress(kind),
            asyncio.Runner(loop_factory=interruption.loop) as runner,
            at_each_line(interruption.before_a_line, *MODULES) if is_line else nullcontext(),
        ):
            runner.run(run.main())
        run.check(interruption.met)
        moments = moments if moment else interruption.moments
        moment += 1
    return moments


@each_interruption
@each_way_to_read_ids
def test_an_interruption_between_two_steps_of_the_event_loop_costs_no_outcome(
    interruption: type[BaseException], are_awaited: bool
) -> None:
    assert interrupt_each(interruption, are_awaited=are_awaited, is_line=False) > 50


@pytest.mark.parametrize(
    ("interruption", "are_awaited"), [(KeyboardInterrupt, False), (SystemExit, True)]
)
def test_an_interruption_before_any_line_of_a_run_costs_no_outcome(
    interruption: type[BaseException], are_awaited: bool
) -> None:
    assert interrupt_each(interruption, are_awaited=are_awaited, is_line=True) > 500
