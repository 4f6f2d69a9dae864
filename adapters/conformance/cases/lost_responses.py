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
from ...fakes.service.faults import Fault as MemoryFault
from ..case import EVERYWHERE, SOCKETS, Case, case
from ..driver import ENOUGH_TIME
from ..expectations import BAD, LOST, RESET, TIMED_OUT, Failure, Severity, describe, require
from ..harness import Harness, require_one_request
from ..scenarios import SHORT, fails
from ..server import Connection, FaultFunction, FaultServer
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

_LOST = (
    "a connection that ends before the whole response is a ConnectionLostError,"
    " never a response and never sent=False"
)
_TIMED_OUT = "a call ends in a TimedOutError when its timeout is over, even while bytes arrive"

_T = TypeVar("_T")

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n"
_BODY = b'{"success": true}'
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


def _lost(
    name: str, fault: FaultFunction, *expected: Failure, in_memory: MemoryFault | None = None
) -> Case:
    scenario = fails(fault, *expected, in_memory=in_memory)
    over = EVERYWHERE if in_memory else SOCKETS
    return Case(name, _LOST, Severity.MAY_LOSE_SESSIONS, scenario, over)


def _timed_out(name: str, fault: FaultFunction, in_memory: MemoryFault | None = None) -> Case:
    scenario = fails(fault, TIMED_OUT, in_memory=in_memory, timeout=SHORT)
    over = EVERYWHERE if in_memory else SOCKETS
    return Case(name, _TIMED_OUT, Severity.MAY_HANG, scenario, over)


CASES = [
    _lost("a-close-just-after-connecting-is-a-lost-connection", closes_at_once, LOST),
    _lost(
        "a-reset-with-the-request-unread-is-a-lost-connection",
        resets_with_the_request_unread,
        RESET,
    ),
    _lost(
        "a-close-before-the-response-is-a-lost-connection",
        sends_and_closes(b""),
        LOST,
        in_memory=LostResponse(),
    ),
    _lost("a-reset-before-the-response-is-a-lost-connection", sends_and_resets(b""), RESET),
    _lost("a-cut-status-line-is-no-response", sends_and_closes(b"HTTP/1.1 20"), LOST, BAD),
    _lost("a-cut-header-line-is-no-response", sends_and_closes(_HEAD[:-10]), LOST, BAD),
    _lost("a-head-without-its-end-is-no-response", sends_and_closes(_HEAD[:-2]), LOST, BAD),
    _lost("a-body-that-never-begins-is-no-response", sends_and_closes(_HEAD), LOST),
    _lost("a-cut-body-is-no-response", sends_and_closes(_HEAD + _BODY[:-1]), LOST),
    _lost("a-reset-within-the-body-is-a-lost-connection", sends_and_resets(_HEAD + b"{"), RESET),
    _lost("a-cut-chunk-is-no-response", sends_and_closes(CHUNKED + b"11\r\n{"), LOST),
    _lost("an-end-before-the-last-chunk-is-no-response", sends_and_closes(_CHUNK), LOST),
    _lost("a-reset-before-the-last-chunk-is-a-lost-connection", sends_and_resets(_CHUNK), RESET),
    _timed_out("a-silent-server-ends-in-a-timeout", stays_silent, NoResponse()),
    _timed_out(
        "a-dripped-head-ends-in-a-timeout", sends_and_drips(b"", _HEAD + _BODY), DrippedResponse()
    ),
    _timed_out("a-dripped-body-ends-in-a-timeout", sends_and_drips(_HEAD, _BODY)),
    _timed_out("dripped-chunks-end-in-a-timeout", sends_and_drips(CHUNKED, b"1\r\nx\r\n" * 50)),
    _timed_out(
        "dripped-trailers-end-in-a-timeout", sends_and_drips(CHUNKED + b"0\r\n", b"X: y\r\n" * 50)
    ),
    _timed_out(
        "dripped-interim-responses-end-in-a-timeout",
        sends_and_drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 5),
    ),
    _timed_out("a-head-that-stalls-ends-in-a-timeout", sends(_HEAD[:30], stays_silent)),
    _timed_out("a-body-that-stalls-ends-in-a-timeout", sends(_HEAD + b"{", stays_silent)),
    _timed_out("chunks-that-stall-end-in-a-timeout", sends(CHUNKED + b"1\r\n{\r\n", stays_silent)),
    Case(
        "a-response-after-the-timeout-is-never-used",
        "a response that comes after the timeout never reaches the next call",
        Severity.MAY_LOSE_SESSIONS,
        fails(responds(seconds=SHORT + 1), TIMED_OUT, timeout=SHORT),
    ),
]
