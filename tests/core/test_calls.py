"""How a call treats its transport: what it sends, what it lets pass, its preflight."""

import re
import uuid

import pytest

from firecrawl_interact.adapters import InMemoryJournal
from firecrawl_interact.core import (
    BadRequestError,
    ConnectFailedError,
    DeleteSession,
    DeleteSessionError,
    ForbiddenError,
    RateLimitError,
    Response,
    RetryPolicy,
    ServiceUnavailableError,
    UnauthorizedError,
    UnexpectedResponseError,
    UnreachableError,
)
from firecrawl_interact.core.use_case import finish

from .scripted_transport import (
    API_KEY,
    DESTROYED,
    SESSION_ID,
    UNAUTHORIZED,
    UNAVAILABLE,
    OneTurn,
    ScriptedTransport,
    UseCase,
    both_use_cases,
    ended,
    response,
)

WAIT_30 = response(429, {"error": "No"}, {"retry-after": "30"})


@both_use_cases
@pytest.mark.parametrize("api_key", [API_KEY, None])
def test_every_attempt_sends_the_same_request_with_the_key_and_the_users_headers(
    api_key: str | None, use_case: UseCase
) -> None:
    transport = ScriptedTransport(UNAVAILABLE, WAIT_30, DESTROYED)
    given_headers = {"X-Team": "a \tb", "x-empty": ""}
    delete_session = use_case(transport, api_key, headers=given_headers, random=lambda: 0.5)
    given_headers["X-Team"] = "b\r\nX-Injected: c"  # A later change changes nothing.
    ended(delete_session(SESSION_ID))
    assert transport.sleeps == [0.75, 30]
    request = transport.requests[0]
    assert transport.requests == [request] * 3
    assert (request.method, request.path) == ("DELETE", f"/v2/interact/{SESSION_ID}")
    key = {"Authorization": f"Bearer {API_KEY}"} if api_key else {}
    library = {"Accept": "application/json", "Accept-Encoding": "identity"}
    assert dict(request.headers) == {**key, **library, "X-Team": "a \tb", "x-empty": ""}


def test_chance_is_a_number_from_0_to_1() -> None:
    random = DeleteSession(ScriptedTransport(), API_KEY).random
    assert 0 <= min(random() for _ in range(100)) < 0.5 < max(random() for _ in range(100)) < 1


def test_a_policy_for_one_call_is_for_that_call_alone() -> None:
    transport = ScriptedTransport(UNAVAILABLE, UNAVAILABLE, DESTROYED)
    delete_session = DeleteSession(transport, API_KEY)
    with pytest.raises(ServiceUnavailableError):
        delete_session(SESSION_ID, retry=RetryPolicy(max_attempts=1, attempt_timeout=7))
    delete_session(SESSION_ID)
    assert transport.timeouts == [7, 90, 90]


@both_use_cases
@pytest.mark.parametrize("error", [ZeroDivisionError, StopIteration])
def test_an_exception_of_a_transport_that_is_no_failure_passes(
    error: type[Exception], use_case: UseCase
) -> None:
    with pytest.raises((error, RuntimeError)):  # No coroutine raises a StopIteration.
        ended(use_case(ScriptedTransport(error()), API_KEY)(SESSION_ID))


async def wait() -> None:
    await OneTurn()


def test_what_waits_is_no_blocking_call() -> None:
    with pytest.raises(RuntimeError, match="this must be awaited"):
        finish(wait())


# A preflight: one request that says whether address, route, key and its right are good

NOT_FOUND = response(404, {"success": False, "error": "Browser session not found."})
FORBIDDEN = response(403, {"success": False, "error": "Forbidden."})


@both_use_cases
@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_a_service_that_knows_no_such_session_is_good(use_case: UseCase, chance: float) -> None:
    asked = set()
    for options in ({"random": lambda: chance}, {}, {}):
        transport = ScriptedTransport(NOT_FOUND)
        policy = RetryPolicy(attempt_timeout=7)
        ended(use_case(transport, API_KEY, retry=policy, **options).check())
        [request] = transport.requests
        assert transport.timeouts == [7]
        session_id = uuid.UUID(request.path.removeprefix("/v2/interact/"))
        assert (session_id.version, session_id.variant) == (4, uuid.RFC_4122)
        asked.add(session_id)
    assert len(asked) == 3


@both_use_cases
@pytest.mark.parametrize(
    ("end", "kind", "says"),
    [
        (UNAUTHORIZED, UnauthorizedError, "HTTP 401: Unauthorized"),
        (UNAVAILABLE, ServiceUnavailableError, "HTTP 502: Hangar is unavailable"),
        (Response(404, {}, b"Cannot DELETE"), UnexpectedResponseError, "HTTP 404.*Check the addr"),
        (WAIT_30, RateLimitError, "HTTP 429: No"),
        (response(400, {"error": "No"}), BadRequestError, "HTTP 400: No"),
        (FORBIDDEN, ForbiddenError, "HTTP 403.*Use a key of the team"),
        (Response(200, {}, b"<title>Log in"), UnexpectedResponseError, "HTTP 200 with a body"),
        (ConnectFailedError("refused"), UnreachableError, "refused"),
        (DESTROYED, UnexpectedResponseError, "confirms to have deleted.*Check the addr"),
    ],
    ids=repr,
)
def test_anything_else_is_the_error_of_one_attempt_with_a_note_that_nothing_was_at_stake(
    end: BaseException, kind: type[DeleteSessionError], says: str, use_case: UseCase
) -> None:
    journal, told = InMemoryJournal(), list[object]()
    delete_session = use_case(
        ScriptedTransport(end), API_KEY, journal=journal, on_outcome=told.append
    )
    with pytest.raises(kind) as raised:
        ended(delete_session.check())
    assert re.search(says, str(raised.value))
    assert raised.value.attempts == 1
    [note] = raised.value.__notes__
    assert note == "This asked for a session that never existed: nothing was at stake."
    assert (told, journal.sessions_left_open) == ([], [])
