"""How a block, a call or a run may end, by how the library is used: a table of all pairs.

In each, the session is destroyed, or one outcome says what is known of it, and so does an ERROR in
the log, unless the delete's error is itself what the program sees.
"""

import asyncio
import gc
import logging
import math
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from typing import Any, TypeAlias

import anyio
import pytest
import trio

from firecrawl_interact.adapters import (
    AsyncInMemoryTransport,
    FakeService,
    InMemoryTransport,
    Reply,
)
from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    DeleteManySessions,
    DeleteSession,
    DeleteSessionError,
    Outcome,
    RetryPolicy,
    SessionFate,
)

from .blocks import BlockError, Browser
from .log_records import log_records
from .scripted_transport import SESSION_ID

ONCE = RetryPolicy(max_attempts=1)
Use: TypeAlias = Callable[[], AbstractContextManager[object]]
AsyncUse: TypeAlias = Callable[[], AbstractAsyncContextManager[object]]
Program: TypeAlias = Coroutine[Any, Any, object]


class World:
    """A service with one session, a use case of either kind, and all that is said of its end."""

    def __init__(self, *, is_away: bool) -> None:
        self.must_be_gone = not is_away
        self.service = FakeService(["fc-test"])
        self.service.open_session(SESSION_ID)
        if is_away:
            self.service.outage(math.inf, Reply(503))
        self.told: list[Outcome] = []
        self.raised: list[BaseException] = []
        self.task: asyncio.Task[None] | None = None  # which nobody awaits
        said: Any = {"retry": ONCE, "on_outcome": self.told.append}  # Any: of many types
        self.blocking = DeleteSession(InMemoryTransport(self.service), "fc-test", **said)
        self.awaited = AsyncDeleteSession(AsyncInMemoryTransport(self.service), "fc-test", **said)

    def play(self, program: Callable[[], object]) -> None:
        """Run a program to its end, whatever it raises."""
        with log_records(logging.ERROR) as logged:
            try:
                program()
            except BaseException as error:
                self.raised.append(error)
        self.check(logged)

    def check(self, logged: list[logging.LogRecord]) -> None:
        """Compare what is so with what is said."""
        is_gone = not self.service.is_open(SESSION_ID)
        assert is_gone or not self.must_be_gone
        [outcome] = self.told
        assert outcome.session_id == SESSION_ID
        assert is_gone or outcome.session_fate is not SessionFate.GONE
        seen = [one for error in self.raised for one in _all_in(error) if one is outcome]
        errors = [getattr(record, "session_id", None) for record in logged]
        if outcome.session_fate is SessionFate.GONE:
            assert errors == []
        else:
            assert len(seen) + len(errors) == 1
            assert set(errors) <= {SESSION_ID, None}  # A run that was left says how many.


def _all_in(error: BaseException) -> Iterator[BaseException]:
    """An exception, and those of its group."""
    yield error
    for one in getattr(error, "exceptions", ()):
        yield from _all_in(one)


def table(ways: dict[str, Any], uses: dict[str, Any]) -> pytest.MarkDecorator:  # Any: functions
    rows = {
        f"{way}-{use}-{'away' if is_away else 'there'}": (ways[way], uses[use], is_away)
        for way in ways
        for use in uses
        for is_away in (False, True)
    }
    return pytest.mark.parametrize(("way", "use", "is_away"), rows.values(), ids=rows)


# Blocking


@contextmanager
def as_run(world: World) -> Iterator[None]:
    with DeleteManySessions(world.blocking)([SESSION_ID]) as deletions:
        for outcome in deletions:
            if isinstance(outcome, DeleteSessionError):
                world.raised.append(outcome)
            yield


BLOCKING_USES = {
    "on_exit": lambda world: world.blocking.on_exit(SESSION_ID),
    "opening": lambda world: world.blocking.opening(lambda: Browser(SESSION_ID)),
    "run": as_run,
}


def fails_with(error: Callable[[], BaseException]) -> Callable[[World, Use], None]:
    def way(world: World, use: Use) -> None:
        with use():
            raise error()

    return way


def returns(world: World, use: Use) -> None:
    with use():
        pass


def leaves_a_generator(world: World, use: Use) -> None:
    def pages() -> Iterator[int]:
        with use():
            yield 1

    for _ in pages():
        break
    gc.collect()


def is_closed(world: World, use: Use) -> None:
    with use():
        world.must_be_gone = False  # Nothing can be sent any more.
        world.blocking.close()


BLOCKING_WAYS = {
    "return": returns,
    "exception": fails_with(BlockError),
    "SystemExit": fails_with(SystemExit),
    "KeyboardInterrupt": fails_with(KeyboardInterrupt),
    "generator": leaves_a_generator,
    "closed": is_closed,
}


@table(BLOCKING_WAYS, BLOCKING_USES)
def test_blocking(
    way: Callable[[World, Use], None],
    use: Callable[[World], AbstractContextManager[object]],
    is_away: bool,
) -> None:
    world = World(is_away=is_away)
    world.play(lambda: way(world, lambda: use(world)))


# Awaited


@asynccontextmanager
async def as_awaited_run(world: World) -> AsyncIterator[None]:
    async with AsyncDeleteManySessions(world.awaited)([SESSION_ID]) as deletions:
        async for outcome in deletions:
            if isinstance(outcome, DeleteSessionError):
                world.raised.append(outcome)
            yield


async def open_session() -> Browser:
    await asyncio.sleep(0)
    return Browser(SESSION_ID)


AWAITED_USES = {
    "on_exit": lambda world: world.awaited.on_exit(SESSION_ID),
    # As a task here, since `blocks` has coroutines. Whatever can be awaited may open it.
    "opening": lambda world: world.awaited.opening(lambda: asyncio.create_task(open_session())),
    "run": as_awaited_run,
}


async def hold(use: AsyncUse, is_open: asyncio.Event) -> None:
    async with use():
        is_open.set()
        await asyncio.sleep(3600)


async def begun(use: AsyncUse) -> asyncio.Task[None]:
    """A task that is in its block."""
    is_open = asyncio.Event()
    task = asyncio.create_task(hold(use, is_open))
    await is_open.wait()
    return task


async def does_return(world: World, use: AsyncUse) -> None:
    async with use():
        await asyncio.sleep(0)


def does_fail_with(error: Callable[[], BaseException]) -> Callable[[World, AsyncUse], Program]:
    async def way(world: World, use: AsyncUse) -> None:
        async with use():
            raise error()

    return way


async def is_cancelled(world: World, use: AsyncUse) -> None:
    task = await begun(use)
    task.cancel()
    await task


async def has_a_sibling_that_fails(world: World, use: AsyncUse) -> None:
    async def sibling() -> None:
        await is_open.wait()
        raise BlockError

    is_open = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(hold(use, is_open))
        group.create_task(sibling())


async def is_in_the_background(world: World, use: AsyncUse) -> None:
    world.task = await begun(use)


async def leaves_an_asynchronous_generator(world: World, use: AsyncUse) -> None:
    async def pages() -> AsyncIterator[int]:
        async with use():
            yield 1

    async for _ in pages():
        break


async def presses_ctrl_c_once(world: World, use: AsyncUse) -> None:
    async with use():
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(3600)


async def is_in_a_cancelled_scope(world: World, use: AsyncUse) -> None:
    with anyio.CancelScope() as scope:
        async with use():
            scope.cancel()
            await anyio.sleep(3600)


async def is_closed_by_main(world: World, use: AsyncUse) -> None:
    async with world.awaited:
        world.task = await begun(use)


async def is_closed_by_ctrl_c(world: World, use: AsyncUse) -> None:
    async with world.awaited:
        world.task = await begun(use)
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(3600)


AWAITED_WAYS = {
    "return": does_return,
    "exception": does_fail_with(BlockError),
    "SystemExit": does_fail_with(SystemExit),
    "KeyboardInterrupt": does_fail_with(KeyboardInterrupt),
    "Ctrl-C": presses_ctrl_c_once,
    "cancelled": is_cancelled,
    "TaskGroup": has_a_sibling_that_fails,
    "asyncio.run": is_in_the_background,
    "generator": leaves_an_asynchronous_generator,
    "anyio": is_in_a_cancelled_scope,
    "closed": is_closed_by_main,
    "closed by Ctrl-C": is_closed_by_ctrl_c,
}


@table(AWAITED_WAYS, AWAITED_USES)
def test_awaited(
    way: Callable[[World, AsyncUse], Program],
    use: Callable[[World], AbstractAsyncContextManager[object]],
    is_away: bool,
) -> None:
    world = World(is_away=is_away)
    world.play(lambda: asyncio.run(way(world, lambda: use(world))))


async def open_after_a_checkpoint() -> Browser:
    await trio.sleep(0)
    return Browser(SESSION_ID)


UNDER_TRIO: dict[str, Callable[[World], Any]] = {  # Any: a block
    **AWAITED_USES,
    "opening": lambda world: world.awaited.opening(open_after_a_checkpoint),
}


@pytest.mark.parametrize("is_away", [False, True])
@pytest.mark.parametrize("in_block", [True, False], ids=["in the block", "in the delete"])
@pytest.mark.parametrize("use", ["on_exit", "opening"])
def test_under_trio(use: str, in_block: bool, is_away: bool) -> None:
    world = World(is_away=is_away)

    async def main() -> None:
        with trio.CancelScope() as scope:
            async with UNDER_TRIO[use](world):
                scope.cancel()
                if in_block:
                    await trio.sleep(3600)

    world.play(lambda: trio.run(main))
    assert len(world.service.requests) == 1


# The end of a process

AT_ITS_END = """
import threading
from tests.core.test_ways_to_end import *

world = World(is_away={is_away})
world.blocking.on_outcome = lambda outcome: print(outcome.session_fate.value)

def hold():
    with world.blocking.on_exit(SESSION_ID):
        if threading.current_thread() is not threading.main_thread():
            threading.main_thread().join()
        yield

{ends}
"""
ENDS = {
    # Python closes it when modules are gone already that a delete may need.
    "generator": "page = hold()\nnext(page)",
    "thread": "threading.Thread(target=lambda: list(hold())).start()",
}


@pytest.mark.parametrize("is_away", [False, True])
@pytest.mark.parametrize("ends", ENDS)
def test_a_block_that_is_open_when_the_interpreter_ends(ends: str, is_away: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_ITS_END.format(is_away=is_away, ends=ENDS[ends])],
        capture_output=True,
        text=True,
        check=False,
    )
    [fate] = done.stdout.splitlines()
    if ends == "thread":
        assert fate == ("unknown" if is_away else "gone")
    assert (f"Session '{SESSION_ID}': " in done.stderr) is (fate != "gone")
