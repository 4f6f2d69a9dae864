"""Transports over a program's own client of httpx or httpx2: what it decides, and what it keeps."""

import asyncio
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest
import requests

from firecrawl_interact import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    AsyncHttpxTransport,
    DeleteManySessions,
    DeleteSession,
    FakeService,
    HttpxTransport,
    LoopbackService,
    SessionNotFoundError,
)
from firecrawl_interact.adapters.conformance.server import FaultFunction, FaultServer
from firecrawl_interact.adapters.conformance.wire_faults import (
    CHUNKED,
    resets_with_the_request_unread,
    responds,
    sends,
    sends_and_closes,
)
from firecrawl_interact.core import (
    ConnectFailedError,
    ConnectionLostError,
    Request,
    Response,
    TransportError,
)

from .servers import KEY, PATH, REQUEST, client_tls, server_tls, shown_by, tunnels

pytestmark = pytest.mark.enable_socket

NOT_FOUND = b'{"success":false,"error":"Session not found."}'


class Program:
    """A program with a client, blocking or awaited, on an event loop of its own."""

    def __init__(self, package: ModuleType, *, is_awaited: bool) -> None:
        self.package, self.is_awaited = package, is_awaited
        self.runner = asyncio.Runner()
        self.client: Any = None  # Any: of either package

    def transport(self, api_url: str, **options: Any) -> Any:  # Any: as the client takes them
        kind = "AsyncClient" if self.is_awaited else "Client"
        self.client = getattr(self.package, kind)(**options)
        transport_class = AsyncHttpxTransport if self.is_awaited else HttpxTransport
        return transport_class(api_url, client=self.client)

    def wait(self, result: Any) -> Any:  # Any: whatever is called
        return self.runner.run(result) if asyncio.iscoroutine(result) else result

    def send(self, transport: Any, path: str = PATH) -> Response:
        request = Request("DELETE", path, REQUEST.headers)
        response: Response = self.wait(transport.send(request, 5))
        return response

    def fails(self, transport: Any) -> TransportError:
        with pytest.raises(TransportError) as caught:
            self.send(transport)
        return caught.value

    def hook(self, function: Any) -> Any:
        """Return an event hook as this client takes it."""

        async def awaited(message: Any) -> None:
            function(message)

        return awaited if self.is_awaited else function

    def close(self) -> None:
        if self.client is not None:
            self.wait(self.client.aclose() if self.is_awaited else self.client.close())
        self.runner.close()


@pytest.fixture(params=[False, True], ids=["blocking", "awaited"])
def is_awaited(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def program(request: pytest.FixtureRequest, *, is_awaited: bool) -> Iterator[Program]:
    program = Program(request.param, is_awaited=is_awaited)
    yield program
    program.close()


def test_a_request_goes_to_the_api_url_alone_whatever_the_client_has(program: Program) -> None:
    moved = b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    with FaultServer(sends(moved)) as server:
        seen: list[str] = []
        transport = program.transport(
            f"{server.api_url}/prefix/v2",
            base_url="https://elsewhere.example/base",
            auth=("user", "password"),
            cookies={"visitor": "1"},
            headers={"X-Own": "1", "Accept-Encoding": "gzip"},
            params={"page": "1"},
            follow_redirects=True,
            event_hooks={"request": [program.hook(lambda request: seen.append(str(request.url)))]},
        )
        assert program.send(transport).status == 307
        [request] = server.requests
    assert request.target == f"/prefix{PATH}"
    names = ("authorization", "cookie", "x-own", "accept-encoding", "connection", "user-agent")
    assert [request.values(name) for name in names] == [
        [f"Bearer {KEY}"],
        [],
        [],
        [],
        ["close"],
        ["firecrawl-interact"],
    ]
    assert seen == [f"{server.api_url}/prefix{PATH}"]
    assert repr(transport) == (
        f"{type(transport).__name__}('{server.api_url}/prefix',"
        f" client={type(program.client).__name__})"
    )


def delete_in_each_way(transport: Any, service: FakeService) -> None:
    """Delete in a call, a block and a run, fail once, and close the `DeleteSession`."""
    with DeleteSession(transport, "fc-test") as delete_session:
        delete_session(service.open_session())
        with delete_session.on_exit(service.open_session()):
            pass
        with DeleteManySessions(delete_session)([service.open_session()]) as deletions:
            assert len(list(deletions)) == 1
        with pytest.raises(SessionNotFoundError):
            delete_session("00000000-0000-4000-8000-000000000000")


async def delete_in_each_way_awaited(transport: Any, service: FakeService) -> None:
    async with AsyncDeleteSession(transport, "fc-test") as delete_session:
        await delete_session(service.open_session())
        async with delete_session.on_exit(service.open_session()):
            pass
        async with AsyncDeleteManySessions(delete_session)([service.open_session()]) as deletions:
            assert len([outcome async for outcome in deletions]) == 1
        with pytest.raises(SessionNotFoundError):
            await delete_session("00000000-0000-4000-8000-000000000000")


def test_the_client_is_open_afterwards(program: Program) -> None:
    service = FakeService(["fc-test"])
    with LoopbackService(service) as loopback, FaultServer() as other:
        transport = program.transport(loopback.api_url)
        if program.is_awaited:
            program.wait(delete_in_each_way_awaited(transport, service))
        else:
            delete_in_each_way(transport, service)
        assert service.sessions_left_open == []
        assert not program.client.is_closed
        assert program.wait(program.client.get(other.api_url)).status_code == 200


def test_the_client_keeps_no_cookie_of_firecrawls(program: Program) -> None:
    with FaultServer(responds(headers="Set-Cookie: visitor=2; Path=/\r\n")) as server:
        transport = program.transport(server.api_url, cookies={"visitor": "1"})
        program.send(transport)
    assert dict(program.client.cookies) == {"visitor": "1"}


def test_surplus_bytes_after_a_response_to_the_program_are_no_response(program: Program) -> None:
    surplus = b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n" + b'{"success":true}'
    with FaultServer(responds(surplus=surplus)) as server:
        transport = program.transport(server.api_url)
        program.wait(program.client.get(f"{server.api_url}/v2/echo/of-the-program"))
        assert PATH.encode() in program.send(transport).body
        assert [request.connection for request in server.requests] == [1, 2]


def test_http_2_is_refused_in_so_many_words_before_anything_is_sent(program: Program) -> None:
    context = server_tls("127.0.0.1")
    context.set_alpn_protocols(["h2"])
    with FaultServer(resets_with_the_request_unread, tls=context) as server:
        transport = program.transport(server.api_url, http2=True, verify=client_tls())
        error = program.fails(transport)
    assert "HTTP/2" in str(error)
    assert (error.sent, error.transient) == (False, False)


def test_a_client_that_does_not_verify_certificates_sends_nothing(program: Program) -> None:
    with FaultServer(tls=server_tls()) as server:
        error = program.fails(program.transport(server.api_url, verify=False))
    assert "does not verify certificates" in str(error)
    assert (error.sent, error.transient, server.requests) == (False, False, [])


def test_a_transport_that_retries_sends_nothing_twice(program: Program) -> None:
    base = (
        program.package.AsyncHTTPTransport if program.is_awaited else program.package.HTTPTransport
    )

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


def test_a_transport_that_says_nothing_of_its_steps_may_have_sent_the_request(
    program: Program,
) -> None:
    def fail(_: object) -> None:
        raise program.package.ConnectError("All connection attempts failed")

    transport = program.transport(
        "https://api.firecrawl.dev", transport=program.package.MockTransport(fail)
    )
    assert type(program.fails(transport)) is ConnectionLostError


def test_a_mocks_response_is_taken_as_a_servers(program: Program) -> None:
    def respond(_: object) -> Any:
        return program.package.Response(200, json={"success": True})

    mock = program.package.MockTransport(respond)
    transport = program.transport("https://api.firecrawl.dev", transport=mock)
    assert program.send(transport).body.replace(b" ", b"") == b'{"success":true}'


@pytest.mark.parametrize("reads", [True, False])
def test_a_status_is_data_although_a_hook_raises_for_it(program: Program, reads: bool) -> None:
    def raise_for_status(response: Any) -> None:
        response.raise_for_status()

    async def read_and_raise(response: Any) -> None:
        await response.aread()
        response.raise_for_status()

    def read_and_raise_at_once(response: Any) -> None:
        response.read()
        response.raise_for_status()

    hook = program.hook(raise_for_status)
    if reads:
        hook = read_and_raise if program.is_awaited else read_and_raise_at_once
    head = b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n" % len(NOT_FOUND)
    with FaultServer(sends(head + NOT_FOUND)) as server:
        transport = program.transport(server.api_url, event_hooks={"response": [hook]})
        response = program.send(transport)
    assert (response.status, response.body) == (404, NOT_FOUND if reads else b"")


def test_a_closed_client_sends_nothing(program: Program) -> None:
    transport = program.transport("https://api.firecrawl.dev")
    program.close()
    program.runner = asyncio.Runner()
    error = program.fails(transport)
    assert (type(error), error.transient) == (ConnectFailedError, False)


@pytest.mark.parametrize(
    ("opens", "kind"), [(b"407 No", ConnectFailedError), (b"200 OK", ConnectionLostError)]
)
def test_what_fails_at_the_clients_proxy_was_not_sent(
    program: Program, opens: bytes, kind: type[TransportError]
) -> None:
    refuses = sends_and_closes(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % opens)
    is_open = opens.startswith(b"200")
    with (
        FaultServer(sends_and_closes(b""), tls=server_tls()) as server,
        FaultServer(tunnels if is_open else refuses) as proxy,
    ):
        transport = program.transport(server.api_url, proxy=proxy.api_url, verify=client_tls())
        assert type(program.fails(transport)) is kind
        assert len(server.requests) == is_open
        assert proxy.requests[0].head.startswith("CONNECT ")


FAULTS: dict[str, FaultFunction] = {
    "as a header line": sends_and_closes(b"HTTP/1.1 200 OK\r\n" + KEY.encode() + b"\r\n\r\n"),
    "without HTTP": sends_and_closes(KEY.encode() + b"\r\n\r\n"),
    "as a chunk": sends_and_closes(CHUNKED + KEY.encode() + b"\r\n"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_an_error_shows_no_key_that_the_response_repeats(
    program: Program, fault: FaultFunction
) -> None:
    with FaultServer(fault) as server:
        assert KEY not in shown_by(program.fails(program.transport(server.api_url)))


def test_what_the_caller_was_handling_keeps_its_traceback(program: Program) -> None:
    before = LookupError("the block failed")
    with FaultServer(sends_and_closes(b"")) as server:
        transport = program.transport(server.api_url)
        try:
            raise before
        except LookupError:
            program.fails(transport)
    assert before.__traceback__ is not None


@pytest.mark.parametrize(
    ("transport_class", "client", "words"),
    [
        (HttpxTransport, requests.Session(), "must be a Client of httpx2 or httpx, not Session"),
        (HttpxTransport, httpx.AsyncClient(), "must be a Client of httpx2 or httpx, not AsyncCli"),
        (HttpxTransport, httpx2.Client, "must be a Client of .*, not <class 'httpx2.Client'>"),
        (AsyncHttpxTransport, httpx2.Client(), "must be a AsyncClient of .*, not Client"),
        (AsyncHttpxTransport, None, r"pip install '.\[httpx\]'"),
    ],
)
def test_what_is_no_client_of_its_kind_is_refused(
    transport_class: Any, client: object, words: str
) -> None:
    with pytest.raises(TypeError, match=words):
        transport_class(client=client)
