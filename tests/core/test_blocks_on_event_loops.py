"""Blocks in the cancel scopes of anyio and trio."""

import asyncio

import anyio
import pytest
import trio

from firecrawl_interact.core import AsyncDeleteSession, DeletionReceipt, Request, Response

from . import virtual_time
from .scripted_transport import (
    API_KEY,
    DESTROYED,
    SESSION_ID,
    AsyncScriptedTransport,
    ScriptedTransport,
)
from .side_by_side import AsyncFunctionTransport

RECEIPT = DeletionReceipt(session_id=SESSION_ID)


@pytest.mark.parametrize("early", [True, False], ids=["in the block", "in the delete"])
def test_an_anyio_scope_which_cancels_at_every_turn_lets_the_delete_end(early: bool) -> None:
    async def respond(session_id: str) -> Response:
        for _ in range(50):
            await asyncio.sleep(0)
        return DESTROYED

    ending = AsyncDeleteSession(AsyncFunctionTransport(respond), API_KEY).on_exit(SESSION_ID)

    async def main() -> bool:
        with anyio.CancelScope() as scope:
            asyncio.get_running_loop().call_soon(scope.cancel)
            async with ending:
                await anyio.sleep(3 if early else 0)
        await anyio.sleep(0)  # Whoever goes on afterwards is not cancelled.
        return scope.cancelled_caught

    assert virtual_time.run(main())
    assert ending.receipt == RECEIPT


def test_under_trio_a_cancelled_delete_is_begun_once_more_and_shielding_saves_it() -> None:
    class Waiting(AsyncScriptedTransport):
        began = 0

        async def send(self, request: Request, timeout: float) -> Response:
            self.began += 1
            await trio.sleep(0)
            return DESTROYED

    async def main(shield: bool) -> tuple[int, DeletionReceipt | None]:
        transport = Waiting(ScriptedTransport(DESTROYED))
        ending = AsyncDeleteSession(transport, API_KEY).on_exit(SESSION_ID)
        with trio.CancelScope() as scope, trio.CancelScope(shield=shield):
            async with ending:
                scope.cancel()
        return transport.began, ending.receipt

    assert trio.run(main, False) == (2, None)
    assert trio.run(main, True) == (1, RECEIPT)
