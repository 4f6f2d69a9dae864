"""Cases in which a response must be returned whole and as it is, and so must the next one."""

import random

from firecrawl_interact.core.transport import MAX_BODY_BYTES, BadResponseError, ConnectionLostError

from ...fakes.service.faults import DrippedResponse, Reply
from ..case import EVERYWHERE, Scenario, case, cases
from ..expectations import Severity, require, require_response
from ..harness import NOTICE, Harness, require_own
from ..scenarios import SHORT, gets_reply, gets_response
from ..server import Connection, good_response
from ..wire_faults import (
    CHUNKED,
    LATE,
    responds,
    responds_in_slow_pieces,
    sends,
    sends_and_closes,
)

_BODY = b'{"success": true}'
_WHOLE = Reply(200, _BODY)
_OK = b"HTTP/1.1 200 OK\r\n"
_REST = b"Content-Length: 17\r\n\r\n" + _BODY
_LARGEST = Reply(200, b"x" * MAX_BODY_BYTES)
_HALF = b"80000;note=fine\r\n" + b"x" * 0x80000 + b"\r\n"
_END = b"0\r\nX-Trailer: y\r\n\r\n"
_PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
_NEIGHBOUR = good_response("/v2/echo/neighbour")
_REQUEST_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def _has_no_body(status: int, rest: bytes) -> Scenario:
    data = b"HTTP/1.1 %d As Planned\r\n" % status + rest
    return gets_response(sends(data), Reply(status), keeps_connection=False)


def _unasked(surplus: bytes, *, closes: bool = False) -> Scenario:
    def send_late(connection: Connection) -> None:
        connection.pause(0.03)
        connection.send(surplus)
        if closes:
            connection.close()

    return gets_response(responds(send_late), keeps_connection=False, idle=NOTICE)


def _redirects(status: int) -> Scenario:
    def play(harness: Harness) -> None:
        elsewhere = harness.start_service()
        target = getattr(elsewhere, "api_url", "https://elsewhere.example")
        for location in ("/elsewhere", f"{target}/elsewhere"):
            gets_reply(Reply(status, b"moved", {"Location": location})).play(harness)
        require(not elsewhere.requests, "a request at the target of the redirect")

    return Scenario(play, EVERYWHERE)


@case(Severity.STRICTNESS, EVERYWHERE)
def a_slow_response_is_waited_for(harness: Harness) -> None:
    """A response is waited for until the timeout is over."""
    service = harness.start_service(responds(seconds=LATE), in_memory=DrippedResponse(0.001))
    driver = harness.make_transport(service)
    path = harness.make_path()
    require_own(driver.send(path), path)
    harness.require_healthy(driver, service)


@case(Severity.STRICTNESS)
def header_names_are_in_lower_case(harness: Harness) -> None:
    """Header names are in lower case, and lines of one name are joined by commas."""
    head = b"HTTP/1.1 200 OK\r\nX-TWO: a\r\nx-Empty:\r\nX-Two:  b\t\r\nContent-Length: 2\r\n\r\n{}"
    driver = harness.make_transport(harness.start_server(sends(head)))
    response = require_response(driver.send(harness.make_path()))
    expected = {"x-two": "a, b", "x-empty": "", "content-length": "2"}
    require(dict(response.headers) == expected, f"the headers {dict(response.headers)}")
    require(type(response.status) is int, f"a status of the type {type(response.status).__name__}")
    require(type(response.body) is bytes, f"a body of the type {type(response.body).__name__}")


@case(Severity.MAY_LOSE_SESSIONS)
def garbled_responses_end_as_the_port_says(harness: Harness) -> None:
    """For any bytes, the result is a response or a TransportError."""
    dice = random.Random(1)  # noqa: S311 - the same responses every time
    for _ in range(40):
        response = bytearray(good_response("/v2/echo/garbled"))
        for _ in range(dice.randint(1, 8)):
            place = dice.randrange(len(response))
            response[place : place + dice.randint(0, 3)] = dice.randbytes(dice.randint(0, 3))
        server = harness.start_server(sends_and_closes(bytes(response)))
        driver = harness.make_transport(server)
        driver.send(harness.make_path(), SHORT)
        # If that was a response, its connection may end, or what follows it come, under the next.
        path = harness.make_path()
        if isinstance(result := driver.send(path), BadResponseError | ConnectionLostError):
            path = harness.make_path()
            result = driver.send(path)
        require_own(result, path, "the next call")


CASES = [
    *cases(
        "a status is data: it is returned after a single request, without a retry",
        Severity.MAY_LOSE_SESSIONS,
        {
            **{
                f"a-{status}-is-a-response": gets_reply(
                    Reply(status, b'{"success": false}', {"Retry-After": "1", "X-More": "a b"})
                )
                for status in (200, 400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 520)
            },
            "a-204-is-a-response": gets_reply(Reply(204)),
            "an-empty-body-is-a-response": gets_reply(Reply(200)),
        },
    ),
    *cases(
        "the body is returned as it is, byte for byte",
        Severity.MAY_LOSE_SESSIONS,
        {"any-byte-of-a-body-is-handed-over": gets_reply(Reply(200, bytes(range(256)) * 3))},
    ),
    *cases(
        "a redirect is data: it is never followed",
        Severity.MAY_LOSE_SESSIONS,
        {
            f"a-redirect-{status}-is-not-followed": _redirects(status)
            for status in (301, 302, 303, 307, 308)
        },
    ),
    *cases(
        a_slow_response_is_waited_for.promise,
        Severity.STRICTNESS,
        {"a-response-in-slow-pieces-is-waited-for": gets_response(responds_in_slow_pieces)},
    ),
    *cases(
        "interim responses are skipped, and the final response after them is returned",
        Severity.MAY_LOSE_SESSIONS,
        {
            f"{name}-skipped": gets_response(responds(before=interim, seconds=0.02))
            for name, interim in {
                "a-100-continue-is": b"HTTP/1.1 100 Continue\r\n\r\n",
                "a-102-processing-is": _PROCESSING,
                "a-103-early-hints-is": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
                "8-interim-responses-are": _PROCESSING * 8,
            }.items()
        },
    ),
    *cases(
        "a body of 1 MiB is returned whole",
        Severity.STRICTNESS,
        {
            "a-body-of-1-mib-is-taken": gets_reply(_LARGEST),
            "chunks-of-1-mib-are-taken": gets_response(sends(CHUNKED + _HALF * 2 + _END), _LARGEST),
        },
    ),
    *cases(
        "any response that RFC 9112 allows is accepted",
        Severity.STRICTNESS,
        {
            name: gets_response(sends(data), _WHOLE, keeps_connection=b"HTTP/1.0" not in data)
            for name, data in {
                "a-status-line-without-reason-is-taken": b"HTTP/1.1 200\r\n" + _REST,
                "a-header-without-space-is-taken": _OK + b"content-length:17\r\n\r\n" + _BODY,
                "a-folded-header-is-taken": _OK + b"X-Folded: a\r\n b\r\n" + _REST,
                "100-headers-are-taken": _OK + b"X-Many: 1\r\n" * 99 + _REST,
                "a-header-line-of-64-kib-is-taken": (
                    _OK + b"X-Long: ".ljust(65_534, b"x") + b"\r\n" + _REST
                ),
                "a-body-coded-as-identity-is-taken": _OK
                + b"Content-Encoding: identity\r\n"
                + _REST,
                "an-http-1-0-response-is-taken": b"HTTP/1.0 200 OK\r\n" + _REST,
                "chunks-of-one-byte-and-a-trailer-are-taken": (
                    CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in _BODY) + _END
                ),
            }.items()
        },
    ),
    *cases(
        "surplus bytes after a response never reach the next call: their connection is not reused",
        Severity.MAY_LOSE_SESSIONS,
        {
            "a-second-response-is-never-used": gets_response(
                responds(surplus=_NEIGHBOUR), keeps_connection=False
            ),
            **{
                f"a-{status}-has-no-body": _has_no_body(
                    status, b"Content-Length: %d\r\n\r\n" % len(_NEIGHBOUR) + _NEIGHBOUR
                )
                for status in (204, 304)
            },
            "an-unasked-response-is-never-used": _unasked(_NEIGHBOUR),
            "an-unasked-408-is-never-used": _unasked(_REQUEST_TIMEOUT),
            "an-unasked-408-and-a-close-are-never-used": _unasked(_REQUEST_TIMEOUT, closes=True),
        },
    ),
    *cases(
        "surplus bytes after a response leave it valid",
        Severity.STRICTNESS,
        {
            "surplus-bytes-leave-the-response-as-it-is": gets_response(
                responds(surplus=b"surplus"), keeps_connection=False
            ),
            "a-body-behind-a-204-leaves-it-as-it-is": _has_no_body(204, b"\r\nbody"),
        },
    ),
]
