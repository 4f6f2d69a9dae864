"""Cases in which an answer must be handed over whole and as it is, and so must the next one."""

import random
import time

from firecrawl_interact.core.transport import ConnectionLostError, Response

from ...fake_service.faults import DrippedResponse, Reply
from .. import wire_faults
from ..case import EVERYWHERE, Case
from ..driver import ENOUGH_TIME
from ..expectations import describe, require, require_response
from ..harness import NOTICE, Harness, require_own
from ..scenarios import SHORT, gets_response, replies, reply_bytes, require_reply
from ..server import FaultFunction, good_response
from ..wire_faults import (
    says,
    says_and_closes,
    says_before,
    says_behind,
    says_later,
    says_later_and_closes,
)

_STATUS = "a status is data: it is handed over after a single request, without a repeat"
_REDIRECT = "a redirect is data: it is never followed"
_SLOW = "an answer is waited for until the time-out is over"
_INTERIM = "interim answers are skipped, and the answer behind them is the answer"
_LARGEST = "a body of 1 MiB is taken whole"
_SURPLUS = "bytes beyond an answer are never the next call's answer: their connection is given up"

_NEIGHBOUR = good_response("/v2/echo/neighbour")
_REQUEST_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def _redirects(status: int) -> Case:
    def scenario(harness: Harness) -> None:
        elsewhere = harness.service()
        target = getattr(elsewhere, "api_url", "https://elsewhere.example")
        for location in ("/elsewhere", f"{target}/elsewhere"):
            reply = Reply(status, b"moved", {"Location": location})
            service = harness.service(says(reply_bytes(reply)), in_memory=reply)
            driver = harness.transport(service)
            require_reply(driver, service, harness.path(), reply)
            harness.require_healthy(driver, service)
        require(not elsewhere.requests, "a request at the target of the redirect")

    return Case(f"a-redirect-{status}-is-not-followed", _REDIRECT, scenario, EVERYWHERE)


def _waits(harness: Harness) -> None:
    service = harness.service(wire_faults.answers_late, in_memory=DrippedResponse(0.001))
    driver = harness.transport(service)
    path = harness.path()
    require_own(driver.exchange(path), path)
    harness.require_healthy(driver, service)


def _keeps_surplus_apart(status: int) -> Case:
    def scenario(harness: Harness) -> None:
        head = f"HTTP/1.1 {status} As Told\r\nContent-Length: {len(_NEIGHBOUR)}\r\n\r\n"
        server = harness.server(says(head.encode() + _NEIGHBOUR))
        driver = harness.transport(server)
        outcome = driver.exchange(harness.path())
        require(
            isinstance(outcome, Response) and (outcome.status, outcome.body) == (status, b""),
            f"instead of an answer of status {status} without a body: {describe(outcome)}",
        )
        harness.require_healthy(driver, server, avoiding=frozenset({1}))

    return Case(f"a-{status}-has-no-body", _SURPLUS, scenario)


def _ignores_what_comes_later(name: str, fault: FaultFunction) -> Case:
    def scenario(harness: Harness) -> None:
        server = harness.server(fault)
        driver = harness.transport(server)
        path = harness.path()
        require_own(driver.exchange(path), path)
        server.fault_is_over.wait(ENOUGH_TIME)
        time.sleep(NOTICE)
        harness.require_healthy(driver, server, avoiding=frozenset({1}))

    return Case(name, _SURPLUS, scenario)


def _names_headers_in_lower_case(harness: Harness) -> None:
    head = b"HTTP/1.1 200 OK\r\nX-TWO: a\r\nx-Empty:\r\nX-Two:  b\t\r\nContent-Length: 2\r\n\r\n{}"
    driver = harness.transport(harness.server(says(head)))
    answer = require_response(driver.exchange(harness.path()))
    expected = {"x-two": "a, b", "x-empty": "", "content-length": "2"}
    require(dict(answer.headers) == expected, f"the headers {dict(answer.headers)}")
    require(type(answer.status) is int, f"a status of the type {type(answer.status).__name__}")
    require(type(answer.body) is bytes, f"a body of the type {type(answer.body).__name__}")


def _survives_garbled_answers(harness: Harness) -> None:
    dice = random.Random(1)  # noqa: S311 - the same answers every time
    for _ in range(40):
        answer = bytearray(good_response("/v2/echo/garbled"))
        for _ in range(dice.randint(1, 8)):
            place = dice.randrange(len(answer))
            answer[place : place + dice.randint(0, 3)] = dice.randbytes(dice.randint(0, 3))
        server = harness.server(says_and_closes(bytes(answer)))
        driver = harness.transport(server)
        driver.exchange(harness.path(), SHORT)
        # If that was an answer, its connection may end just under the next call.
        path = harness.path()
        if isinstance(outcome := driver.exchange(path), ConnectionLostError):
            path = harness.path()
            outcome = driver.exchange(path)
        require_own(outcome, path, "the next call")


CASES = [
    *(
        Case(
            f"a-{status}-is-an-answer",
            _STATUS,
            replies(Reply(status, b'{"success": false}', {"Retry-After": "1", "X-Told": "a b"})),
            EVERYWHERE,
        )
        for status in (200, 400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 520)
    ),
    Case("a-204-is-an-answer", _STATUS, replies(Reply(204)), EVERYWHERE),
    Case("an-empty-body-is-an-answer", _STATUS, replies(Reply(200)), EVERYWHERE),
    Case(
        "any-byte-of-a-body-is-handed-over",
        "the body is handed over as it came, byte by byte",
        replies(Reply(200, bytes(range(256)) * 3)),
        EVERYWHERE,
    ),
    Case(
        "header-names-are-in-lower-case",
        "header names are in lower case, and lines of one name are joined by commas",
        _names_headers_in_lower_case,
    ),
    *(_redirects(status) for status in (301, 302, 303, 307, 308)),
    Case("a-slow-answer-is-waited-for", _SLOW, _waits, EVERYWHERE),
    Case("an-answer-in-slow-pieces-is-waited-for", _SLOW, gets_response(wire_faults.drips_in_time)),
    *(
        Case(
            f"{name}-is-skipped",
            _INTERIM,
            gets_response(says_before(f"HTTP/1.1 {line}\r\n\r\n".encode())),
        )
        for name, line in {
            "a-100-continue": "100 Continue",
            "a-102-processing": "102 Processing",
            "a-103-early-hints": "103 Early Hints\r\nLink: </style.css>; rel=preload",
        }.items()
    ),
    Case(
        "several-interim-answers-are-skipped",
        _INTERIM,
        gets_response(says_before(b"HTTP/1.1 102 Processing\r\n\r\n" * 5)),
    ),
    Case(
        "a-body-of-1-mib-is-taken",
        _LARGEST,
        gets_response(wire_faults.answers_with_the_largest_body),
    ),
    Case(
        "chunks-of-1-mib-are-taken",
        _LARGEST,
        gets_response(wire_faults.answers_with_the_largest_chunked_body),
    ),
    Case(
        "an-answer-behind-the-answer-is-for-nobody",
        _SURPLUS,
        gets_response(says_behind(_NEIGHBOUR), keeps_connection=False),
    ),
    _keeps_surplus_apart(204),
    _keeps_surplus_apart(304),
    _ignores_what_comes_later("an-unasked-answer-is-for-nobody", says_later(_NEIGHBOUR)),
    _ignores_what_comes_later("an-unasked-408-is-for-nobody", says_later(_REQUEST_TIMEOUT)),
    _ignores_what_comes_later(
        "an-unasked-408-and-a-close-are-for-nobody", says_later_and_closes(_REQUEST_TIMEOUT)
    ),
    Case(
        "garbled-answers-end-as-the-port-says",
        "whatever bytes come are an answer or a TransportError",
        _survives_garbled_answers,
    ),
]
