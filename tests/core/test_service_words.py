"""The service's own words in an error: read leniently, cut, and safe to print."""

import pytest

from firecrawl_interact.core import PaymentRequiredError, ResponseError

from .scripted_transport import ScriptedTransport, delete_blocking, error_of, page, response


def test_a_long_page_is_quoted_in_part_and_escaped() -> None:
    error = error_of(delete_blocking, ScriptedTransport(page(400, b"\x1b[31m" + b"x" * 10_000)))
    assert "x" * 92 in str(error)
    assert "x" * 93 not in str(error)
    assert str(error).isprintable()


def test_the_service_s_words_are_kept_to_500_characters() -> None:
    said = {"success": False, "error": "e" * 600, "code": "c" * 600}
    error = error_of(
        delete_blocking, ScriptedTransport(response(400, said, {"x-request-id": "i" * 600}))
    )
    assert isinstance(error, ResponseError)
    assert (error.message, error.code, error.request_id) == ("e" * 500, "c" * 500, "i" * 500)


@pytest.mark.parametrize(
    ("said", "message", "code"),
    [
        ({"error": "first", "message": "second"}, "first", None),
        ({"message": "second"}, "second", None),
        ({"error": "", "message": "second"}, "second", None),
        ({"error": "", "message": "", "code": ""}, None, None),
        ({"error": None, "message": "second"}, "second", None),
        ({"error": {"text": "?"}, "message": "second"}, "second", None),
        ({"error": 7, "message": [], "code": 7}, None, None),
        ({"error": "words", "code": "CODE"}, "words", "CODE"),
        ({"error": "two\nlines\x1b[0m\u202e"}, "two\\nlines\\x1b[0m\\u202e", None),
        ({"error": "grün 🦊"}, "grün 🦊", None),
    ],
)
def test_the_service_s_words_are_read_leniently_and_made_safe_to_print(
    said: dict[str, object], message: str | None, code: str | None
) -> None:
    error = error_of(delete_blocking, ScriptedTransport(response(400, {"success": False, **said})))
    assert isinstance(error, ResponseError)
    assert (error.message, error.code) == (message, code)


@pytest.mark.parametrize("body", [b'{"error":"\xff"}', b'{"success":false,"error":"\xff"}'])
def test_words_that_are_no_text_do_not_hide_the_status(body: bytes) -> None:
    error = error_of(delete_blocking, ScriptedTransport(page(402, body)))
    assert isinstance(error, PaymentRequiredError)
    assert error.message is None


def test_words_stay_short_when_they_are_escaped() -> None:
    error = error_of(delete_blocking, ScriptedTransport(response(400, {"error": "\x07" * 600})))
    assert isinstance(error, ResponseError)
    assert len(error.message or "") == 500


def test_an_excerpt_is_escaped_once() -> None:
    error = error_of(delete_blocking, ScriptedTransport(page(400, b"<html>\n")))
    assert "begins '<html>\\n'" in str(error)
