"""What a call makes of each response and failure: its outcome, its words and its attributes.

Which attributes a variant of a response gives: `test_fuzzed_responses`.
"""

import copy
import json
import pickle
import re
from collections.abc import Callable

import pytest

from firecrawl_interact import core

from .scripted_transport import NOT_FOUND, SESSION_ID, UNAVAILABLE, error_of, response
from .service_responses import LIKE_GONE, MEANINGS, Row
from .test_exports import kinds_of

GONE, UNTOUCHED, UNKNOWN = core.SessionFate
WHAT_IT_MEANS = {
    GONE: "Firecrawl no longer bills this session.",
    UNTOUCHED: "This call did not change it. If it was running, it is still billed.",
    UNKNOWN: "The session may still be running and billed.",
}
DELETE_AGAIN = "Delete it again. That is safe and free, and shows whether it is gone."
ADDRESS = core.UnexpectedResponseError.advice
PAGE = "<pre>Cannot DELETE /v1/v2/interact/a</pre>"
NO_KEY = response(401, {"success": False, "error": "Who?"}, {"retry-after": "7"})


@pytest.mark.parametrize("row", MEANINGS.values(), ids=MEANINGS)
def test_each_response_means_what_the_table_says(row: Row) -> None:
    headers, retry = core.request_headers("fc-key"), core.RetryPolicy()
    call = core.Call(row.session_id, headers=headers, retry=retry, random=lambda: 0.5)
    assert call.begin_attempt(240)
    error = call.read(core.Response(row.status, {}, row.body))
    assert (error is not None) is row.is_retried
    outcome = error or call.outcome
    assert (type(outcome).__name__, outcome.session_fate.value) == (row.means, row.fate)


def test_the_table_has_each_error_that_a_response_can_mean() -> None:
    kinds = {kind.__name__ for kind in KINDS if issubclass(kind, core.ResponseError)}
    meant = {row.means for row in MEANINGS.values()}
    assert meant | {"ResponseError"} == kinds | {"DeletionReceipt"}


@pytest.mark.parametrize(
    ("meets", "fate", "says"),
    [
        (NOT_FOUND, GONE, f": Session not found. * {core.SessionNotFoundError.advice}"),
        (NO_KEY, UNTOUCHED, ": Who?. * Check the API key."),
        (response(403, {"error": "blocked"}), UNTOUCHED, f": blocked. * {ADDRESS}"),
        (response(502, {"message": "No route"}), UNKNOWN, f": No route. * {DELETE_AGAIN}"),
        (core.Response(599, {}, b""), UNKNOWN, f". * {DELETE_AGAIN}"),
        (
            core.Response(404, {}, PAGE.encode()),
            UNKNOWN,
            f" with a body that begins '{PAGE}', which is not a known response of Firecrawl's API."
            f" * {ADDRESS}",
        ),
    ],
)
def test_an_error_says_what_it_met(meets: core.Response, fate: core.SessionFate, says: str) -> None:
    error = error_of(core.ResponseError, meets)
    assert (error.session_id, error.status, error.attempts) == (SESSION_ID, meets.status, 1)
    said = f"HTTP {meets.status}{says.replace('*', WHAT_IT_MEANS[fate])}"
    assert str(error) == f"Session '{SESSION_ID}': {said}"


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("words", LIKE_GONE)
def test_words_like_not_found_end_no_session(status: int, words: str) -> None:
    meets = response(status, {"success": False, "error": words})
    assert error_of(core.UnexpectedResponseError, meets).session_fate is UNKNOWN


NO_RETRY = "Correct that first. A retry will not help."
FAILURES = [
    (core.ConnectFailedError("refused"), UNTOUCHED, True, DELETE_AGAIN),
    (core.ConnectFailedError("untrusted", transient=False), UNTOUCHED, False, NO_RETRY),
    (core.TimedOutError(""), UNKNOWN, True, DELETE_AGAIN),
    (core.BadResponseError("larger than 1 MiB", transient=False), UNKNOWN, True, DELETE_AGAIN),
]


@pytest.mark.parametrize(("failure", "fate", "can_pass", "advice"), FAILURES, ids=repr)
def test_an_unreachable_error_has_its_cause(
    failure: core.TransportError, fate: core.SessionFate, can_pass: bool, advice: str
) -> None:
    error = error_of(core.UnreachableError, failure, failure)
    assert (error.session_fate, error.transient) == (fate, can_pass)
    assert error.__cause__ is failure
    counted = "2 attempts. " if can_pass else ""
    words = f"{failure.args[0] or 'TimedOutError'}. {counted}{WHAT_IT_MEANS[fate]} {advice}"
    assert str(error) == f"Session '{SESSION_ID}': {words}"


NO_UUID = f"{SESSION_ID}0"
CHECK_IT = "Check the id: it is not a UUID, and Firecrawl answers 500 to every id that is not."
SORRY = {"success": False, "code": "UNKNOWN_ERROR", "error": "Sorry."}


@pytest.mark.parametrize("session_id", [NO_UUID, f"scrape:{NO_UUID}"])
def test_an_id_that_is_no_uuid_is_refused_at_the_first_request(session_id: str) -> None:
    meets = response(500, SORRY)
    error = error_of(core.BadRequestError, meets, meets, session_id=session_id)
    assert (error.attempts, error.transient, error.from_service) == (1, False, True)
    says = f"HTTP 500: Sorry. {WHAT_IT_MEANS[UNTOUCHED]} {CHECK_IT}"
    assert str(error) == f"Session '{session_id}': {says}"


@pytest.mark.parametrize(
    ("session_id", "status", "content", "advice"),
    [
        (NO_UUID, 500, {"error": "blocked"}, CHECK_IT),
        (f"scrape:{NO_UUID}", 500, SORRY | {"code": "OTHER"}, CHECK_IT),
        (NO_UUID, 500, SORRY | {"success": True}, CHECK_IT),
        (NO_UUID, 502, SORRY, DELETE_AGAIN),
        (SESSION_ID, 500, SORRY, DELETE_AGAIN),
        (f"scrape:{SESSION_ID.upper().replace('-', '')}", 500, SORRY, DELETE_AGAIN),
    ],
)
def test_a_500_for_an_id_that_is_no_uuid_says_so(
    session_id: str, status: int, content: object, advice: str
) -> None:
    meets = response(status, content)
    error = error_of(core.ServiceUnavailableError, meets, session_id=session_id)
    assert (error.session_fate, error.transient, error.advice) == (UNKNOWN, True, advice)


def test_a_missing_key_is_named_with_its_variable() -> None:
    error = error_of(core.UnauthorizedError, NO_KEY, api_key=None)
    assert "Pass it, or set FIRECRAWL_API_KEY" in error.advice
    other = error_of(core.ServiceUnavailableError, UNAVAILABLE, api_key=None)
    assert other.advice == DELETE_AGAIN


def test_a_long_page_is_quoted_in_part_and_escaped() -> None:
    error = error_of(core.BadRequestError, core.Response(400, {}, b"\x1b[31m\xff" + b"x" * 9_999))
    assert f" '\\x1b[31m\ufffd{'x' * 91}'. " in str(error)


def test_the_message_has_the_wait_if_the_response_asks_for_one() -> None:
    told = error_of(core.RateLimitError, response(429, {"success": False}, {"retry-after": "3600"}))
    assert told.advice == "Delete it again in 3600 s."
    assert error_of(core.RateLimitError, response(429, {})).advice == "Delete it again in a minute."


TO_CORRECT = {"InvalidSessionIdError", "BadRequestError", "UnauthorizedError", "ForbiddenError"}
TO_CORRECT |= {"PaymentRequiredError", "UnexpectedResponseError"}


def test_an_error_says_whether_it_needs_correction() -> None:
    leaves = [kind for kind in KINDS if not kind.__subclasses__()]
    assert {kind.__name__ for kind in leaves if kind.needs_correction} == TO_CORRECT
    untrusted = core.UnreachableError("untrusted", SESSION_ID, transient=False)
    assert untrusted.needs_correction


# The errors as objects

KINDS = list(kinds_of(core.DeleteSessionError))


def example(kind: type[core.DeleteSessionError]) -> core.DeleteSessionError:
    """One with every attribute set to something unusual."""
    error = kind("refused", session_id="a\nb", attempts=3)
    error.session_fate, error.transient, error.advice = core.SessionFate.UNKNOWN, True, "Ask."
    error.add_note("while closing the browser")
    if isinstance(error, core.ResponseError):
        error.status, error.api_message, error.code = 418, "teapot", "TEAPOT"
        error.request_id, error.retry_after = "req-1", 7.0
    return error


@pytest.mark.parametrize(
    "journey",
    [lambda error: pickle.loads(pickle.dumps(error)), copy.copy],  # noqa: S301 - our own
    ids=["pickle", "copy"],
)
@pytest.mark.parametrize(
    "error",
    [
        *map(example, KINDS),
        *(kind("late", transient=False) for kind in core.TransportError.__subclasses__()),
        core.InvalidApiKeyError("the API key is empty"),
        core.JournalError("it is closed", session_id="a"),
        core.NothingOpenedError("nothing was opened"),
        core.RunEndedError("the service was away", "outage", 240, retry_after=7),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_can_be_copied(error: Exception, journey: Callable[[Exception], Exception]) -> None:
    arrived = journey(error)
    assert arrived is not error
    assert type(arrived) is type(error)
    assert (str(arrived), arrived.args, vars(arrived)) == (str(error), error.args, vars(error))
    # Sentry would take either for the text of the error.
    assert not {"message", "detail"} & {*dir(error)}


def test_what_was_opened_instead_of_a_session_may_have_no_pickle() -> None:
    # A pool of processes would lose the error itself.
    error = core.NothingOpenedError("it has no id", (one for one in "a"))
    arrived = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (str(arrived), arrived.opened) == (str(error), None)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_can_be_made_anew_from_its_args_which_may_be_json(
    kind: type[core.DeleteSessionError],
) -> None:
    for fate in core.SessionFate:
        error = kind("refused", "a", 3, fate)
        anew = kind(*json.loads(json.dumps(error.args)))
        assert (str(anew), anew.args, vars(anew)) == (str(error), error.args, vars(error))
        assert (anew.args[0], anew.session_fate) == ("refused", fate)


def test_a_fate_made_unknown_earlier_is_in_the_args() -> None:
    error = error_of(core.UnauthorizedError, core.TimedOutError("late"), NO_KEY)
    assert error.session_fate is UNKNOWN
    assert error.args == ("HTTP 401: Who?", SESSION_ID, 2, "unknown")


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_says_what_is_known_and_what_to_do(kind: type[core.DeleteSessionError]) -> None:
    error, fate = kind("refused", session_id="a"), kind.session_fate
    assert (error.session_id, error.attempts, error.session_fate) == ("a", 0, fate)
    assert re.fullmatch(rf"Session 'a': refused\. .*{re.escape(kind.advice)}", str(error))
    assert re.fullmatch(r"[A-Z].*\.", kind.advice)
    assert getattr(error, "status", 0) == 0
    assert (error.transient, fate) == (True, UNTOUCHED) or kind is not core.NotTriedError
    assert kind.__doc__ not in {None, *(base.__doc__ for base in kind.__bases__)}
