"""What a call says of each response and failure: its words and its attributes.

Which class each response has is in `test_wire_properties`, and the fate of each in `test_errors`.
"""

from typing import NamedTuple

import pytest

from firecrawl_interact.core import (
    BadRequestError,
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    ForbiddenError,
    NotDeletedError,
    PaymentRequiredError,
    RateLimitError,
    Response,
    ResponseError,
    ServiceUnavailableError,
    SessionFate,
    SessionNotFoundError,
    TimedOutError,
    TransportError,
    UnauthorizedError,
    UnexpectedResponseError,
    UnreachableError,
)

from .scripted_transport import SESSION_ID, UNAUTHORIZED, error_of, page, response

WHAT_IT_MEANS = {
    SessionFate.GONE: "Nothing is left to bill.",
    SessionFate.UNTOUCHED: "This call did nothing to it: if it was running, it is still billed.",
    SessionFate.UNKNOWN: "It may still be running and billing.",
}
DELETE_AGAIN = "Delete it again: a retry is safe and shows whether it is gone."
NOT_KNOWN = ", a response that the service is not known to send"
GATEWAYS = (
    "The service itself did not say this: check its address, and any gateway or proxy on the way."
)
PROXIES = (
    "Check the address of the service, and any proxy on the way to it. "
    "Then delete it again: a retry is safe and shows whether it is gone."
)
ROUTE = (
    "This does not say that the session is gone. Check the address of the service: a server older "
    "than June 2026 does not know /v2/interact, only the older route /v2/browser."
)


class Row(NamedTuple):
    """A response that is not a receipt, and what its error must be."""

    response: Response
    kind: type[ResponseError]
    says: str  # behind the status
    advice: str = DELETE_AGAIN


def spoken(status: int, words: str, kind: type[ResponseError], advice: str = DELETE_AGAIN) -> Row:
    """A response in the service's JSON, whose words the error quotes."""
    content = {"success": False, "error": words}
    return Row(response(status, content), kind, f": {words.removesuffix('.')}", advice)


RESPONSES = {
    "200 with success false": spoken(200, "Not now.", NotDeletedError),
    "404 from the service": spoken(
        404,
        "Browser session not found.",
        SessionNotFoundError,
        "If you expected it to live, check the id.",
    ),
    "404 of the backend": spoken(404, "Hangar request failed.", ServiceUnavailableError),
    "400": spoken(400, "Bad id.", BadRequestError, "Check the session id."),
    "401": spoken(401, "Unauthorized: Invalid token", UnauthorizedError, "Check the API key."),
    "401 as a page": Row(
        page(401, b"<html>"), UnauthorizedError, " with a body that begins '<html>'", GATEWAYS
    ),
    "402, which has no success field": Row(
        response(402, {"error": "Payment required."}),
        PaymentRequiredError,
        ": Payment required",
        "Check the account's plan and credits.",
    ),
    "403": spoken(
        403, "Forbidden.", ForbiddenError, "Use a key of the team that opened the session."
    ),
    "403 in JSON of a gateway": Row(
        response(403, {"error": "blocked"}), ForbiddenError, ": blocked", GATEWAYS
    ),
    "429 without a wait": spoken(429, "Busy.", RateLimitError, "Delete it again in a minute."),
    "429 with a wait": Row(
        response(429, {"success": False, "error": "Slow down."}, {"retry-after": "7"}),
        RateLimitError,
        ": Slow down",
        "Delete it again in 7 seconds.",
    ),
    "502": spoken(502, "Browser is still stopping.", ServiceUnavailableError),
    "599 without a word": Row(page(599, b""), ServiceUnavailableError, ""),
    "418": Row(page(418, b""), UnexpectedResponseError, NOT_KNOWN, PROXIES),
    "200 that is a page": Row(
        page(200, b"<html>\n"),
        UnexpectedResponseError,
        f" with a body that begins '<html>\\n'{NOT_KNOWN}",
        PROXIES,
    ),
    "404 of a router": Row(
        response(404, {"success": False, "message": "No route"}),
        UnexpectedResponseError,
        f": No route{NOT_KNOWN}",
        ROUTE,
    ),
}


@pytest.mark.parametrize("row", RESPONSES.values(), ids=RESPONSES.keys())
def test_a_response_that_is_not_a_receipt_raises_its_own_error_and_says_what_happened(
    row: Row,
) -> None:
    error = error_of(ResponseError, row.response)
    status, fate = row.response.status, row.kind.session_fate
    assert (type(error), error.session_fate) == (row.kind, fate)
    assert (error.session_id, error.status, error.attempts) == (SESSION_ID, status, 1)
    said = f"HTTP {status}{row.says}. {WHAT_IT_MEANS[fate]} {row.advice}"
    assert str(error) == f"Session '{SESSION_ID}': {said}"


FAILURES = [
    (ConnectFailedError("refused"), SessionFate.UNTOUCHED, True),
    (ConnectFailedError("untrusted", transient=False), SessionFate.UNTOUCHED, False),
    (TimedOutError("no response within 90 s"), SessionFate.UNKNOWN, True),
    (ConnectionLostError("closed", stale=True), SessionFate.UNKNOWN, True),
    (BadResponseError("larger than 1 MiB", transient=False), SessionFate.UNKNOWN, True),
]


@pytest.mark.parametrize(("failure", "fate", "can_pass"), FAILURES, ids=repr)
def test_no_response_keeps_the_failure_as_the_cause_and_says_whether_a_retry_can_help(
    failure: TransportError, fate: SessionFate, can_pass: bool
) -> None:
    error = error_of(UnreachableError, failure, failure)
    assert (error.session_fate, error.transient) == (fate, can_pass)
    assert error.__cause__ is failure
    advice = DELETE_AGAIN if can_pass else "Correct that first: a retry will not help."
    counted = "2 attempts. " if can_pass else ""
    words = f"Session '{SESSION_ID}': {failure}. {counted}{WHAT_IT_MEANS[fate]} {advice}"
    assert str(error) == words


def test_a_401_without_a_key_says_that_none_was_set() -> None:
    error = error_of(UnauthorizedError, UNAUTHORIZED, api_key=None)
    assert str(error).endswith("No API key was set: pass the service's key as api_key.")


def test_a_key_that_is_a_word_of_the_service_s_does_not_hide_that_a_session_is_gone() -> None:
    gone = RESPONSES["404 from the service"].response
    error = error_of(SessionNotFoundError, gone, api_key="session")
    assert "session not" not in str(error)


# The service's own words: read leniently, cut, and safe to print


@pytest.mark.parametrize(
    ("said", "message", "code"),
    [
        ({"error": "first", "message": "second"}, "first", None),
        ({"error": "", "message": "second"}, "second", None),
        ({"error": "", "message": "", "code": ""}, None, None),
        ({"error": None, "message": None, "code": None}, None, None),
        ({"error": {"text": "?"}, "message": "second"}, "second", None),
        ({"error": 7, "message": [], "code": 7}, None, None),
        ({"error": "two\nlines\x1b[0m\u202e"}, "two\\nlines\\x1b[0m\\u202e", None),
        ({"error": "grün 🦊", "code": "CODE"}, "grün 🦊", "CODE"),
        ({"error": "e" * 501, "code": "c" * 501}, "e" * 500, "c" * 500),
        ({"error": "\x07" * 600}, "\\x07" * 125, None),
    ],
)
def test_the_service_s_words_are_read_leniently_cut_and_made_safe_to_print(
    said: dict[str, object], message: str | None, code: str | None
) -> None:
    error = error_of(ResponseError, response(400, {"success": False, **said}))
    assert (error.message, error.code) == (message, code)


@pytest.mark.parametrize(("said", "kept"), [("req-1", "req-1"), ("i" * 501, "i" * 500), ("", None)])
def test_the_request_id_is_kept_for_the_support(said: str, kept: str | None) -> None:
    error = error_of(ResponseError, response(500, None, {"x-request-id": said}))
    assert (error.request_id, error.retry_after) == (kept, None)


def test_a_long_page_is_quoted_in_part_and_escaped() -> None:
    error = error_of(BadRequestError, page(400, b"\x1b[31m" + b"x" * 10_000))
    assert f" '\\x1b[31m{'x' * 92}'. " in str(error)


@pytest.mark.parametrize("body", [b'{"error":"\xff"}', b'{"success":false,"error":"\xff"}'])
def test_words_that_are_no_text_do_not_hide_the_status(body: bytes) -> None:
    assert error_of(PaymentRequiredError, page(402, body)).message is None
