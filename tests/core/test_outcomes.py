"""What becomes of each response and failure: class, fate, attempts, attributes, words."""

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
    RetryPolicy,
    ServiceUnavailableError,
    SessionFate,
    SessionNotFoundError,
    TimedOutError,
    TransportError,
    UnauthorizedError,
    UnexpectedResponseError,
    UnreachableError,
)

from .scripted_transport import (
    DESTROYED,
    RATE_LIMITED,
    SESSION_ID,
    UNAUTHORIZED,
    UNAVAILABLE,
    Delete,
    ScriptedTransport,
    both_ways,
    delete_blocking,
    error_of,
    page,
    response,
)

ONE_ATTEMPT = RetryPolicy(max_attempts=1)
GONE, UNTOUCHED, UNKNOWN = SessionFate.GONE, SessionFate.UNTOUCHED, SessionFate.UNKNOWN

WHAT_IT_MEANS = {
    GONE: "Nothing is left to bill.",
    UNTOUCHED: "This call did nothing to it: if it was running, it is still billed.",
    UNKNOWN: "It may still be running and billing.",
}
DELETE_AGAIN = "Delete it again: a retry is safe and shows whether it is gone."
NOT_KNOWN = "a response that the service is not known to send"
GATEWAYS = "Check the address of the service, and any proxy on the way to it. Then delete it again"
ROUTE = "This does not say that the session is gone. Check the address of the service: a server"

CLOUDFLARES = {"success": False, "errors": [{"code": 7003, "message": "No route"}], "result": None}
BACKEND_FAILED = "Hangar request failed."


def failure(status: int, error: str) -> Response:
    return response(status, {"success": False, "error": error})


class Row(NamedTuple):
    """A response that is not a receipt, and what its error must be."""

    response: Response
    kind: type[ResponseError]
    says: str = ""  # behind the status
    advice: str = ""  # the class's own, unless it begins otherwise
    attributes: tuple[object, ...] = (None, None, None, None)  # message, code, id, retry_after


def spoken(status: int, words: str, kind: type[ResponseError], advice: str = "") -> Row:
    """A response in the service's JSON, whose words the error quotes."""
    says = f": {words.removesuffix('.')}"
    return Row(failure(status, words), kind, says, advice, (words, None, None, None))


def unavailable(status: int) -> Row:
    return Row(page(status, b""), ServiceUnavailableError)


def unexpected(response: Response, says: str = "", advice: str = "") -> Row:
    return Row(response, UnexpectedResponseError, says, advice)


RESPONSES = {
    "200 with success false": spoken(200, "Not now.", NotDeletedError),
    "404 from the service": spoken(
        404, "Browser session not found.", SessionNotFoundError, "If you expected it to live, check"
    ),
    "410 from the service": spoken(410, "Session has been destroyed.", SessionNotFoundError),
    "400": spoken(400, "Bad id.", BadRequestError, "Check the session id."),
    "401": spoken(401, "Unauthorized: Invalid token", UnauthorizedError, "Check the API key."),
    "402, which has no success field": Row(
        response(402, {"error": "Payment required."}),
        PaymentRequiredError,
        ": Payment required",
        "Check the account's plan and credits.",
        attributes=("Payment required.", None, None, None),
    ),
    "403": spoken(403, "Forbidden.", ForbiddenError, "Use a key of the team that opened"),
    "401 as a page": Row(
        page(401, b"<html>"), UnauthorizedError, " with a body that begins '<html>'", GATEWAYS
    ),
    "403 in JSON of a gateway": Row(
        response(403, {"error": "blocked"}),
        ForbiddenError,
        ": blocked",
        GATEWAYS,
        ("blocked", None, None, None),
    ),
    "429 without a wait": spoken(429, "Rate limit exceeded.", RateLimitError),
    "429 with a wait": Row(
        response(429, {"success": False, "error": "Slow down."}, {"retry-after": "7"}),
        RateLimitError,
        ": Slow down",
        "Delete it again in 7 seconds.",
        ("Slow down.", None, None, 7.0),
    ),
    "408": unavailable(408),
    "409": spoken(409, "Browser operation conflicts.", ServiceUnavailableError),
    "425": unavailable(425),
    "500 with code and request id": Row(
        response(
            500,
            {"success": False, "code": "UNKNOWN_ERROR", "error": "An unexpected error."},
            {"x-request-id": "req-1"},
        ),
        ServiceUnavailableError,
        ": An unexpected error",
        attributes=("An unexpected error.", "UNKNOWN_ERROR", "req-1", None),
    ),
    "502": spoken(502, "Browser is still stopping. Retry shortly.", ServiceUnavailableError),
    "524 from a proxy": Row(
        page(524, b"<html>A timeout"),
        ServiceUnavailableError,
        " with a body that begins '<html>A timeout'",
    ),
    "599": unavailable(599),
    "600": unexpected(page(600, b""), f", {NOT_KNOWN}"),
    "418": unexpected(
        page(418, b""), f", {NOT_KNOWN}", "Check the address of the service, and any"
    ),
    "499": unexpected(page(499, b"")),
    "302": unexpected(page(302, b"", {"location": "https://elsewhere.example/"})),
    "404 page that is not the service's": unexpected(
        page(404, b"<pre>Cannot DELETE"),
        f" with a body that begins '<pre>Cannot DELETE', {NOT_KNOWN}",
        ROUTE,
    ),
    "404 in JSON without success false": unexpected(
        response(404, {"message": "Session not found"}), f": Session not found, {NOT_KNOWN}", ROUTE
    )._replace(attributes=("Session not found", None, None, None)),
    "404 of a router": unexpected(
        response(404, {"success": False, "message": "Route not found"}), ": Route not found", ROUTE
    )._replace(attributes=("Route not found", None, None, None)),
    "404 in Cloudflare's JSON": unexpected(response(404, CLOUDFLARES), advice=ROUTE),
    "404 of the backend": spoken(404, BACKEND_FAILED, ServiceUnavailableError),
    "410 in JSON with success true": unexpected(response(410, {"success": True})),
    "200 that is a page": unexpected(page(200, b"<html>Sign in to the hotel network</html>")),
    "200 with no body": unexpected(page(200, b""), f", {NOT_KNOWN}"),
    "200 without success": unexpected(response(200, {"status": "stopped"})),
    "201 with success true": unexpected(response(201, {"success": True})),
    "204": unexpected(page(204, b"")),
}

all_responses = pytest.mark.parametrize("row", RESPONSES.values(), ids=RESPONSES.keys())


@both_ways
@all_responses
def test_a_response_that_is_not_a_receipt_raises_its_own_error_and_says_what_happened(
    row: Row, delete: Delete
) -> None:
    error = error_of(delete, ScriptedTransport(row.response), retry=ONE_ATTEMPT)
    assert isinstance(error, ResponseError)
    assert (type(error), error.session_fate) == (row.kind, row.kind.session_fate)
    assert (error.session_id, error.status) == (SESSION_ID, row.response.status)
    said = (error.message, error.code, error.request_id, error.retry_after)
    assert said == row.attributes
    assert str(error).startswith(f"Session '{SESSION_ID}': HTTP {row.response.status}{row.says}")
    assert f". {WHAT_IT_MEANS[error.session_fate]} {row.advice or row.kind.advice}" in str(error)


@all_responses
def test_what_leaves_the_fate_unknown_or_can_pass_is_retried_until_the_attempts_are_used_up(
    row: Row,
) -> None:
    transport = ScriptedTransport(*[row.response] * 3)
    error = error_of(delete_blocking, transport, retry=RetryPolicy(max_attempts=3))
    can_pass = row.kind is RateLimitError or row.advice == GATEWAYS
    expected = 3 if row.kind.session_fate is UNKNOWN or can_pass else 1
    assert (len(transport.requests), error.attempts) == (expected, expected)
    assert error.transient is (expected == 3)


# No response


FAILURES = [
    (ConnectFailedError("refused"), UNTOUCHED, True),
    (ConnectFailedError("the certificate is another's", transient=False), UNTOUCHED, False),
    (TimedOutError("no response within 90 s"), UNKNOWN, True),
    (ConnectionLostError("reset"), UNKNOWN, True),
    (ConnectionLostError("closed", stale=True), UNKNOWN, True),
    (BadResponseError("not HTTP"), UNKNOWN, True),
    (BadResponseError("larger than 1 MiB", transient=False), UNKNOWN, True),
]


@both_ways
@pytest.mark.parametrize(("failure", "fate", "can_pass"), FAILURES, ids=repr)
def test_no_response_is_retried_if_that_can_help_and_keeps_the_failure_as_the_cause(
    failure: TransportError, fate: SessionFate, can_pass: bool, delete: Delete
) -> None:
    transport = ScriptedTransport(*[failure] * 2)
    error = error_of(delete, transport, retry=RetryPolicy(max_attempts=2))
    assert (type(error), error.session_fate, error.transient) == (UnreachableError, fate, can_pass)
    assert len(transport.requests) == error.attempts == (2 if can_pass else 1)
    assert error.__cause__ is failure
    advice = DELETE_AGAIN if can_pass else "Correct that first: a retry will not help."
    counted = "2 attempts. " if can_pass else ""
    words = f"Session '{SESSION_ID}': {failure}. {counted}{WHAT_IT_MEANS[fate]} {advice}"
    assert str(error) == words


@both_ways
@pytest.mark.parametrize(
    "trouble",
    [RATE_LIMITED, UNAVAILABLE, TimedOutError("no response"), ConnectFailedError("refused")],
    ids=["429", "502", "timeout", "no connection"],
)
def test_a_receipt_after_a_retry_counts_the_attempts(
    trouble: Response | TransportError, delete: Delete
) -> None:
    transport = ScriptedTransport(trouble, trouble, DESTROYED)
    assert delete(transport).attempts == len(transport.requests) == 3


@both_ways
@pytest.mark.parametrize(
    ("script", "fate"),
    [
        ([TimedOutError("no response"), UNAUTHORIZED], UNKNOWN),
        ([ConnectFailedError("refused"), UNAUTHORIZED], UNTOUCHED),
        ([UNAVAILABLE, ConnectFailedError("refused", transient=False)], UNKNOWN),
        ([RATE_LIMITED, UNAVAILABLE, RATE_LIMITED, UNAUTHORIZED], UNKNOWN),
        ([RATE_LIMITED, ConnectFailedError("refused"), UNAUTHORIZED], UNTOUCHED),
        ([TimedOutError("no response"), failure(404, "Session not found.")], GONE),
        ([page(403, b"<html>"), UNAUTHORIZED], UNTOUCHED),
        ([failure(200, "Not now."), UNAUTHORIZED], UNKNOWN),
    ],
    ids=range(8),
)
def test_over_several_attempts_the_worst_knowledge_wins_but_gone_stays_gone(
    script: list[Response | TransportError], fate: SessionFate, delete: Delete
) -> None:
    error = error_of(delete, ScriptedTransport(*script))
    assert error.session_fate is fate
    assert error.attempts == len(script)
    assert WHAT_IT_MEANS[fate] in str(error)


@both_ways
def test_a_401_without_a_key_says_that_none_was_set(delete: Delete) -> None:
    error = error_of(delete, ScriptedTransport(UNAUTHORIZED), api_key=None)
    assert str(error).endswith("No API key was set: pass the service's key as api_key.")


def test_a_key_that_is_a_word_of_the_service_s_does_not_hide_that_a_session_is_gone() -> None:
    transport = ScriptedTransport(failure(404, "Browser session not found."))
    error = error_of(delete_blocking, transport, api_key="session")
    assert type(error) is SessionNotFoundError
    assert "session not" not in str(error)


# The service's own words: read leniently, cut, and safe to print


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
        ({"error": None, "message": None, "code": None}, None, None),
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
