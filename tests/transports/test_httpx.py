"""Transports over a program's own client of httpx or httpx2: what it decides, and what it keeps."""

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest
import requests
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived

from firecrawl_interact import (
    AsyncDeleteSession,
    AsyncHttpxTransport,
    DeleteSession,
    FakeService,
    HttpxTransport,
    LoopbackService,
    SessionNotFoundError,
)
from firecrawl_interact.adapters.conformance.server import Connection, FaultFunction, FaultServer
from firecrawl_interact.adapters.conformance.wire_faults import (
    resets_with_the_request_unread,
    responds,
    sends,
    sends_and_closes,
    stays_silent,
)
from firecrawl_interact.core import (
    ConnectFailedError,
    ConnectionLostError,
    Response,
    TransportError,
)

from .servers import (
    BUG,
    ECHOES,
    KEY,
    OK,
    PATH,
    REQUEST,
    Unseen,
    bug,
    client_tls,
    has_a_bug,
    http_2_tls,
    names_in,
    server_tls,
    shown_by,
    tunnels,
    while_handling,
)

pytestmark = pytest.mark.enable_socket


class Program:
    """A program with a client. An awaited one runs on an event loop of its own."""

    client: Any  # Any: of either package

    def __init__(self, package: ModuleType, *, is_awaited: bool) -> None:
        self.package, self.is_awaited = package, is_awaited
        self.prefix = "Async" if is_awaited else ""
        self.runner = asyncio.Runner()

    def transport(self, api_url: str = "https://api.firecrawl.dev", **options: Any) -> Any:
        self.client = getattr(self.package, f"{self.prefix}Client")(**options)
        transport_class = AsyncHttpxTransport if self.is_awaited else HttpxTransport
        return transport_class(api_url, client=self.client)

    def wait(self, result: Any) -> Any:  # Any: whatever is called
        return self.runner.run(result) if asyncio.iscoroutine(result) else result

    def send(self, transport: Any) -> Response:
        response: Response = self.wait(transport.send(REQUEST, 5))
        return response

    def fails(self, transport: Any) -> TransportError:
        with pytest.raises(TransportError) as caught:
            self.send(transport)
        return caught.value

    def hook(self, function: Callable[[Any], object]) -> Any:
        """Return an event hook as this client takes it. It awaits what has to be."""

        async def awaited(message: Any) -> None:
            result = function(message)
            if asyncio.iscoroutine(result):
                await result

        return awaited if self.is_awaited else function

    def close_client(self) -> None:
        self.wait(self.client.aclose() if self.is_awaited else self.client.close())


@pytest.fixture(params=["httpx blocking", "httpx awaited", "httpx2 blocking", "httpx2 awaited"])
def program(request: pytest.FixtureRequest) -> Iterator[Program]:
    name, kind = request.param.split()
    program = Program({"httpx": httpx, "httpx2": httpx2}[name], is_awaited=kind == "awaited")
    yield program
    program.close_client()
    program.runner.close()


def test_a_request_has_nothing_of_the_clients(program: Program) -> None:
    moved = b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\n"
    seen: list[str] = []
    hook = program.hook(lambda request: seen.append(str(request.url)))
    with FaultServer(sends(moved + b"Content-Length: 0\r\n\r\n")) as server:
        url = f"{server.api_url}/prefix"
        transport = program.transport(
            f"{url}/v2",
            base_url="https://elsewhere.example/base",
            auth=("user", "password"),
            cookies={"visitor": "1"},
            headers={"X-Own": "1"},
            params={"page": "1"},
            follow_redirects=True,
            event_hooks={"request": [hook]},
        )
        assert program.send(transport).status == 307
        [request] = server.requests
    assert request.target == f"/prefix{PATH}"
    names = ("authorization", "connection", "cookie", "x-own")
    came = [request.values(name) for name in names]
    assert came == [[f"Bearer {KEY}"], ["close"], [], []]
    assert seen == [f"{url}{PATH}"]
    assert dict(program.client.cookies) == {"visitor": "1"}
    of = f"client={program.prefix}Client"
    assert repr(transport) == f"{program.prefix}HttpxTransport('{url}', {of})"


def delete_in_each_way(transport: HttpxTransport, service: FakeService) -> None:
    with DeleteSession(transport, "fc-test") as delete_session:
        with delete_session.on_exit(service.open_session()):
            delete_session(service.open_session())
        with delete_session.many([service.open_session()]) as deletions:
            assert len(list(deletions)) == 1
        with pytest.raises(SessionNotFoundError):
            delete_session("00000000-0000-4000-8000-000000000000")


async def delete_in_each_way_awaited(transport: AsyncHttpxTransport, service: FakeService) -> None:
    async with AsyncDeleteSession(transport, "fc-test") as delete_session:
        async with delete_session.on_exit(service.open_session()):
            await delete_session(service.open_session())
        async with delete_session.many([service.open_session()]) as deletions:
            assert len([outcome async for outcome in deletions]) == 1
        with pytest.raises(SessionNotFoundError):
            await delete_session("00000000-0000-4000-8000-000000000000")


def test_the_client_is_open_after_a_call_a_block_a_run_and_an_error(program: Program) -> None:
    service = FakeService()
    delete = delete_in_each_way_awaited if program.is_awaited else delete_in_each_way
    with LoopbackService(service) as loopback, FaultServer() as other:
        program.wait(delete(program.transport(loopback.api_url), service))
        assert service.sessions_left_open == []
        assert program.wait(program.client.get(other.api_url)).status_code == 200


@pytest.mark.parametrize(
    "fault", [responds(), stays_silent, sends_and_closes(b""), sends(OK + b"X\r\n\r\n")]
)
def test_its_only_connection_is_free_after_whatever_happens(
    program: Program, fault: FaultFunction
) -> None:
    with FaultServer(fault) as server:
        limits = program.package.Limits(max_connections=1)
        transport = program.transport(server.api_url, limits=limits)
        with suppress(TransportError):
            program.wait(transport.send(REQUEST, 0.5))
        assert program.wait(program.client.get(server.api_url)).status_code == 200


def test_a_request_that_waits_for_the_pool_was_not_sent(
    program: Program,
) -> None:
    with FaultServer() as server:
        limits = program.package.Limits(max_connections=1)
        transport = program.transport(server.api_url, limits=limits)
        request = program.client.build_request("GET", server.api_url)
        response = program.wait(program.client.send(request, stream=True))
        with pytest.raises(ConnectFailedError) as caught:
            program.wait(transport.send(REQUEST, 0.2))
        program.wait(response.aclose() if program.is_awaited else response.close())
        assert caught.value.transient
        assert program.send(transport).status == 200


def speaks_http_2(connection: Connection) -> None:
    """Serve each request well, over HTTP/2."""
    http_2 = H2Connection(H2Configuration(client_side=False))
    http_2.initiate_connection()
    connection.send(http_2.data_to_send())
    while data := connection.sock.recv(65536):
        for event in http_2.receive_data(data):
            if isinstance(event, RequestReceived):
                http_2.send_headers(event.stream_id, [(":status", "200")], end_stream=True)
        connection.send(http_2.data_to_send())


def test_http_2_is_refused_and_the_program_keeps_its_connection(
    program: Program,
) -> None:
    with FaultServer(speaks_http_2, tls=http_2_tls()) as server:
        transport = program.transport(server.api_url, http2=True, verify=client_tls())
        for _ in range(2):
            error = program.fails(transport)
            assert "HTTP/2. Pass one with http2=False" in str(error)
            assert (error.sent, error.transient) == (False, False)
            assert program.wait(program.client.get(server.api_url)).status_code == 200
        assert server.connections == 1


@pytest.mark.xfail(strict=True, reason="h11 takes them for the response to the next request")
def test_surplus_bytes_on_a_kept_connection_are_no_response(program: Program) -> None:
    surplus = OK + b'Content-Length: 16\r\n\r\n{"success":true}'
    with FaultServer(responds(surplus=surplus)) as server:
        transport = program.transport(server.api_url)
        program.wait(program.client.get(server.api_url))
        assert PATH.encode() in program.send(transport).body


def test_it_uses_one_kept_connection_and_closes_no_other(program: Program) -> None:
    with FaultServer() as server:
        seen: list[str] = []
        hooks = {"request": [program.hook(lambda request: seen.append(request.method))]}
        transport = program.transport(server.api_url, event_hooks=hooks)
        request = program.client.build_request("GET", server.api_url)
        responses = [program.wait(program.client.send(request, stream=True)) for _ in range(3)]
        for response in responses:
            program.wait(response.aread() if program.is_awaited else response.read())
        assert program.send(transport).status == 200
        for _ in range(2):
            program.wait(program.client.get(server.api_url))
        assert server.connections == 3
    assert seen == ["GET"] * 3 + ["DELETE"] + ["GET"] * 2


def test_a_kept_connection_that_ends_is_stale_and_a_new_one_is_not(program: Program) -> None:
    with FaultServer(responds(sends_and_closes(b"")), sends_and_closes(b"")) as server:
        transport = program.transport(server.api_url)
        program.wait(program.client.get(server.api_url))
        errors = [program.fails(transport) for _ in range(2)]
    assert [getattr(error, "stale", None) for error in errors] == [True, False]


def test_a_407_of_the_clients_proxy_is_final(program: Program) -> None:
    refuses = sends_and_closes(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
    with FaultServer(refuses) as proxy:
        transport = program.transport("https://127.0.0.1:9", proxy=proxy.api_url)
        error = program.fails(transport)
    assert (error.sent, error.transient, "tunnel: 407" in str(error)) == (False, False, True)


@pytest.mark.parametrize("turns", range(12))
def test_a_cancelled_request_leaves_no_socket(turns: int) -> None:
    async def main() -> None:
        async with httpx2.AsyncClient() as client:
            transport = AsyncHttpxTransport(server.api_url, client=client)
            task = asyncio.ensure_future(transport.send(REQUEST, 5))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    with FaultServer(stays_silent) as server:
        asyncio.run(main())
        gc.collect()  # A socket that is left is a ResourceWarning, which fails the test.


@pytest.mark.parametrize("says", ["does not verify", "is closed"])
def test_nothing_is_sent_unverified_or_by_a_closed_client(program: Program, says: str) -> None:
    with FaultServer(resets_with_the_request_unread, tls=server_tls()) as server:
        transport = program.transport(server.api_url, verify=False)
        if says == "is closed":
            program.close_client()
        error = program.fails(transport)
    assert says in str(error)
    assert (error.sent, error.transient) == (False, False)


def test_a_transport_that_retries_sends_nothing_twice(program: Program) -> None:
    base = getattr(program.package, f"{program.prefix}HTTPTransport")

    class Retries(base):  # type: ignore[misc, valid-type]  # one of four classes
        def handle_request(self, request: Any) -> Any:
            super().handle_request(request).close()
            return super().handle_request(request)

        async def handle_async_request(self, request: Any) -> Any:
            await (await super().handle_async_request(request)).aclose()
            return await super().handle_async_request(request)

    with FaultServer() as server:
        error = program.fails(program.transport(server.api_url, transport=Retries()))
        assert len(server.requests) == 1
    assert type(error) is ConnectionLostError


def test_a_mock_may_have_sent_what_fails_and_its_response_is_taken(program: Program) -> None:
    def fail(_: object) -> None:
        raise program.package.ConnectError("no connection")

    def respond(_: object) -> Any:
        return program.package.Response(200, content=b'{"success":true}')

    mock = program.package.MockTransport
    assert program.send(program.transport(transport=mock(respond))).body == b'{"success":true}'
    assert type(program.fails(program.transport(transport=mock(fail)))) is ConnectionLostError


@pytest.mark.parametrize("read", [None, "read"])
def test_a_status_is_data_although_a_hook_raises_for_it(program: Program, read: str | None) -> None:
    def raise_for_status(response: Any) -> None:
        response.raise_for_status()

    hooks = [program.hook(raise_for_status)]
    if read:
        method = "aread" if program.is_awaited else "read"
        hooks.insert(0, program.hook(lambda response: getattr(response, method)()))
    with FaultServer(sends(b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}")) as server:
        transport = program.transport(server.api_url, event_hooks={"response": hooks})
        response = program.send(transport)
    assert (response.status, response.body) == (404, b"{}" if read else b"")


@pytest.mark.parametrize("hook", ["request", "response", "transport"])
def test_a_bug_in_a_hook_keeps_its_frames(program: Program, hook: str) -> None:
    hooks = {hook: [program.hook(has_a_bug)]} if hook != "transport" else None
    mock = program.package.MockTransport(has_a_bug) if hook == "transport" else None
    before = bug()
    with FaultServer() as server:
        transport = program.transport(server.api_url, event_hooks=hooks, transport=mock)
        with pytest.raises(LookupError) as caught:
            while_handling(before, lambda: program.send(transport))
    assert (names_in(caught.value)[-2:], names_in(before)[-2:], Unseen.looks) == (BUG, BUG, 0)
    assert KEY not in shown_by(caught.value)


@pytest.mark.parametrize("is_open", [False, True])
def test_what_fails_at_the_clients_proxy_was_not_sent(program: Program, is_open: bool) -> None:
    refuses = sends_and_closes(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
    with (
        FaultServer(sends_and_closes(b""), tls=server_tls()) as server,
        FaultServer(tunnels if is_open else refuses) as proxy,
    ):
        transport = program.transport(server.api_url, proxy=proxy.api_url, verify=client_tls())
        error = program.fails(transport)
        assert (type(error) is ConnectFailedError) is not is_open
        assert len(server.requests) == is_open


@pytest.mark.parametrize("fault", ECHOES.values(), ids=ECHOES)
def test_an_error_shows_no_key_and_leaves_what_was_being_handled(
    program: Program, fault: FaultFunction
) -> None:
    before = bug()
    with FaultServer(fault) as server:
        try:
            raise before
        except LookupError:
            error = program.fails(program.transport(server.api_url))
    assert (names_in(before)[-2:], Unseen.looks) == (BUG, 0)
    assert KEY not in shown_by(error)


@pytest.mark.parametrize(
    ("transport_class", "client", "words"),
    [
        (
            HttpxTransport,
            requests.Session(),
            "must be an httpx2.Client or httpx.Client, not Session",
        ),
        (
            HttpxTransport,
            httpx.AsyncClient(),
            "httpx.Client, not AsyncClient. An AsyncClient is for AsyncHttpxTransport",
        ),
        (HttpxTransport, httpx2.Client, "must be an .*, not <class 'httpx2.Client'>"),
        (AsyncHttpxTransport, httpx2.Client(), "must be an httpx2.AsyncClient or .*, not Client"),
        (AsyncHttpxTransport, None, "not NoneType. An AsyncClient is for AsyncHttpxTransport"),
    ],
)
def test_what_is_no_client_of_its_kind_is_refused(
    transport_class: Any, client: object, words: str
) -> None:
    with pytest.raises(TypeError, match=words):
        transport_class(client=client)
