"""What a call says of each response and failure: its words and its attributes.

Which class each response has is in `test_wire_properties`, and the fate of each in `test_errors`.
"""

from typing import NamedTuple

import pytest

from firecrawl_interact import core

from .scripted_transport import SESSION_ID, error_of, response

GONE, UNTOUCHED, UNKNOWN = core.SessionFate
WHAT_IT_MEANS = {
    GONE: "Nothing is left to bill under this id.",
    UNTOUCHED: "This call did nothing to it: if it was running, it is still billed.",
    UNKNOWN: "It may still be running and billing.",
}
DELETE_AGAIN = "Delete it again: a retry is safe and shows whether it is gone."
CHECK_ID = "If the id or the address is wrong, the real session goes on: check them."
OTHER_KEY = "Use a key of the team that opened the session, unless the text says otherwise."
LATER = "Delete it again in a minute, or later if the text says so."
NOT_KNOWN = ", a response that the service is not known to send"
ADDRESS = core.UnexpectedResponseError.advice


class Row(NamedTuple):
    """A response that is not a receipt, and what its error must be."""

    response: core.Response
    kind: type[core.ResponseError]
    says: str  # behind the status
    advice: str = DELETE_AGAIN


def spoken(
    status: int, words: str, kind: type[core.ResponseError], advice: str = DELETE_AGAIN
) -> Row:
    """A response in the service's JSON, whose words the error quotes."""
    content = {"success": False, "error": words}
    return Row(response(status, content), kind, f": {words.removesuffix('.')}", advice)


def page(status: int, kind: type[core.ResponseError], advice: str) -> Row:
    """A page of somebody else's."""
    says = " with a body that begins '<html>\\n'"
    return Row(core.Response(status, {}, b"<html>\n"), kind, says, advice)


NOT_FOUND = spoken(404, "Browser session not found.", core.SessionNotFoundError, CHECK_ID)
BLOCKED, NO_ROUTE = {"error": "blocked"}, {"success": False, "message": "No route"}
NO_KEY = response(401, {"success": False, "error": "Who?"}, {"retry-after": "7"})
OTHER_VERSION = core.Response(404, {}, b"<pre>Cannot DELETE /v1/v2/interact/a</pre>")
ROWS = [
    spoken(200, "Not now.", core.NotDeletedError),
    spoken(400, "Bad id.", core.BadRequestError, "Check the session id."),
    Row(NO_KEY, core.UnauthorizedError, ": Who?", "Check the API key."),
    page(401, core.UnauthorizedError, ADDRESS),
    spoken(402, "Pay.", core.PaymentRequiredError, "Check the account's plan and credits."),
    spoken(403, "Forbidden.", core.ForbiddenError, OTHER_KEY),
    Row(response(403, BLOCKED), core.ForbiddenError, ": blocked", ADDRESS),
    NOT_FOUND,
    spoken(404, "Hangar request failed.", core.ServiceUnavailableError),
    Row(response(404, NO_ROUTE), core.UnexpectedResponseError, f": No route{NOT_KNOWN}", ADDRESS),
    Row(
        OTHER_VERSION,
        core.UnexpectedResponseError,
        f" with a body that begins '<pre>Cannot DELETE /v1/v2/interact/a</pre>'{NOT_KNOWN}",
        ADDRESS,
    ),
    Row(core.Response(418, {}, b""), core.UnexpectedResponseError, NOT_KNOWN, ADDRESS),
    spoken(429, "Busy.", core.RateLimitError, LATER),
    page(502, core.ServiceUnavailableError, DELETE_AGAIN),
    Row(core.Response(599, {}, b""), core.ServiceUnavailableError, ""),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.response.status}{row.says}")
def test_what_is_no_receipt_raises_its_own_error_and_says_what_happened(row: Row) -> None:
    error = error_of(core.ResponseError, row.response)
    status, fate = row.response.status, row.kind.session_fate
    assert (type(error), error.session_fate) == (row.kind, fate)
    assert (error.session_id, error.status, error.attempts) == (SESSION_ID, status, 1)
    can_pass = (
        fate is UNKNOWN
        or row.kind is core.RateLimitError
        or (row.advice == ADDRESS and status in {401, 403})
    )
    assert error.transient is can_pass
    said = f"HTTP {status}{row.says}. {WHAT_IT_MEANS[fate]} {row.advice}"
    assert str(error) == f"Session '{SESSION_ID}': {said}"


NO_RETRY = "Correct that first: a retry will not help."
FAILURES = [
    (core.ConnectFailedError("refused"), UNTOUCHED, True, DELETE_AGAIN),
    (core.ConnectFailedError("untrusted", transient=False), UNTOUCHED, False, NO_RETRY),
    (core.TimedOutError(""), UNKNOWN, True, DELETE_AGAIN),
    (core.BadResponseError("larger than 1 MiB", transient=False), UNKNOWN, True, DELETE_AGAIN),
]


@pytest.mark.parametrize(("failure", "fate", "can_pass", "advice"), FAILURES, ids=repr)
def test_no_response_keeps_the_failure_as_the_cause_and_says_whether_a_retry_can_help(
    failure: core.TransportError, fate: core.SessionFate, can_pass: bool, advice: str
) -> None:
    error = error_of(core.UnreachableError, failure, failure)
    assert (error.session_fate, error.transient) == (fate, can_pass)
    assert error.__cause__ is failure
    counted = "2 attempts. " if can_pass else ""
    words = f"{failure.args[0] or 'TimedOutError'}. {counted}{WHAT_IT_MEANS[fate]} {advice}"
    assert str(error) == f"Session '{SESSION_ID}': {words}"


A_UUID = "550e8400-e29b-41d4-a716-446655440000"


@pytest.mark.parametrize("status", [500, 502])
@pytest.mark.parametrize(
    ("name", "is_uuid"),
    [(A_UUID, True), (A_UUID.upper().replace("-", ""), True), (f"{A_UUID}0", False)],
)
def test_an_id_that_is_not_a_uuid_fails_for_ever_with_500(
    status: int, name: str, is_uuid: bool
) -> None:
    says = "The id is not a UUID, and the service fails so for each of these: check the id."
    has_advice = status == 500 and not is_uuid
    for session_id in (name, f"scrape:{name}"):
        error = error_of(
            core.ServiceUnavailableError, response(status, BLOCKED), session_id=session_id
        )
        assert error.advice == (says if has_advice else DELETE_AGAIN)


def test_a_missing_key_is_named_with_its_variable() -> None:
    error = error_of(core.UnauthorizedError, NO_KEY, api_key=None)
    assert "pass the service's key, or set FIRECRAWL_API_KEY" in error.advice


def test_a_key_that_is_a_word_of_the_service_s_does_not_hide_that_a_session_is_gone() -> None:
    error = error_of(core.SessionNotFoundError, NOT_FOUND.response, api_key="session")
    assert "session not" not in str(error)


@pytest.mark.parametrize(("said", "kept"), [("req-1", "req-1"), ("i" * 501, "i" * 500), ("", None)])
def test_the_request_id_is_kept_for_the_support(said: str, kept: str | None) -> None:
    error = error_of(core.ResponseError, response(500, None, {"x-request-id": said}))
    assert (error.request_id, error.retry_after) == (kept, None)
    assert error_of(core.ResponseError, response(500)).request_id is None


def test_a_long_page_is_quoted_in_part_and_escaped() -> None:
    error = error_of(core.BadRequestError, core.Response(400, {}, b"\x1b[31m\xff" + b"x" * 9_999))
    assert f" '\\x1b[31m\ufffd{'x' * 91}'. " in str(error)
