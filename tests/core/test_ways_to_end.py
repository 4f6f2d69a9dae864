"""How an awaited block or run is left in asyncio, by how it is used: a table of all pairs.

In each, the session is destroyed, or one outcome says what is known of it, and so does an ERROR in
the log, unless the delete's error is itself what the program sees. Exceptions: `test_blocks`.
"""

import asyncio
import logging
import math
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import anyio
import pytest

from firecrawl_interact import core
from firecrawl_interact.adapters import AsyncInMemoryTransport, FakeService, Reply

from .scripted_transport import SESSION_ID, log_records

Use: TypeAlias = Callable[[], AbstractAsyncContextManager[object]]
Program: TypeAlias = Coroutine[Any, Any, object]


class World:
    """A service with one session, a use case, and all that is said of the session's end."""

    def __init__(self, *, is_away: bool) -> None:
        self.is_away = is_away
        self.service = FakeService(["fc-test"])
        self.service.open_session(SESSION_ID)
        if is_away:
            self.service.outage(math.inf, Reply(503))
        self.told: list[core.Outcome] = []
        self.raised: list[BaseException] = []  # what the program sees
        self.task: asyncio.Task[None] | None = None  # which nobody awaits
        self.delete_session = core.AsyncDeleteSession(
            AsyncInMemoryTransport(self.service),
            "fc-test",
            retry=core.RetryPolicy(max_attempts=1),
            on_outcome=self.told.append,
        )

    def play(self, program: Program) -> None:
        """Run a program to its end, and compare what is so with what is said."""
        with log_records(logging.ERROR) as logged:
            try:
                asyncio.run(program)
            except BaseException as error:
                self.raised.append(error)
        is_gone = not self.service.is_open(SESSION_ID)
        assert is_gone is not self.is_away
        [outcome] = self.told
        assert outcome.session_id == SESSION_ID
        assert (outcome.session_fate is core.SessionFate.GONE) is is_gone
        is_seen = outcome in self.raised
        assert is_seen + len(logged) == self.is_away


@asynccontextmanager
async def as_run(world: World) -> AsyncIterator[None]:
    async with core.AsyncDeleteManySessions(world.delete_session)([SESSION_ID]) as deletions:
        async for outcome in deletions:
            if isinstance(outcome, core.DeleteSessionError):
                world.raised.append(outcome)
            yield


async def open_session() -> str:
    await asyncio.sleep(0)
    return SESSION_ID


USES = {
    "on_exit": lambda world: world.delete_session.on_exit(SESSION_ID),
    "opening": lambda world: world.delete_session.opening(open_session),
    "run": as_run,
}


async def hold(use: Use, is_open: asyncio.Event) -> None:
    async with use():
        is_open.set()
        await asyncio.sleep(3600)


async def begun(use: Use) -> asyncio.Task[None]:
    """A task that is in its block."""
    is_open = asyncio.Event()
    task = asyncio.create_task(hold(use, is_open))
    await is_open.wait()
    return task


async def is_cancelled(world: World, use: Use) -> None:
    task = await begun(use)
    task.cancel()
    await task


async def is_in_the_background(world: World, use: Use) -> None:
    world.task = await begun(use)


async def is_cancelled_as_the_program_ends(world: World, use: Use) -> None:
    world.task = await begun(use)
    world.task.cancel()


async def leaves_an_asynchronous_generator(world: World, use: Use) -> None:
    async def pages() -> AsyncIterator[int]:
        async with use():
            yield 1

    async for _ in pages():
        break


async def presses_ctrl_c_once(world: World, use: Use) -> None:
    async with use():
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(3600)


async def is_in_a_cancelled_scope(world: World, use: Use) -> None:
    with anyio.CancelScope() as scope:
        async with use():
            scope.cancel()
            await anyio.sleep(3600)


async def is_closed_after_a_cancellation(world: World, use: Use) -> None:
    async with world.delete_session:
        (await begun(use)).cancel()


WAYS = {
    "Ctrl-C": presses_ctrl_c_once,
    "cancelled": is_cancelled,
    "asyncio.run": is_in_the_background,
    "cancelled, asyncio.run": is_cancelled_as_the_program_ends,
    "generator": leaves_an_asynchronous_generator,
    "anyio": is_in_a_cancelled_scope,
    "closed": is_closed_after_a_cancellation,
}


@pytest.mark.parametrize("is_away", [False, True], ids=["there", "away"])
@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_session_is_destroyed_or_one_outcome_and_one_error_say_what_is_known(
    way: Callable[[World, Use], Program],
    use: Callable[[World], AbstractAsyncContextManager[object]],
    is_away: bool,
) -> None:
    world = World(is_away=is_away)
    world.play(way(world, lambda: use(world)))
