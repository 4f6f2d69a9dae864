"""The receipt and its figures: whatever they are, the session stays destroyed."""

import json
import logging

import msgspec
import pytest
from hypothesis import assume, example, given

from firecrawl_interact.core import DeletionReceipt, Response, SessionFate, wire
from firecrawl_interact.core.headers import request_headers

from .json_values import Json, json_values, numbers, texts
from .log_records import log_records
from .scripted_transport import SESSION_ID

FIELDS = {
    "sessionDurationMs": "session_duration_ms",
    "creditsBilled": "credits_billed",
    "status": "status",
}
WARNING = f"session '{SESSION_ID}': destroyed, but its bill cannot be read"


def receipt(body: bytes, warnings: int = 0) -> DeletionReceipt:
    """Read a body that must be a receipt, with so many warnings."""
    with log_records() as records:
        outcome = wire.parse_response(
            Response(200, {}, body),
            headers=request_headers(None),
            session_id=SESSION_ID,
            attempts=3,
        )
    assert (outcome.session_id, outcome.attempts) == (SESSION_ID, 3)
    logged = [(record.levelno, record.getMessage()) for record in records]
    assert logged == [(logging.WARNING, WARNING)] * warnings
    assert msgspec.json.decode(msgspec.json.encode(outcome), type=DeletionReceipt) == outcome
    return outcome


def destroyed(**fields: object) -> bytes:
    return json.dumps({"success": True, **fields}).encode()


def test_a_receipt_is_written_as_json_and_says_that_the_session_is_gone() -> None:
    got = receipt(destroyed(sessionDurationMs=39095.00002861023, creditsBilled=2, status="stopped"))
    assert msgspec.json.encode(got) == (
        b'{"session_id":"%s","session_duration_ms":39095,"credits_billed":2,'
        b'"status":"stopped","attempts":3}' % SESSION_ID.encode()
    )
    assert got.session_fate is SessionFate.GONE
    assert DeletionReceipt(session_id="a").attempts == 1
    assert [fate.value for fate in SessionFate] == ["gone", "untouched", "unknown"]


@given(numbers, numbers, texts)
@example(2**64, 1e308, "")
def test_the_figures_are_those_that_came_with_the_duration_in_whole_milliseconds(
    credits_billed: float, duration: float, status: str
) -> None:
    got = receipt(
        destroyed(creditsBilled=credits_billed, sessionDurationMs=duration, status=status)
    )
    assert (got.credits_billed, type(got.credits_billed)) == (credits_billed, type(credits_billed))
    assert (got.session_duration_ms, type(got.session_duration_ms)) == (round(duration), int)
    assert got.status == status


@pytest.mark.parametrize("name", FIELDS)
def test_a_figure_that_is_missing_or_null_is_none_without_a_word(name: str) -> None:
    for body in (destroyed(), destroyed(**{name: None})):
        assert getattr(receipt(body), FIELDS[name]) is None


@pytest.mark.parametrize("name", FIELDS)
@given(value=json_values)
def test_a_figure_of_another_type_is_none_with_a_warning(name: str, value: Json) -> None:
    assume(type(value) not in {type(None), *((str,) if name == "status" else (int, float))})
    assert getattr(receipt(destroyed(**{name: value}), warnings=1), FIELDS[name]) is None


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("odd", [b"1e400", b"-1e400", b"9" * 5_000])
def test_a_number_beyond_all_numbers_is_none_with_a_warning(name: str, odd: bytes) -> None:
    body = b'{"success":true,"%s":%s}' % (name.encode(), odd)
    assert getattr(receipt(body, warnings=1), FIELDS[name]) is None


def test_an_odd_figure_does_not_spoil_the_others() -> None:
    body = destroyed(sessionDurationMs="long", creditsBilled=2, status="stopped")
    got = receipt(body, warnings=1)
    assert (got.session_duration_ms, got.credits_billed, got.status) == (None, 2, "stopped")
