"""What must hold for every response: any status, any headers, any bytes.

A plain reader says what each means (`tests/proof/readers.py`). It shares no code with the library.
"""

import copy
import json
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

import msgspec
import pytest
from hypothesis import given, settings

from firecrawl_interact.core import (
    DeletionReceipt,
    Outcome,
    Response,
    SessionFate,
    request_headers,
    wire,
)

from ..proof.readers import FATES, Reading, read_outcome
from .scripted_transport import SESSION_ID
from .service_responses import KEYS, MEANINGS, Sent, responses

FEWEST = 0.01  # the share of each class of outcome, at least
HEADERS = {key: request_headers(key) for key in KEYS}


def reading_of(outcome: Outcome) -> Reading:
    """What the library makes of a response, in the words of the plain reader."""
    what, fate = type(outcome).__name__, outcome.session_fate.name
    if isinstance(outcome, DeletionReceipt):
        return Reading(
            what,
            fate,
            from_service=True,
            session_duration_ms=outcome.session_duration_ms,
            credits_billed=outcome.credits_billed,
            session_status=outcome.status,
        )
    names = ["api_message", "code", "request_id", "retry_after"]
    said = {name: getattr(outcome, name) for name in names}
    transient, status = outcome.transient, vars(outcome)["status"]
    return Reading(what, fate, outcome.from_service, transient, http_status=status, **said)


def all_that_is_held(outcome: object) -> Iterator[str]:
    """Yield each form in which somebody can see an outcome and what is behind it."""
    yield from (repr(outcome), str(outcome))
    yield from (pickle.dumps(outcome, protocol).decode("latin-1") for protocol in (0, 5))
    if isinstance(outcome, BaseException):
        yield from (repr(outcome.args), repr(vars(outcome)))
        for behind in (outcome.__cause__, outcome.__context__):
            if behind is not None:
                yield from all_that_is_held(behind)


def check(response: Response, key: str = KEYS[0], session_id: str = SESSION_ID) -> Reading:
    """Read a response as the plain reader does, and look for the key."""
    outcome = wire.parse_response(response, headers=HEADERS[key], session_id=session_id, attempts=1)
    right = read_outcome(response.status, dict(response.headers), response.body, key, session_id)
    assert repr(reading_of(outcome)) == repr(right)  # There, 2 is not 2.0.
    assert (outcome.session_id, outcome.attempts) == (session_id, 1)
    assert isinstance(outcome, DeletionReceipt) or str(outcome).isprintable()
    assert not [text for text in all_that_is_held(outcome) if key in text]
    return right


@pytest.mark.parametrize("name", ["another team", "not found", "backend's 404", "bad gateway"])
def test_every_status_means_what_a_plain_reader_makes_of_it(name: str) -> None:
    for status in range(100, 1000):
        check(Response(status, {}, MEANINGS[name].body))


def classes_of(reading: Reading) -> Iterator[str]:
    yield reading.outcome
    if reading.credits_billed is not None:
        yield "receipts with a bill"
    if reading.outcome in {"UnauthorizedError", "ForbiddenError"} and reading.transient:
        yield "a gateway's 401 and 403"
    is_unavailable = reading.outcome == "ServiceUnavailableError"
    if is_unavailable and reading.http_status in {200, 400, 401, 402, 403, 404, 410, 429}:
        yield "a status of the backend"
    if reading.outcome == "BadRequestError" and reading.http_status == 500:
        yield "an id that is no UUID"
    if reading.retry_after is not None:
        yield "errors with a wait"


PARTS = {"receipts with a bill", "a gateway's 401 and 403", "a status of the backend"}
PARTS |= {"errors with a wait", "an id that is no UUID"}


def test_every_response_means_what_a_plain_reader_makes_of_it() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=max(500, 5 * settings().max_examples))
    @given(responses)
    def look(sent: Sent) -> None:
        reading = check(Response(sent.status, sent.headers, sent.body), sent.key, sent.session_id)
        seen.update(classes_of(reading))

    look()
    total = sum(seen[outcome] for outcome in FATES)
    assert {name for name in FATES if seen[name] < FEWEST * total} == set()
    assert {name for name in PARTS if seen[name] < FEWEST / 2 * total} == set()


# Bodies that fuzzing makes seldom

DEEP = b'{"success":true,"deep":'


@pytest.mark.parametrize(
    "body",
    [
        b'{"succes\\u0073":true}',
        b'{"success":false,"success":true}',
        '{"grün":"🦊","success":true}'.encode(),
        b'{"Success":true}',
        b'{"success":true,"success":false}',
        b'{"success":true,}',
        b'{"success":true} {"success":true}',
        b'{"success":true,"x":"\n"}',
        b'\xef\xbb\xbf{"success":true}',
        DEEP + b'{"x":' * 100 + b"1" + b"}" * 100 + b"}",
        DEEP + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"success":false,"error":"Session not found","deep":' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"%s": 1, "error": "Hangar request failed."}' % (b"[" * 101),
        b'{"success":true,"events":[%s{}]}' % (b'{"kind":"[\\"[","of":[]},' * 999),
        DEEP + b'["]\\"]",' * 100 + b"1" + b"]" * 100 + b"}",
    ],
    ids=lambda body: repr(body[:40]),
)
@pytest.mark.parametrize("status", [200, 401, 404])
def test_a_body_is_read_as_strictly_as_json_is_written(status: int, body: bytes) -> None:
    check(Response(status, {}, body))


ON_A_SMALL_STACK = """
import threading
from firecrawl_interact.core import Response, request_headers, wire

ABOUT = {"headers": request_headers(None), "session_id": "s", "attempts": 1}

def read_all():
    kinds = (b"[", b"]"), (b'{"x":', b"}"), (b'[{"x":', b"}]"), (b'["]",', b"]"), (b"[", b"")
    for opening, closing in kinds:
        for count in (45, 99, 5_000, 100_000):
            deep = opening * count + b"1" + closing * count
            for body in (deep, b'{"success":true,"x":%s}' % deep, b'{"success":%s}' % deep):
                wire.parse_response(Response(200, {}, body), **ABOUT)
    print("alive")

threading.stack_size(128 * 1024)
threading.Thread(target=read_all).start()
"""


def test_deep_nesting_does_not_end_a_process_on_a_small_stack() -> None:
    # In a process of its own: a crash must fail this test, not end all tests.
    code = [sys.executable, "-c", ON_A_SMALL_STACK]
    assert subprocess.run(code, capture_output=True, text=True, check=True).stdout == "alive\n"


# Receipts


def test_a_receipt_is_written_as_json() -> None:
    body = b'{"success":true,"sessionDurationMs":39094.75,"creditsBilled":2,"status":"stopped"}'
    got = wire.parse_response(
        Response(200, {}, body), headers=HEADERS[KEYS[0]], session_id=SESSION_ID, attempts=3
    )
    in_json = msgspec.json.encode(got)
    assert in_json == (
        b'{"session_id":"%s","session_duration_ms":39095,"credits_billed":2,'
        b'"status":"stopped","attempts":3}' % SESSION_ID.encode()
    )
    assert msgspec.json.decode(in_json, type=DeletionReceipt) == got
    assert json.dumps(asdict(got), separators=(",", ":")).encode() == in_json
    assert pickle.loads(pickle.dumps(got)) == copy.deepcopy(got) == got  # noqa: S301 - our own
    assert got.session_fate is SessionFate.GONE
    assert DeletionReceipt(session_id="a").attempts == 1
    assert [fate.value for fate in SessionFate] == ["gone", "untouched", "unknown"]
