"""What must hold for every response: any status, any headers, any bytes."""

import json
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firecrawl_interact.core import (
    DeletionReceipt,
    NotDeletedError,
    Response,
    ResponseError,
    SessionFate,
    SessionNotFoundError,
    UnexpectedResponseError,
    wire,
)
from firecrawl_interact.core.headers import request_headers

from .json_values import Json, json_values, texts
from .scripted_transport import API_KEY, SESSION_ID

HEADERS = request_headers(API_KEY)


def read(response: Response) -> DeletionReceipt | ResponseError:
    try:
        return wire.parse_response(response, headers=HEADERS, session_id=SESSION_ID, attempts=1)
    except ResponseError as error:
        return error


def is_receipt(body: bytes) -> bool:
    return isinstance(read(Response(200, {}, body)), DeletionReceipt)


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def says_destroyed(text: str) -> bool:
    """What another reader of JSON makes of it."""
    try:
        content = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("success") is True


field_names = texts | st.sampled_from(
    ["success", "Success", "success ", "sessionDurationMs", "creditsBilled", "status", "error"]
)
contents = st.builds(
    lambda fields, success: {**fields, **success},
    st.dictionaries(field_names, json_values, max_size=5),
    st.sampled_from(
        [{}, {"success": True}, {"success": True}, {"success": False}, {"success": "true"}]
    )
    | st.fixed_dictionaries({"success": json_values}),
)


@st.composite
def written(draw: st.DrawFn, values: st.SearchStrategy[Json]) -> str:
    """JSON, written in one of the ways that there are."""
    return json.dumps(
        draw(values),
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, 0, "\t"])),
        separators=draw(st.sampled_from([(",", ":"), (" , ", " :\r\n ")])),
    )


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A body in which a few bytes were lost, doubled, changed or added."""
    body = draw(written(contents)).encode()
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 8)))
        piece = draw(
            st.sampled_from([b"", body[start:end] * 2, b"true", b"false", b'"', b"}", b"]", b","])
            | st.binary(min_size=1, max_size=2)
        )
        body = body[:start] + piece + body[end:]
    return body


bodies = st.binary(max_size=200) | written(contents | json_values).map(str.encode) | spoilt()
header_values = st.text(max_size=30) | st.sampled_from(
    ["5", "-1", "Sun, 06 Nov 1994 08:49:37 GMT", API_KEY]
)
header_names = st.sampled_from(["retry-after", "date", "x-request-id"]) | st.text(max_size=10)


@given(
    st.integers() | st.integers(100, 599) | st.sampled_from([200, 404, 410, 429]),
    st.dictionaries(header_names, header_values, max_size=4),
    bodies,
)
def test_every_response_is_a_receipt_or_an_error_of_ours(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    outcome = read(Response(status, headers, body))
    if isinstance(outcome, DeletionReceipt):
        assert status == 200
        assert says_destroyed(body.decode(errors="replace"))
    else:
        assert isinstance(outcome, ResponseError)
        assert outcome.status == status
        assert str(outcome).isprintable()


@given(written(contents | json_values))
def test_a_200_is_a_receipt_if_and_only_if_its_json_object_has_success_true(text: str) -> None:
    assert is_receipt(text.encode()) is says_destroyed(text)


@given(spoilt())
def test_a_spoilt_200_is_a_receipt_only_if_it_still_says_so(body: bytes) -> None:
    text = body.decode(errors="replace")
    received = is_receipt(body)
    if received:
        assert says_destroyed(text)
    is_text = "\ufffd" not in text and not re.search(r"\\u[dD][89a-fA-F]", text)
    if is_text and says_destroyed(text):
        assert received


@given(st.sampled_from([404, 410]) | st.integers(), bodies)
def test_a_session_is_gone_only_by_a_404_or_410_in_the_service_s_own_words(
    status: int, body: bytes
) -> None:
    outcome = read(Response(status, {}, body))
    if isinstance(outcome, ResponseError) and outcome.session_fate is SessionFate.GONE:
        assert isinstance(outcome, SessionNotFoundError)
        assert status in {404, 410}
        assert json.loads(body.decode(errors="replace"))["success"] is False


@pytest.mark.parametrize(
    "body",
    [
        b'{"success":true}',
        b' \t\r\n{ "success" \n: true } \n',
        b'{"succes\\u0073":true}',
        b'{"success":false,"success":true}',
        b'{"unknown":{"success":false},"success":true,"another":[1e400,null,"x"]}',
        '{"grün":"🦊","success":true}'.encode(),
        b'{"success":true,"deep":' + b"[" * 499 + b"]" * 499 + b"}",
    ],
)
def test_a_receipt(body: bytes) -> None:
    assert is_receipt(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"true",
        b'["success",true]',
        b'{"Success":true}',
        b'{"success":"true"}',
        b'{"success":1}',
        b'{"success":true,"success":false}',
        b'{"success":true',
        b'{"success":true,}',
        b'{"success":true} {"success":true}',
        b'{"success":true}\x00',
        b"{'success':true}",
        b"{success:true}",
        b'{"success":true/**/}',
        b'{"success":true,"x":NaN}',
        b'{"success":true,"x":"\n"}',
        b'\xef\xbb\xbf{"success":true}',
        '{"success":true}'.encode("utf-16"),
        b'{"success":true,"deep":' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"success":true,"deep":' + b'{"x":' * 500 + b"1" + b"}" * 500 + b"}",
        b'{"success":true,"deep":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_no_receipt(body: bytes) -> None:
    assert not is_receipt(body)


def test_a_field_that_comes_twice_counts_as_it_came_last() -> None:
    outcome = read(Response(200, {}, b'{"success":true,"success":false}'))
    assert isinstance(outcome, NotDeletedError)


def test_a_body_that_nests_too_deeply_is_not_read_at_all() -> None:
    body = b'{"success":false,"error":"x","deep":' + b"[" * 500 + b"]" * 500 + b"}"
    outcome = read(Response(404, {}, body))
    assert isinstance(outcome, UnexpectedResponseError)
    assert outcome.message is None


ON_A_SMALL_STACK = """
import contextlib, threading
from firecrawl_interact.core import Response, ResponseError, wire
from firecrawl_interact.core.headers import request_headers

HEADERS = request_headers(None)

def read_all():
    for count in (10, 250, 499, 500, 1_000, 100_000, 500_000):
        for opening, closing in ((b"[", b"]"), (b'{"x":', b"}"), (b'[{"x":', b"}]"), (b"[", b"")):
            deep = opening * count + b"1" + closing * count
            for body in (deep, b'{"success":true,"x":' + deep + b"}", b'{"status":' + deep + b"}",
                         b'{"success":true,"status":' + deep + b"}", b'{"success":' + deep + b"}"):
                with contextlib.suppress(ResponseError):
                    wire.parse_response(
                        Response(200, {}, body), headers=HEADERS, session_id="s", attempts=1
                    )
    print("alive")

threading.stack_size(128 * 1024)
thread = threading.Thread(target=read_all)
thread.start()
thread.join()
"""


def test_deep_nesting_does_not_end_a_process_on_a_small_stack() -> None:
    # In a process of its own: a crash must fail this test, not end all tests.
    process = subprocess.run(
        [sys.executable, "-c", ON_A_SMALL_STACK], capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stdout) == (0, "alive\n")
