"""What is particular to the aiohttp adapter, against raw sockets on 127.0.0.1."""

import asyncio
import base64
import copy
import gc
import os
import pickle
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest
import trustme
import vcr  # type: ignore[import-untyped]  # it has no types

from firecrawl_interact.adapters.aiohttp import AiohttpTransport
from firecrawl_interact.adapters.conformance import wire_faults
from firecrawl_interact.adapters.conformance.server import (
    Connection,
    FaultFunction,
    FaultServer,
    good_response,
)
from firecrawl_interact.adapters.conformance.wire_faults import (
    CHUNKED,
    sends,
    sends_after_response,
    sends_after_response_and_closes,
    sends_and_closes,
    sends_and_drips,
    sends_and_floods,
)
from firecrawl_interact.core.transport import (
    MAX_BODY_BYTES,
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    Request,
    Response,
    TimedOutError,
    TransportError,
)

pytestmark = pytest.mark.enable_socket

KEY = "fc-0123456789abcdef"
PATH = "/v2/interact/session-1"
REQUEST = Request("DELETE", PATH, {"Authorization": f"Bearer {KEY}", "Accept-Encoding": "identity"})
PATIENCE = 10
"""Seconds after which a test that hangs fails. No passing test waits for it."""
NEIGHBOUR = good_response("/neighbour")


@pytest.fixture(autouse=True)
def no_proxy_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def send(transport: AiohttpTransport, timeout: float = PATIENCE) -> Response:
    """Send the request, and check that the answer is its own."""
    response = await transport.send(REQUEST, timeout)
    assert PATH.encode() in response.body
    return response


async def failure(transport: AiohttpTransport, timeout: float = PATIENCE) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await transport.send(REQUEST, timeout)
    return caught.value


# --- one send, one request -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "is_kept"),
    [
        (sends_and_closes(b""), False),
        (wire_faults.sends_and_resets(b""), False),
        (wire_faults.responds_then_closes_on_a_request, True),
        (wire_faults.responds_then_resets_on_a_request, True),
    ],
    ids=["closed", "reset", "closed when kept", "reset when kept"],
)
@pytest.mark.asyncio
async def test_a_request_whose_connection_breaks_is_not_sent_again(
    fault: FaultFunction, is_kept: bool
) -> None:
    with FaultServer(fault) as server:
        async with AiohttpTransport(server.api_url) as transport:
            if is_kept:
                await send(transport)
            error = await failure(transport)
        assert type(error) is ConnectionLostError
        assert error.stale is is_kept
        assert len(server.requests) == 1 + is_kept
        assert server.connections == 1


@pytest.mark.asyncio
async def test_requests_that_break_side_by_side_are_not_sent_again_either() -> None:
    def breaks(connection: Connection) -> None:
        connection.read_request()
        connection.close()

    with Breaking(breaks) as server:
        async with AiohttpTransport(server.api_url) as transport:
            errors = await asyncio.gather(*(failure(transport) for _ in range(5)))
        assert {type(error) for error in errors} == {ConnectionLostError}
        assert len(server.requests) == 5


class Breaking(FaultServer):
    """A server on which every connection meets the fault."""

    def _serve(self, connection: Connection) -> None:
        connection.number = 1
        super()._serve(connection)


@pytest.mark.asyncio
async def test_the_request_goes_out_as_it_was_given() -> None:
    with FaultServer(wire_faults.sets_a_cookie) as server:
        async with AiohttpTransport(f"{server.api_url}/prefix/", user_agent="test/1") as transport:
            await send(transport)
            await send(transport)
        authority = server.authority
    first, second = (request.head for request in server.requests)
    assert first == second
    assert set(first.split("\r\n")) >= {
        f"DELETE /prefix{PATH} HTTP/1.1",
        f"Host: {authority}",
        "User-Agent: test/1",
        f"Authorization: Bearer {KEY}",
        "Accept-Encoding: identity",
    }
    assert "cookie" not in first.lower()


@pytest.mark.asyncio
async def test_the_user_agent_names_the_library_and_its_version() -> None:
    with FaultServer() as server:
        async with AiohttpTransport(server.api_url) as transport:
            await send(transport)
        assert server.requests[0].values("user-agent")[0].startswith("firecrawl-interact/0.")


# --- answers -------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_chunk_that_cannot_be_read_ends_the_exchange_at_once() -> None:
    def fault(connection: Connection) -> None:
        connection.read_request()
        connection.send(CHUNKED + b"1\r\nx\r\n")
        connection.pause(0.05)
        connection.send(b"zz\r\n")
        connection.wait_for_close()

    with FaultServer(fault) as server:
        async with AiohttpTransport(server.api_url) as transport:
            assert type(await failure(transport)) is BadResponseError


@pytest.mark.parametrize(
    "fault",
    [
        sends_and_floods(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        sends_and_floods(CHUNKED, b"0" * 65536),
        sends_and_floods(CHUNKED + b"1;", b"x" * 65536),
    ],
    ids=["interim answers", "a chunk size", "a chunk extension"],
)
@pytest.mark.asyncio
async def test_what_floods_in_without_an_end_is_refused_for_good(fault: FaultFunction) -> None:
    with FaultServer(fault) as server:
        async with AiohttpTransport(server.api_url) as transport:
            error = await failure(transport)
            assert type(error) is BadResponseError
            assert not error.transient
            await send(transport)


@pytest.mark.parametrize("number", [100, 101])
@pytest.mark.asyncio
async def test_an_answer_has_100_header_lines_at_most(number: int) -> None:
    fields = b"X: y\r\n" * (number - 1) + b"Content-Length: %d\r\n\r\n" % len(PATH)
    with FaultServer(sends(b"HTTP/1.1 200 OK\r\n" + fields + PATH.encode())) as server:
        async with AiohttpTransport(server.api_url) as transport:
            if number <= 100:
                await send(transport)
            else:
                assert type(await failure(transport)) is BadResponseError


@pytest.mark.asyncio
async def test_a_body_in_the_smallest_chunks_is_taken() -> None:
    body = PATH.encode() * 1000
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    with FaultServer(sends(CHUNKED + chunks + b"0\r\n\r\n")) as server:
        async with AiohttpTransport(server.api_url) as transport:
            assert (await send(transport)).body == body


@pytest.mark.asyncio
async def test_a_body_that_is_too_large_at_its_end_ends_the_connection() -> None:
    body = b"100001\r\n" + b"x" * (MAX_BODY_BYTES + 1) + b"\r\n0\r\n\r\n"
    with FaultServer(sends(CHUNKED + body)) as server:
        async with AiohttpTransport(server.api_url) as transport:
            error = await failure(transport)
            assert type(error) is BadResponseError
            assert not error.transient
            await send(transport)
        assert server.connections == 2


@pytest.mark.asyncio
async def test_a_refused_answer_ends_its_connection_though_it_came_whole() -> None:
    answer = b"HTTP/1.1 999 High\r\nContent-Length: 2\r\n\r\n{}"
    with FaultServer(sends(answer)) as server:
        async with AiohttpTransport(server.api_url) as transport:
            await failure(transport)
            await send(transport)
        assert server.connections == 2


@pytest.mark.asyncio
async def test_a_recording_of_vcrpy_plays_back(tmp_path: Path) -> None:
    recorder = vcr.VCR(filter_headers=["authorization"])
    cassette = str(tmp_path / "delete.yaml")
    with FaultServer() as server:
        for _ in range(2):
            with recorder.use_cassette(cassette):
                async with AiohttpTransport(server.api_url) as transport:
                    await send(transport)
        assert len(server.requests) == 1


# --- connections kept ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        sends_after_response(NEIGHBOUR),
        sends_after_response(b"x"),
        sends_after_response_and_closes(b""),
        sends_after_response_and_closes(NEIGHBOUR),
    ],
    ids=["an answer", "a byte", "an end", "an answer and an end"],
)
@pytest.mark.asyncio
async def test_what_comes_while_the_event_loop_is_busy_is_for_nobody(fault: FaultFunction) -> None:
    with FaultServer(fault) as server:
        async with AiohttpTransport(server.api_url) as transport:
            await send(transport)
            assert server.fault_is_over.wait(PATIENCE)  # No event loop runs meanwhile.
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


# --- time ----------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_the_connect_timeout_ends_a_handshake_long_before_the_exchange_would() -> None:
    with silent_port() as port:
        transport = AiohttpTransport(f"https://127.0.0.1:{port}", connect_timeout=0.2)
        async with transport:
            before = time.monotonic()
            error = await failure(transport)
            assert type(error) is ConnectFailedError
            assert error.transient
            assert time.monotonic() - before < 1


@pytest.mark.asyncio
async def test_a_name_with_many_addresses_has_one_connect_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with silent_port() as port:
        address = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address] * 4)
        async with AiohttpTransport("https://service.example", connect_timeout=0.4) as transport:
            before = time.monotonic()
            assert type(await failure(transport)) is ConnectFailedError
            assert 0.3 < time.monotonic() - before < 1


@pytest.mark.asyncio
async def test_a_name_that_resolves_too_late_is_not_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve, never = socket.getaddrinfo, threading.Event()

    def resolve_late(*args: object, **kwargs: object) -> object:
        never.wait(0.1)
        return resolve(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(socket, "getaddrinfo", resolve_late)
    with FaultServer() as server:
        api_url = server.api_url.replace("127.0.0.1", "localhost")
        async with AiohttpTransport(api_url) as transport:
            assert type(await failure(transport, timeout=0.05)) is ConnectFailedError
        assert server.connections == 0


@pytest.mark.asyncio
async def test_a_request_that_nobody_reads_ends_in_time() -> None:
    request = Request("DELETE", "/" + "x" * 16_000_000, REQUEST.headers)
    with FaultServer(lambda connection: connection.pause(PATIENCE)) as server:
        async with AiohttpTransport(server.api_url) as transport:
            with pytest.raises(TimedOutError) as caught:
                await transport.send(request, 0.3)
    assert_no_frame_of_ours_shows_the_key(caught.value)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
@pytest.mark.asyncio
async def test_a_timeout_that_is_no_time_is_refused(timeout: float) -> None:
    async with AiohttpTransport() as transport:
        with pytest.raises(ValueError, match="timeout"):
            await transport.send(REQUEST, timeout)


@pytest.mark.asyncio
async def test_a_timeout_of_any_length_works() -> None:
    with FaultServer() as server:
        async with AiohttpTransport(server.api_url) as transport:
            await send(transport, timeout=1e300)


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
async def test_closing_ends_what_is_under_way_and_refuses_what_comes_after() -> None:
    with FaultServer(wire_faults.stays_silent) as server:
        transport = AiohttpTransport(server.api_url)
        under_way = asyncio.create_task(failure(transport))
        while not server.requests:
            await asyncio.sleep(0)
        await transport.close()
        assert type(await under_way) is ConnectionLostError
        error = await failure(transport)
        assert type(error) is ConnectFailedError
        assert not error.transient
        assert "closed" in str(error)
        await transport.close()
        assert len(server.requests) == 1


@pytest.mark.parametrize("is_tls", [False, True], ids=["http", "https"])
def test_each_event_loop_has_connections_of_its_own_that_end_with_it(
    certificates: "Certificates", is_tls: bool
) -> None:
    async def two_requests() -> None:
        await send(transport)
        await send(transport)

    tls = certificates.server("127.0.0.1") if is_tls else None
    context = certificates.client() if is_tls else None
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
    asyncio.run(transport.close())
    sys.exit()  # Unlike os._exit, this calls destructors.
assert os.waitpid(child, 0)[1] == 0
loop.run_until_complete(send())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_gets_connections_of_its_own_and_leaves_its_parents_alone() -> None:
    with FaultServer() as server:
        # With warnings as errors, the child's destructors do all that they can.
        command = [sys.executable, "-W", "error", "-c", FORK, server.api_url, PATH]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert [request.connection for request in server.requests] == [1, 2, 1]


# --- the key -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        wire_faults.closes_at_once,
        wire_faults.resets_with_the_request_unread,
        sends_and_closes(b"HTTP/1.1 200 OK\r\n"),
        wire_faults.stays_silent,
        sends(KEY.encode()),
        sends(b"HTTP/1.1 200 OK\r\n" + KEY.encode() + b"\r\n\r\n"),
        sends(b"HTTP/1.1 200 OK\r\nX: " + KEY.encode() + b"\r\n\r\n"),
        sends_and_closes(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + KEY.encode()),
        sends(CHUNKED + KEY.encode() + b"\r\n"),
        sends_and_drips(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"123456789"),
    ],
)
@pytest.mark.asyncio
async def test_no_frame_of_ours_shows_the_key_in_a_traceback(fault: FaultFunction) -> None:
    with FaultServer(fault) as server:
        async with AiohttpTransport(server.api_url) as transport:
            assert_no_frame_of_ours_shows_the_key(await failure(transport, timeout=0.2))


def assert_no_frame_of_ours_shows_the_key(error: BaseException | None) -> None:
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "firecrawl_interact" in frame.f_code.co_filename:
                assert KEY not in repr(frame.f_locals)
        assert KEY not in f"{error} {error!r} {error.args} {vars(error)}"
        error = error.__cause__ or error.__context__


# --- certificates --------------------------------------------------------------------------


class Certificates:
    """An authority that nobody knows, and servers' certificates by it."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.file = folder / "authority.pem"
        self.authority.cert_pem.write_to_path(str(self.file))

    def server(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*names).configure_cert(context)
        return context

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.file))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.mark.asyncio
async def test_ssl_cert_file_names_the_authorities(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.file))
    with FaultServer(tls=certificates.server("127.0.0.1")) as server:
        async with AiohttpTransport(server.api_url) as transport:
            await send(transport)
            await send(transport)
        assert server.connections == 1


@pytest.mark.asyncio
async def test_a_certificate_of_an_unknown_authority_is_refused_for_good(
    certificates: Certificates,
) -> None:
    with FaultServer(tls=certificates.server("127.0.0.1")) as server:
        async with AiohttpTransport(server.api_url) as transport:
            error = await failure(transport)
        assert type(error) is ConnectFailedError
        assert not error.transient
        assert f"shown by {server.authority} does not verify" in str(error)
        assert server.requests == []


@pytest.mark.parametrize("verify_mode", [ssl.CERT_NONE, ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED])
def test_an_ssl_context_that_does_not_verify_is_refused(verify_mode: ssl.VerifyMode) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = verify_mode
    with pytest.raises(ValueError, match="verify"):
        AiohttpTransport(ssl_context=context)


@pytest.mark.asyncio
async def test_authorities_that_cannot_be_read_are_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise ssl.SSLError("no such authorities")

    monkeypatch.setattr(ssl, "create_default_context", fail)
    async with AiohttpTransport() as transport:
        error = await failure(transport)
    assert type(error) is ConnectFailedError
    assert not error.transient


# --- proxies -------------------------------------------------------------------------------


class Proxy:
    """Answers CONNECT, and then carries bytes both ways."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[str] = []
        self._tls = tls
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.authority = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"http{'s' if tls else ''}://{self.authority}"
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._sockets.append(sock)
                self._start(self._tunnel, sock)

    def _tunnel(self, client: socket.socket) -> None:
        with suppress(OSError):
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
                self._sockets.append(client)
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                if not (piece := client.recv(65536)):
                    break
                request += piece
            else:
                self.requests.append(request.decode())
                host, port = request.decode().split(" ")[1].rsplit(":", 1)
                service = socket.create_connection((host, int(port)), PATIENCE)
                self._sockets.append(service)
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                self._start(self._carry, service, client)
                self._carry(client, service)
                return
        client.close()

    @staticmethod
    def _carry(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
        source.close()


@pytest.mark.asyncio
async def test_the_environments_proxy_carries_https_and_never_sees_the_key(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = certificates.server("127.0.0.1")
    with FaultServer(tls=tls) as server, Proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://us%40er:p%3Aw@{proxy.authority}")
        context = certificates.client()
        async with AiohttpTransport(server.api_url, ssl_context=context) as transport:
            await send(transport)
            await send(transport)
        (connect,) = proxy.requests
        assert connect.startswith(f"CONNECT {server.authority} HTTP/1.")
        credentials = base64.b64encode(b"us@er:p:w").decode()
        assert f"\r\nProxy-Authorization: Basic {credentials}\r\n" in connect
        assert KEY not in connect
        assert len(server.requests) == 2
        assert all(not request.values("proxy-authorization") for request in server.requests)
        assert server.connections == 1


@pytest.mark.asyncio
async def test_no_proxy_names_the_hosts_to_reach_directly(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("NO_PROXY", "example.org,127.0.0.1")
    with FaultServer(tls=certificates.server("127.0.0.1")) as server:
        context = certificates.client()
        async with AiohttpTransport(server.api_url, ssl_context=context) as transport:
            await send(transport)


@pytest.mark.asyncio
async def test_a_proxy_that_is_asked_for_comes_before_the_environments(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    tls, context = certificates.server("127.0.0.1"), certificates.client()
    with FaultServer(tls=tls) as server, Proxy() as proxy:
        async with AiohttpTransport(
            server.api_url, ssl_context=context, proxy=proxy.url
        ) as transport:
            await send(transport)
        assert len(proxy.requests) == 1


@pytest.mark.asyncio
async def test_a_proxy_that_is_asked_for_carries_plain_http() -> None:
    with FaultServer() as proxy:
        transport = AiohttpTransport(
            "http://service.example/prefix",
            proxy=proxy.api_url.replace("://", "://user:pw@"),
            allow_plain_http=True,
        )
        async with transport:
            await send(transport)
            await send(transport)
        request = proxy.requests[0]
        assert request.target == f"http://service.example/prefix{PATH}"
        assert request.values("host") == ["service.example"]
        credentials = base64.b64encode(b"user:pw").decode()
        assert request.values("proxy-authorization") == [f"Basic {credentials}"]
        assert proxy.connections == 1


@pytest.mark.asyncio
async def test_a_proxy_may_speak_tls_itself(certificates: Certificates) -> None:
    tls, context = certificates.server("127.0.0.1"), certificates.client()
    with FaultServer(tls=tls) as server, Proxy(tls=tls) as proxy:
        async with AiohttpTransport(
            server.api_url, ssl_context=context, proxy=proxy.url
        ) as transport:
            await send(transport)
            await send(transport)
        assert len(proxy.requests) == 1
        assert server.connections == 1


@pytest.mark.asyncio
async def test_a_tls_proxy_that_cannot_be_verified_is_refused_for_good(
    certificates: Certificates,
) -> None:
    with Proxy(tls=certificates.server("localhost")) as proxy:
        async with AiohttpTransport(
            "https://127.0.0.1:9", ssl_context=certificates.client(), proxy=proxy.url
        ) as transport:
            error = await failure(transport)
        assert type(error) is ConnectFailedError
        assert not error.transient
        assert f"shown by the proxy {proxy.url}" in str(error)
        assert proxy.requests == []


@pytest.mark.asyncio
async def test_the_service_is_verified_behind_a_proxy(certificates: Certificates) -> None:
    tls, context = certificates.server("localhost"), certificates.client()
    with FaultServer(tls=tls) as server, Proxy() as proxy:
        async with AiohttpTransport(
            server.api_url, ssl_context=context, proxy=proxy.url
        ) as transport:
            error = await failure(transport)
        assert type(error) is ConnectFailedError
        assert not error.transient
        assert f"shown by {server.authority} through the proxy {proxy.url}" in str(error)
        assert server.requests == []


@pytest.mark.parametrize(
    ("status", "is_transient"), [(403, False), (407, False), (429, True), (503, True)]
)
@pytest.mark.asyncio
async def test_a_proxy_that_refuses_sent_nothing(status: int, is_transient: bool) -> None:
    answer = f"HTTP/1.1 {status} Refused\r\nContent-Length: 0\r\n\r\n".encode()
    with FaultServer(sends(answer)) as proxy:
        address = proxy.api_url.replace("://", f"://user:{KEY}@")
        async with AiohttpTransport("https://service.example", proxy=address) as transport:
            error = await failure(transport)
        assert type(error) is ConnectFailedError
        assert error.transient is is_transient
        assert f"refused the tunnel: {status}" in str(error)
        assert_no_frame_of_ours_shows_the_key(error)


@pytest.mark.parametrize(
    "fault",
    [
        wire_faults.closes_at_once,
        sends_and_closes(b"HTTP/1.1 200 OK\r\n"),
        sends(b"nonsense\r\n\r\n"),
        sends(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000),
        sends_and_drips(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 100),
    ],
    ids=["closed", "cut", "no HTTP", "endless", "drip"],
)
@pytest.mark.asyncio
async def test_a_proxy_that_makes_no_sense_sent_nothing(fault: FaultFunction) -> None:
    with FaultServer(fault) as proxy:
        async with AiohttpTransport(
            "https://service.example", proxy=proxy.api_url, connect_timeout=0.5
        ) as transport:
            error = await failure(transport)
        assert type(error) is ConnectFailedError
        assert error.transient


@pytest.mark.asyncio
async def test_a_kind_of_proxy_that_is_not_supported_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://user:secret@127.0.0.1:1080")
    async with AiohttpTransport("https://service.example") as transport:
        error = await failure(transport)
    assert type(error) is ConnectFailedError
    assert not error.transient
    assert "secret" not in str(error)


# --- no connection -------------------------------------------------------------------------


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.asyncio
async def test_a_refused_connection_names_the_service_and_the_reason() -> None:
    port = closed_port()
    async with AiohttpTransport(f"http://127.0.0.1:{port}") as transport:
        error = await failure(transport)
    assert type(error) is ConnectFailedError
    assert error.transient
    assert f"no connection to 127.0.0.1:{port}: " in str(error)
    assert "Connect call failed" in str(error)


# --- settings ------------------------------------------------------------------------------


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


def test_a_transport_with_an_ssl_context_says_that_it_cannot_be_pickled() -> None:
    transport = AiohttpTransport(ssl_context=ssl.create_default_context())
    with pytest.raises(TypeError, match="SSL_CERT_FILE"):
        pickle.dumps(transport)


def test_a_repr_names_the_service_and_hides_a_proxys_password() -> None:
    transport = AiohttpTransport("https://service.example/api", proxy="http://user:secret@proxy:1")
    expected = "AiohttpTransport('https://service.example/api', proxy='http://***@proxy:1')"
    assert repr(transport) == expected
    assert "secret" not in repr(vars(transport))


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "1", None])
def test_numbers_that_cannot_work_are_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError), match="pool_size"):
        AiohttpTransport(pool_size=value)  # type: ignore[arg-type]  # that is the test
    with pytest.raises((TypeError, ValueError), match="connect_timeout"):
        AiohttpTransport(connect_timeout=value)  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize("user_agent", ["", "a\r\nX: y", 1])
def test_a_user_agent_that_cannot_be_sent_is_refused(user_agent: str) -> None:
    with pytest.raises((TypeError, ValueError), match="user_agent"):
        AiohttpTransport(user_agent=user_agent)


def test_plain_http_to_another_machine_is_refused_unless_allowed() -> None:
    with pytest.raises(ValueError, match="allow_plain_http"):
        AiohttpTransport("http://service.example")
    AiohttpTransport("http://service.example", allow_plain_http=True)
