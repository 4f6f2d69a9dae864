"""What becomes of each response and failure: class, fate, attempts, attributes, words."""

from typing import NamedTuple

import pytest

from firecrawl_interact.core import (
    BadRequestError,
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    ForbiddenError,
    InvalidSessionIdError,
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
CHECK_THE_WAY = (
    "Check the address of the service, and any proxy on the way to it. "
    "Then delete it again: a retry is safe and shows whether it is gone."
)
CHECK_THE_GATEWAY = (
    "The service itself did not say this: check its address, and any gateway or proxy on the way."
)
CHECK_THE_ID = "If you expected it to live, check the id."
CHECK_THE_ROUTE = (
    "This does not say that the session is gone. Check the address of the service: a server older "
    "than June 2026 does not know /v2/interact, only the older route /v2/browser."
)


class Expected(NamedTuple):
    """A response that is not a receipt, and all that its error must say."""

    response: Response
    kind: type[ResponseError]
    fate: SessionFate
    says: str
    advice: str
    message: str | None = None
    code: str | None = None
    request_id: str | None = None
    retry_after: float | None = None
    is_a_gateway_s: bool = False

    @property
    def again(self) -> bool:
        """Whether a call makes a retry: always if the fate is unknown."""
        is_rate_limit = self.kind is RateLimitError
        return self.fate is UNKNOWN or is_rate_limit or self.is_a_gateway_s


def failure(status: int, error: str) -> Response:
    return response(status, {"success": False, "error": error})


def spoken(
    status: int, words: str, kind: type[ResponseError], fate: SessionFate, advice: str
) -> Expected:
    """A response in the service's JSON, whose words the error quotes."""
    says = f"HTTP {status}: {words.removesuffix('.')}"
    return Expected(failure(status, words), kind, fate, says, advice, message=words)


def unavailable(response: Response, says: str) -> Expected:
    return Expected(response, ServiceUnavailableError, UNKNOWN, says, DELETE_AGAIN)


def unexpected(response: Response, says: str, message: str | None = None) -> Expected:
    return Expected(response, UnexpectedResponseError, UNKNOWN, says, CHECK_THE_WAY, message)


def gateway_s(response: Response, kind: type[ResponseError], says: str) -> Expected:
    return Expected(response, kind, UNTOUCHED, says, CHECK_THE_GATEWAY, is_a_gateway_s=True)


def of_another_404(response: Response, words: str) -> Expected:
    row = unexpected(response, f"HTTP 404: {words.removesuffix('.')}, {NOT_KNOWN}", words)
    return row._replace(advice=CHECK_THE_ROUTE)


NOT_KNOWN = "a response that the service is not known to send"

GONE_IN_WORDS = [
    f"{kind}{says}{stop}"
    for kind in ("Browser session", "Interact session", "Session", "session", "BROWSER SESSION")
    for says in (" not found", " has been destroyed", " Has Been Destroyed")
    for stop in ("", ".")
]
# Each of these was taken for the end of a session that ran.
OTHER_WORDS = [
    "Browser session could not be destroyed.",
    "Login session not found",
    "Route not found",
    "Route not found: DELETE /v2/interact/session-1",
    "No such session",
    "Session expired",
    "Not Found",
    "The session not found by this worker runs elsewhere.",
    "Session not found. Retry later",
    "\u017fession not found",
    "session not found\n",
    "",
]
CLOUDFLARES = {"success": False, "errors": [{"code": 7003, "message": "No route"}], "result": None}

RESPONSES = {
    "200 with success false": spoken(200, "Not now.", NotDeletedError, UNKNOWN, DELETE_AGAIN),
    "404 from the service": spoken(
        404, "Browser session not found.", SessionNotFoundError, GONE, CHECK_THE_ID
    ),
    "410 from the service": spoken(
        410, "Browser session has been destroyed.", SessionNotFoundError, GONE, CHECK_THE_ID
    ),
    "400": spoken(400, "Bad id.", BadRequestError, UNTOUCHED, "Check the session id."),
    "401": spoken(
        401, "Unauthorized: Invalid token", UnauthorizedError, UNTOUCHED, "Check the API key."
    ),
    "402, which has no success field": Expected(
        response(402, {"error": "Payment required to access this resource."}),
        PaymentRequiredError,
        UNTOUCHED,
        "HTTP 402: Payment required to access this resource",
        "Check the account's plan and credits.",
        message="Payment required to access this resource.",
    ),
    "403": spoken(
        403,
        "Forbidden.",
        ForbiddenError,
        UNTOUCHED,
        "Use a key of the team that opened the session.",
    ),
    "401 as a page": gateway_s(
        page(401, b"<html>"), UnauthorizedError, "HTTP 401 with a body that begins '<html>'"
    ),
    "403 in JSON of a gateway": gateway_s(
        response(403, {"error": "blocked"}), ForbiddenError, "HTTP 403: blocked"
    )._replace(message="blocked"),
    "429 without a wait": spoken(
        429, "Rate limit exceeded.", RateLimitError, UNTOUCHED, "Delete it again in a minute."
    ),
    "429 with a wait": Expected(
        response(429, {"success": False, "error": "Slow down."}, {"retry-after": "7"}),
        RateLimitError,
        UNTOUCHED,
        "HTTP 429: Slow down",
        "Delete it again in 7 seconds.",
        message="Slow down.",
        retry_after=7.0,
    ),
    "408": unavailable(page(408, b""), "HTTP 408."),
    "409": spoken(
        409,
        "Browser operation conflicts with another.",
        ServiceUnavailableError,
        UNKNOWN,
        DELETE_AGAIN,
    ),
    "425": unavailable(page(425, b""), "HTTP 425."),
    "500 with code and request id": unavailable(
        response(
            500,
            {"success": False, "code": "UNKNOWN_ERROR", "error": "An unexpected error occurred."},
            {"x-request-id": "req-1"},
        ),
        "HTTP 500: An unexpected error occurred",
    )._replace(message="An unexpected error occurred.", code="UNKNOWN_ERROR", request_id="req-1"),
    "502 while the browser is stopping": spoken(
        502,
        "Browser is still stopping. Retry deletion shortly.",
        ServiceUnavailableError,
        UNKNOWN,
        DELETE_AGAIN,
    ),
    "503 with a wait": unavailable(page(503, b"", {"retry-after": "3"}), "HTTP 503.")._replace(
        advice="Delete it again in 3 seconds.", retry_after=3.0
    ),
    "524 from a proxy": unavailable(
        page(524, b"<html>A timeout occurred</html>"),
        "HTTP 524 with a body that begins '<html>A timeout occurred</html>'",
    ),
    "599": unavailable(page(599, b""), "HTTP 599."),
    "600": unexpected(page(600, b""), f"HTTP 600, {NOT_KNOWN}"),
    "418": unexpected(page(418, b""), f"HTTP 418, {NOT_KNOWN}"),
    "499": unexpected(page(499, b""), f"HTTP 499, {NOT_KNOWN}"),
    "302": unexpected(
        page(302, b"", {"location": "https://elsewhere.example/"}), f"HTTP 302, {NOT_KNOWN}"
    ),
    "404 page that is not the service's": unexpected(
        page(404, b"<pre>Cannot DELETE /v2/interact/x</pre>"),
        f"HTTP 404 with a body that begins '<pre>Cannot DELETE /v2/interact/x</pre>', {NOT_KNOWN}",
    )._replace(advice=CHECK_THE_ROUTE),
    "404 in JSON without success false": of_another_404(
        response(404, {"message": "Session not found", "request_id": "x"}), "Session not found"
    ),
    "404 of a router": of_another_404(
        response(404, {"success": False, "message": "Route not found"}), "Route not found"
    ),
    "404 in Cloudflare's JSON": unexpected(
        response(404, CLOUDFLARES), "HTTP 404 with a body that begins"
    )._replace(advice=CHECK_THE_ROUTE),
    "404 in an error's common words": of_another_404(failure(404, "Not Found"), "Not Found"),
    "404 of the backend": spoken(
        404, "Hangar request failed.", ServiceUnavailableError, UNKNOWN, DELETE_AGAIN
    ),
    "410 in other words": unexpected(
        failure(410, "Expired."), f"HTTP 410: Expired, {NOT_KNOWN}", "Expired."
    ),
    "410 in JSON with success true": unexpected(response(410, {"success": True}), "HTTP 410"),
    "200 that is a page": unexpected(
        page(200, b"<html>Sign in to the hotel network</html>"),
        "HTTP 200 with a body that begins '<html>Sign in",
    ),
    "200 with no body": unexpected(page(200, b""), f"HTTP 200, {NOT_KNOWN}"),
    "200 without success": unexpected(response(200, {"status": "stopped"}), "HTTP 200 with a body"),
    "201 with success true": unexpected(response(201, {"success": True}), "HTTP 201 with a body"),
    "204": unexpected(page(204, b""), f"HTTP 204, {NOT_KNOWN}"),
}

all_responses = pytest.mark.parametrize("row", RESPONSES.values(), ids=RESPONSES.keys())


@both_ways
@all_responses
def test_a_response_that_is_not_a_receipt_raises_its_own_error(
    row: Expected, delete: Delete
) -> None:
    error = error_of(delete, ScriptedTransport(row.response), retry=ONE_ATTEMPT)
    assert type(error) is row.kind


@both_ways
@all_responses
def test_the_error_says_the_fate_of_the_session(row: Expected, delete: Delete) -> None:
    error = error_of(delete, ScriptedTransport(row.response), retry=ONE_ATTEMPT)
    assert error.session_fate is row.fate


@both_ways
@all_responses
def test_what_leaves_the_fate_unknown_or_can_pass_is_retried_until_the_attempts_are_used_up(
    row: Expected, delete: Delete
) -> None:
    transport = ScriptedTransport(*[row.response] * 3)
    error = error_of(delete, transport, retry=RetryPolicy(max_attempts=3))
    expected = 3 if row.again else 1
    assert (len(transport.requests), error.attempts) == (expected, expected)
    assert error.transient is row.again


@both_ways
@all_responses
def test_the_error_carries_what_the_service_said(row: Expected, delete: Delete) -> None:
    error = error_of(delete, ScriptedTransport(row.response), retry=ONE_ATTEMPT)
    assert isinstance(error, ResponseError)
    assert (error.session_id, error.status) == (SESSION_ID, row.response.status)
    assert (error.message, error.code) == (row.message, row.code)
    assert (error.request_id, error.retry_after) == (row.request_id, row.retry_after)


@both_ways
@all_responses
def test_the_words_say_what_happened_to_which_session_and_what_to_do(
    row: Expected, delete: Delete
) -> None:
    error = error_of(delete, ScriptedTransport(row.response), retry=ONE_ATTEMPT)
    assert str(error).startswith(f"Session '{SESSION_ID}': {row.says}")
    assert str(error).endswith(f". {WHAT_IT_MEANS[row.fate]} {row.advice}")
    assert error.advice == row.advice


class ExpectedFailure(NamedTuple):
    """A failure of the transport, and all that its error must say."""

    failure: TransportError
    fate: SessionFate
    requests: int


FAILURES = {
    "no connection": ExpectedFailure(ConnectFailedError("refused"), UNTOUCHED, 3),
    "no connection, and never one": ExpectedFailure(
        ConnectFailedError("the certificate is for another host", transient=False), UNTOUCHED, 1
    ),
    "no response in time": ExpectedFailure(TimedOutError("no response within 90 s"), UNKNOWN, 3),
    "connection lost": ExpectedFailure(ConnectionLostError("reset"), UNKNOWN, 3),
    "kept connection lost": ExpectedFailure(ConnectionLostError("closed", stale=True), UNKNOWN, 3),
    "not HTTP": ExpectedFailure(BadResponseError("not HTTP"), UNKNOWN, 3),
    "too large": ExpectedFailure(
        BadResponseError("larger than 1 MiB", transient=False), UNKNOWN, 3
    ),
}

all_failures = pytest.mark.parametrize("row", FAILURES.values(), ids=FAILURES.keys())


@both_ways
@all_failures
def test_a_failed_attempt_is_retried_if_that_can_help(row: ExpectedFailure, delete: Delete) -> None:
    transport = ScriptedTransport(*[row.failure] * 3)
    error = error_of(delete, transport, retry=RetryPolicy(max_attempts=3))
    assert type(error) is UnreachableError
    assert (len(transport.requests), error.attempts) == (row.requests, row.requests)
    assert error.transient is (row.requests > 1)


@both_ways
@all_failures
def test_no_response_leaves_the_session_untouched_only_if_nothing_was_sent(
    row: ExpectedFailure, delete: Delete
) -> None:
    error = error_of(delete, ScriptedTransport(row.failure), retry=ONE_ATTEMPT)
    assert error.session_fate is row.fate


@both_ways
@all_failures
def test_no_response_keeps_the_failure_as_the_cause_and_in_its_words(
    row: ExpectedFailure, delete: Delete
) -> None:
    error = error_of(delete, ScriptedTransport(row.failure), retry=ONE_ATTEMPT)
    advice = DELETE_AGAIN if row.requests > 1 else "Correct that first: a retry will not help."
    assert error.__cause__ is row.failure
    assert error.session_id == SESSION_ID
    assert str(error) == (
        f"Session '{SESSION_ID}': {row.failure}. {WHAT_IT_MEANS[row.fate]} {advice}"
    )


@both_ways
def test_200_with_success_true_is_a_receipt(delete: Delete) -> None:
    content = {
        "success": True,
        "sessionDurationMs": 39095.00002861023,
        "creditsBilled": 2,
        "status": "stopped",
        "cleanupQueued": True,
    }
    transport = ScriptedTransport(response(200, content))
    receipt = delete(transport)
    assert receipt.session_id == SESSION_ID
    assert receipt.session_duration_ms == 39095
    assert receipt.credits_billed == 2
    assert receipt.status == "stopped"
    assert receipt.attempts == len(transport.requests) == 1
    assert receipt.session_fate is GONE


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
    ids=[
        "timeout, 401",
        "no connection, 401",
        "502, no connection",
        "429, 502, 429, 401",
        "429, no connection, 401",
        "timeout, 404",
        "gateway's 403, 401",
        "success false, 401",
    ],
)
def test_over_several_attempts_the_worst_knowledge_wins_but_gone_stays_gone(
    script: list[Response | TransportError], fate: SessionFate, delete: Delete
) -> None:
    error = error_of(delete, ScriptedTransport(*script))
    assert error.session_fate is fate
    assert error.attempts == len(script)
    assert WHAT_IT_MEANS[fate] in str(error)


@both_ways
def test_the_words_count_the_attempts_if_there_were_several(delete: Delete) -> None:
    error = error_of(delete, ScriptedTransport(UNAVAILABLE, UNAUTHORIZED))
    assert str(error) == (
        f"Session '{SESSION_ID}': HTTP 401: Unauthorized: Invalid token. 2 attempts. "
        "It may still be running and billing. Check the API key."
    )


@both_ways
def test_an_id_that_cannot_be_sent_sends_nothing(delete: Delete) -> None:
    transport = ScriptedTransport()
    with pytest.raises(InvalidSessionIdError) as raised:
        delete(transport, "..")
    assert transport.requests == []
    assert isinstance(raised.value, ValueError)
    assert raised.value.session_fate is UNTOUCHED
    assert (raised.value.session_id, raised.value.attempts) == ("..", 0)
    assert raised.value.transient is False
    assert str(raised.value) == (
        "Session '..': the id cannot be sent: it means another path (RFC 3986, 5.2.4). "
        f"{WHAT_IT_MEANS[UNTOUCHED]} Pass the id that the service gave when the session was opened."
    )


@both_ways
def test_a_401_without_a_key_says_that_none_was_set(delete: Delete) -> None:
    error = error_of(delete, ScriptedTransport(UNAUTHORIZED), api_key=None)
    assert str(error).endswith("No API key was set: pass the service's key as api_key.")


@both_ways
def test_without_a_key_other_failures_have_their_own_advice(delete: Delete) -> None:
    error = error_of(delete, ScriptedTransport(failure(403, "Forbidden.")), api_key=None)
    assert error.advice == ForbiddenError.advice


@both_ways
@pytest.mark.parametrize("status", [200, 400, 401, 402, 403, 404, 410, 418, 429, 500, 503])
def test_a_failure_of_the_backend_is_the_service_s_under_any_status(
    status: int, delete: Delete
) -> None:
    transport = ScriptedTransport(*[failure(status, "Hangar request failed.")] * 4)
    error = error_of(delete, transport)
    assert isinstance(error, ServiceUnavailableError)
    assert error.session_fate is UNKNOWN
    assert (error.attempts, error.status) == (4, status)


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("words", GONE_IN_WORDS)
def test_a_session_is_gone_in_each_of_the_service_s_words(words: str, status: int) -> None:
    error = error_of(delete_blocking, ScriptedTransport(failure(status, words)))
    assert type(error) is SessionNotFoundError


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("words", OTHER_WORDS)
def test_no_other_words_say_that_a_session_is_gone(words: str, status: int) -> None:
    error = error_of(delete_blocking, ScriptedTransport(failure(status, words)), retry=ONE_ATTEMPT)
    assert type(error) is UnexpectedResponseError
    assert error.session_fate is UNKNOWN


def test_a_key_that_is_a_word_of_the_service_s_does_not_hide_that_a_session_is_gone() -> None:
    transport = ScriptedTransport(failure(404, "Browser session not found."))
    error = error_of(delete_blocking, transport, api_key="session")
    assert type(error) is SessionNotFoundError
    assert "session not" not in str(error)
