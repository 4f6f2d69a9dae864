"""Which responses show that the service itself is there, and which ones anybody may have sent."""

import pytest

from firecrawl_interact.core import Response, SessionFate
from firecrawl_interact.core.wire import is_from_service

from .scripted_transport import DESTROYED, ScriptedTransport, delete_blocking, error_of, page
from .scripted_transport import response as json_response
from .test_outcomes import ONE_ATTEMPT, failure


@pytest.mark.parametrize("status", [200, 400, 401, 402, 403, 409, 429])
def test_the_service_speaks_json_with_a_boolean_success(status: int) -> None:
    assert is_from_service(failure(status, "No."))
    assert is_from_service(json_response(status, {"success": True}))
    assert not is_from_service(json_response(status, {"error": "No."}))
    assert not is_from_service(json_response(status, {"success": "false"}))
    assert not is_from_service(page(status, b"<html>"))
    assert not is_from_service(failure(status, "Hangar request failed."))


@pytest.mark.parametrize("status", [201, 302, 399, 405, 408, 411, 425, 428, 430, 500, 502, 503])
def test_under_any_other_status_anybody_may_say_it(status: int) -> None:
    assert not is_from_service(failure(status, "No."))
    assert not is_from_service(failure(status, "Session not found."))


@pytest.mark.parametrize("status", [404, 410])
def test_of_404_and_410_the_service_says_its_own_words_alone(status: int) -> None:
    assert is_from_service(failure(status, "Browser session not found."))
    assert not is_from_service(failure(status, "Not found."))
    assert not is_from_service(json_response(status, {"success": False}))


def test_a_receipt_shows_it() -> None:
    assert is_from_service(DESTROYED)


@pytest.mark.parametrize("status", [200, 400, 403, 409, 418, 429, 500])
def test_under_another_status_no_words_say_that_a_session_is_gone(status: int) -> None:
    said: Response = failure(status, "Session not found.")
    error = error_of(delete_blocking, ScriptedTransport(said), retry=ONE_ATTEMPT)
    assert error.session_fate is not SessionFate.GONE
