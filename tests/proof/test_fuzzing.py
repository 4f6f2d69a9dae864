"""What reads bytes from outside reads them as plain readers do that share none of its code.

Here each looks at a few hundred examples. `make proof MINUTES=30` goes on for so long, with new
ones. What that finds becomes an example (`@example`).
"""

import contextlib
import json
import os
import re
from collections.abc import Callable
from time import monotonic

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from firecrawl_interact.adapters.http.framing import ParsedResponse, ResponseParser
from firecrawl_interact.core import (
    BadResponseError,
    DeletionReceipt,
    Response,
    ResponseError,
    request_headers,
    wire,
)

from .readers import NoResponseError, read_http_response, read_outcome

SECONDS = 30 * float(os.environ.get("PROOF_MINUTES") or 0)  # for each; two run side by side
fuzzing = settings(
    max_examples=2_000 if SECONDS else 1_500,
    derandomize=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@st.composite
def spoilt(draw: st.DrawFn, wholes: st.SearchStrategy[bytes], pieces: list[bytes]) -> bytes:
    """Bytes of which a few were lost, doubled, changed or added; or none were."""
    data = draw(wholes)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2, 3]))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 8)))
        piece = draw(
            st.sampled_from([b"", data[start:end] * 2, *pieces]) | st.binary(min_size=1, max_size=2)
        )
        data = data[:start] + piece + data[end:]
    return data


# --- the reader of HTTP responses -------------------------------------------------------------

CONTENT = b'{"success":true}'
STATUS_LINES = [
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 200",
    b"HTTP/1.0 404 Not Found",
    b"HTTP/1.1 204 No Content",
    b"HTTP/1.1 429 Too Many\x7f Requests",
    b"HTTP/1.1 502 ",
]
INTERIM = [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"]
FIELDS = [
    b"Content-Length: 16",
    b"Transfer-Encoding: chunked",
    b"Content-Encoding: identity",
    b"Content-Encoding: gzip",
    b"Connection: keep-alive, Close",
    b"Connection: keep-alive",
    b"Retry-After: 7",
    b"X-Request-ID: \xe4 \t",
    b"X: \x7f",
    b"X : y",
    b"X:\r\n folded",
    b"X: a\r\n\t\r\n b",
]
LENGTHS = [
    b"Content-Length: 16",
    b"content-length:16 ",
    b"Content-Length: 16, 16",
    b"Content-Length: 16, 17",
    b"Content-Length: +16",
    b"Content-Length: 1\xb2",
    b"Content-Length: 9999999",
]
CHUNKED = [b"Transfer-Encoding: chunked", b"transfer-encoding:CHUNKED", b"Transfer-Encoding: x"]
CHUNKS = [
    b"10\r\n" + CONTENT + b"\r\n0\r\n\r\n",
    b"4 ;a=b\r\n" + CONTENT[:4] + b"\r\nC\r\n" + CONTENT[4:] + b"\r\n00;c\r\nX: y\r\n\r\n",
    b"10\r\n" + CONTENT + b"\n\n0\r\n\r\n",
    b"10\r\n" + CONTENT + b"\r\n0\r\nX : y\r\n\r\n",
    b"0x10\r\n" + CONTENT + b"\r\n0\r\n\r\n",
    b"1_0\r\n" + CONTENT + b"\r\n0\r\n\r\n",
]


def written(
    interim: list[bytes], status: bytes, fields: list[bytes], framed: tuple[bytes, bytes]
) -> bytes:
    field, body = framed
    return b"".join(interim) + b"\r\n".join([status, field, *fields, b"", b""]) + body


HTTP_RESPONSES = st.builds(
    written,
    st.lists(st.sampled_from(INTERIM), max_size=1) | st.lists(st.sampled_from(INTERIM), max_size=9),
    st.sampled_from(STATUS_LINES),
    st.lists(st.sampled_from(FIELDS), max_size=2),
    st.tuples(st.sampled_from(LENGTHS), st.sampled_from([CONTENT, CONTENT + b"x"]))
    | st.tuples(st.sampled_from(CHUNKED), st.sampled_from(CHUNKS)),
)
HTTP_PIECES = [b"\r\n", b"\n", b"\r", b" ", b":", b"0", b"1", b"\0", b"\xff", b",", b";", b"close"]


def parse(pieces: list[bytes]) -> ParsedResponse | None:
    """What our parser makes of bytes that come in pieces: None if they are no whole response."""
    parser = ResponseParser("DELETE")
    with contextlib.suppress(BadResponseError):
        for piece in pieces:
            parser.feed(piece)
    return parser.response


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False) if end > start]


@fuzzing
@given(spoilt(HTTP_RESPONSES, HTTP_PIECES), st.lists(st.integers(0, 1_000), max_size=6))
@example(written([], STATUS_LINES[0], [b"Connection: close"], (LENGTHS[0], CONTENT)), [])
def http_responses(data: bytes, places: list[int]) -> None:
    found = parse(cut(data, places))
    try:
        right = read_http_response(data)
    except NoResponseError:
        assert found is None
        return
    assert found is not None
    assert (found.status, found.headers, found.body) == right[:3]
    whole = parse([data])
    assert whole is not None
    assert whole.ends_connection is right.ends_connection


# --- the reader of the service's words --------------------------------------------------------

WORDS = st.sampled_from(
    ["Hangar request failed.", "Browser session not found.", "", "retry after 9s", "of zq-key"]
)
VALUES = st.recursive(
    st.sampled_from([True, False, None, "true", 0, 1, 39095.5, 10**30]) | WORDS,
    lambda values: st.lists(values, max_size=2) | st.dictionaries(WORDS, values, max_size=2),
    max_leaves=4,
)
NAMES = st.sampled_from(
    ["success", "error", "message", "code", "status", "creditsBilled", "sessionDurationMs", "x"]
)
CONTENTS = st.fixed_dictionaries(
    {"success": st.booleans()}, optional={"error": WORDS, "message": WORDS, "status": WORDS}
) | st.dictionaries(NAMES, VALUES, max_size=5)
JSON_TEXTS = st.builds(
    lambda content, is_ascii, indent: json.dumps(
        content, ensure_ascii=is_ascii, indent=indent
    ).encode(),
    CONTENTS | CONTENTS | VALUES,
    st.booleans(),
    st.sampled_from([None, 1]),
)
JSON_PIECES = [
    b'"',
    b"{",
    b"}",
    b"[",
    b",",
    b":",
    b"true",
    b"false",
    b"null",
    b"\\u00e9",
    b"NaN",
    b"\xff",
]
KEY = "zq-key"  # No escaped byte can look like its beginning.
HEADERS = request_headers(KEY)


@fuzzing
@given(
    st.sampled_from([200, 404, 410, 401, 429, 502]) | st.integers(100, 599),
    spoilt(JSON_TEXTS, [*JSON_PIECES, b'"success":true', b"zq-key", b"[" * 501]),
)
@example(401, b'{"%s": 1, "error": "Hangar request failed."}' % (b"[" * 500))
def words_of_the_service(status: int, body: bytes) -> None:
    outcome: DeletionReceipt | ResponseError
    try:
        outcome = wire.parse_response(
            Response(status, {}, body), headers=HEADERS, session_id="session-1", attempts=1
        )
    except ResponseError as error:
        outcome = error
    assert KEY not in repr(outcome) + str(outcome)
    name = type(outcome).__name__
    text = body.decode(errors="replace")
    if "\ufffd" in text or re.search(r"\\u[dD][89a-fA-F]", text):
        # Readers of JSON differ on what is not text. The doubt may only make us know less.
        assert name == read_outcome(status, text) or outcome.session_fate.name != "GONE"
    else:
        assert name == read_outcome(status, text)


@pytest.mark.parametrize("look", [http_responses, words_of_the_service])
def test_fuzzing_finds_nothing_in(look: Callable[[], None]) -> None:
    end = monotonic() + SECONDS
    look()
    while monotonic() < end:
        look()
