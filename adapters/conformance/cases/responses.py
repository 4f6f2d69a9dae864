"""Cases in which a response must be handed over whole and as it is, and so must the next one."""

import random
import time

from firecrawl_interact.core.transport import MAX_BODY_BYTES, ConnectionLostError, Response

from ...fake_service.faults import DrippedResponse, Reply
from .. import wire_faults
from ..case import EVERYWHERE, Case, Scenario, Severity
from ..driver import ENOUGH_TIME
from ..expectations import describe, require, require_response
from ..harness import NOTICE, Harness, require_own
from ..scenarios import SHORT, gets_reply, gets_response, reply_bytes, require_reply
from ..server import FaultFunction, good_response
from ..wire_faults import (
    CHUNKED,
    sends,
    sends_after_response,
    sends_after_response_and_closes,
    sends_and_closes,
    sends_before_response,
    sends_with_response,
)

_STATUS = "a status is data: it is handed over after a single request, without a retry"
_REDIRECT = "a redirect is data: it is never followed"
_SLOW = "a response is waited for until the timeout is over"
_INTERIM = "interim responses are skipped, and the final response behind them is handed over"
_LARGEST = "a body of 1 MiB is taken whole"
_ALLOWED = "a response that RFC 9112 allows is taken, whatever its form"
_STANDS = "a response stands, whatever bytes come right behind it"
_SURPLUS = "bytes after a response never reach the next call: their connection is not used again"

_BODY = b'{"success": true}'
_OK = b"HTTP/1.1 200 OK\r\n"
_REST = b"Content-Length: 17\r\n\r\n" + _BODY
_NEIGHBOUR = good_response("/v2/echo/neighbour")
_REQUEST_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def _redirects(status: int) -> Case:
    def scenario(harness: Harness) -> None:
        elsewhere = harness.start_service()
        target = getattr(elsewhere, "api_url", "https://elsewhere.example")
        for location in ("/elsewhere", f"{target}/elsewhere"):
            reply = Reply(status, b"moved", {"Location": location})
            service = harness.start_service(sends(reply_bytes(reply)), in_memory=reply)
            driver = harness.make_transport(service)
            require_reply(driver, service, harness.make_path(), reply)
            harness.require_healthy(driver, service)
        require(not elsewhere.requests, "a request at the target of the redirect")

    return Case(
        f"a-redirect-{status}-is-not-followed",
        _REDIRECT,
        Severity.MAY_LOSE_SESSIONS,
        scenario,
        EVERYWHERE,
    )


def _waits(harness: Harness) -> None:
    service = harness.start_service(wire_faults.responds_late, in_memory=DrippedResponse(0.001))
    driver = harness.make_transport(service)
    path = harness.make_path()
    require_own(driver.send(path), path)
    harness.require_healthy(driver, service)


def _has_no_body(status: int, headers: str, surplus: bytes) -> Scenario:
    def scenario(harness: Harness) -> None:
        server = harness.start_server(
            sends(f"HTTP/1.1 {status} As Planned\r\n{headers}\r\n".encode() + surplus)
        )
        driver = harness.make_transport(server)
        result = driver.send(harness.make_path())
        require(
            isinstance(result, Response) and (result.status, result.body) == (status, b""),
            f"instead of a response with status {status} and no body: {describe(result)}",
        )
        harness.require_healthy(driver, server, avoiding=frozenset({1}))

    return scenario


def _ignores_what_comes_later(name: str, fault: FaultFunction) -> Case:
    def scenario(harness: Harness) -> None:
        server = harness.start_server(fault)
        driver = harness.make_transport(server)
        path = harness.make_path()
        require_own(driver.send(path), path)
        server.fault_is_over.wait(ENOUGH_TIME)
        time.sleep(NOTICE)
        harness.require_healthy(driver, server, avoiding=frozenset({1}))

    return Case(name, _SURPLUS, Severity.MAY_LOSE_SESSIONS, scenario)


def _names_headers_in_lower_case(harness: Harness) -> None:
    head = b"HTTP/1.1 200 OK\r\nX-TWO: a\r\nx-Empty:\r\nX-Two:  b\t\r\nContent-Length: 2\r\n\r\n{}"
    driver = harness.make_transport(harness.start_server(sends(head)))
    response = require_response(driver.send(harness.make_path()))
    expected = {"x-two": "a, b", "x-empty": "", "content-length": "2"}
    require(dict(response.headers) == expected, f"the headers {dict(response.headers)}")
    require(type(response.status) is int, f"a status of the type {type(response.status).__name__}")
    require(type(response.body) is bytes, f"a body of the type {type(response.body).__name__}")


def _takes(name: str, data: bytes, *, keeps_connection: bool = True) -> Case:
    def scenario(harness: Harness) -> None:
        server = harness.start_server(sends(data))
        driver = harness.make_transport(server)
        response = require_response(driver.send(harness.make_path()))
        require(response.body == _BODY, f"another body: {response.body[:200]!r}")
        require("x-trailer" not in response.headers, "a trailer among the headers")
        harness.require_healthy(
            driver, server, avoiding=frozenset() if keeps_connection else frozenset({1})
        )

    return Case(name, _ALLOWED, Severity.STRICTNESS, scenario)


def _survives_garbled_responses(harness: Harness) -> None:
    dice = random.Random(1)  # noqa: S311 - the same responses every time
    for _ in range(40):
        response = bytearray(good_response("/v2/echo/garbled"))
        for _ in range(dice.randint(1, 8)):
            place = dice.randrange(len(response))
            response[place : place + dice.randint(0, 3)] = dice.randbytes(dice.randint(0, 3))
        server = harness.start_server(sends_and_closes(bytes(response)))
        driver = harness.make_transport(server)
        driver.send(harness.make_path(), SHORT)
        # If that was a response, its connection may end just under the next call.
        path = harness.make_path()
        if isinstance(result := driver.send(path), ConnectionLostError):
            path = harness.make_path()
            result = driver.send(path)
        require_own(result, path, "the next call")


CASES = [
    *(
        Case(
            f"a-{status}-is-a-response",
            _STATUS,
            Severity.MAY_LOSE_SESSIONS,
            gets_reply(Reply(status, b'{"success": false}', {"Retry-After": "1", "X-More": "a b"})),
            EVERYWHERE,
        )
        for status in (200, 400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 520)
    ),
    Case(
        "a-204-is-a-response",
        _STATUS,
        Severity.MAY_LOSE_SESSIONS,
        gets_reply(Reply(204)),
        EVERYWHERE,
    ),
    Case(
        "an-empty-body-is-a-response",
        _STATUS,
        Severity.MAY_LOSE_SESSIONS,
        gets_reply(Reply(200)),
        EVERYWHERE,
    ),
    Case(
        "any-byte-of-a-body-is-handed-over",
        "the body is handed over as it came, byte by byte",
        Severity.MAY_LOSE_SESSIONS,
        gets_reply(Reply(200, bytes(range(256)) * 3)),
        EVERYWHERE,
    ),
    Case(
        "header-names-are-in-lower-case",
        "header names are in lower case, and lines of one name are joined by commas",
        Severity.STRICTNESS,
        _names_headers_in_lower_case,
    ),
    *(_redirects(status) for status in (301, 302, 303, 307, 308)),
    Case("a-slow-response-is-waited-for", _SLOW, Severity.STRICTNESS, _waits, EVERYWHERE),
    Case(
        "a-response-in-slow-pieces-is-waited-for",
        _SLOW,
        Severity.STRICTNESS,
        gets_response(wire_faults.responds_in_slow_pieces),
    ),
    *(
        Case(
            f"{name}-is-skipped",
            _INTERIM,
            Severity.MAY_LOSE_SESSIONS,
            gets_response(sends_before_response(f"HTTP/1.1 {line}\r\n\r\n".encode())),
        )
        for name, line in {
            "a-100-continue": "100 Continue",
            "a-102-processing": "102 Processing",
            "a-103-early-hints": "103 Early Hints\r\nLink: </style.css>; rel=preload",
        }.items()
    ),
    Case(
        "8-interim-responses-are-skipped",
        _INTERIM,
        Severity.MAY_LOSE_SESSIONS,
        gets_response(sends_before_response(b"HTTP/1.1 102 Processing\r\n\r\n" * 8)),
    ),
    Case(
        "a-body-of-1-mib-is-taken",
        _LARGEST,
        Severity.STRICTNESS,
        gets_reply(Reply(200, b"x" * MAX_BODY_BYTES)),
        EVERYWHERE,
    ),
    Case(
        "chunks-of-1-mib-are-taken",
        _LARGEST,
        Severity.STRICTNESS,
        gets_response(wire_faults.responds_with_the_largest_chunked_body),
    ),
    _takes("a-status-line-without-reason-is-taken", b"HTTP/1.1 200\r\n" + _REST),
    _takes("a-header-without-space-is-taken", _OK + b"content-length:17\r\n\r\n" + _BODY),
    _takes("a-folded-header-is-taken", _OK + b"X-Folded: a\r\n b\r\n" + _REST),
    _takes("100-headers-are-taken", _OK + b"X-Many: 1\r\n" * 99 + _REST),
    _takes(
        "a-header-line-of-64-kib-is-taken", _OK + b"X-Long: ".ljust(65_534, b"x") + b"\r\n" + _REST
    ),
    _takes("a-body-coded-as-identity-is-taken", _OK + b"Content-Encoding: identity\r\n" + _REST),
    _takes("an-http-1-0-response-is-taken", b"HTTP/1.0 200 OK\r\n" + _REST, keeps_connection=False),
    _takes(
        "chunks-of-one-byte-and-a-trailer-are-taken",
        CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in _BODY) + b"0\r\nX-Trailer: y\r\n\r\n",
    ),
    Case(
        "a-second-response-is-never-used",
        _SURPLUS,
        Severity.MAY_LOSE_SESSIONS,
        gets_response(sends_with_response(_NEIGHBOUR), keeps_connection=False),
    ),
    *(
        Case(
            f"a-{status}-has-no-body",
            _SURPLUS,
            Severity.MAY_LOSE_SESSIONS,
            _has_no_body(status, f"Content-Length: {len(_NEIGHBOUR)}\r\n", _NEIGHBOUR),
        )
        for status in (204, 304)
    ),
    Case(
        "surplus-bytes-leave-the-response-as-it-is",
        _STANDS,
        Severity.STRICTNESS,
        gets_response(sends_with_response(b"surplus"), keeps_connection=False),
    ),
    Case(
        "a-body-behind-a-204-leaves-it-as-it-is",
        _STANDS,
        Severity.STRICTNESS,
        _has_no_body(204, "", b"body"),
    ),
    _ignores_what_comes_later(
        "an-unasked-response-is-never-used", sends_after_response(_NEIGHBOUR)
    ),
    _ignores_what_comes_later(
        "an-unasked-408-is-never-used", sends_after_response(_REQUEST_TIMEOUT)
    ),
    _ignores_what_comes_later(
        "an-unasked-408-and-a-close-are-never-used",
        sends_after_response_and_closes(_REQUEST_TIMEOUT),
    ),
    Case(
        "garbled-responses-end-as-the-port-says",
        "whatever bytes come, the result is a response or a TransportError",
        Severity.MAY_LOSE_SESSIONS,
        _survives_garbled_responses,
    ),
]
