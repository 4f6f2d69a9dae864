"""What is particular to the asyncio adapter: event loops, cancellation, and what is left behind."""

import asyncio
import gc
import itertools
import os
import select
import socket
import ssl
import subprocess
import sys
import threading
import types
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from functools import partial
from typing import Any, TypeAlias

import pytest

from firecrawl_interact.adapters import AsyncioTransport
from firecrawl_interact.adapters.conformance import certificates
from firecrawl_interact.adapters.conformance.server import Connection, FaultFunction
from firecrawl_interact.adapters.conformance.wire_faults import responds, stays_silent
from firecrawl_interact.core import ConnectFailedError, ConnectionLostError, Request, Response

from .driven import PATH, Tunnel, Wire, look_up_gives, settings_for

pytestmark = pytest.mark.enable_socket
uvloop = pytest.importorskip("uvloop")

REQUEST = Request("DELETE", PATH, {"Authorization": "Bearer fc-test"})
LOOPS: dict[str, Callable[[], asyncio.Runner]] = {
    "asyncio": asyncio.Runner,
    "debug": partial(asyncio.Runner, debug=True),
    "uvloop": partial(asyncio.Runner, loop_factory=uvloop.new_event_loop),
}


@pytest.fixture(params=LOOPS.values(), ids=list(LOOPS))
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    """Runs coroutines in an event loop of each kind. What a destructor warns of is an error."""
    with request.param() as runner:
        yield runner
    gc.collect()


class Channel:
    """A service, perhaps behind a proxy, and transports that lead to it."""

    def __init__(self, wire: Wire, kind: str, *faults: FaultFunction) -> None:
        tls = {"http": None, "https": certificates.trusted()}
        scheme, _, proxy = kind.partition(" through ")
        self.server = wire.serve(*faults, tls=tls[scheme])
        self.proxy = wire.serve(afterwards=Tunnel(), tls=tls[proxy]) if proxy else None

    def make_transport(self) -> AsyncioTransport:
        return AsyncioTransport(**settings_for(self.server, proxy=self.proxy))

    def open_connections(self) -> int:
        servers = filter(None, (self.proxy, self.server))
        return sum(server.open_connections() for server in servers)


@pytest.fixture
def transport_class() -> type[AsyncioTransport]:
    return AsyncioTransport


@pytest.fixture(
    name="channel", params=["http", "https", "https through http", "https through https"]
)
def open_channel(request: pytest.FixtureRequest, wire: Wire) -> Channel:
    return Channel(wire, request.param)


async def send(transport: AsyncioTransport) -> Response:
    """Send the request, and check that the response is its own."""
    response = await transport.send(REQUEST, 10)
    assert PATH.encode() in response.body
    return response


# --- calls that are disturbed at each of their steps ---------------------------------------

Disturb: TypeAlias = Callable[[AsyncioTransport, asyncio.Future[Any]], object]  # Any: all kinds


@types.coroutine
def disturbed(
    transport: AsyncioTransport, step: int, disturb: Disturb
) -> Generator[object, None, Response | None]:
    """Send, and disturb that when it waits for the so-manieth time; None if it never does."""
    call = send(transport)
    steps, resume = 0, partial(call.send, None)
    while True:
        try:
            awaited: Any = resume()  # Any: a future of whatever kind
        except StopIteration as stop:
            return stop.value if steps >= step else None
        steps += 1
        if steps == step:
            disturb(transport, awaited)
        try:
            yield awaited
            resume = partial(call.send, None)
        except BaseException as error:
            resume = partial(call.throw, error)


async def outcomes_at_each_step(
    channel: Channel, disturb: Disturb, *, is_kept: bool = False
) -> set[type[object]]:
    """What becomes of calls that are disturbed at the first step, the second, and so on.

    Neither a task nor a connection is left once the event loop has cleared up.
    """

    async def call(step: int) -> Response | None:
        return await disturbed(transport, step, disturb)

    outcomes: set[type[object]] = set()
    for step in itertools.count(1):
        async with channel.make_transport() as transport:
            if is_kept:
                await send(transport)
            [outcome] = await asyncio.gather(call(step), return_exceptions=True)
            if outcome is None:
                break
            outcomes.add(type(outcome))
            for _ in range(10):
                await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert channel.open_connections() == 0
    return outcomes


def cancel_as_it_waits(_: object, awaited: object) -> None:
    if task := asyncio.current_task():
        task.cancel()


def cancel_as_its_wait_ends(_: object, awaited: asyncio.Future[object]) -> None:
    """Cancel when what it waits for has come, and it has not run yet."""
    if task := asyncio.current_task():
        awaited.add_done_callback(lambda _: task.cancel())


@pytest.mark.parametrize("cancel", [cancel_as_it_waits, cancel_as_its_wait_ends])
@pytest.mark.parametrize("is_kept", [False, True], ids=["new", "kept"])
def test_a_call_cancelled_at_any_step_is_cancelled_and_leaves_nothing(
    runner: asyncio.Runner, channel: Channel, cancel: Disturb, is_kept: bool
) -> None:
    outcomes = runner.run(outcomes_at_each_step(channel, cancel, is_kept=is_kept))
    assert outcomes == {asyncio.CancelledError}


def test_a_transport_closed_at_any_step_of_a_call_ends_it(
    runner: asyncio.Runner, channel: Channel
) -> None:
    def close(transport: AsyncioTransport, _: object) -> object:
        return asyncio.ensure_future(transport.aclose())

    outcomes = runner.run(outcomes_at_each_step(channel, close))
    assert ConnectFailedError in outcomes
    assert outcomes <= {ConnectFailedError, ConnectionLostError, Response}


def test_a_transport_that_is_closed_ends_a_call_whose_response_is_due_and_refuses_the_next(
    runner: asyncio.Runner, wire: Wire
) -> None:
    async def close_under_a_call() -> None:
        call = asyncio.create_task(transport.send(REQUEST, 10))
        while not server.requests:
            await asyncio.sleep(0)
        next_call = asyncio.create_task(transport.send(REQUEST, 10))  # begins as `aclose` waits
        await transport.aclose()
        for _ in range(10):
            await asyncio.sleep(0)
        assert isinstance(call.exception(), ConnectionLostError)
        assert isinstance(next_call.exception(), ConnectFailedError)

    server = wire.serve(stays_silent)
    transport = AsyncioTransport(server.api_url)
    runner.run(close_under_a_call())


# --- names that are looked up ---------------------------------------------------------------


def test_an_address_that_refuses_ends_no_connect_to_another_one(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent, dead = wire.serve(listening=False), wire.serve(listening=False)
    look_up_gives(monkeypatch, silent, dead)
    transport = AsyncioTransport(f"http://localhost:{silent.port}", connect_timeout=0.4)
    with silent.full_backlog(), pytest.raises(ConnectFailedError, match="timed out"):
        asyncio.run(send(transport))


def test_a_look_up_that_outlives_its_call_and_its_loop_ends_in_silence(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def hang(*_: object, **__: object) -> object:
        looks_up.append(threading.current_thread())
        is_over.wait(10)
        raise socket.gaierror("there is no such name")

    looks_up: list[threading.Thread] = []
    is_over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    transport = AsyncioTransport("http://localhost:9")
    with pytest.raises(ConnectFailedError, match="timed out"):
        asyncio.run(transport.send(REQUEST, 0.05))
    is_over.set()
    [thread] = looks_up
    thread.join()
    gc.collect()
    assert thread.daemon
    assert not [record for record in caplog.records if record.name != "firecrawl_interact"]


AT_THE_END = """
import asyncio, atexit, sys, threading
from firecrawl_interact.adapters import AsyncioTransport
from firecrawl_interact.core import Request


def send():
    if threading.current_thread() is not threading.main_thread():
        threading.main_thread().join()
    transport = AsyncioTransport(sys.argv[1])
    print(asyncio.run(transport.send(Request("DELETE", "/", {}), 5)).status)


if sys.argv[2] == "at exit":
    atexit.register(send)
else:
    threading.Thread(target=send).start()
"""


@pytest.mark.parametrize("moment", ["at exit", "after the main thread"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_program_sends_while_it_ends(wire: Wire, host: str, moment: str) -> None:
    api_url = wire.serve().api_url.replace("127.0.0.1", host)
    command = [sys.executable, "-c", AT_THE_END, api_url, moment]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("200\n", "")


# --- kept connections ----------------------------------------------------------------------


IDLE_FAULTS: list[FaultFunction | None] = [
    None,
    responds(Connection.close),
    responds(lambda connection: connection.respond("/neighbour")),
]


@pytest.mark.parametrize("has_poll", [True, False], ids=["poll", "no poll"])
@pytest.mark.parametrize("fault", IDLE_FAULTS, ids=["nothing", "closed", "responded to"])
def test_a_connection_to_which_something_happens_while_the_loop_is_busy_is_never_used_again(
    monkeypatch: pytest.MonkeyPatch, wire: Wire, fault: FaultFunction | None, has_poll: bool
) -> None:
    async def send_thrice() -> None:
        async with AsyncioTransport(server.api_url) as transport:
            await send(transport)
            assert fault is None or server.fault_is_over.wait(10)
            await send(transport)
            await send(transport)
        with pytest.raises(ConnectFailedError, match="closed"):
            await send(transport)

    if not has_poll:
        monkeypatch.delattr(select, "poll")
    server = wire.serve(fault)
    asyncio.run(send_thrice())
    connections = [request.connection for request in server.requests]
    assert connections == ([1, 2, 2] if fault else [1, 1, 1])


# --- event loops, processes and their end --------------------------------------------------


def test_each_event_loop_has_connections_of_its_own_that_end_with_it(channel: Channel) -> None:
    async def send_twice() -> None:
        await send(transport)
        await send(transport)

    transport = channel.make_transport()
    for turn, make_runner in enumerate(LOOPS.values(), 1):
        with make_runner() as runner:
            runner.run(send_twice())
        assert channel.server.connections == turn
        assert channel.open_connections() == 0


# uvloop does not tell that it closes them.
@pytest.mark.parametrize(
    ("loop", "has_sent"), [("asyncio", True), ("asyncio", False), ("uvloop", True)]
)
def test_what_is_sent_while_a_loop_closes_its_generators_ends_with_the_loop_too(
    wire: Wire, loop: str, has_sent: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def send_at_the_end(transport: AsyncioTransport, *, closes: bool) -> AsyncGenerator[None]:
        if has_sent:
            await send(transport)
        try:
            yield
        finally:
            await send(transport)
            if closes:
                await transport.aclose()

    async def abandon() -> None:
        for generator in generators:
            await anext(generator)

    server = wire.serve()
    generators = [
        send_at_the_end(AsyncioTransport(server.api_url), closes=number % 2 == 0)
        for number in range(9)
    ]
    with LOOPS[loop]() as runner:
        runner.run(abandon())
    assert "error" not in caplog.text
    assert len(server.requests) == (18 if has_sent else 9)
    assert server.open_connections() == 0


@pytest.mark.parametrize("make_runner", LOOPS.values(), ids=LOOPS)
def test_event_loops_in_threads_share_a_transport_and_one_closes_it_for_all(
    wire: Wire, make_runner: Callable[[], asyncio.Runner]
) -> None:
    def run(act: Callable[[], Coroutine[object, object, object]]) -> None:
        with make_runner() as runner:
            runner.run(act())

    async def send_until_it_is_closed() -> None:
        elsewhere = [asyncio.to_thread(run, partial(send, transport)) for _ in range(3)]
        await asyncio.gather(send(transport), *elsewhere)
        assert server.connections == 4
        await asyncio.to_thread(run, transport.aclose)
        with pytest.raises(ConnectFailedError, match="closed"):
            await send(transport)
        for _ in range(10):
            await asyncio.sleep(0)
        assert server.open_connections() == 0

    server = wire.serve()
    transport = AsyncioTransport(server.api_url)
    run(send_until_it_is_closed)


def test_a_loop_that_is_closed_is_forgotten(wire: Wire) -> None:
    transport = AsyncioTransport(wire.serve().api_url)
    with asyncio.Runner() as runner:
        runner.run(send(transport))
        loop = weakref.ref(runner.get_loop())
    del runner
    asyncio.run(send(transport))
    gc.collect()
    assert loop() is None


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # Its loop closes no socket.
@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_call_that_is_ended_after_its_loop_was_closed_ends_as_it_is_told_to(
    wire: Wire, make_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def wait_for_the_request() -> None:
        while not server.requests:
            await asyncio.sleep(0)

    server = wire.serve(stays_silent)
    loop, call = make_loop(), AsyncioTransport(server.api_url).send(REQUEST, 10)
    task = loop.create_task(call)
    loop.run_until_complete(wait_for_the_request())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    call.close()
    del task
    gc.collect()
    assert server.open_connections() == 0


def test_a_first_call_during_whose_start_another_loop_closes_the_transport_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, wire: Wire
) -> None:
    def close_first() -> ssl.SSLContext:
        closing = threading.Thread(target=lambda: asyncio.run(transport.aclose()))
        closing.start()
        closing.join()
        context = make_context()
        contexts.append(weakref.ref(context))
        return context

    contexts: list[weakref.ref[ssl.SSLContext]] = []
    make_context = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", close_first)
    server = wire.serve(tls=certificates.trusted())
    transport = AsyncioTransport(server.api_url)
    with asyncio.Runner() as runner:
        with pytest.raises(ConnectFailedError, match="this transport was used after it was closed"):
            runner.run(send(transport))
        gc.collect()
        assert [context() for context in contexts] == [None]
    assert server.connections == 0


def test_another_event_loop_than_asyncios_is_refused_in_a_sentence() -> None:
    call = AsyncioTransport().send(REQUEST, 10)
    with pytest.raises(RuntimeError, match=r"needs asyncio's event loop\. Under another one"):
        call.send(None)


FORK = """
import asyncio, os, sys
from firecrawl_interact.adapters import AsyncioTransport
from firecrawl_interact.core import Request

transport, request = AsyncioTransport(sys.argv[1]), Request("DELETE", "/", {})
loop = asyncio.new_event_loop()
loop.run_until_complete(transport.send(request, 2))
child = os.fork()
if child == 0:
    loop.run_until_complete(transport.send(request, 2))
    loop.run_until_complete(transport.aclose())
    sys.exit()  # Unlike os._exit, this calls destructors.
assert os.waitpid(child, 0)[1] == 0
loop.run_until_complete(transport.send(request, 2))
loop.run_until_complete(transport.aclose())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_after_a_fork_neither_process_ends_the_connections_of_the_other(wire: Wire) -> None:
    server = wire.serve()
    # With warnings as errors, the child's destructors do all that they can.
    command = [sys.executable, "-W", "error", "-c", FORK, server.api_url]
    subprocess.run(command, check=True)
    assert [request.connection for request in server.requests] == [1, 2, 1]
