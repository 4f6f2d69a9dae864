"""A preflight: one request that says whether address, route, key and its right are good."""

import uuid

import pytest

from firecrawl_interact.adapters import InMemoryJournal
from firecrawl_interact.core import (
    ConnectFailedError,
    DeleteSession,
    DeleteSessionError,
    Response,
    ServiceUnavailableError,
    TransportError,
    UnauthorizedError,
    UnexpectedResponseError,
    UnreachableError,
)

from .scripted_transport import (
    API_KEY,
    DESTROYED,
    UNAUTHORIZED,
    UNAVAILABLE,
    ScriptedTransport,
    UseCase,
    both_use_cases,
    ended,
    page,
    response,
)

NOT_FOUND = response(404, {"success": False, "error": "Browser session not found."})
JOURNAL = InMemoryJournal()


def check(use_case: UseCase, transport: ScriptedTransport) -> None:
    ended(use_case(transport, API_KEY, journal=JOURNAL).check())


@both_use_cases
def test_a_service_that_knows_no_such_session_is_good(use_case: UseCase) -> None:
    asked = set()
    for _ in range(3):
        transport = ScriptedTransport(NOT_FOUND)
        check(use_case, transport)
        [request] = transport.requests
        session_id = uuid.UUID(request.path.removeprefix("/v2/interact/"))
        assert (session_id.version, session_id.variant) == (4, uuid.RFC_4122)
        asked.add(session_id)
    assert len(asked) == 3


@both_use_cases
@pytest.mark.parametrize(
    ("end", "error"),
    [
        (UNAUTHORIZED, UnauthorizedError),
        (UNAVAILABLE, ServiceUnavailableError),
        (page(404, b"Cannot DELETE"), UnexpectedResponseError),
        (page(200, b"<title>Log in</title>"), UnexpectedResponseError),
        (ConnectFailedError("refused"), UnreachableError),
    ],
    ids=repr,
)
def test_anything_else_is_the_error_of_one_attempt(
    end: Response | TransportError, error: type[DeleteSessionError], use_case: UseCase
) -> None:
    transport = ScriptedTransport(end)  # a second request would fail
    with pytest.raises(error) as raised:
        check(use_case, transport)
    assert raised.value.attempts == 1
    assert JOURNAL.sessions_left_open == []


@both_use_cases
def test_an_address_that_confirms_what_never_existed_is_not_the_service(use_case: UseCase) -> None:
    with pytest.raises(UnexpectedResponseError, match="a session that never existed") as raised:
        check(use_case, ScriptedTransport(DESTROYED))
    assert (raised.value.status, raised.value.attempts) == (200, 1)


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_any_random_number_makes_an_id(chance: float) -> None:
    transport = ScriptedTransport(NOT_FOUND)
    DeleteSession(transport, API_KEY, random=lambda: chance).check()
    assert len(transport.requests) == 1
