"""The receipt as an object."""

import msgspec
import pytest

from firecrawl_interact.core import DeletionReceipt, SessionFate

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
