"""What becomes of each answer and failure: class, fate, tries, attributes, words."""

from typing import NamedTuple

import pytest

from firecrawl_interact.core import (
    BadRequestError,
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    ForbiddenError,
    InvalidApiKeyError,
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
    answer,
    both_ways,
    error_of,
    page,
)

GONE, UNTOUCHED, UNKNOWN = SessionFate.GONE, SessionFate.UNTOUCHED, SessionFate.UNKNOWN

WHAT_IT_MEANS = {
    GONE: "Nothing is left to bill.",
    UNTOUCHED: "This call did nothing to it: a running session bills on.",
    UNKNOWN: "It may still be running and billing.",
}
DELETE_AGAIN = "Delete it again: that is safe, and tells."
CHECK_THE_WAY = "Check the service's address, and what stands between you and it."


class Answered(NamedTuple):
    """An answer that is no receipt, and all that must be said of it."""

    answer: Response
    kind: type[ResponseError]
    fate: SessionFate
    says: str
    advice: str
    message: str | None = None
    code: str | None = None
    request_id: str | None = None
    retry_after: float | None = None


def refusal(status: int, error: str) -> Response:
    return answer(status, {"success": False, "error": error})


ANSWERED = {
    "200 with success false": Answered(
        refusal(200, "Not now."),
        NotDeletedError,
        UNKNOWN,
        "HTTP 200: Not now",
        DELETE_AGAIN,
        message="Not now.",
    ),
    "404 from the service": Answered(
        refusal(404, "Browser session not found."),
        SessionNotFoundError,
        GONE,
        "HTTP 404: Browser session not found",
        "If you expected it to live, check the id.",
        message="Browser session not found.",
    ),
    "410 from the service": Answered(
        refusal(410, "Expired."),
        SessionNotFoundError,
        GONE,
        "HTTP 410: Expired",
        "If you expected it to live, check the id.",
        message="Expired.",
    ),
    "400": Answered(
        refusal(400, "Bad id."),
        BadRequestError,
        UNTOUCHED,
        "HTTP 400: Bad id",
        "Check the session id.",
        message="Bad id.",
    ),
    "401": Answered(
        UNAUTHORIZED,
        UnauthorizedError,
        UNTOUCHED,
        "HTTP 401: Unauthorized: Invalid token",
        "Check the API key.",
        message="Unauthorized: Invalid token",
    ),
    "402, which has no success field": Answered(
        answer(402, {"error": "Payment required to access this resource."}),
        PaymentRequiredError,
        UNTOUCHED,
        "HTTP 402: Payment required to access this resource",
        "Check the account's plan and credits.",
        message="Payment required to access this resource.",
    ),
    "403": Answered(
        refusal(403, "Forbidden."),
        ForbiddenError,
        UNTOUCHED,
        "HTTP 403: Forbidden",
        "Use a key of the team that opened the session.",
        message="Forbidden.",
    ),
    "401 as a page": Answered(
        page(401, b"<html>"),
        UnauthorizedError,
        UNTOUCHED,
        "HTTP 401, beginning '<html>'",
        "Check the API key.",
    ),
    "429 without a hint": Answered(
        RATE_LIMITED,
        RateLimitError,
        UNTOUCHED,
        "HTTP 429: Rate limit exceeded",
        "Delete it again in a minute.",
        message="Rate limit exceeded.",
    ),
    "429 with a wait": Answered(
        answer(429, {"success": False, "error": "Slow down."}, {"retry-after": "7"}),
        RateLimitError,
        UNTOUCHED,
        "HTTP 429: Slow down",
        "Delete it again in 7 seconds.",
        message="Slow down.",
        retry_after=7.0,
    ),
    "408": Answered(page(408, b""), ServiceUnavailableError, UNKNOWN, "HTTP 408.", DELETE_AGAIN),
    "409": Answered(
        refusal(409, "Browser operation conflicts with another."),
        ServiceUnavailableError,
        UNKNOWN,
        "HTTP 409: Browser operation conflicts with another",
        DELETE_AGAIN,
        message="Browser operation conflicts with another.",
    ),
    "425": Answered(page(425, b""), ServiceUnavailableError, UNKNOWN, "HTTP 425.", DELETE_AGAIN),
    "500 with code and request id": Answered(
        answer(
            500,
            {"success": False, "code": "UNKNOWN_ERROR", "error": "An unexpected error occurred."},
            {"x-request-id": "req-1"},
        ),
        ServiceUnavailableError,
        UNKNOWN,
        "HTTP 500: An unexpected error occurred",
        DELETE_AGAIN,
        message="An unexpected error occurred.",
        code="UNKNOWN_ERROR",
        request_id="req-1",
    ),
    "502 while the browser is stopping": Answered(
        refusal(502, "Browser is still stopping. Retry deletion shortly."),
        ServiceUnavailableError,
        UNKNOWN,
        "HTTP 502: Browser is still stopping. Retry deletion shortly",
        DELETE_AGAIN,
        message="Browser is still stopping. Retry deletion shortly.",
    ),
    "503 with a wait": Answered(
        page(503, b"", {"retry-after": "3"}),
        ServiceUnavailableError,
        UNKNOWN,
        "HTTP 503.",
        "Delete it again in 3 seconds.",
        retry_after=3.0,
    ),
    "524 from a proxy": Answered(
        page(524, b"<html>A timeout occurred</html>"),
        ServiceUnavailableError,
        UNKNOWN,
        "HTTP 524, beginning '<html>A timeout occurred</html>'",
        DELETE_AGAIN,
    ),
    "599": Answered(page(599, b""), ServiceUnavailableError, UNKNOWN, "HTTP 599.", DELETE_AGAIN),
    "600": Answered(
        page(600, b""), UnexpectedResponseError, UNKNOWN, "HTTP 600, which", CHECK_THE_WAY
    ),
    "418": Answered(
        page(418, b""), UnexpectedResponseError, UNKNOWN, "HTTP 418, which", CHECK_THE_WAY
    ),
    "499": Answered(
        page(499, b""), UnexpectedResponseError, UNKNOWN, "HTTP 499, which", CHECK_THE_WAY
    ),
    "302": Answered(
        page(302, b"", {"location": "https://elsewhere.example/"}),
        UnexpectedResponseError,
        UNKNOWN,
        "HTTP 302, which is no answer that the service is known to give",
        CHECK_THE_WAY,
    ),
    "404 page that is not the service's": Answered(
        page(404, b"Cannot DELETE /v2/interact/x"),
        UnexpectedResponseError,
        UNKNOWN,
        "HTTP 404, beginning 'Cannot DELETE /v2/interact/x', which is no answer",
        CHECK_THE_WAY,
    ),
    "404 in JSON without success false": Answered(
        answer(404, {"message": "no Route matched", "request_id": "x"}),
        UnexpectedResponseError,
        UNKNOWN,
        "HTTP 404: no Route matched, which",
        CHECK_THE_WAY,
        message="no Route matched",
    ),
    "410 in JSON with success true": Answered(
        answer(410, {"success": True}), UnexpectedResponseError, UNKNOWN, "HTTP 410", CHECK_THE_WAY
    ),
    "200 that is a page": Answered(
        page(200, b"<html>Sign in to the hotel network</html>"),
        UnexpectedResponseError,
        UNKNOWN,
        "HTTP 200, beginning '<html>Sign in",
        CHECK_THE_WAY,
    ),
    "200 with no body": Answered(
        page(200, b""), UnexpectedResponseError, UNKNOWN, "HTTP 200, which", CHECK_THE_WAY
    ),
    "200 without success": Answered(
        answer(200, {"status": "stopped"}),
        UnexpectedResponseError,
        UNKNOWN,
        "HTTP 200, beginning",
        CHECK_THE_WAY,
    ),
    "201 with success true": Answered(
        answer(201, {"success": True}),
        UnexpectedResponseError,
        UNKNOWN,
        "HTTP 201, beginning",
        CHECK_THE_WAY,
    ),
    "204": Answered(
        page(204, b""), UnexpectedResponseError, UNKNOWN, "HTTP 204, which", CHECK_THE_WAY
    ),
}
TRIED_AGAIN = {RateLimitError, ServiceUnavailableError}

all_answers = pytest.mark.parametrize("row", ANSWERED.values(), ids=ANSWERED.keys())


@both_ways
@all_answers
def test_an_answer_that_is_no_receipt_raises_its_own_error(row: Answered, delete: Delete) -> None:
    error = error_of(delete, ScriptedTransport(row.answer), retry=RetryPolicy(max_attempts=1))
    assert type(error) is row.kind


@both_ways
@all_answers
def test_the_error_tells_the_fate_of_the_session(row: Answered, delete: Delete) -> None:
    error = error_of(delete, ScriptedTransport(row.answer), retry=RetryPolicy(max_attempts=1))
    assert error.session_fate is row.fate


@both_ways
@all_answers
def test_only_what_can_pass_is_tried_again_until_the_tries_are_used_up(
    row: Answered, delete: Delete
) -> None:
    transport = ScriptedTransport(*[row.answer] * 3)
    error = error_of(delete, transport, retry=RetryPolicy(max_attempts=3))
    expected = 3 if row.kind in TRIED_AGAIN else 1
    assert (len(transport.requests), error.attempts) == (expected, expected)
    assert error.transient is (row.kind in TRIED_AGAIN)


@both_ways
@all_answers
def test_the_error_carries_what_the_service_said(row: Answered, delete: Delete) -> None:
    error = error_of(delete, ScriptedTransport(row.answer), retry=RetryPolicy(max_attempts=1))
    assert isinstance(error, ResponseError)
    assert (error.session_id, error.status) == (SESSION_ID, row.answer.status)
    assert (error.message, error.code) == (row.message, row.code)
    assert (error.request_id, error.retry_after) == (row.request_id, row.retry_after)


@both_ways
@all_answers
def test_the_words_say_what_happened_to_which_session_and_what_to_do(
    row: Answered, delete: Delete
) -> None:
    error = error_of(delete, ScriptedTransport(row.answer), retry=RetryPolicy(max_attempts=1))
    assert str(error).startswith(f"Session '{SESSION_ID}': {row.says}")
    assert str(error).endswith(f". {WHAT_IT_MEANS[row.fate]} {row.advice}")
    assert error.advice == row.advice


class Failed(NamedTuple):
    """A failure of the transport, and all that must be said of it."""

    failure: TransportError
    fate: SessionFate
    requests: int


FAILED = {
    "no connection": Failed(ConnectFailedError("refused"), UNTOUCHED, 3),
    "no connection, and never one": Failed(
        ConnectFailedError("the certificate is for another host", transient=False), UNTOUCHED, 1
    ),
    "no answer in time": Failed(TimedOutError("no answer within 90 s"), UNKNOWN, 3),
    "connection lost": Failed(ConnectionLostError("reset"), UNKNOWN, 3),
    "kept connection lost": Failed(ConnectionLostError("closed", stale=True), UNKNOWN, 3),
    "not HTTP": Failed(BadResponseError("not HTTP"), UNKNOWN, 3),
    "too large": Failed(BadResponseError("larger than 1 MiB", transient=False), UNKNOWN, 1),
}

all_failures = pytest.mark.parametrize("row", FAILED.values(), ids=FAILED.keys())


@both_ways
@all_failures
def test_a_failed_exchange_is_tried_again_if_that_can_help(row: Failed, delete: Delete) -> None:
    transport = ScriptedTransport(*[row.failure] * 3)
    error = error_of(delete, transport, retry=RetryPolicy(max_attempts=3))
    assert type(error) is UnreachableError
    assert (len(transport.requests), error.attempts) == (row.requests, row.requests)
    assert error.transient is row.failure.transient


@both_ways
@all_failures
def test_no_answer_leaves_the_session_untouched_only_if_nothing_was_sent(
    row: Failed, delete: Delete
) -> None:
    error = error_of(delete, ScriptedTransport(row.failure), retry=RetryPolicy(max_attempts=1))
    assert error.session_fate is row.fate


@both_ways
@all_failures
def test_no_answer_keeps_the_failure_as_the_cause_and_in_its_words(
    row: Failed, delete: Delete
) -> None:
    error = error_of(delete, ScriptedTransport(row.failure), retry=RetryPolicy(max_attempts=1))
    advice = DELETE_AGAIN if row.failure.transient else "Mend that first: repeating will not help."
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
    transport = ScriptedTransport(answer(200, content))
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
    [RATE_LIMITED, UNAVAILABLE, TimedOutError("no answer"), ConnectFailedError("refused")],
    ids=["429", "502", "time-out", "no connection"],
)
def test_a_receipt_after_a_repeat_counts_the_tries(
    trouble: Response | TransportError, delete: Delete
) -> None:
    transport = ScriptedTransport(trouble, trouble, DESTROYED)
    assert delete(transport).attempts == len(transport.requests) == 3


@both_ways
@pytest.mark.parametrize(
    ("script", "fate"),
    [
        ([TimedOutError("no answer"), UNAUTHORIZED], UNKNOWN),
        ([ConnectFailedError("refused"), UNAUTHORIZED], UNTOUCHED),
        ([UNAVAILABLE, ConnectFailedError("refused", transient=False)], UNKNOWN),
        ([RATE_LIMITED, UNAVAILABLE, RATE_LIMITED, UNAUTHORIZED], UNKNOWN),
        ([RATE_LIMITED, ConnectFailedError("refused"), UNAUTHORIZED], UNTOUCHED),
        ([TimedOutError("no answer"), refusal(404, "Not found.")], GONE),
    ],
    ids=[
        "time-out, 401",
        "no connection, 401",
        "502, no connection",
        "429, 502, 429, 401",
        "429, no connection, 401",
        "time-out, 404",
    ],
)
def test_over_several_tries_the_worst_knowledge_wins_but_gone_stays_gone(
    script: list[Response | TransportError], fate: SessionFate, delete: Delete
) -> None:
    error = error_of(delete, ScriptedTransport(*script))
    assert error.session_fate is fate
    assert error.attempts == len(script)
    assert WHAT_IT_MEANS[fate] in str(error)


@both_ways
def test_the_words_count_the_tries_if_there_were_several(delete: Delete) -> None:
    error = error_of(delete, ScriptedTransport(UNAVAILABLE, UNAUTHORIZED))
    assert str(error) == (
        f"Session '{SESSION_ID}': HTTP 401: Unauthorized: Invalid token. Tried 2 times. "
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
def test_a_key_that_cannot_be_sent_sends_nothing(delete: Delete) -> None:
    transport = ScriptedTransport()
    with pytest.raises(InvalidApiKeyError) as raised:
        delete(transport, api_key="")
    assert transport.requests == []
    assert isinstance(raised.value, ValueError)
    assert raised.value.session_fate is UNTOUCHED
    assert (raised.value.session_id, raised.value.attempts) == (None, 0)
    assert raised.value.transient is False
    assert str(raised.value) == (
        "the API key is empty. "
        "Pass the key as the service shows it, or None for a service without sign-in."
    )
