"""The scenarios that most cases play: a call fails, or it gets a response."""

import time

from firecrawl_interact.core.transport import Response, TimedOutError

from ..fakes.service.faults import Fault as MemoryFault
from ..fakes.service.faults import Reply
from .case import EVERYWHERE, HTTPS, SOCKETS, Scenario
from .driver import ENOUGH_TIME
from .expectations import TIMED_OUT, Failure, Result, Severity, describe, require
from .harness import Harness, requests_for, require_one_request, require_own
from .server import FaultFunction, FaultServer
from .wire_faults import sends

SHORT = 0.4
"""Seconds: a timeout that is meant to expire."""

_NEVER_NEEDED = 1.5
"""Seconds: the timeout of a call that fails before."""
_MOST_BYTES_TAKEN = 8 * 1024 * 1024  # The kernels of both sides buffer some of them.


def fails(
    fault: FaultFunction,
    *expected: Failure,
    in_memory: MemoryFault | None = None,
    in_handshake: bool = False,
    timeout: float | None = None,
    names: str = "",
) -> Scenario:
    """Return the scenario of a call that fails, after which the next call is healthy.

    Args:
        fault: what happens on the connection.
        expected: the ways in which the call may fail.
        in_memory: the same fault for a `FakeService`.
        in_handshake: whether the fault replaces the TLS handshake.
        timeout: seconds for the call. None: few if it may time out, and more than enough otherwise.
        names: what the message of the error must contain.
    """
    seconds = timeout or (SHORT if TIMED_OUT in expected else _NEVER_NEEDED)

    def play(harness: Harness) -> None:
        service = harness.start_service(fault, in_memory=in_memory, in_handshake=in_handshake)
        driver = harness.make_transport(service)
        path = harness.make_path()
        result = driver.send(path, seconds)
        harness.require_failure(result, *expected)
        require(
            names in str(result),
            f"an error that does not name {names}: {describe(result)}",
            Severity.STRICTNESS,
        )
        requests = requests_for(service, path)
        most = int(expected[0].kind.sent)
        require(
            len(requests) <= most,
            f"{len(requests)} requests reached the service",
            Severity.MAY_LOSE_SESSIONS,
        )
        if isinstance(service, FaultServer) and not isinstance(result, TimedOutError):
            megabytes = service.bytes_sent / 1e6
            require(
                service.bytes_sent <= _MOST_BYTES_TAKEN,
                f"{megabytes:.0f} MB were taken before the call failed",
                Severity.MAY_HANG,
            )
        harness.require_healthy(driver, service, *(request.connection for request in requests))

    over = EVERYWHERE if in_memory else SOCKETS
    return Scenario(play, HTTPS if in_handshake else over)


def gets_response(
    fault: FaultFunction,
    reply: Reply | None = None,
    *,
    keeps_connection: bool = True,
    idle: float = 0,
) -> Scenario:
    """Return the scenario of a call that gets its own response, and so does the next one.

    Args:
        fault: what happens on the connection.
        reply: the response. None: a good one, which names the path of the call.
        keeps_connection: False: the connection must not be used again.
        idle: seconds from the end of the fault to the next call.
    """

    def play(harness: Harness) -> None:
        server = harness.start_server(fault)
        driver = harness.make_transport(server)
        path = harness.make_path()
        result = driver.send(path)
        if reply is None:
            require_own(result, path)
        else:
            _require_same(result, reply)
        used = require_one_request(server, path).connection
        if idle:
            server.fault_is_over.wait(ENOUGH_TIME)
            time.sleep(idle)
        harness.require_healthy(driver, server, *([] if keeps_connection else [used]))

    return Scenario(play)


def gets_reply(reply: Reply) -> Scenario:
    """Return the scenario of a reply that is handed over as it is, after a single request."""

    def play(harness: Harness) -> None:
        service = harness.start_service(sends(reply_bytes(reply)), in_memory=reply)
        driver = harness.make_transport(service)
        path = harness.make_path()
        _require_same(driver.send(path), reply)
        targets = [request.target for request in service.requests]
        require(targets == [path], f"these requests: {', '.join(targets)}")
        harness.require_healthy(driver, service)

    return Scenario(play, EVERYWHERE)


def _require_same(result: Result, reply: Reply) -> None:
    if not isinstance(result, Response) or result.status != reply.status:
        raise AssertionError(
            f"instead of a response with status {reply.status}: {describe(result)}"
        )
    require(result.body == reply.body, f"another body: {result.body[:200]!r}")
    names = [name for name in result.headers if name != name.lower()]
    require(not names, f"header names that are not in lower case: {names}")
    require("x-trailer" not in result.headers, "a trailer among the headers")
    for name, value in reply.headers.items():
        seen = result.headers.get(name.lower())
        require(seen == value, f"the header {name.lower()}: {seen!r} instead of {value!r}")


def reply_bytes(reply: Reply) -> bytes:
    """Write a reply as it goes over a socket."""
    lines = [f"HTTP/1.1 {reply.status} As Planned"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    if reply.status not in (204, 304):
        lines.append(f"Content-Length: {len(reply.body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + reply.body
