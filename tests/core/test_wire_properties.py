"""How strictly a body is read, where fuzzing seldom comes, and what a receipt holds.

Any other response is compared with a plain reader in `test_fuzzed_responses`.
"""

import copy
import json
import pickle
import subprocess
import sys
from dataclasses import asdict

import msgspec
import pytest

from firecrawl_interact.core import DeletionReceipt, Response, SessionFate, wire

from .scripted_transport import SESSION_ID
from .service_responses import KEYS
from .test_fuzzed_responses import HEADERS, check

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


def test_a_receipt_is_written_as_json_and_says_that_the_session_is_gone() -> None:
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
