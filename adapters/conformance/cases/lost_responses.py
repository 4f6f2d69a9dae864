"""Cases in which no response comes, or only a part, or too late."""

import logging
import socket
import unittest
import unittest.mock
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from firecrawl_interact.core.transport import TransportError

from ...fakes.service.faults import DrippedResponse, LostResponse, NoResponse
from ..case import case, cases
from ..driver import ENOUGH_TIME
from ..expectations import BAD, LOST, RESET, TIMED_OUT, Severity, describe, require
from ..harness import Harness, require_one_request
from ..scenarios import SHORT, fails
from ..server import Connection, FaultServer
from ..wire_faults import (
    CHUNKED,
    closes_at_once,
    resets_with_the_request_unread,
    responds,
    sends,
    sends_and_closes,
    sends_and_drips,
    sends_and_resets,
    stays_silent,
)

_T = TypeVar("_T")

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n"
_BODY = b'{"success": true}'
_INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
_CHUNK = CHUNKED + b"11\r\n" + _BODY + b"\r\n"


@case(Severity.MAY_LOSE_SESSIONS, frozenset({"http"}))  # TLS reads by other ways.
def an_unknown_failure_after_the_request_counts_as_sent(harness: Harness) -> None:
    """No error says sent=False once the request went out."""
    server = harness.start_server(responds(Connection.close))
    driver = harness.make_transport(server)
    path = harness.make_path()
    with _failing_reads(server) as failures:
        result = driver.send(path)
        server.fault_is_over.wait(ENOUGH_TIME)
    if not failures:
        raise unittest.SkipTest("this transport reads in a way that the kit cannot break")
    require(
        isinstance(result, TransportError) and result.sent,
        f"instead of an error that says sent=True: {describe(result)}",
    )
    used = require_one_request(server, path).connection
    harness.require_healthy(driver, server, used)


@contextmanager
def _failing_reads(server: FaultServer) -> Iterator[list[Exception]]:
    """Let whoever reads from the server fail as no socket does, and return the failures."""
    failures: list[Exception] = []

    def failing(read: Callable[..., _T]) -> Callable[..., _T]:
        def read_or_fail(sock: socket.socket, *arguments: object) -> _T:
            if sock.family == socket.AF_INET and sock.getpeername()[1] == server.port:
                failures.append(RuntimeError("something wrapped around the library failed"))
                raise failures[-1]
            return read(sock, *arguments)

        return read_or_fail

    patch = unittest.mock.patch.object
    recv, recv_into = failing(socket.socket.recv), failing(socket.socket.recv_into)
    with (
        patch(socket.socket, "recv", recv, create=True),
        patch(socket.socket, "recv_into", recv_into, create=True),
        patch(logging.getLogger("asyncio"), "disabled", new=True),  # It would print the failure.
    ):
        yield failures


CASES = [
    *cases(
        "a connection that ends before the whole response is a ConnectionLostError,"
        " never a response and never sent=False",
        Severity.MAY_LOSE_SESSIONS,
        {
            "a-close-just-after-connecting-is-a-lost-connection": fails(closes_at_once, LOST),
            "a-close-before-the-response-is-a-lost-connection": fails(
                sends_and_closes(b""), LOST, in_memory=LostResponse()
            ),
            **{
                f"a-reset-{moment}-is-a-lost-connection": fails(fault, RESET)
                for moment, fault in {
                    "with-the-request-unread": resets_with_the_request_unread,
                    "before-the-response": sends_and_resets(b""),
                    "within-the-body": sends_and_resets(_HEAD + b"{"),
                    "before-the-last-chunk": sends_and_resets(_CHUNK),
                }.items()
            },
            **{
                f"{cut}-is-no-response": fails(sends_and_closes(data), *expected)
                for cut, data, *expected in (
                    ("a-cut-status-line", b"HTTP/1.1 20", LOST, BAD),
                    ("a-cut-header-line", _HEAD[:-10], LOST, BAD),
                    ("a-head-without-its-end", _HEAD[:-2], LOST, BAD),
                    ("a-body-that-never-begins", _HEAD, LOST),
                    ("a-cut-body", _HEAD + _BODY[:-1], LOST),
                    ("a-cut-chunk", CHUNKED + b"11\r\n{", LOST),
                    ("an-end-before-the-last-chunk", _CHUNK, LOST),
                )
            },
        },
    ),
    *cases(
        "a call ends in a TimedOutError when its timeout is over, even while bytes arrive",
        Severity.MAY_HANG,
        {
            f"{what}-in-a-timeout": fails(fault, TIMED_OUT, in_memory=in_memory)
            for what, fault, in_memory in (
                ("a-silent-server-ends", stays_silent, NoResponse()),
                ("a-dripped-head-ends", sends_and_drips(b"", _HEAD + _BODY), DrippedResponse()),
                ("a-dripped-body-ends", sends_and_drips(_HEAD, _BODY), None),
                ("dripped-chunks-end", sends_and_drips(CHUNKED, b"1\r\nx\r\n" * 50), None),
                (
                    "dripped-trailers-end",
                    sends_and_drips(CHUNKED + b"0\r\n", b"X: y\r\n" * 50),
                    None,
                ),
                ("dripped-interim-responses-end", sends_and_drips(b"", _INTERIM * 5), None),
                ("a-head-that-stalls-ends", sends(_HEAD[:30], stays_silent), None),
                ("a-body-that-stalls-ends", sends(_HEAD + b"{", stays_silent), None),
                ("chunks-that-stall-end", sends(CHUNKED + b"1\r\n{\r\n", stays_silent), None),
            )
        },
    ),
    *cases(
        "a response that comes after the timeout never reaches the next call",
        Severity.MAY_LOSE_SESSIONS,
        {
            "a-response-after-the-timeout-is-never-used": fails(
                responds(seconds=SHORT + 1), TIMED_OUT
            )
        },
    ),
]
