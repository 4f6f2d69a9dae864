"""An interruption at any line or await of a block: its session is gone, or something says so."""

import asyncio
import gc
import signal
import warnings
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from typing import NamedTuple, TypeAlias

import pytest

from firecrawl_interact.adapters import FakeService, InMemoryJournal, InMemoryTransport, Reply
from firecrawl_interact.core import (
    AsyncDeleteSession,
    DeleteSession,
    DeleteSessionError,
    Request,
    Response,
)

from .steps import Interruption, at_each_line

pytestmark = [
    pytest.mark.slow,
    # What was about to be awaited in that moment. Python may fail to warn of it: a frame of a named
    # tuple, in which it is freed, has no builtins.
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <coroutine object:pytest.PytestUnraisableExceptionWarning"
    ),
]

KEY = "fc-test"
MODULES = ("on_exit", "opening", "delete_session", "conversation", "asyncio_tasks", "wire")
AT_ITS_DOOR = {"__enter__", "__exit__", "__aenter__", "__aexit__"}
"""Where a signal may come before a block begins, or its end: only a warning can say so."""
MOST_STEPS = 2_000


class Browser(NamedTuple):
    """What a client returns that has opened a session."""

    id: str


Played: TypeAlias = Callable[[], None]


class World:
    """A service, clients of it, and what a block left there.

    Args:
        refuses: whether the service refuses each delete.
    """

    def __init__(self, *, refuses: bool = False) -> None:
        self.service = FakeService([KEY])
        if refuses:
            self.service.queue(*[Reply(400, json={"success": False, "error": "no"})] * 9)
        self.journal = InMemoryJournal()
        self.began = self.has_finished = self.opener_was_cancelled = False
        self.turns = 0
        self.words: list[str] = []
        self.warned: list[str] = []
        self.transport = InMemoryTransport(self.service)

    def open_session(self) -> Browser:
        return Browser(self.service.open_session())

    async def open_session_awaited(self) -> Browser:
        try:
            await turns()
            browser = self.open_session()
            await turns()
        except (asyncio.CancelledError, GeneratorExit):  # so nobody learns the id
            self.opener_was_cancelled = True
            raise
        return browser

    async def send(self, request: Request, timeout: float) -> Response:
        await turns()
        response = self.transport.send(request, timeout)
        await turns()
        return response

    async def sleep(self, seconds: float) -> None:
        await turns()

    def monotonic(self) -> float:
        return self.transport.monotonic()

    def play(
        self,
        made: list[Played],
        interrupted: AbstractContextManager[object] = nullcontext(),  # noqa: B008 - it has no state
    ) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                with interrupted:
                    made.pop()()
            except BaseException as raised:
                self.note(raised)
            if self.service.sessions_left_open and not self.words:
                gc.collect()
            self.warned = [str(one.message) for one in caught]

    def note(self, raised: BaseException | None) -> None:
        """Keep what an exception, and what it interrupted, says of the session."""
        while raised is not None:
            self.words += getattr(raised, "__notes__", [])
            self.words += [str(raised)] if isinstance(raised, DeleteSessionError) else []
            raised = raised.__context__

    def block(self, *, fails: bool) -> None:
        self.began = True
        try:
            if fails:
                raise RuntimeError("the work failed")
        finally:
            self.has_finished = True

    def check(self, where: str = "") -> None:
        assert self.has_finished is self.began, where
        if not self.service.sessions_left_open or self.opener_was_cancelled or self.words:
            return
        assert where in AT_ITS_DOOR or where == "after two", where
        assert any("never" in text for text in self.warned), where


async def turns() -> None:
    for _ in range(2):
        await asyncio.sleep(0)


def blocking(world: World, how: str, *, fails: bool) -> Played:
    delete_session = DeleteSession(world.transport, KEY, journal=world.journal)

    def play() -> None:
        with block:
            world.block(fails=fails)

    if how == "opening":
        block: AbstractContextManager[object] = delete_session.opening(world.open_session)
    else:
        block = delete_session.on_exit(world.open_session().id)
    return play


def awaited_block(world: World, how: str) -> Callable[..., Coroutine[None, None, None]]:
    delete_session = AsyncDeleteSession(world, KEY)
    if how == "opening":
        block: AbstractAsyncContextManager[object] = delete_session.opening(
            world.open_session_awaited
        )
    else:
        block = delete_session.on_exit(world.open_session().id)

    async def main(*, fails: bool) -> None:
        try:
            async with block:
                await turns()
                world.block(fails=fails)
        except BaseException as left_with:  # asyncio.run may raise something else.
            world.note(left_with)
            raise

    return main


def awaited(world: World, how: str, *, fails: bool) -> Played:
    block = awaited_block(world, how)
    return lambda: asyncio.run(block(fails=fails))


# A generator that is just being collected may meet the line, too: Python shows that and drops it.
@pytest.mark.filterwarnings("ignore:.*generator object:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("fails", "refuses"),
    [(False, False), (True, False), (False, True), (True, True)],
    ids=["ends", "fails", "ends, delete fails", "fails, delete fails"],
)
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("how", ["on_exit", "opening"])
@pytest.mark.parametrize("make", [blocking, awaited])
def test_one_interruption_at_any_line_leaves_no_session_open_without_a_word(
    make: Callable[..., Played], how: str, error: type[BaseException], fails: bool, refuses: bool
) -> None:
    for count in range(1, MOST_STEPS):
        world, interruption = World(refuses=refuses), Interruption(count, error)
        world.play([make(world, how, fails=fails)], at_each_line(interruption, *MODULES))
        if interruption.moments < count:
            break
        world.check(*interruption.met[:1])
    assert 50 < count < MOST_STEPS - 1


# Awaited: at each turn of the event loop


def cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


def press_ctrl_c(task: asyncio.Task[None]) -> None:
    signal.raise_signal(signal.SIGINT)


def leave(task: asyncio.Task[None]) -> None:
    raise SystemExit


def awaited_with(
    world: World, how: str, interruptions: dict[int, Callable[[asyncio.Task[None]], None]]
) -> Played:
    """One block in the main task, which is interrupted at these turns of the event loop."""
    block = awaited_block(world, how)

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(next_turn, task, 1)
        await block(fails=False)

    def next_turn(task: asyncio.Task[None], turn: int) -> None:
        if not task.done():
            asyncio.get_running_loop().call_soon(next_turn, task, turn + 1)
            world.turns = turn
            if turn in interruptions:
                interruptions[turn](task)

    return lambda: asyncio.run(main())


@pytest.mark.parametrize("interrupt", [cancel, press_ctrl_c, leave])
@pytest.mark.parametrize("how", ["on_exit", "opening"])
def test_one_interruption_at_any_await_leaves_no_session_open(
    how: str, interrupt: Callable[[asyncio.Task[None]], None]
) -> None:
    for turn in range(1, MOST_STEPS):
        world = World()
        world.play([awaited_with(world, how, {turn: interrupt})])
        if world.turns < turn:
            break
        world.check()
        if not world.opener_was_cancelled:
            assert not world.service.sessions_left_open, turn
    assert 5 < turn < MOST_STEPS - 1


@pytest.mark.parametrize(
    ("one", "another"),
    [(press_ctrl_c, press_ctrl_c), (press_ctrl_c, leave), (cancel, leave)],
)
@pytest.mark.parametrize("how", ["on_exit", "opening"])
def test_two_interruptions_at_any_awaits_leave_a_word_for_each_session(
    how: str,
    one: Callable[[asyncio.Task[None]], None],
    another: Callable[[asyncio.Task[None]], None],
) -> None:
    for first in range(1, MOST_STEPS):
        for second in range(first + 1, first + 12):
            world = World()
            world.play([awaited_with(world, how, {first: one, second: another})])
            world.check("after two")
        if world.turns < first:
            break
    assert 5 < first < MOST_STEPS - 1
