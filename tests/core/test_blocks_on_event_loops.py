"""Blocks in the cancelled scopes of anyio and trio: their sessions end, and nothing spins.

An anyio scope cancels again at each turn of the event loop. Time is virtual here: a program that
is busy at each turn ends with `NothingEverPassesError`.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, TypeAlias

import anyio
import pytest
import trio

from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    DeleteSession,
    DeletionReceipt,
    Response,
)

from ..simulation.ways import Awaited, Blocking, Way
from . import virtual_time
from .blocks import Block, Browser
from .scripted_transport import API_KEY, DESTROYED, SESSION_ID, ScriptedTransport
from .side_by_side import AsyncFunctionTransport, after

RECEIPT = DeletionReceipt(session_id=SESSION_ID)
MakeBlock: TypeAlias = Callable[[AsyncDeleteSession], Any]  # Any: a block


def opener(sleep: Callable[[float], Awaitable[object]], seconds: float) -> MakeBlock:
    async def open_session() -> Browser:
        await sleep(seconds)
        return Browser(SESSION_ID)

    return lambda delete_session: delete_session.opening(open_session)


def on_exit(delete_session: AsyncDeleteSession) -> Any:  # Any: a block
    return delete_session.on_exit(SESSION_ID)


def test_a_blocking_block_in_a_coroutine_is_what_it_is_elsewhere() -> None:
    """As in a cell of a notebook, where asyncio runs."""
    block = DeleteSession(ScriptedTransport(DESTROYED), API_KEY).opening(
        lambda: Browser(SESSION_ID)
    )

    async def main() -> None:
        with block:
            pass

    asyncio.run(main())
    assert block.receipt == RECEIPT


# While another thread imports one of them: it is there, and has no names yet. Or it is old.


@pytest.mark.parametrize("names", [{}, {"lowlevel": SimpleNamespace()}], ids=["none", "old"])
@pytest.mark.parametrize(
    ("block", "way"),
    [
        (Block([5], 15), Blocking),
        (Block([3], 13, "at 7", interrupt_at=[3, 7]), Awaited),
    ],
)
def test_a_library_that_lacks_names_keeps_no_block_from_its_delete(
    block: Block, way: type[Way], names: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("anyio", "trio"):
        monkeypatch.setitem(sys.modules, library, SimpleNamespace(**names))
    block.check(way)


# anyio


@pytest.mark.parametrize("cancelled_at", [1, 5, 25])
@pytest.mark.parametrize("make_block", [on_exit, opener(asyncio.sleep, 3)], ids=["on_exit", "open"])
def test_an_anyio_scope_that_is_cancelled_lets_a_delete_of_40_s_end_and_costs_nothing(
    make_block: MakeBlock, cancelled_at: float
) -> None:
    block = make_block(AsyncDeleteSession(AsyncFunctionTransport(after(40)), API_KEY))

    async def main() -> bool:
        with anyio.CancelScope() as scope:
            asyncio.get_running_loop().call_later(cancelled_at, scope.cancel)
            async with block:
                await anyio.sleep(10)
        await anyio.sleep(0)  # Whoever goes on afterwards is not cancelled.
        return scope.cancelled_caught

    assert virtual_time.run(main())
    assert block.receipt == RECEIPT


def test_an_anyio_scope_that_is_cancelled_lets_requests_of_a_run_end_and_costs_nothing() -> None:
    transport = AsyncFunctionTransport(after(40))
    run = AsyncDeleteManySessions(AsyncDeleteSession(transport, API_KEY))(["a", "b"])

    async def main() -> list[object]:
        with anyio.CancelScope() as scope:
            asyncio.get_running_loop().call_later(1, scope.cancel)
            async with run:
                await anext(run)
        return [outcome async for outcome in run]

    assert virtual_time.run(main()) == [DeletionReceipt(session_id=one) for one in "ab"]


# trio. What else happens under it: test_ways_to_end


def test_under_trio_as_a_guest_of_asyncio_a_session_ends_with_its_block() -> None:
    async def respond(session_id: str) -> Response:
        await trio.sleep(0)
        return DESTROYED

    block = on_exit(AsyncDeleteSession(AsyncFunctionTransport(respond), API_KEY))

    async def guest() -> None:
        async with block:
            pass

    async def host() -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Queue[Any]()  # Any: trio's outcome
        trio.lowlevel.start_guest_run(
            guest,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=ended.put_nowait,
        )
        (await ended.get()).unwrap()

    asyncio.run(host())
    assert block.receipt == RECEIPT


def test_under_trio_an_opener_is_cancelled_at_once() -> None:
    transport = AsyncFunctionTransport()
    block = opener(trio.sleep, 1)(AsyncDeleteSession(transport, API_KEY))

    async def main() -> None:
        with trio.move_on_after(0):
            async with block:
                raise NotImplementedError

    trio.run(main)
    assert (transport.sent, block.outcome) == ([], None)
