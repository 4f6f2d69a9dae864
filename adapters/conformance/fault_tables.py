"""What may happen to a request and its response, by name: each is played to the transport."""

import gzip
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import TypeAlias

import pytest

from . import certificates
from .server import Connection, FaultFunction, good_response
from .wire_faults import (
    CHUNKED,
    resets_soon,
    resets_with_the_request_unread,
    responds,
    sends,
    sends_and_closes,
    sends_and_drips,
    sends_and_floods,
    stays_silent,
)

OK = b"HTTP/1.1 200 OK\r\n"
BODY = b'{"success": true}'
HEAD = OK + b"Content-Length: 17\r\n\r\n"
_INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
_REST = HEAD.removeprefix(OK) + BODY
_IN_CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n11\r\n" + BODY + b"\r\n0\r\n\r\n"
_NEIGHBOUR = good_response("/v2/echo/neighbour")


def each(faults: Mapping[str, object]) -> pytest.MarkDecorator:
    """Play a test with each of these, by its name."""
    return pytest.mark.parametrize("fault", faults.values(), ids=list(faults))


def named(*values: object) -> Mapping[str, object]:
    """Give values a name: themselves."""
    return {str(value): value for value in values}


def _coded(coding: bytes, body: bytes) -> FaultFunction:
    fields = b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (coding, len(body))
    return sends(OK + fields + body)


def _sends_unasked(connection: Connection) -> None:
    connection.pause(0.03)
    connection.send(_NEIGHBOUR)


def _speaks_plain_http(connection: Connection) -> None:
    connection.wait_for_bytes()
    connection.send(HEAD + BODY)


def _breaks_off_tls(connection: Connection) -> None:
    connection.read_request()
    with socket.socket(fileno=connection.sock.detach()) as sock:
        sock.sendall(HEAD)  # as it is, so that over https it is no TLS


CUT: dict[str, FaultFunction] = {
    "just after connecting": Connection.close,
    "before the response": sends_and_closes(b""),
    "in the status line": sends_and_closes(b"HTTP/1.1 20"),
    "in the head": sends_and_closes(HEAD[:-2]),
    "in a header of a response without a body": sends_and_closes(
        b"HTTP/1.1 204 No Content\r\nX-A: b"
    ),
    "in the body": sends_and_closes(HEAD + BODY[:-1]),
    "in a chunk": sends_and_closes(CHUNKED + b"11\r\n{"),
    "before the last chunk": sends_and_closes(CHUNKED + b"11\r\n" + BODY + b"\r\n"),
    "by bytes that are no TLS": _breaks_off_tls,
    "by a reset with the request unread": resets_with_the_request_unread,
    "by a reset before the response": sends(b"", resets_soon),
    "by a reset in the body": sends(HEAD + b"{", resets_soon),
}
"""Connections that end before the whole response."""

SLOW: dict[str, FaultFunction] = {
    "silence": stays_silent,
    "a dripped head": sends_and_drips(b"", HEAD[:-2] + b"X: " + b"x" * 100 + b"\r\n\r\n" + BODY),
    "a dripped body": sends_and_drips(OK + b"Content-Length: 68\r\n\r\n", BODY * 4),
    "dripped chunks": sends_and_drips(CHUNKED, b"1\r\nx\r\n" * 50),
    "dripped interim responses": sends_and_drips(b"", _INTERIM * 5),
}
"""Responses that are not whole when the timeout is over."""

AMBIGUOUS: dict[str, FaultFunction] = {
    "two lengths": sends(OK + b"Content-Length: 5\r\n" + _REST),
    "a length with a sign": sends(OK + b"Content-Length: +17\r\n\r\n" + BODY),
    "a length with chunks": sends(OK + b"Content-Length: 17\r\n" + _IN_CHUNKS),
    "chunks in HTTP/1.0": sends(b"HTTP/1.0 200 OK\r\n" + _IN_CHUNKS),
    "chunks of a coding": sends(OK + b"Transfer-Encoding: gzip, " + _IN_CHUNKS.split(b" ", 1)[1]),
    "an unknown coding": sends(OK + b"Transfer-Encoding: cow\r\n\r\n" + BODY),
    "no length": sends_and_closes(OK + b"\r\n" + BODY[:-1]),
    "a chunk without its end": sends(OK + _IN_CHUNKS.replace(b"}\r\n", b"}")),
}
"""Responses whose end two readers may see in two places."""

NO_HTTP_1: dict[str, FaultFunction] = {
    "another protocol": sends_and_closes(b"SSH-2.0-Server " + b"A" * 60_000 + b"\r\n"),
    "HTTP/0.9": sends_and_closes(b"<html></html>\r\n"),
    "HTTP/2": sends_and_closes(b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64"),
    "a switch of protocols": sends(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n"),
    "a header without colon": sends(OK + b"X-Odd\r\n" + _REST),
}

COMPRESSED: dict[str, FaultFunction] = {
    "gzip": _coded(b"gzip", gzip.compress(BODY)),
    "a bomb in gzip": _coded(b"gzip", gzip.compress(bytes(10**7))),
}

TOO_LARGE: dict[str, FaultFunction] = {
    "a body of 50 MB": sends_and_floods(
        OK + b"Content-Length: 50000000\r\n\r\n", b"x" * 50_000, size=50_000_000
    ),
    "endless chunks": sends_and_floods(CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"),
    "endless headers": sends_and_floods(OK, b"X-More: more\r\n" * 1000),
    "endless trailers": sends_and_floods(CHUNKED + b"0\r\n", b"X-More: more\r\n" * 1000),
}
MOST_BYTES_TAKEN = 8 * 1024 * 1024  # The kernels of both sides buffer some of them.

OF_EACH_KIND: dict[str, FaultFunction] = {
    "a lost connection": sends_and_closes(b""),
    "a timeout": stays_silent,
    "a bad response": sends(b"ICY 200 OK\r\n\r\n"),
}
"""A fault of each kind after the request was sent."""

NEVER_USED: dict[str, FaultFunction] = {
    "a second response": responds(surplus=_NEIGHBOUR),
    "an unasked response": responds(_sends_unasked),
    "the body of a 204": sends(
        b"HTTP/1.1 204 No Content\r\nContent-Length: %d\r\n\r\n" % len(_NEIGHBOUR) + _NEIGHBOUR
    ),
    "what follows an announced close": responds(headers="Connection: close\r\n"),
}
"""After these, a connection must not be used again."""

NO_TLS: dict[str, FaultFunction] = {
    "a close": Connection.close,
    "a reset": resets_with_the_request_unread,
    "silence": stays_silent,
    "plain http": _speaks_plain_http,
}
"""Instead of a TLS handshake."""

NewContext: TypeAlias = Callable[[], ssl.SSLContext]
CERTIFICATES: dict[str, NewContext] = {
    "an unknown authority": certificates.untrusted,
    "expired": certificates.expired,
    "of another host": certificates.for_another_host,
}
