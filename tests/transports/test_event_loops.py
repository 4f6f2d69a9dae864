"""What is particular to the transport over asyncio: event loops, and what cancellation leaves."""

import asyncio
import gc
import select
import socket
import sys
import threading
import weakref
from collections.abc import Callable
from functools import partial

import pytest

from firecrawl_interact import AsyncioTransport
from firecrawl_interact.adapters.conformance.server import Connection, FaultFunction
from firecrawl_interact.adapters.conformance.wire_faults import responds
from firecrawl_interact.core import ConnectFailedError

from .servers import PATH, REQUEST, Net, client_tls, server_tls, tunnels

pytestmark = pytest.mark.enable_socket

LOOPS: list[Callable[[], asyncio.Runner]] = [asyncio.Runner]
if sys.platform == "win32":
    LOOPS += [partial(asyncio.Runner, loop_factory=asyncio.SelectorEventLoop)]
else:
    uvloop = pytest.importorskip("uvloop")
    LOOPS += [partial(asyncio.Runner, loop_factory=uvloop.new_event_loop)]


@pytest.fixture
def transport_class() -> type[AsyncioTransport]:
    return AsyncioTransport


async def send(transport: AsyncioTransport) -> None:
    response = await transport.send(REQUEST, 5)
    assert PATH.encode() in response.body


# --- cancellation ----------------------------------------------------------------------------


@pytest.mark.parametrize("make_runner", LOOPS, ids=["asyncio", "another"])
@pytest.mark.parametrize(
    ("is_kept", "has_proxy"),
    [(False, False), (True, False), (False, True)],
    ids=["new", "kept", "new through a proxy"],
)
def test_a_call_cancelled_at_any_step_leaves_no_task(
    make_runner: Callable[[], asyncio.Runner], net: Net, is_kept: bool, has_proxy: bool
) -> None:
    async def cancel_after(turns: int) -> bool:
        """Cancel a call after so many turns of the loop, and return whether it was cancelled."""
        async with AsyncioTransport(service.api_url, proxy=proxy, ssl_context=client_tls()) as one:
            if is_kept:
                await send(one)
            call = asyncio.create_task(send(one))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
            await send(one)
            assert asyncio.all_tasks() == {asyncio.current_task()}
        return call.cancelled()

    service = net.serve(tls=server_tls())
    proxy = net.serve(*[tunnels] * 20, tls=server_tls()).api_url if has_proxy else None
    with make_runner() as runner:
        assert runner.run(cancel_after(1))
        for turns in (2, 3, 5, 8, 13, 21, 34):
            runner.run(cancel_after(turns))
    gc.collect()


# --- what a busy event loop has not seen ---------------------------------------------------------


@pytest.mark.parametrize("has_poll", [True, False], ids=["poll", "no poll, as on Windows"])
@pytest.mark.parametrize(
    ("happens", "connections"),
    [
        (lambda _: None, [1, 1]),
        (Connection.reset, [1, 2]),
        (lambda connection: connection.send(b"HTTP/1.1 200 OK\r\n"), [1, 2]),
    ],
    ids=["nothing", "reset", "surplus bytes"],
)
def test_a_connection_that_changes_unseen_is_dropped(
    net: Net,
    monkeypatch: pytest.MonkeyPatch,
    happens: FaultFunction,
    connections: list[int],
    has_poll: bool,
) -> None:
    if not has_poll:
        monkeypatch.delattr(select, "poll", raising=False)

    def happens_then(connection: Connection) -> None:
        has_sent.wait(5)
        happens(connection)
        has_happened.set()

    async def send_twice() -> None:
        async with AsyncioTransport(server.api_url) as transport:
            await send(transport)
            has_sent.set()
            assert has_happened.wait(5)  # It blocks the event loop.
            await send(transport)

    has_sent, has_happened = threading.Event(), threading.Event()
    server = net.serve(responds(happens_then))
    asyncio.run(send_twice())
    assert [request.connection for request in server.requests] == connections


# --- names -----------------------------------------------------------------------------------


def test_a_look_up_that_hangs_has_no_more_than_the_connect_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def look_up() -> None:
        try:
            async with AsyncioTransport("https://service.example", connect_timeout=0.05) as one:
                await send(one)
        finally:
            is_over.set()

    is_over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: is_over.wait(5))
    with pytest.raises(ConnectFailedError, match="timed out"):
        asyncio.run(look_up())


def test_a_sleep_lets_other_tasks_run() -> None:
    async def sleep() -> None:
        async with asyncio.timeout(0):
            await AsyncioTransport().sleep(5)

    with pytest.raises(TimeoutError):
        asyncio.run(sleep())


# --- event loops and their end ------------------------------------------------------------------


def test_each_event_loop_has_connections_of_its_own(net: Net) -> None:
    async def send_twice() -> None:
        await send(transport)
        await send(transport)

    server = net.serve()
    transport = AsyncioTransport(server.api_url)
    with asyncio.Runner() as first, LOOPS[1]() as second:
        for runner in (first, second, first):
            runner.run(send_twice())
        for runner in (first, second):
            runner.run(transport.aclose())
    assert [request.connection for request in server.requests] == [1, 1, 2, 2, 1, 1]
    assert server.open_connections() == 0


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore:.*unclosed transport:pytest.PytestUnraisableExceptionWarning")
def test_an_event_loop_that_is_closed_is_forgotten(net: Net) -> None:
    transport = AsyncioTransport(net.serve().api_url)
    with asyncio.Runner() as runner:
        runner.run(send(transport))
        loop = weakref.ref(runner.get_loop())
    del runner

    async def send_and_close() -> None:
        async with transport:
            await send(transport)

    asyncio.run(send_and_close())
    gc.collect()
    assert loop() is None
