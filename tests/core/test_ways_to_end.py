"""How a block or a run may end, by how the library is used: a table of all pairs.

In each, the session is destroyed, or one outcome says what is known of it, and so does an ERROR in
the log, unless the delete's error is itself what the program sees.
"""

import asyncio
import logging
import math
import signal
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

from .log_records import log_records
from .scripted_transport import SESSION_ID

Use: TypeAlias = Callable[[], AbstractContextManager[object]]
AsyncUse: TypeAlias = Callable[[], AbstractAsyncContextManager[object]]
Program: TypeAlias = Coroutine[Any, Any, object]


class World:
    """A service with one session, a use case of either kind, and all that is said of its end."""

    def __init__(self, *, is_away: bool) -> None:
        self.is_away = is_away
        self.service = FakeService(["fc-test"])
        self.service.open_session(SESSION_ID)
        if is_away:
            self.service.outage(math.inf, Reply(503))
        self.told: list[Outcome] = []
        self.raised: list[BaseException] = []  # what the program sees
        self.task: asyncio.Task[None] | None = None  # which nobody awaits
        said: Any = {"retry": RetryPolicy(max_attempts=1), "on_outcome": self.told.append}
        self.blocking = DeleteSession(InMemoryTransport(self.service), "fc-test", **said)
        self.awaited = AsyncDeleteSession(AsyncInMemoryTransport(self.service), "fc-test", **said)

    def play(self, program: Callable[[], object]) -> None:
        """Run a program to its end, and compare what is so with what is said."""
        with log_records(logging.ERROR) as logged:
            try:
                program()
            except BaseException as error:
                self.raised.append(error)
        is_gone = not self.service.is_open(SESSION_ID)
        assert is_gone is not self.is_away
        [outcome] = self.told
        assert outcome.session_id == SESSION_ID
        assert (outcome.session_fate is SessionFate.GONE) is is_gone
        is_seen = any(one is outcome for error in self.raised for one in all_in(error))
        assert is_seen + len(logged) == self.is_away


def all_in(error: BaseException) -> Iterator[BaseException]:
    """An exception, and those of its group."""
    yield error
    for one in getattr(error, "exceptions", ()):
        yield from all_in(one)


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
    "opening": lambda world: world.blocking.opening(lambda: SESSION_ID),
    "run": as_run,
}


def fails_with(error: Callable[[], BaseException]) -> Callable[[Use], None]:
    def way(use: Use) -> None:
        with use():
            raise error()

    return way


def returns(use: Use) -> None:
    with use():
        pass


def leaves_a_generator(use: Use) -> None:
    def pages() -> Iterator[int]:
        with use():
            yield 1

    for _ in pages():
        break


BLOCKING_WAYS = {
    "return": returns,
    "exception": fails_with(ZeroDivisionError),
    "SystemExit": fails_with(SystemExit),
    "KeyboardInterrupt": fails_with(KeyboardInterrupt),
    "generator": leaves_a_generator,
}


@table(BLOCKING_WAYS, BLOCKING_USES)
def test_blocking(
    way: Callable[[Use], None],
    use: Callable[[World], AbstractContextManager[object]],
    is_away: bool,
) -> None:
    world = World(is_away=is_away)
    world.play(lambda: way(lambda: use(world)))


# Awaited


@asynccontextmanager
async def as_awaited_run(world: World) -> AsyncIterator[None]:
    async with AsyncDeleteManySessions(world.awaited)([SESSION_ID]) as deletions:
        async for outcome in deletions:
            if isinstance(outcome, DeleteSessionError):
                world.raised.append(outcome)
            yield


async def open_session() -> str:
    await asyncio.sleep(0)
    return SESSION_ID


AWAITED_USES = {
    "on_exit": lambda world: world.awaited.on_exit(SESSION_ID),
    "opening": lambda world: world.awaited.opening(open_session),
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


def does_fail_with(error: Callable[[], BaseException]) -> Callable[[World, AsyncUse], Program]:
    async def way(world: World, use: AsyncUse) -> None:
        async with use():
            raise error()

    return way


async def does_return(world: World, use: AsyncUse) -> None:
    async with use():
        await asyncio.sleep(0)


async def is_cancelled(world: World, use: AsyncUse) -> None:
    task = await begun(use)
    task.cancel()
    await task


async def has_a_sibling_that_fails(world: World, use: AsyncUse) -> None:
    async def sibling() -> None:
        await is_open.wait()
        raise ZeroDivisionError

    is_open = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(hold(use, is_open))
        group.create_task(sibling())


async def is_in_the_background(world: World, use: AsyncUse) -> None:
    world.task = await begun(use)


async def is_cancelled_as_the_program_ends(world: World, use: AsyncUse) -> None:
    world.task = await begun(use)
    world.task.cancel()


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


async def is_closed_after_a_cancellation(world: World, use: AsyncUse) -> None:
    async with world.awaited:
        (await begun(use)).cancel()


AWAITED_WAYS = {
    "return": does_return,
    "exception": does_fail_with(ZeroDivisionError),
    "SystemExit": does_fail_with(SystemExit),
    "KeyboardInterrupt": does_fail_with(KeyboardInterrupt),
    "Ctrl-C": presses_ctrl_c_once,
    "cancelled": is_cancelled,
    "TaskGroup": has_a_sibling_that_fails,
    "asyncio.run": is_in_the_background,
    "cancelled, asyncio.run": is_cancelled_as_the_program_ends,
    "generator": leaves_an_asynchronous_generator,
    "anyio": is_in_a_cancelled_scope,
    "closed": is_closed_after_a_cancellation,
}


@table(AWAITED_WAYS, AWAITED_USES)
def test_awaited(
    way: Callable[[World, AsyncUse], Program],
    use: Callable[[World], AbstractAsyncContextManager[object]],
    is_away: bool,
) -> None:
    world = World(is_away=is_away)
    world.play(lambda: asyncio.run(way(world, lambda: use(world))))
