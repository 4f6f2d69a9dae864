"""What reads bytes from outside reads them as plain readers do that share none of its code.

Here each looks at a few hundred examples. `make proof MINUTES=30` goes on for so long, with new
ones. What that finds becomes an example (`@example`).
"""

import contextlib
import os
from collections.abc import Callable
from time import monotonic

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from firecrawl_interact.adapters.http.framing import ParsedResponse, ResponseParser
from firecrawl_interact.core import BadResponseError

from ..core.test_wire_properties import RESPONSES, check
from ..made_up_responses import cut, streams
from .readers import NoResponseError, read_http_response

SECONDS = 30 * float(os.environ.get("PROOF_MINUTES") or 0)  # for each; two run side by side
fuzzing = settings(
    max_examples=2_000 if SECONDS else 1_500,
    derandomize=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def parse(pieces: list[bytes]) -> ParsedResponse | None:
    """What our parser makes of bytes that come in pieces: None if they are no whole response."""
    parser = ResponseParser("DELETE")
    with contextlib.suppress(BadResponseError):
        for piece in pieces:
            parser.feed(piece)
    return parser.response


@fuzzing
@given(streams(), st.lists(st.integers(0, 1_000), max_size=6))
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", [])
def http_responses(data: bytes, places: list[int]) -> None:
    found = parse(cut(data, places))
    try:
        right = read_http_response(data)
    except NoResponseError:
        assert found is None
        return
    whole = parse([data])
    assert found is not None
    assert whole is not None
    assert (found.status, found.headers, found.body, whole.ends_connection) == right


@pytest.mark.parametrize("look", [http_responses, fuzzing(given(*RESPONSES)(check))])
def test_fuzzing_finds_nothing_in(look: Callable[[], None]) -> None:
    end = monotonic() + SECONDS
    look()
    while monotonic() < end:
        look()
