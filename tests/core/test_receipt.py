"""The receipt as an object, and its figures: whatever they are, the session stays destroyed."""

import json
import logging

import msgspec
import pytest
from hypothesis import assume, example, given

from firecrawl_interact.core import DeletionReceipt, Response, SessionFate, wire
from firecrawl_interact.core.headers import request_headers

from .json_values import Json, json_values, numbers, texts
from .log_records import log_records
from .scripted_transport import SESSION_ID, Delete, ScriptedTransport, both_ways, response

RECEIPT = DeletionReceipt(
    session_id=SESSION_ID,
    session_duration_ms=39095,
    credits_billed=2,
    status="stopped",
    attempts=1,
)


def test_a_receipt_says_that_the_session_is_gone() -> None:
    assert RECEIPT.session_fate is SessionFate.GONE


def test_a_receipt_is_written_to_json_and_read_back() -> None:
    assert msgspec.json.encode(RECEIPT) == (
        b'{"session_id":"%s","session_duration_ms":39095,"credits_billed":2,'
        b'"status":"stopped","attempts":1}' % SESSION_ID.encode()
    )
    written = msgspec.json.encode(RECEIPT)
    assert msgspec.json.decode(written, type=DeletionReceipt) == RECEIPT


@pytest.mark.parametrize("figure", [2**63, 2**64, -(2**64), 1e30, 1e308, 10**400])
@both_ways
def test_a_receipt_with_an_absurd_figure_can_still_be_written(
    figure: float, delete: Delete
) -> None:
    content = {"success": True, "sessionDurationMs": figure, "creditsBilled": figure}
    receipt = delete(ScriptedTransport(response(200, content)))
    assert msgspec.json.encode(receipt)


def test_the_fates_are_three_words() -> None:
    assert [fate.value for fate in SessionFate] == ["gone", "untouched", "unknown"]


# Its figures

FIELDS = {
    "sessionDurationMs": "session_duration_ms",
    "creditsBilled": "credits_billed",
    "status": "status",
}
HEADERS = request_headers(None)


def receipt(body: bytes) -> tuple[DeletionReceipt, list[logging.LogRecord]]:
    """Read a body that must be a receipt, and what was logged meanwhile."""
    with log_records() as records:
        outcome = wire.parse_response(
            Response(200, {}, body), headers=HEADERS, session_id=SESSION_ID, attempts=3
        )
    assert isinstance(outcome, DeletionReceipt)
    assert (outcome.session_id, outcome.attempts) == (SESSION_ID, 3)
    return outcome, records


def destroyed(**fields: object) -> bytes:
    return json.dumps({"success": True, **fields}).encode()


def warned(records: list[logging.LogRecord]) -> list[str]:
    assert all(record.name == "firecrawl_interact" for record in records)
    assert all(record.levelno == logging.WARNING for record in records)
    return [record.getMessage() for record in records]


@given(numbers, numbers, texts)
@example(2, 39095.00002861023, "stopped")
def test_the_figures_are_those_that_came_with_the_duration_in_whole_milliseconds(
    credits_billed: float, duration: float, status: str
) -> None:
    fields = {"creditsBilled": credits_billed, "sessionDurationMs": duration, "status": status}
    got, records = receipt(destroyed(**fields))
    assert (got.credits_billed, type(got.credits_billed)) == (credits_billed, type(credits_billed))
    assert (got.session_duration_ms, type(got.session_duration_ms)) == (round(duration), int)
    assert got.status == status
    assert records == []


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("fields", ["missing", "null"])
def test_a_figure_that_is_missing_or_null_is_none_without_a_word(name: str, fields: str) -> None:
    got, records = receipt(destroyed(**({} if fields == "missing" else {name: None})))
    assert getattr(got, FIELDS[name]) is None
    assert records == []


@pytest.mark.parametrize("name", FIELDS)
@given(value=json_values)
def test_a_figure_of_another_type_is_none_with_a_warning(name: str, value: Json) -> None:
    assume(type(value) not in {type(None), *((str,) if name == "status" else (int, float))})
    got, records = receipt(destroyed(**{name: value}))
    assert getattr(got, FIELDS[name]) is None
    assert warned(records) == [f"session '{SESSION_ID}': destroyed, but its bill cannot be read"]


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("odd", [b"1e400", b"-1e400", b"9" * 5_000])
def test_a_number_beyond_all_numbers_is_none_with_a_warning(name: str, odd: bytes) -> None:
    got, records = receipt(b'{"success":true,"%s":%s}' % (name.encode(), odd))
    assert getattr(got, FIELDS[name]) is None
    assert len(warned(records)) == 1


def test_an_odd_figure_does_not_spoil_the_others() -> None:
    got, records = receipt(destroyed(sessionDurationMs="long", creditsBilled=2, status="stopped"))
    assert (got.session_duration_ms, got.credits_billed, got.status) == (None, 2, "stopped")
    assert len(records) == 1
