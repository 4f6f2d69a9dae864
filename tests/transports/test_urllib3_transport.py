"""What is particular to the urllib3 adapter, against raw sockets on 127.0.0.1."""

import base64
import copy
import io
import os
import pickle
import socket
import ssl
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest
import trustme
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st

from firecrawl_interact.adapters.http.framing import (
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    MAX_INTERIM_RESPONSES,
    MAX_LINE_BYTES,
)
from firecrawl_interact.adapters.http.transport import LONGEST_IDLE
from firecrawl_interact.adapters.urllib3 import Urllib3Transport
from firecrawl_interact.adapters.urllib3.connection import StrictHTTPConnection
from firecrawl_interact.core.transport import (
    MAX_BODY_BYTES,
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    Request,
    TimedOutError,
    TransportError,
)

pytestmark = pytest.mark.enable_socket

KEY = "fc-0123456789abcdef"
REQUEST = Request(
    "DELETE",
    "/v2/interact/session-1",
    {"Authorization": f"Bearer {KEY}", "Accept-Encoding": "identity"},
)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PATIENCE = 30
"""Seconds after which a test that hangs fails. No passing test waits for it."""


class Peer:
    """The service's end of one connection."""

    def __init__(self, sock: socket.socket, server: "Server") -> None:
        sock.settimeout(PATIENCE)
        self.sock = sock
        self.server = server

    def read_request(self) -> bytes:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            if not (piece := self.sock.recv(65536)):
                raise ConnectionError("the client is gone")
            request += piece
        self.server.requests.append(request)
        return request

    def respond(self, *answers: bytes) -> None:
        for answer in answers:
            self.read_request()
            self.sock.sendall(answer)

    def wait_for_close(self) -> None:
        while self.sock.recv(65536):
            pass

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def drip(self, data: bytes, pause: float, target: socket.socket | None = None) -> None:
        for byte in data:
            (target or self.sock).sendall(bytes([byte]))
            if self.server.is_ending.wait(pause):
                return


Talk = Callable[[Peer], object]


class Server:
    """Lets one function after another hold a connection; the last one holds all others, too."""

    def __init__(self, *talks: Talk, tls: ssl.SSLContext | None = None) -> None:
        self._talks = talks
        self._tls = tls
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.requests: list[bytes] = []
        self.is_ending = threading.Event()
        self._start(self._accept)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.is_ending.set()
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
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(sock)
            self._start(self._hold, sock, self._talks[min(self.connections, len(self._talks)) - 1])

    def _hold(self, sock: socket.socket, talk: Talk) -> None:
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._sockets.append(sock)
            talk(Peer(sock, self))
        except OSError:
            pass  # The client has left: some tests are about that.
        finally:
            sock.close()


def always(answer: bytes) -> Talk:
    def talk(peer: Peer) -> None:
        while True:
            peer.respond(answer)

    return talk


def once(*answers: bytes) -> Talk:
    def talk(peer: Peer) -> None:
        peer.respond(*answers)
        peer.wait_for_close()

    return talk


def and_close(*answers: bytes) -> Talk:
    def talk(peer: Peer) -> None:
        peer.respond(*answers)

    return talk


def send(transport: Urllib3Transport, timeout: float = PATIENCE) -> bytes:
    return transport.send(REQUEST, timeout).body


def failure(*talks: Talk, timeout: float = PATIENCE) -> TransportError:
    """What one request to such a server ends with."""
    with Server(*talks) as server, Urllib3Transport(server.url) as transport:
        with pytest.raises(TransportError) as caught:
            transport.send(REQUEST, timeout)
        assert len(server.requests) <= 1
    return caught.value


# --- answers -------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

NO_HTTP_ANSWERS = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.6",
    "HTTP/0.9": b'{"success":true}',
    "an HTTP/2 frame": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    "an empty line first": b"\r\n" + OK,
    "another version": b"HTTP/2 200 OK\r\n\r\n",
    "another minor version": b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "status 2000": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "status 099": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    "status +20": b"HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n",
    "status 2_0": b"HTTP/1.1 2_0 OK\r\nContent-Length: 0\r\n\r\n",
    "status 999": b"HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n",
    "lines without CR": HEAD.replace(b"\r", b"") + b"Content-Length: 0\n\n",
    "a header line without colon": HEAD + b"Content-Length 2\r\n\r\nok",
    "space before the colon": HEAD + b"Content-Length : 2\r\n\r\nok",
    "space before the first header": HEAD + b" Content-Length: 2\r\n\r\nok",
    "NUL in a header": HEAD + b"X: \0\r\nContent-Length: 2\r\n\r\nok",
    "CR in a header": HEAD + b"X: a\rContent-Length: 2\r\n\r\nok",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "two lengths in a line": HEAD + b"Content-Length: 2, 3\r\n\r\nok",
    "a length of letters": HEAD + b"Content-Length: abc\r\n\r\nok",
    "a negative length": HEAD + b"Content-Length: -5\r\n\r\nok",
    "a length with _": HEAD + b"Content-Length: 1_0\r\n\r\nok",
    "an empty length": HEAD + b"Content-Length:\r\n\r\nok",
    "a length in other digits": HEAD + b"Content-Length: \xb2\r\n\r\nok",
    "a length and chunks": HEAD
    + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "another transfer coding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n",
    "no length": HEAD + b"\r\nok",
    "a chunk size of letters": CHUNKED + b"zz\r\n",
    "a negative chunk size": CHUNKED + b"-2\r\n",
    "a chunk size with 0x": CHUNKED + b"0x2\r\nok\r\n0\r\n\r\n",
    "an empty chunk size": CHUNKED + b"\r\n",
    "an endless chunk size": CHUNKED + b"F" * 20 + b"\r\n",
    "a chunk longer than its size": CHUNKED + b"2\r\nokay0\r\n\r\n",
    "a trailer without colon": CHUNKED + b"0\r\nX\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
}


@pytest.mark.parametrize("answer", NO_HTTP_ANSWERS.values(), ids=NO_HTTP_ANSWERS)
def test_what_is_no_decent_http_is_refused_without_waiting_for_more(answer: bytes) -> None:
    error = failure(once(answer))
    assert type(error) is BadResponseError
    assert error.transient
    assert len(str(error)) < 200


UNWANTED_ANSWERS = {
    "a head above the bound": HEAD + (b"X: " + b"x" * 60_000 + b"\r\n") * 98 + b"\r\n",
    "interim heads above the bound": (b"HTTP/1.1 103\r\nX: " + b"x" * 50_000 + b"\r\n\r\n") * 3,
    "a body above the bound": HEAD + b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1),
    "a body of 10**13 bytes": HEAD + b"Content-Length: 10000000000000\r\n\r\n",
    "a body of 2**63 bytes": HEAD + b"Content-Length: 9223372036854775808\r\n\r\n",
    "a length of 5000 digits": HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "a chunk above the bound": CHUNKED + b"%x\r\n" % (MAX_BODY_BYTES + 1),
    "chunks above the bound": CHUNKED + (b"10000\r\n" + b"x" * 0x10000 + b"\r\n") * 17,
    "endless chunk extensions": CHUNKED + (b"1;" + b"x" * 1000 + b"\r\nx\r\n") * 1000,
    "endless trailers": CHUNKED + b"0\r\n" + (b"X: " + b"x" * 2000 + b"\r\n") * 99,
    "a status line without end": b"HTTP/1.1 200 " + b"x" * MAX_LINE_BYTES,
    "a header line without end": HEAD + b"X: " + b"x" * MAX_LINE_BYTES,
    "too many header lines": HEAD + b"X: y\r\n" * MAX_FIELDS + b"Content-Length: 0\r\n\r\n",
    "an endless chunk size line": CHUNKED + b"1;" + b"x" * MAX_LINE_BYTES,
    "endless interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_INTERIM_RESPONSES + 1),
    "a gzip body": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok",
}


@pytest.mark.parametrize("answer", UNWANTED_ANSWERS.values(), ids=UNWANTED_ANSWERS)
def test_what_is_too_large_or_coded_is_refused_for_good(answer: bytes) -> None:
    error = failure(once(answer))
    assert type(error) is BadResponseError
    assert not error.transient
    assert len(str(error)) < 200


WHOLE_ANSWER = CHUNKED + b"2\r\nok\r\n0\r\nX-Trailer: y\r\n\r\n"


@pytest.mark.parametrize("end", range(len(WHOLE_ANSWER)))
def test_an_answer_that_is_cut_anywhere_is_lost_and_never_taken(end: int) -> None:
    error = failure(and_close(WHOLE_ANSWER[:end]))
    assert type(error) is ConnectionLostError
    assert error.transient
    assert not error.stale


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        WHOLE_ANSWER,
        HEAD + b"Content-Length: 2, 2\r\n\r\nok",
        HEAD + b"content-length:2\r\n\r\nok",
        HEAD + b"X: a\r\n  folded\r\nContent-Length:\r\n\t2\r\n\r\nok",
        HEAD + b"Content-Encoding: identity\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        CHUNKED + b"0001 ; a=b\r\no\r\n1\r\nk\r\n000\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * MAX_INTERIM_RESPONSES + OK,
    ],
)
def test_what_rfc_9112_allows_is_taken(answer: bytes) -> None:
    with Server(once(answer)) as server, Urllib3Transport(server.url) as transport:
        assert send(transport) == b"ok"


def test_a_body_of_the_largest_size_is_taken() -> None:
    body = b"x" * MAX_BODY_BYTES
    answer = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    with Server(once(answer)) as server, Urllib3Transport(server.url) as transport:
        assert send(transport) == body


def test_a_body_in_the_smallest_chunks_is_taken() -> None:
    answer = CHUNKED + b"1\r\nx\r\n" * MAX_HEAD_BYTES + b"0\r\n\r\n"
    with Server(once(answer)) as server, Urllib3Transport(server.url) as transport:
        assert send(transport) == b"x" * MAX_HEAD_BYTES


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_body_ends_with_its_head(status: int) -> None:
    answer = b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n" % status
    with Server(once(answer)) as server, Urllib3Transport(server.url) as transport:
        response = transport.send(REQUEST, PATIENCE)
        assert (response.status, response.body) == (status, b"")


@settings(max_examples=60, deadline=None)
@given(chunks=st.lists(st.binary(min_size=1, max_size=300), max_size=30))
def test_a_body_comes_back_whole_however_it_is_chunked(chunks: list[bytes]) -> None:
    body = b"".join(b"%X\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    with (
        Server(once(CHUNKED + body + b"0\r\n\r\n")) as server,
        Urllib3Transport(server.url) as transport,
    ):
        assert send(transport) == b"".join(chunks)


PIECES = [HEAD, b"Content-Length: 2\r\n", b"\r\n", b"ok", b"Transfer-Encoding: chunked\r\n"]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=30)))
def test_any_bytes_give_an_answer_or_an_error_of_the_port(pieces: list[bytes]) -> None:
    with (
        Server(and_close(b"".join(pieces))) as server,
        Urllib3Transport(server.url) as transport,
    ):
        try:
            response = transport.send(REQUEST, PATIENCE)
        except (BadResponseError, ConnectionLostError):
            return
        assert 200 <= response.status < 600


def test_trailers_do_not_pass_for_headers() -> None:
    with Server(once(WHOLE_ANSWER)) as server, Urllib3Transport(server.url) as transport:
        assert transport.send(REQUEST, PATIENCE).headers == {"transfer-encoding": "chunked"}


def test_header_names_are_in_lower_case_and_equal_ones_joined() -> None:
    answer = OK.replace(b"\r\n\r\n", b"\r\nX-One: a\r\nx-one:  b \r\n\r\n")
    with Server(once(answer)) as server, Urllib3Transport(server.url) as transport:
        headers = transport.send(REQUEST, PATIENCE).headers
    assert headers == {"content-length": "2", "x-one": "a, b"}


# --- one send, one request -----------------------------------------------------------------


@pytest.mark.parametrize("status", [302, 307, 401, 407, 429, 503])
def test_a_status_is_data_and_nothing_follows_it(status: int) -> None:
    answer = (
        b"HTTP/1.1 %d X\r\nLocation: /elsewhere\r\nRetry-After: 1\r\n"
        b"WWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n" % status
    )
    with Server(always(answer)) as server, Urllib3Transport(server.url) as transport:
        assert transport.send(REQUEST, PATIENCE).status == status
        assert len(server.requests) == 1


def test_the_request_goes_out_as_it_was_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login user password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    answer = OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\n\r\n")
    with (
        Server(always(answer)) as server,
        Urllib3Transport(f"{server.url}/prefix/", user_agent="test/1") as transport,
    ):
        send(transport)
        send(transport)
        first, second = server.requests
    assert first == second
    assert set(first.split(b"\r\n")) == {
        b"DELETE /prefix/v2/interact/session-1 HTTP/1.1",
        b"Host: 127.0.0.1:%d" % server.port,
        b"User-Agent: test/1",
        b"Authorization: Bearer %s" % KEY.encode(),
        b"Accept-Encoding: identity",
        b"",
    }


@pytest.mark.parametrize("is_proxied", [False, True])
def test_escapes_in_a_path_go_out_as_they_are(is_proxied: bool) -> None:
    path = "/v2/interact/%2e%2e/%7Ea//b%2F"
    with (
        Server(always(OK)) as server,
        Urllib3Transport(server.url, proxy=server.url if is_proxied else None) as transport,
    ):
        transport.send(Request("DELETE", path, {}), PATIENCE)
        target = server.requests[0].decode().split(" ")[1]
        assert target == (server.url + path if is_proxied else path)


def test_the_user_agent_names_the_library_and_its_version() -> None:
    with Server(always(OK)) as server, Urllib3Transport(server.url) as transport:
        send(transport)
        assert b"\r\nUser-Agent: firecrawl-interact/0." in server.requests[0]


def test_instruments_on_urlopen_see_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    urlopen = urllib3.HTTPConnectionPool.urlopen

    def instrumented(*args: object, **kwargs: object) -> object:
        seen.append(args[1])
        return urlopen(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", instrumented)
    with Server(always(OK)) as server, Urllib3Transport(server.url) as transport:
        send(transport)
        send(transport)
    assert seen == ["DELETE", "DELETE"]


def test_a_connection_class_that_replaces_urllib3s_is_left_alone_while_it_is_there() -> None:
    class Recorder(urllib3.connection.HTTPConnection):
        requests = 0

        def request(self, *args: object, **kwargs: object) -> None:
            Recorder.requests += 1
            super().request(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came

    with Server(always(OK)) as server, Urllib3Transport(server.url) as transport:
        send(transport)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(urllib3.HTTPConnectionPool, "ConnectionCls", Recorder)
            send(transport)
        assert Recorder.requests == 1
        send(transport)
        assert Recorder.requests == 1
        assert server.connections == 2


def test_failures_of_a_replaced_connection_are_the_ports_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Recorder(urllib3.connection.HTTPConnection):
        pass

    monkeypatch.setattr(urllib3.HTTPConnectionPool, "ConnectionCls", Recorder)
    assert type(failure(once(b"nonsense\r\n\r\n"))) is ConnectionLostError
    assert type(failure(once(b""), timeout=0.1)) is TimedOutError
    with (
        Urllib3Transport(f"http://127.0.0.1:{closed_port()}") as transport,
        pytest.raises(ConnectFailedError),
    ):
        send(transport)


# --- connections kept ----------------------------------------------------------------------


def test_a_connection_waits_for_no_acknowledgement_before_it_sends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TCP_NODELAY, which urllib3 sets and we must not lose."""
    set_options = []

    def setsockopt(sock: socket.socket, *option: int) -> None:
        set_options.append(option)

    with Server(always(OK)) as server, Urllib3Transport(server.url) as transport:
        monkeypatch.setattr(socket.socket, "setsockopt", setsockopt)
        send(transport)
    assert (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) in set_options


def test_requests_one_after_another_share_one_connection() -> None:
    with Server(always(OK)) as server, Urllib3Transport(server.url) as transport:
        for _ in range(20):
            send(transport)
        assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"surplus",
        b"HTTP/1.1 204 No Content\r\n\r\nbody",
        OK.replace(b"\r\n\r\n", b"\r\nConnection: x, Close\r\n\r\n"),
        OK.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
    ids=["surplus", "204 with a body", "close", "HTTP/1.0"],
)
def test_a_connection_in_doubt_is_closed_at_once(answer: bytes) -> None:
    closed = threading.Event()

    def talk(peer: Peer) -> None:
        peer.respond(answer)
        peer.wait_for_close()
        closed.set()

    with Server(talk, always(OK)) as server, Urllib3Transport(server.url) as transport:
        assert transport.send(REQUEST, PATIENCE).status in (200, 204)
        assert closed.wait(PATIENCE)
        assert send(transport) == b"ok"
        assert server.connections == 2


@pytest.mark.parametrize("late", [b"", b"HTTP/1.1 408 Request Timeout\r\n\r\n", b"x"])
def test_a_connection_that_ended_or_spoke_while_idle_is_replaced(late: bytes) -> None:
    spoken = threading.Event()

    def talk(peer: Peer) -> None:
        peer.respond(OK)
        asked.wait(PATIENCE)
        peer.sock.sendall(late)
        if not late:
            peer.sock.shutdown(socket.SHUT_WR)
        spoken.set()
        peer.wait_for_close()

    asked = threading.Event()
    with Server(talk, always(OK)) as server, Urllib3Transport(server.url) as transport:
        send(transport)
        asked.set()
        assert spoken.wait(PATIENCE)
        assert send(transport) == b"ok"
        assert server.connections == 2


def test_a_connection_that_was_idle_for_long_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    connections: list[StrictHTTPConnection] = []
    put = urllib3.HTTPConnectionPool._put_conn

    def remember(pool: urllib3.HTTPConnectionPool, connection: StrictHTTPConnection) -> None:
        connections.append(connection)
        put(pool, connection)

    monkeypatch.setattr(urllib3.HTTPConnectionPool, "_put_conn", remember)
    with Server(always(OK)) as server, Urllib3Transport(server.url) as transport:
        send(transport)
        connections[0]._idle_since -= LONGEST_IDLE - 1
        send(transport)
        assert server.connections == 1
        connections[0]._idle_since -= LONGEST_IDLE + 1
        send(transport)
        assert server.connections == 2


@pytest.mark.parametrize("end", [lambda peer: None, Peer.reset], ids=["closed", "reset"])
def test_a_kept_connection_that_ends_without_an_answer_is_stale(end: Talk) -> None:
    def talk(peer: Peer) -> None:
        peer.respond(OK)
        peer.read_request()
        end(peer)

    with Server(talk) as server, Urllib3Transport(server.url) as transport:
        send(transport)
        with pytest.raises(ConnectionLostError) as caught:
            send(transport)
        assert caught.value.stale
        assert len(server.requests) == 2


def test_a_kept_connection_that_ends_within_its_answer_is_not_stale() -> None:
    def talk(peer: Peer) -> None:
        peer.respond(OK, OK[:1])

    with Server(talk) as server, Urllib3Transport(server.url) as transport:
        send(transport)
        with pytest.raises(ConnectionLostError) as caught:
            send(transport)
        assert not caught.value.stale


@pytest.mark.parametrize("end", [lambda peer: None, Peer.reset], ids=["closed", "reset"])
def test_a_new_connection_that_ends_without_an_answer_is_lost_not_stale(end: Talk) -> None:
    def talk(peer: Peer) -> None:
        peer.read_request()
        end(peer)

    error = failure(talk)
    assert type(error) is ConnectionLostError
    assert not error.stale
    assert isinstance(error.__cause__, ConnectionError)


def test_a_new_connection_in_place_of_a_kept_one_is_not_stale() -> None:
    ended = threading.Event()

    def end(peer: Peer) -> None:
        peer.respond(OK)
        peer.sock.shutdown(socket.SHUT_RDWR)
        ended.set()

    with Server(end, Peer.read_request) as server, Urllib3Transport(server.url) as transport:
        send(transport)
        assert ended.wait(PATIENCE)
        with pytest.raises(ConnectionLostError) as caught:
            send(transport)
        assert not caught.value.stale
        assert len(server.requests) == 2


HUGE_REQUEST = Request("DELETE", "/" + "x" * 16_000_000, {"Authorization": f"Bearer {KEY}"})
"""More than all buffers on the way hold."""


def test_a_request_that_nobody_reads_ends_in_time() -> None:
    with (
        Server(lambda peer: peer.server.is_ending.wait(PATIENCE)) as server,
        Urllib3Transport(server.url, connect_timeout=0.3) as transport,
        pytest.raises(TimedOutError) as caught,
    ):
        transport.send(HUGE_REQUEST, 0.3)
    assert_no_frame_of_ours_shows_the_key(caught.value)


@pytest.mark.parametrize("is_kept", [False, True])
def test_a_connection_that_breaks_amid_the_request_is_lost(is_kept: bool) -> None:
    def talk(peer: Peer) -> None:
        if is_kept:
            peer.respond(OK)
        peer.sock.recv(1)
        peer.reset()

    with Server(talk) as server, Urllib3Transport(server.url) as transport:
        if is_kept:
            send(transport)
        with pytest.raises(ConnectionLostError) as caught:
            transport.send(HUGE_REQUEST, PATIENCE)
    assert caught.value.stale is is_kept
    assert_no_frame_of_ours_shows_the_key(caught.value)


def test_an_interrupted_request_leaves_no_connection_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As Ctrl-C would, in the wait for the answer."""

    def late(peer: Peer) -> None:
        peer.read_request()
        interrupted.wait(PATIENCE)
        peer.sock.sendall(OK.replace(b"ok", b"no"))

    def interrupt(sock: socket.socket, buffer: bytearray) -> int:
        raise KeyboardInterrupt

    interrupted = threading.Event()
    with Server(late, always(OK)) as server, Urllib3Transport(server.url) as transport:
        with monkeypatch.context() as patch:
            patch.setattr(socket.socket, "recv_into", interrupt)
            with pytest.raises(KeyboardInterrupt):
                send(transport)
        interrupted.set()
        assert send(transport) == b"ok"
        assert server.connections == 2


def test_threads_get_their_own_answers_over_as_many_connections() -> None:
    def echo(peer: Peer) -> None:
        while True:
            session = peer.read_request().split(b" ")[1].rpartition(b"/")[2]
            peer.sock.sendall(HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(session), session))

    def work(number: int) -> None:
        start.wait()
        for turn in range(10):
            session = f"{number}-{turn}"
            request = Request("DELETE", f"/v2/interact/{session}", {})
            answers[session] = transport.send(request, PATIENCE).body.decode()

    answers: dict[str, str] = {}
    start = threading.Barrier(16)
    with Server(echo) as server, Urllib3Transport(server.url) as transport:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == 160
        assert all(session == answer for session, answer in answers.items())
        assert server.connections <= 16


def test_threads_that_send_first_at_once_share_one_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    make, urlopen = urllib3.PoolManager.connection_from_host, urllib3.HTTPConnectionPool.urlopen
    all_make_one = threading.Barrier(4, timeout=PATIENCE)
    pools: set[object] = set()

    def make_at_once(*args: object) -> object:
        all_make_one.wait()
        return make(*args)  # type: ignore[arg-type]  # handed on as they came

    def remember(*args: object, **kwargs: object) -> object:
        pools.add(args[0])
        return urlopen(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(urllib3.PoolManager, "connection_from_host", make_at_once)
    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", remember)
    with Server(always(OK)) as server, Urllib3Transport(server.url) as transport:
        threads = [threading.Thread(target=send, args=(transport,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.requests) == 4
    assert len(pools) == 1


# --- time ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "talk",
    [
        lambda peer: peer.wait_for_close(),
        lambda peer: peer.drip(OK, 0.05),
        lambda peer: peer.drip(HEAD + b"Content-Length: 100\r\n\r\n" + b"x" * 100, 0.05),
        lambda peer: peer.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 9, 0.05),
        lambda peer: peer.drip(CHUNKED + b"0\r\n" + b"X: y\r\n" * 90, 0.05),
        lambda peer: peer.drip(CHUNKED + b"0" * 9000, 0.05),
    ],
    ids=["silence", "head", "body", "interim answers", "trailers", "chunk size"],
)
def test_the_timeout_holds_however_the_answer_drips(talk: Talk) -> None:
    before = time.monotonic()
    assert type(failure(talk, timeout=0.4)) is TimedOutError
    assert time.monotonic() - before < 2


def test_a_name_that_resolves_too_late_is_not_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve, never = socket.getaddrinfo, threading.Event()

    def resolve_late(*args: object) -> object:
        never.wait(0.1)
        return resolve(*args)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(socket, "getaddrinfo", resolve_late)
    with Server(always(OK)) as server, Urllib3Transport(server.url) as transport:
        with pytest.raises(ConnectFailedError) as caught:
            send(transport, timeout=0.05)
        assert isinstance(caught.value.__cause__, TimeoutError)
        assert server.connections == 0


def test_a_name_with_many_addresses_has_one_connect_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with silent_port() as port, Server(always(OK)) as server:
        addresses = [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)) for _ in range(4)
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: addresses)
        before = time.monotonic()
        with Urllib3Transport(server.url, connect_timeout=0.4) as transport:
            with pytest.raises(ConnectFailedError) as caught:
                send(transport)
            assert caught.value.transient
            assert 0.3 < time.monotonic() - before < 1
            addresses[-1:] = [(*addresses[0][:4], ("127.0.0.1", server.port))]
            assert send(transport) == b"ok"


def test_the_address_that_answers_gets_all_the_time_that_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Server(lambda peer: peer.wait_for_close()) as server:
        address = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", server.port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [address, address])
        before = time.monotonic()
        with (
            Urllib3Transport("https://service.example", connect_timeout=0.4) as transport,
            pytest.raises(ConnectFailedError),
        ):
            send(transport)
        assert time.monotonic() - before >= 0.39


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_that_is_no_time_is_refused(timeout: float) -> None:
    with Urllib3Transport() as transport, pytest.raises(ValueError, match="timeout"):
        transport.send(REQUEST, timeout)


def test_a_timeout_of_any_length_works() -> None:
    with Server(always(OK)) as server, Urllib3Transport(server.url) as transport:
        assert send(transport, timeout=1e300) == b"ok"


# --- no connection -------------------------------------------------------------------------


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that drops what comes: its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = [socket.socket() for _ in range(4)]
        try:
            for sock in waiting:
                sock.setblocking(False)
                sock.connect_ex(listener.getsockname())
            yield listener.getsockname()[1]
        finally:
            for sock in waiting:
                sock.close()


def test_a_refused_connection_sent_nothing() -> None:
    with (
        Urllib3Transport(f"http://127.0.0.1:{closed_port()}") as transport,
        pytest.raises(ConnectFailedError) as caught,
    ):
        send(transport)
    assert caught.value.transient
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


@pytest.mark.parametrize(
    "talk",
    [
        lambda peer: None,
        Peer.reset,
        lambda peer: peer.wait_for_close(),
        lambda peer: peer.sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    ],
    ids=["closed", "reset", "silence", "no TLS"],
)
def test_a_tls_handshake_that_breaks_sent_nothing(talk: Talk) -> None:
    with Server(talk) as server:
        url = server.url.replace("http:", "https:")
        with (
            Urllib3Transport(url, connect_timeout=0.5) as transport,
            pytest.raises(ConnectFailedError) as caught,
        ):
            send(transport)
    assert caught.value.transient
    assert caught.value.__cause__ is not None


def test_a_closed_transport_says_so_and_sends_nothing() -> None:
    with Server(always(OK)) as server:
        with Urllib3Transport(server.url) as transport:
            send(transport)
        transport.close()
        with pytest.raises(ConnectFailedError, match="closed") as caught:
            send(transport)
        assert not caught.value.transient
        assert len(server.requests) == 1


def test_a_transport_that_is_closed_at_the_last_moment_sends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    urlopen = urllib3.HTTPConnectionPool.urlopen

    def close_first(*args: object, **kwargs: object) -> object:
        transport.close()
        return urlopen(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", close_first)
    with Server(always(OK)) as server, Urllib3Transport(server.url) as transport:
        with pytest.raises(ConnectFailedError, match="closed"):
            send(transport)
        assert server.requests == []


def test_closing_ends_the_kept_connections() -> None:
    closed = threading.Event()

    def talk(peer: Peer) -> None:
        once(OK)(peer)
        closed.set()

    with Server(talk) as server:
        with Urllib3Transport(server.url) as transport:
            send(transport)
        assert closed.wait(PATIENCE)


@pytest.mark.parametrize(
    "talk",
    [
        lambda peer: None,
        Peer.reset,
        and_close(b""),
        and_close(HEAD),
        once(b""),
        lambda peer: peer.sock.sendall(peer.read_request()),
        once(KEY.encode()),
        once(HEAD + KEY.encode() + b"\r\n\r\n"),
    ],
)
def test_no_frame_of_ours_shows_the_key_in_a_traceback(talk: Talk) -> None:
    with (
        Server(once(OK, OK[:9]), talk) as server,
        Urllib3Transport(server.url) as transport,
    ):
        send(transport)
        for _ in range(2):
            with pytest.raises(TransportError) as caught:
                send(transport, timeout=0.1)
            assert_no_frame_of_ours_shows_the_key(caught.value)


def assert_no_frame_of_ours_shows_the_key(error: BaseException | None) -> None:
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "firecrawl_interact" in frame.f_code.co_filename:
                assert KEY not in repr(frame.f_locals)
        assert KEY not in f"{error} {error!r} {error.args}"
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


def test_an_ssl_context_is_used_as_given(certificates: Certificates) -> None:
    with (
        Server(always(OK), tls=certificates.server("127.0.0.1")) as server,
        Urllib3Transport(server.url, ssl_context=certificates.client()) as transport,
    ):
        assert send(transport) == b"ok"
        assert send(transport) == b"ok"
        assert server.connections == 1


def test_ssl_cert_file_names_the_authorities(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.file))
    with (
        Server(always(OK), tls=certificates.server("127.0.0.1")) as server,
        Urllib3Transport(server.url) as transport,
    ):
        assert send(transport) == b"ok"


def test_a_certificate_of_an_unknown_authority_is_refused_for_good(
    certificates: Certificates,
) -> None:
    with Server(always(OK), tls=certificates.server("127.0.0.1")) as server:
        with (
            Urllib3Transport(server.url) as transport,
            pytest.raises(ConnectFailedError, match="certificate") as caught,
        ):
            send(transport)
        assert not caught.value.transient
        assert server.requests == []


def test_a_certificate_for_another_host_is_refused_for_good(certificates: Certificates) -> None:
    with Server(always(OK), tls=certificates.server("localhost")) as server:
        with (
            Urllib3Transport(server.url, ssl_context=certificates.client()) as transport,
            pytest.raises(ConnectFailedError, match="certificate") as caught,
        ):
            send(transport)
        assert not caught.value.transient
        assert server.requests == []


@pytest.mark.parametrize("verify_mode", [ssl.CERT_NONE, ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED])
def test_an_ssl_context_that_does_not_verify_is_refused(verify_mode: ssl.VerifyMode) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = verify_mode
    with pytest.raises(ValueError, match="verify"):
        Urllib3Transport(ssl_context=context)


@pytest.mark.parametrize("size", [2, io.DEFAULT_BUFFER_SIZE - len(OK) - 1])
def test_surplus_bytes_under_tls_end_the_connection(certificates: Certificates, size: int) -> None:
    """Also where they wait within TLS, decrypted, and the socket shows nothing."""
    answer = HEAD + b"Content-Length: %04d\r\n\r\n%s" % (size, b"x" * size)
    talks = once(answer + b"surplus"), always(OK)
    with (
        Server(*talks, tls=certificates.server("127.0.0.1")) as server,
        Urllib3Transport(server.url, ssl_context=certificates.client()) as transport,
    ):
        assert send(transport) == b"x" * size
        assert send(transport) == b"ok"
        assert server.connections == 2


# --- proxies -------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_proxy_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Tunnel:
    """A proxy that answers CONNECT and then carries bytes, once `is_slow` a few at a time."""

    def __init__(self) -> None:
        self.is_slow = threading.Event()

    def __call__(self, peer: Peer) -> None:
        host, port = peer.read_request().decode().split(" ")[1].rsplit(":", 1)
        with socket.create_connection((host, int(port)), PATIENCE) as service:
            peer.sock.sendall(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")
            back = threading.Thread(target=self._carry, args=(peer, service, peer.sock))
            back.start()
            self._carry(peer, peer.sock, service)
            with suppress(OSError):
                service.shutdown(socket.SHUT_RDWR)
            back.join()

    def _carry(self, peer: Peer, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self.is_slow.is_set():
                    peer.drip(data, 0.05, target)
                else:
                    target.sendall(data)


def test_the_environments_proxy_carries_https_and_never_sees_the_key(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = certificates.server("127.0.0.1")
    with Server(always(OK), tls=tls) as server, Server(Tunnel()) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("://", "://us%40er:p%3Aw@"))
        with Urllib3Transport(server.url, ssl_context=certificates.client()) as transport:
            assert send(transport) == b"ok"
            assert send(transport) == b"ok"
        (connect,) = proxy.requests
        assert connect.startswith(b"CONNECT 127.0.0.1:%d HTTP/1." % server.port)
        credentials = base64.b64encode(b"us@er:p:w")
        assert b"\r\nProxy-Authorization: Basic %s\r\n" % credentials in connect
        assert KEY.encode() not in connect
        assert len(server.requests) == 2
        assert all(b"Proxy-Authorization" not in request for request in server.requests)
        assert server.connections == 1


def test_no_proxy_names_the_hosts_to_reach_directly(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    with (
        Server(always(OK), tls=certificates.server("127.0.0.1")) as server,
        Urllib3Transport(server.url, ssl_context=certificates.client()) as transport,
    ):
        monkeypatch.setenv("NO_PROXY", "example.org,127.0.0.1")
        assert send(transport) == b"ok"


def test_the_environments_proxy_never_carries_plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    with Server(always(OK)) as server, Urllib3Transport(server.url) as transport:
        assert send(transport) == b"ok"


def test_a_proxy_that_is_asked_for_comes_before_the_environments(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    tls = certificates.server("127.0.0.1")
    with Server(always(OK), tls=tls) as server, Server(Tunnel()) as proxy:
        context = certificates.client()
        with Urllib3Transport(server.url, ssl_context=context, proxy=proxy.url) as transport:
            assert send(transport) == b"ok"
        assert len(proxy.requests) == 1


def test_a_proxy_that_is_asked_for_carries_plain_http() -> None:
    with Server(always(OK)) as proxy:
        address = proxy.url.replace("://", "://user:pw@")
        api_url = "http://service.example/prefix"
        with Urllib3Transport(api_url, proxy=address, allow_plain_http=True) as transport:
            assert send(transport) == b"ok"
            assert send(transport) == b"ok"
        request = proxy.requests[0]
        assert request.startswith(
            b"DELETE http://service.example/prefix/v2/interact/session-1 HTTP/1.1\r\n"
        )
        assert b"\r\nHost: service.example\r\n" in request
        assert b"\r\nProxy-Authorization: Basic %s\r\n" % base64.b64encode(b"user:pw") in request
        assert proxy.connections == 1


def test_a_proxy_may_speak_tls_itself(certificates: Certificates) -> None:
    tls, context = certificates.server("127.0.0.1"), certificates.client()
    with Server(always(OK), tls=tls) as server, Server(Tunnel(), tls=tls) as proxy:
        with Urllib3Transport(server.url, ssl_context=context, proxy=proxy.url) as transport:
            assert send(transport) == b"ok"
            assert send(transport) == b"ok"
        assert len(server.requests) == 2
        # Bytes that nobody asked for could wait in it unseen, so no such connection is kept.
        assert proxy.connections == 2


def test_a_tls_proxy_that_cannot_be_verified_is_refused_for_good(
    certificates: Certificates,
) -> None:
    tls, context = certificates.server("127.0.0.1"), certificates.client()
    with Server(Tunnel(), tls=certificates.server("localhost")) as proxy:
        with (
            Server(always(OK), tls=tls) as server,
            Urllib3Transport(server.url, ssl_context=context, proxy=proxy.url) as transport,
            pytest.raises(ConnectFailedError, match=r"to the proxy .*certificate verify failed"),
        ):
            send(transport)
        assert proxy.requests == []


def test_the_service_is_verified_behind_a_proxy(certificates: Certificates) -> None:
    tls = certificates.server("localhost")
    with (
        Server(always(OK), tls=tls) as server,
        Server(Tunnel()) as proxy,
        Urllib3Transport(
            server.url, ssl_context=certificates.client(), proxy=proxy.url
        ) as transport,
    ):
        with pytest.raises(
            ConnectFailedError, match=r"to 127\.0\.0\.1 through the proxy"
        ) as caught:
            send(transport)
        assert not caught.value.transient
        assert server.requests == []


@pytest.mark.parametrize("is_tls", [False, True], ids=["http proxy", "https proxy"])
@pytest.mark.parametrize("is_connecting", [True, False], ids=["connecting", "answering"])
def test_the_timeouts_hold_behind_a_slow_proxy(
    certificates: Certificates, is_tls: bool, is_connecting: bool
) -> None:
    def answer(peer: Peer) -> None:
        peer.read_request()
        tunnel.is_slow.set()
        peer.sock.sendall(OK)
        peer.wait_for_close()

    tls, context, tunnel = certificates.server("127.0.0.1"), certificates.client(), Tunnel()
    if is_connecting:
        tunnel.is_slow.set()
    with (
        Server(answer, tls=tls) as server,
        Server(tunnel, tls=tls if is_tls else None) as proxy,
        Urllib3Transport(
            server.url, ssl_context=context, proxy=proxy.url, connect_timeout=1
        ) as transport,
    ):
        before = time.monotonic()
        with pytest.raises(ConnectFailedError if is_connecting else TimedOutError):
            send(transport, timeout=1)
        assert time.monotonic() - before < 2


def test_a_tunnel_and_the_handshake_in_it_share_the_connect_timeout() -> None:
    def late(peer: Peer) -> None:
        peer.read_request()
        peer.server.is_ending.wait(0.9)
        peer.sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        peer.wait_for_close()

    with (
        Server(late) as proxy,
        Urllib3Transport(
            "https://service.example", proxy=proxy.url, connect_timeout=1
        ) as transport,
    ):
        before = time.monotonic()
        with pytest.raises(ConnectFailedError):
            send(transport)
        assert time.monotonic() - before < 1.5


def test_the_time_that_a_tunnel_takes_counts(certificates: Certificates) -> None:
    def late(peer: Peer) -> None:
        peer.server.is_ending.wait(0.8)
        Tunnel()(peer)

    tls, context = certificates.server("127.0.0.1"), certificates.client()
    with (
        Server(lambda peer: peer.wait_for_close(), tls=tls) as server,
        Server(late) as proxy,
        Urllib3Transport(server.url, ssl_context=context, proxy=proxy.url) as transport,
    ):
        before = time.monotonic()
        with pytest.raises(TimedOutError):
            send(transport, timeout=1)
        assert time.monotonic() - before < 1.5


@pytest.mark.parametrize(
    ("status", "is_transient"), [(403, False), (407, False), (429, True), (503, True)]
)
def test_a_proxy_that_refuses_sent_nothing(status: int, is_transient: bool) -> None:
    answer = b"HTTP/1.1 %d Refused\r\nContent-Length: 0\r\n\r\n" % status
    with (
        Server(once(answer)) as proxy,
        Urllib3Transport("https://service.example", proxy=proxy.url) as transport,
        pytest.raises(ConnectFailedError, match=f"refused the tunnel: {status}") as caught,
    ):
        send(transport)
    assert caught.value.transient is is_transient


@pytest.mark.parametrize(
    "talk",
    [
        lambda peer: None,
        and_close(b"HTTP/1.1 200 OK\r\n"),
        once(b"nonsense"),
        once(HEAD + b"X: " + b"x" * MAX_HEAD_BYTES),
        lambda peer: peer.drip(HEAD + b"X: " + b"x" * 100, 0.05),
    ],
    ids=["closed", "cut", "no HTTP", "endless", "drip"],
)
def test_a_proxy_that_makes_no_sense_sent_nothing(talk: Talk) -> None:
    with (
        Server(talk) as proxy,
        Urllib3Transport(
            "https://service.example", proxy=proxy.url, connect_timeout=0.5
        ) as transport,
        pytest.raises(ConnectFailedError) as caught,
    ):
        send(transport)
    assert caught.value.transient


def test_a_kind_of_proxy_that_is_not_supported_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="socks5"):
        Urllib3Transport(proxy="socks5://user:secret@127.0.0.1:1080")
    monkeypatch.setenv("HTTPS_PROXY", "socks5://user:secret@127.0.0.1:1080")
    with (
        Urllib3Transport("https://service.example") as transport,
        pytest.raises(ConnectFailedError, match="environment is a socks5 one") as caught,
    ):
        send(transport)
    assert not caught.value.transient
    assert "secret" not in str(caught.value)


def test_a_repr_names_the_service_and_hides_a_proxys_password() -> None:
    transport = Urllib3Transport("https://service.example/api", proxy="http://user:secret@proxy:1")
    expected = "Urllib3Transport('https://service.example/api', proxy='http://***@proxy:1')"
    assert repr(transport) == expected
    assert "secret" not in repr(vars(transport))


# --- elsewhere -----------------------------------------------------------------------------


def test_a_pickled_transport_works_and_shares_one_pool_with_its_equals() -> None:
    with Server(always(OK)) as server:
        original = Urllib3Transport(server.url, pool_size=1)
        for _ in range(3):
            with pickle.loads(pickle.dumps(original)) as arrival:  # noqa: S301 - our own bytes
                assert send(arrival) == b"ok"
        assert send(copy.deepcopy(original)) == b"ok"
        assert server.connections == 1
        with pytest.raises(ConnectFailedError, match="closed"):
            send(arrival)


def test_transports_that_differ_share_nothing() -> None:
    with Server(always(OK)) as server:
        for size in (1, 2):
            with copy.copy(Urllib3Transport(server.url, pool_size=size)) as transport:
                send(transport)
        assert server.connections == 2


def test_a_transport_with_an_ssl_context_says_that_it_cannot_be_pickled() -> None:
    with (
        Urllib3Transport(ssl_context=ssl.create_default_context()) as transport,
        pytest.raises(TypeError, match="SSL_CERT_FILE"),
    ):
        pickle.dumps(transport)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize("arrive", [lambda transport: transport, copy.copy], ids=["own", "copy"])
def test_a_fork_gets_connections_of_its_own(
    arrive: Callable[[Urllib3Transport], Urllib3Transport],
) -> None:
    with Server(always(OK)) as server:
        transport = arrive(Urllib3Transport(server.url))
        send(transport)
        child = os.fork()
        if child == 0:
            os._exit(0 if send(transport) == send(transport) == b"ok" else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert send(transport) == b"ok"
        assert server.connections == 2


# --- arguments -----------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "1", None])
def test_numbers_that_cannot_work_are_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError), match="pool_size"):
        Urllib3Transport(pool_size=value)  # type: ignore[arg-type]  # that is the test
    with pytest.raises((TypeError, ValueError), match="connect_timeout"):
        Urllib3Transport(connect_timeout=value)  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize("user_agent", ["", "a\r\nX: y", 1])
def test_a_user_agent_that_cannot_be_sent_is_refused(user_agent: str) -> None:
    with pytest.raises((TypeError, ValueError), match="user_agent"):
        Urllib3Transport(user_agent=user_agent)


def test_plain_http_to_another_machine_is_refused_unless_allowed() -> None:
    with pytest.raises(ValueError, match="allow_plain_http"):
        Urllib3Transport("http://service.example")
    Urllib3Transport("http://service.example", allow_plain_http=True).close()
