"""How a call treats its transport: what it sends, its preflight, the session of a scrape."""

import asyncio
import re
import uuid
from unittest.mock import Mock, call

import pytest

from firecrawl_interact import core
from firecrawl_interact.adapters import (
    FakeService,
    InMemoryJournal,
    InMemoryTransport,
    LostResponse,
)
from firecrawl_interact.core.driver import run_sync

from .scripted_transport import (
    API_KEY,
    DESTROYED,
    NOT_FOUND,
    SESSION_ID,
    UNAUTHORIZED,
    UNAVAILABLE,
    ScriptedTransport,
    UseCase,
    ended,
    play,
    response,
)


@pytest.mark.parametrize("api_key", [API_KEY, None])
def test_every_attempt_sends_the_same_request(api_key: str | None, use_case: UseCase) -> None:
    busy = response(429, {"error": "No"}, {"retry-after": "30"})
    transport = ScriptedTransport(UNAVAILABLE, busy, DESTROYED)
    given_headers = {"X-Team": "a \tb", "x-empty": ""}
    delete_session = use_case(transport, api_key, headers=given_headers, random=lambda: 0.5)
    given_headers["X-Team"] = "b\r\nX-Injected: c"  # A later change changes nothing.
    ended(delete_session(SESSION_ID))
    assert transport.sleeps == [0.75, 31]
    request = transport.requests[0]
    assert transport.requests == [request] * 3
    assert (request.method, request.path) == ("DELETE", f"/v2/interact/{SESSION_ID}")
    key = {"Authorization": f"Bearer {API_KEY}"} if api_key else {}
    library = {"Accept": "application/json", "Accept-Encoding": "identity"}
    sent = {**key, **library, "X-Team": "a \tb", "x-empty": ""}
    assert (dict(request.headers), len(request.headers)) == (sent, len(sent))


def test_a_replaced_one_has_what_was_changed(
    use_case: UseCase,
) -> None:
    told: list[core.Outcome] = []
    transport, journal = ScriptedTransport(UNAUTHORIZED, UNAUTHORIZED), InMemoryJournal()
    first = use_case(transport, API_KEY, headers={"X-Team": "a"}, journal=journal)
    second = first.replace(on_outcome=told.append, retry=core.RetryPolicy(attempt_timeout=7))
    for delete_session in (second, first):
        with pytest.raises(core.UnauthorizedError):
            play(delete_session.on_exit(SESSION_ID), list)
    assert type(second) is type(first)
    assert journal.sessions_left_open == [SESSION_ID]
    assert transport.requests == transport.requests[:1] * 2
    assert (len(told), transport.timeouts) == (1, [7, 90])
    assert repr(second.replace(retry=None)) == repr(first)
    wrong = {"on_outcome": "print", "journal": "/", "retry": 0, "random": None, "transport": None}
    for name, value in wrong.items():
        with pytest.raises(TypeError, match=name):
            first.replace(**{name: value})


def test_chance_is_a_number_from_0_to_1() -> None:
    transport = ScriptedTransport(*[UNAVAILABLE, DESTROYED] * 100)
    delete_session = core.DeleteSession(transport, API_KEY, retry=core.RetryPolicy(first_pause=1))
    for _ in range(100):
        delete_session(SESSION_ID)
    assert 1 <= min(transport.sleeps) < 1.5 < max(transport.sleeps) < 2


def test_a_policy_for_one_call_is_for_that_call_alone(use_case: UseCase) -> None:
    transport = ScriptedTransport(UNAVAILABLE, UNAVAILABLE, DESTROYED)
    delete_session = use_case(transport, API_KEY)
    with pytest.raises(core.ServiceUnavailableError):
        ended(delete_session(SESSION_ID, retry=core.RetryPolicy(max_attempts=1, attempt_timeout=7)))
    ended(delete_session(SESSION_ID))
    assert transport.timeouts == [7, 90, 90]


def test_a_transport_whose_own_script_is_exhausted_gives_no_receipt(use_case: UseCase) -> None:
    delete_session = use_case(ScriptedTransport(UNAVAILABLE, StopIteration()), API_KEY)
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        ended(delete_session(SESSION_ID))


def test_what_waits_is_no_blocking_run() -> None:
    with pytest.raises(RuntimeError, match="this must be awaited"):
        run_sync(asyncio.sleep(0))


# A preflight: one request that says whether address, route, key and its right are good

FORBIDDEN = response(403, {"success": False, "error": "Forbidden."})


def test_a_service_that_knows_no_such_session_is_good(use_case: UseCase) -> None:
    transport = ScriptedTransport(NOT_FOUND, NOT_FOUND)
    delete_session = use_case(transport, API_KEY, retry=core.RetryPolicy(attempt_timeout=7))
    for _ in range(2):
        ended(delete_session.check())
    ids = {uuid.UUID(one.path.removeprefix("/v2/interact/")) for one in transport.requests}
    assert len(ids) == 2
    assert transport.timeouts == [7, 7]


@pytest.mark.parametrize(
    ("end", "kind", "says"),
    [
        (UNAUTHORIZED, core.UnauthorizedError, "HTTP 401: Unauthorized"),
        (core.Response(404, {}, b"no"), core.UnexpectedResponseError, "404.*Check the API URL"),
        (FORBIDDEN, core.ForbiddenError, "HTTP 403.*Use an API key of the team"),
        (core.ConnectFailedError("refused"), core.UnreachableError, "refused"),
        (DESTROYED, core.UnexpectedResponseError, "confirms the delete.*Check the API URL"),
    ],
    ids=repr,
)
def test_a_check_that_fails_notes_that_no_session_was_at_risk(
    end: BaseException, kind: type[core.DeleteSessionError], says: str, use_case: UseCase
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
    assert note == "The check asks for a session that never existed, so no session was at risk."
    assert (told, journal.sessions_left_open) == ([], [])


# `scrape:` and the id of a scrape stand for the session of that scrape

SCRAPE = f"scrape:{SESSION_ID}"


def test_the_session_of_a_scrape_is_destroyed_and_recorded_until_then(use_case: UseCase) -> None:
    service, journal = FakeService(), Mock(spec=["opened", "gone"])
    _, other = service.open_session(scrape_id=SESSION_ID), service.open_session()
    service.queue(LostResponse(), session_id=SCRAPE)
    block = use_case(InMemoryTransport(service), "fc-test", journal=journal).on_exit(SCRAPE)
    play(block, list)
    assert (block.outcome.session_id, block.outcome.attempts) == (SCRAPE, 2)
    assert service.sessions_left_open == [other]
    assert {request.path for request in service.requests} == {f"/v2/scrape/{SESSION_ID}/interact"}
    assert journal.mock_calls == [call.opened(SCRAPE), call.gone(SCRAPE)]


def test_an_opener_may_return_a_scrape_and_its_id_the_session_of_that(use_case: UseCase) -> None:
    service = FakeService()
    service.open_session(scrape_id=SESSION_ID)
    block = use_case(InMemoryTransport(service), "fc-test").opening(lambda: SCRAPE)
    assert play(block, list) == SCRAPE
    assert (block.session_id, service.sessions_left_open) == (SCRAPE, [])
