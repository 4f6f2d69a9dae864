"""What is particular to the aiohttp adapter."""

import asyncio
import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import aiohttp
import pytest

from firecrawl_interact.adapters import AiohttpTransport
from firecrawl_interact.adapters.conformance import certificates, wire_faults
from firecrawl_interact.adapters.conformance.server import (
    FaultFunction,
    FaultServer,
    good_response,
)
from firecrawl_interact.adapters.conformance.wire_faults import (
    sends_after_response,
    sends_after_response_and_closes,
)
from firecrawl_interact.core import (
    BadResponseError,
    ConnectionLostError,
    Request,
    Response,
    TimedOutError,
    TransportError,
)

from .driven import PATH

pytestmark = pytest.mark.enable_socket

REQUEST = Request("DELETE", PATH, {"Authorization": "Bearer fc-test"})
NEIGHBOUR = good_response("/neighbour")


async def send(transport: AiohttpTransport) -> Response:
    """Send the request, and check that the response is its own."""
    response = await transport.send(REQUEST, 10)
    assert PATH.encode() in response.body
    return response


async def failure(transport: AiohttpTransport, timeout: float = 10) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await transport.send(REQUEST, timeout)
    return caught.value


# --- what others wrap around aiohttp -------------------------------------------------------

SEND = aiohttp.ClientSession._request


async def sends_and_fails(*args: object, **kwargs: object) -> None:
    await SEND(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came
    raise RuntimeError("the recorder's disk is full")


async def fails(*args: object, **kwargs: object) -> None:
    raise RuntimeError("the recorder has no such response")


async def loses_a_connection_of_its_own(*args: object, **kwargs: object) -> None:
    raise aiohttp.ServerDisconnectedError


async def waits_for_ever(*args: object, **kwargs: object) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("wrapped", "kind"),
    [
        (sends_and_fails, BadResponseError),
        (fails, BadResponseError),
        (loses_a_connection_of_its_own, ConnectionLostError),
        (waits_for_ever, TimedOutError),
    ],
)
@pytest.mark.asyncio
async def test_what_fails_around_aiohttp_may_have_reached_the_service(
    monkeypatch: pytest.MonkeyPatch,
    wrapped: Callable[..., object],
    kind: type[TransportError],
) -> None:
    monkeypatch.setattr(aiohttp.ClientSession, "_request", wrapped)
    with FaultServer() as server:
        async with AiohttpTransport(server.api_url) as transport:
            assert type(await failure(transport, timeout=0.3)) is kind


@pytest.mark.parametrize(
    "fault",
    [
        sends_after_response(NEIGHBOUR),
        sends_after_response(b"x"),
        sends_after_response_and_closes(b""),
        sends_after_response_and_closes(NEIGHBOUR),
    ],
    ids=["a response", "a byte", "an end", "a response and an end"],
)
@pytest.mark.asyncio
async def test_what_comes_while_the_event_loop_is_busy_is_never_used(fault: FaultFunction) -> None:
    with FaultServer(fault) as server:
        async with AiohttpTransport(server.api_url) as transport:
            await send(transport)
            assert server.fault_is_over.wait(10)  # No event loop runs meanwhile.
            await send(transport)
        assert server.connections == 2


@pytest.mark.asyncio
async def test_more_requests_at_once_than_the_pool_size_do_not_wait() -> None:
    with FaultServer() as server:
        async with AiohttpTransport(server.api_url, pool_size=2) as transport:
            await asyncio.gather(*(send(transport) for _ in range(6)))
            assert server.connections == 6
            assert server.open_connections() == 2
            await asyncio.gather(*(send(transport) for _ in range(2)))
            assert server.connections == 6


def pickle_round_trip(transport: AiohttpTransport) -> AiohttpTransport:
    copied: AiohttpTransport = pickle.loads(pickle.dumps(transport))  # noqa: S301 - our own bytes
    return copied


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle_round_trip])
@pytest.mark.asyncio
async def test_a_copy_has_the_settings_and_connections_of_its_own(
    duplicate: Callable[[AiohttpTransport], AiohttpTransport],
) -> None:
    with FaultServer() as server:
        async with AiohttpTransport(f"{server.api_url}/prefix", user_agent="test/1") as transport:
            await send(transport)
            async with duplicate(transport) as other:
                await send(other)
            await send(transport)
        assert [request.connection for request in server.requests] == [1, 2, 1]
        assert len({request.head for request in server.requests}) == 1


# --- event loops, processes and their end --------------------------------------------------


@contextmanager
def nothing_is_left_unclosed() -> Iterator[None]:
    """Fail if a destructor finds anything open: warnings are errors."""
    gc.collect()
    found: list[sys.UnraisableHookArgs] = []
    before, sys.unraisablehook = sys.unraisablehook, found.append
    try:
        yield
        gc.collect()
    finally:
        sys.unraisablehook = before
    assert [repr(unraisable.exc_value) for unraisable in found] == []


@pytest.mark.asyncio
async def test_closing_ends_what_is_under_way() -> None:
    with FaultServer(wire_faults.stays_silent) as server:
        transport = AiohttpTransport(server.api_url)
        under_way = asyncio.create_task(failure(transport))
        while not server.requests:
            await asyncio.sleep(0)
        await transport.aclose()
        assert type(await under_way) is ConnectionLostError


@pytest.mark.parametrize("is_tls", [False, True], ids=["http", "https"])
def test_each_event_loop_has_connections_of_its_own_that_end_with_it(
    is_tls: bool,
) -> None:
    async def two_requests() -> None:
        await send(transport)
        await send(transport)

    tls = certificates.trusted() if is_tls else None
    context = certificates.client_context() if is_tls else None
    with nothing_is_left_unclosed(), FaultServer(tls=tls) as server:
        transport = AiohttpTransport(server.api_url, ssl_context=context)
        for turn in range(1, 4):
            asyncio.run(two_requests())
            assert server.connections == turn
            assert server.open_connections() == 0


def test_event_loops_in_threads_share_a_transport() -> None:
    async def many_requests() -> None:
        await asyncio.gather(*(send(transport) for _ in range(5)))
        await asyncio.gather(*(send(transport) for _ in range(5)))

    with nothing_is_left_unclosed(), FaultServer() as server:
        transport = AiohttpTransport(server.api_url)
        threads = [threading.Thread(target=asyncio.run, args=(many_requests(),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.requests) == 40
        assert server.connections == 20


def test_a_transport_that_is_forgotten_closes_its_connections() -> None:
    async def forget() -> int:
        await send(AiohttpTransport(server.api_url))
        for _ in range(5):
            await asyncio.sleep(0)
        return server.open_connections()

    with nothing_is_left_unclosed(), FaultServer() as server:
        assert asyncio.run(forget()) == 0


def test_another_event_loop_than_asyncios_is_refused_in_a_sentence() -> None:
    call = AiohttpTransport().send(REQUEST, 10)
    with pytest.raises(RuntimeError, match=r"needs asyncio's event loop\. Under another one"):
        call.send(None)


FORK = """
import asyncio, os, sys
from firecrawl_interact.adapters import AiohttpTransport
from firecrawl_interact.core import Request

async def send():
    response = await transport.send(Request("DELETE", sys.argv[2], {}), 2)
    assert sys.argv[2].encode() in response.body

transport = AiohttpTransport(sys.argv[1])
loop = asyncio.new_event_loop()
loop.run_until_complete(send())
child = os.fork()
if child == 0:
    asyncio.run(send())
    asyncio.run(transport.aclose())
    sys.exit()  # Unlike os._exit, this calls destructors.
assert os.waitpid(child, 0)[1] == 0
loop.run_until_complete(send())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_after_a_fork_neither_process_ends_the_connections_of_the_other() -> None:
    with FaultServer() as server:
        # With warnings as errors, the child's destructors do all that they can.
        command = [sys.executable, "-W", "error", "-c", FORK, server.api_url, PATH]
        subprocess.run(command, check=True)
        assert [request.connection for request in server.requests] == [1, 2, 1]
