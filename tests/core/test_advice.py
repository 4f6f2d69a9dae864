"""What an error advises is true for what happened: nobody is sent in a wrong direction."""

import inspect
import socket
import ssl
from types import SimpleNamespace

import pytest

from firecrawl_interact.core import (
    AsyncDeleteSession,
    ConnectFailedError,
    DeleteSession,
    ForbiddenError,
    InvalidSessionIdError,
    ServiceUnavailableError,
    UnauthorizedError,
    UnreachableError,
)

from .scripted_transport import ScriptedTransport, error_of, response
from .side_by_side import unchecked

IN_GENERAL = "Delete it again: a retry is safe and shows whether it is gone."
UNKNOWN_ERROR = {
    "success": False,
    "code": "UNKNOWN_ERROR",
    "error": "An unexpected error occurred.",
}


def no_connection(cause: Exception | None, *, transient: bool = True) -> ConnectFailedError:
    failure = ConnectFailedError("no connection", transient=transient)
    failure.__cause__ = RuntimeError("of a library")
    failure.__cause__.__cause__ = cause
    return failure


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] it failed")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("failure", "advice"),
    [
        (no_connection(socket.gaierror(-2, "Name or service not known")), "Check that name, "),
        (no_connection(tls_error("WRONG_VERSION_NUMBER"), transient=False), "The port speaks plai"),
        (no_connection(tls_error("HTTP_REQUEST"), transient=False), "The port speaks plain http: "),
        (no_connection(tls_error("CERTIFICATE_VERIFY_FAILED"), transient=False), "Let SSL_CERT_FI"),
        (no_connection(tls_error("ANOTHER"), transient=False), "Correct that first: a retry will "),
        (no_connection(None), IN_GENERAL),
    ],
    ids=["name", "plain http", "http", "certificate", "other TLS", "another"],
)
def test_no_response(failure: ConnectFailedError, advice: str) -> None:
    assert error_of(UnreachableError, failure).advice.startswith(advice)


def test_what_the_caller_was_handling_is_no_reason() -> None:
    try:
        raise socket.gaierror(-2, "Name or service not known")
    except OSError:
        error = error_of(UnreachableError, ConnectFailedError("refused"))
    assert error.advice == IN_GENERAL


def test_a_forbidden_delete_is_of_another_team_or_its_text_says_why() -> None:
    forbidden = response(403, {"success": False, "error": "Forbidden."})
    assert "key of the team" in error_of(ForbiddenError, forbidden).advice
    for text in ("Your account has been banned.", "This key may only scrape.", ""):
        refused = response(403, {"success": False, "error": text})
        assert error_of(ForbiddenError, refused).advice.startswith("Its text says why.")


@pytest.mark.parametrize("status", [500, 502])
@pytest.mark.parametrize("is_uuid", [True, False])
def test_an_id_that_is_not_a_uuid_fails_for_ever_with_500(status: int, is_uuid: bool) -> None:
    says = "The id is not a UUID, and the service fails so for each of these: check the id."
    has_advice = status == 500 and not is_uuid
    name = "550e8400-e29b-41d4-a716-446655440000" if is_uuid else "session-1"
    for session_id in (name, f"scrape:{name}"):
        failure = response(status, UNKNOWN_ERROR)
        error = error_of(ServiceUnavailableError, failure, session_id=session_id)
        assert error.advice == (says if has_advice else IN_GENERAL)


def test_a_missing_key_is_named_with_its_variable() -> None:
    error = error_of(UnauthorizedError, response(401, {"success": False}), api_key=None)
    assert "pass the service's key, or set FIRECRAWL_API_KEY" in error.advice
    assert error_of(UnauthorizedError, response(401, {"success": False})).advice == (
        UnauthorizedError.advice
    )


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        (SimpleNamespace(id="a"), "Pass its .id."),
        (SimpleNamespace(id=None), InvalidSessionIdError.advice),
        (7, InvalidSessionIdError.advice),
        (b"a", InvalidSessionIdError.advice),
        ({"id": "a"}, 'Pass its ["id"].'),
        (["a", "b"], "Pass one id. DeleteManySessions takes many."),
        ({"session": "a"}, "Pass one id. DeleteManySessions takes many."),
    ],
)
def test_an_object_with_an_id_is_not_its_id(given: object, advice: str) -> None:
    assert error_of(InvalidSessionIdError, session_id=unchecked(given)).advice == advice


@pytest.mark.parametrize("use_case", [DeleteSession, AsyncDeleteSession])
def test_a_missing_argument_is_named_with_the_public_class(
    use_case: type[DeleteSession] | type[AsyncDeleteSession],
) -> None:
    with pytest.raises(TypeError, match=r"^DeleteSession\.__init__\(\) missing 1 .*: 'api_key'$"):
        unchecked(use_case)(ScriptedTransport())
    assert "api_key" in inspect.signature(use_case).parameters
