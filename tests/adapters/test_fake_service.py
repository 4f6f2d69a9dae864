"""The rules that the fake service keeps, one by one, and what can be made to go wrong with it."""

import html
import math
import re
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from firecrawl_interact import FakeService, FakeServiceError, InMemoryTransport, NoResponse, Reply
from firecrawl_interact.core import ConnectFailedError, Request, Response, TimedOutError

from ..core.service_responses import EXCEPTION_ID, MEANINGS

UNKNOWN = "00000000-0000-4000-8000-000000000000"
JSON = "application/json; charset=utf-8"
KNOWN = "550e8400-e29b-41d4-a716-446655440000"


def send(
    service: FakeService,
    path: str,
    *,
    method: str = "DELETE",
    authorization: str | None = "Bearer fc-test",
) -> Response:
    headers = {} if authorization is None else {"Authorization": authorization}
    return InMemoryTransport(service).send(Request(method, path, headers), timeout=90)


def delete(service: FakeService, session_id: str, api_key: str = "fc-test") -> Response:
    path = f"/v2/interact/{session_id}"
    return send(service, path, authorization=f"Bearer {api_key}")


def content(response: Response) -> dict[str, Any]:  # Any: of JSON
    assert response.headers["content-type"] == JSON
    return msgspec.json.decode(response.body, type=dict[str, Any])


# --- who and what is known -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "authorization", "means"),
    [
        (f"/v2/interact/{KNOWN}", None, "no key"),
        (f"/v2/interact/{KNOWN}", "Bearer ", "empty key"),
        (f"/v2/interact/{KNOWN}", "Bearer fc-none", "wrong key"),
        (f"/v2/interact/{KNOWN}", "Bearer fc-other", "another team"),
        (f"/v2/interact/{UNKNOWN}", "Bearer fc-test", "not found"),
        ("/v2/interact/session-2", "Bearer fc-test", "no UUID"),
        (f"/v2/interact/x{KNOWN}%7D", "Bearer fc-test", "no UUID"),
        (f"/v2/scrape/{UNKNOWN}/interact", "Bearer fc-test", "not found"),
        ("/v2/scrape/2/interact", "Bearer fc-test", "no scrape"),
    ],
)
def test_a_key_must_be_known_and_a_session_its_teams_own(
    path: str, authorization: str | None, means: str
) -> None:
    service = FakeService(["fc-test", "fc-other"])
    service.open_session(KNOWN)
    response, row = send(service, path, authorization=authorization), MEANINGS[means]
    said = content(response)
    said["error"] = re.sub("ID is [0-9a-f]{32}$", f"ID is {EXCEPTION_ID}", said["error"])
    assert (response.status, said) == (row.status, msgspec.json.decode(row.body))
    assert service.is_open(KNOWN)


@pytest.mark.parametrize(
    "route",
    [
        "POST /v2/interact/",
        "POST /v2/interact/{}/execute/",
        "POST /v2/scrape/{}/interact/",
        "DELETE /V2/BROWSER/{}/",
    ],
)
def test_routes_and_ids_have_many_spellings(route: str) -> None:
    service = FakeService([])
    service.open_session(KNOWN, scrape_id=KNOWN)
    method, _, path = route.format("550E8400%2De29b41d4a716446655440000").partition(" ")
    assert send(service, path, method=method).status == 200


@pytest.mark.parametrize(
    "route",
    ["DELETE /v2/interact/1/2", "DELETE /v1/interact/1", "POST /v2/interact/1", "DELETE /<&>"],
)
def test_anything_else_is_a_page_that_comes_before_key_and_rate_limit(route: str) -> None:
    service = FakeService(rate_limit=0)
    service.open_session("1", scrape_id="1")
    method, _, path = route.partition(" ")
    response = send(service, f"{path}?x", method=method, authorization=None)
    assert response.status == 404
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    page = response.body.decode()
    assert f"<pre>Cannot {html.escape(route)}</pre>" in page
    assert service.is_open("1")


# --- what a session costs, and how it ends ---------------------------------------------------


@pytest.mark.parametrize(
    ("prompt_used", "ttl", "seconds", "credits_billed", "is_settled"),
    [
        (False, 3600, 0, 2, False),
        (True, 3600, 0, 7, False),
        (False, 3600, 39.095, 2, False),
        (False, 3600, 3541, 119, False),
        (True, 3600, 3541, 414, False),
        (False, 30, 29.5, 2, False),
        (False, 600, 614, 20, False),  # It has expired: nobody has noticed yet.
        (False, 600, 615, 20, True),
    ],
)
def test_a_session_is_billed_until_a_delete_or_its_expiry(
    prompt_used: bool, ttl: float, seconds: float, credits_billed: int, is_settled: bool
) -> None:
    service = FakeService()
    session_id = service.open_session(prompt_used=prompt_used, ttl=ttl)
    service.advance(seconds)
    has_expired = seconds >= ttl
    assert service.sessions_left_open == ([] if has_expired else [session_id])
    assert service.is_open(session_id) is not has_expired
    first = content(delete(service, session_id))
    assert not service.is_open(session_id)
    settled = {"success": True, "creditsBilled": credits_billed, "status": "stopped"}
    lasted = pytest.approx(min(seconds, ttl) * 1000, abs=0.001)
    assert first == (settled if is_settled else {**settled, "sessionDurationMs": lasted})
    service.advance(3600)
    assert content(delete(service, session_id)) == settled


def stop(service: FakeService, scrape_id: str, api_key: str = "fc-test") -> Response:
    path = f"/v2/scrape/{scrape_id}/interact"
    return send(service, path, authorization=f"Bearer {api_key}")


def test_a_delete_by_scrape_ends_one_open_session_of_it() -> None:
    service = FakeService(["fc-test", "fc-other"])
    scrape_id = str(uuid.uuid4())
    sessions = [service.open_session(scrape_id=scrape_id) for _ in range(2)]
    other = service.open_session(scrape_id=str(uuid.uuid4()), prompt_used=True)
    used = send(service, f"/v2/scrape/{scrape_id}/interact", method="POST")
    assert content(used)["sessionId"] in sessions
    assert stop(service, scrape_id, "fc-other").status == 403
    durations = ["sessionDurationMs" in content(stop(service, scrape_id.upper())) for _ in range(3)]
    assert durations == [True, True, False]
    assert [service.is_open(session_id) for session_id in sessions] == [False, False]
    assert service.sessions_left_open == [other]


def test_a_session_that_is_being_opened_is_not_found_but_left() -> None:
    service = FakeService(opens_in=5)
    of_scrape, by_id = str(uuid.uuid4()), service.open_session(opens_in=5)
    send(service, f"/v2/scrape/{of_scrape}/interact", method="POST")
    for status in (404, 200):
        assert (stop(service, of_scrape).status, delete(service, by_id).status) == (status, status)
        assert len(service.sessions_left_open) == (2 if status == 404 else 0)
        service.advance(5)


def test_a_second_interact_meanwhile_opens_another_session() -> None:
    service, path = FakeService(opens_in=5), f"/v2/scrape/{uuid.uuid4()}/interact"
    request = Request("POST", path, {})
    for seconds, left in ((5, 1), (5, 2), (0, 2)):
        assert service.seconds_to_respond(request) == seconds
        send(service, path, method="POST")
        assert len(service.sessions_left_open) == left
        service.advance(3)


def test_a_scrape_has_an_id() -> None:
    scraped = content(send(FakeService(), "/v2/scrape", method="POST"))
    uuid.UUID(scraped["data"]["metadata"]["scrapeId"])


# --- faults ----------------------------------------------------------------------------------


def statuses(service: FakeService, requests: int) -> list[int]:
    return [delete(service, UNKNOWN).status for _ in range(requests)]


def test_a_fault_meets_one_request_of_any_session_or_of_one() -> None:
    service = FakeService()
    session_id, other = service.open_session(), service.open_session()
    scrape_id = str(uuid.uuid4())
    service.queue(Reply(502), Reply(503), session_id=uuid.UUID(session_id))
    service.queue(Reply(504), session_id=f"scrape:{scrape_id}")
    service.queue(Reply(409))
    ids = (other, session_id.upper(), session_id, session_id)
    assert [delete(service, name).status for name in ids] == [409, 502, 503, 200]
    assert service.queued == [Reply(504)]
    assert [stop(service, scrape_id).status for _ in range(2)] == [504, 404]


@pytest.mark.parametrize(
    ("reply", "headers", "body"),
    [
        (Reply(503, b"<html>", {"Retry-After": "7"}), {"retry-after": "7"}, b"<html>"),
        (Reply(429, json={"success": False}), {"content-type": JSON}, b'{"success":false}'),
        (Reply(200, json=None, headers={"Content-Type": "x"}), {"content-type": "x"}, b"null"),
    ],
)
def test_a_reply_comes_as_given_and_nothing_is_deleted(
    reply: Reply, headers: dict[str, str], body: bytes
) -> None:
    service = FakeService(rate_limit=1)
    session_id = service.open_session()
    service.queue(reply)
    assert delete(service, session_id, "fc-unknown") == Response(reply.status, headers, body)
    assert len(service.requests) == 1
    with pytest.raises(FakeServiceError):
        service.queue(Reply(502), None)  # type: ignore[arg-type]  # a mistake: none is queued
    assert delete(service, session_id).status == 200


def test_an_outage_lasts_by_the_fakes_clock() -> None:
    service = FakeService()
    service.advance(100)
    session_id = service.open_session()
    service.outage(200, NoResponse())
    for _ in range(2):
        with pytest.raises(TimedOutError):
            delete(service, session_id)
    service.advance(299.9 - service.monotonic())
    with pytest.raises(TimedOutError):
        InMemoryTransport(service).send(Request("DELETE", f"/v2/interact/{session_id}", {}), 0.1)
    assert service.is_open(session_id)
    assert delete(service, session_id).status == 200


def test_an_outage_leaves_queue_and_rate_limit_as_they_are() -> None:
    service = FakeService(rate_limit=1)
    service.queue(Reply(502), Reply(500))
    service.queue(Reply(504))
    service.outage(1, Reply(503))
    assert statuses(service, 2) == [503, 503]
    service.outage(math.inf)
    service.advance(1e9)
    with pytest.raises(ConnectFailedError):
        delete(service, UNKNOWN)
    service.outage(0)
    assert service.queued == [Reply(502), Reply(500), Reply(504)]
    assert statuses(service, 5) == [502, 500, 504, 404, 429]


# --- the rate limit: so many requests of each team in a fixed minute -------------------------

pauses = st.lists(st.integers(0, 70_000).map(lambda milliseconds: milliseconds / 1000), max_size=30)


def text_of(consumed: int, wait: int) -> str:
    return (
        f"Rate limit exceeded. Consumed (req/min): {consumed}, Remaining (req/min): 0. Upgrade your"
        f" plan at https://firecrawl.dev/pricing for increased rate limits or please retry after"
        f" {wait}s, resets at Mon Dec 01 2025 22:17:26 GMT+0000 (Coordinated Universal Time)"
    )


def test_the_rate_limit_counts_failed_requests_too() -> None:
    service = FakeService(["fc-test", "fc-other"], rate_limit=2)
    service.advance(7 * 86_400)
    session_id = service.open_session()
    assert [delete(service, UNKNOWN).status, stop(service, UNKNOWN).status] == [404, 404]
    assert send(service, "/nowhere").status == 404  # It does not count,
    assert send(service, "/v2/interact", method="POST").status == 200  # nor does this,
    assert delete(service, session_id, "fc-other").status == 403  # nor what another team sends.
    service.advance(26)
    for consumed in (3, 4):
        response = delete(service, session_id)
        assert (response.status, response.headers["retry-after"]) == (429, "34")
        said = {"success": False, "error": text_of(consumed, 34), "retry_after_seconds": 34}
        assert content(response) == said
    assert service.is_open(session_id)


@pytest.mark.parametrize(("seconds_left", "wait"), [(59.4, 60), (34, 34), (0.1, 1)])
def test_the_wait_is_whole_seconds_and_long_enough(seconds_left: float, wait: int) -> None:
    service = FakeService(rate_limit=0)
    delete(service, UNKNOWN)
    service.advance(60 - seconds_left)
    assert delete(service, UNKNOWN).headers["retry-after"] == str(wait)


def test_an_older_429_names_the_wait_in_its_text_alone() -> None:
    service = FakeService(rate_limit=0, sends_retry_after=False)
    service.advance(7 * 86_400)
    delete(service, UNKNOWN)
    service.advance(25.6)
    response = delete(service, UNKNOWN)
    assert "retry-after" not in response.headers
    assert content(response) == {"success": False, "error": text_of(2, 34)}


@given(rate_limit=st.integers(0, 5), pauses=pauses)
def test_a_minute_begins_with_a_request_and_accepts_so_many(
    rate_limit: int, pauses: list[float]
) -> None:
    service = FakeService(rate_limit=rate_limit)
    accepted, began = 0, -math.inf
    for pause in pauses:
        service.advance(pause)
        if service.monotonic() - began > 60 - 1e-6:
            accepted, began = 0, service.monotonic()
        is_accepted = accepted < rate_limit
        assert delete(service, UNKNOWN).status == (404 if is_accepted else 429)
        accepted += is_accepted


# --- what a test sees and sets up ------------------------------------------------------------


def test_each_request_is_on_record_in_order_without_its_credentials() -> None:
    service = FakeService()
    headers = {"AUTHORIZATION": "Bearer fc-test", "Accept": "application/json"}
    known = Request("DELETE", f"/v2/interact/{service.open_session()}", headers)
    assert InMemoryTransport(service).send(known, 90).status == 200
    send(service, "/v2/browser/2", method="GET")
    service.requests.clear()  # It is a copy.
    assert service.requests == [
        Request("DELETE", known.path, {"Accept": "application/json"}),
        Request("GET", "/v2/browser/2", {}),
    ]


def test_a_session_has_an_id_like_the_services_unless_given_one() -> None:
    service, given_id = FakeService(), uuid.uuid4()
    own_id = service.open_session()
    assert uuid.UUID(own_id).version == 7
    assert service.open_session(given_id) == str(given_id)
    assert [service.is_open(one) for one in (given_id, given_id.hex)] == [True, True]


def test_open_sessions_are_listed_in_order() -> None:
    service = FakeService(api_keys=["fc-secret", "fc-b"])
    for session_id, key in (("two", None), ("gone", None), ("one", "fc-b")):
        service.open_session(session_id, api_key=key)
    delete(service, "gone", "fc-secret")
    assert service.sessions_left_open == ["two", "one"]
    assert "secret" not in repr(service)


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        ("api_keys must be a list of keys", lambda _: FakeService(api_keys="fc-test")),
        ("the fake has no such API key", lambda it: it.open_session(api_key="secret")),
        ("makes no such id: the id cannot be sent: it is empty", lambda it: it.open_session("")),
        ("it has the character '/'", lambda it: it.open_session("a/b")),
        ("it has the character '/'", lambda it: it.open_session(scrape_id="a/b")),
        ("pass the id without `scrape:`", lambda it: it.open_session("scrape:a")),
        ("it has the character '/'", lambda it: it.queue(NoResponse(), session_id="a/b")),
        ("there is a session 'open' already", lambda it: it.open_session("open")),
        ("there never was a session 'never'", lambda it: it.is_open("never")),
        ("NoResponse'> is not a fault, such as NoResponse()", lambda it: it.queue(NoResponse)),
        ("503 is not a fault, such as NoResponse()", lambda it: it.outage(1, 503)),
    ],
)
def test_a_wrong_key_id_or_fault_is_a_fake_service_error(
    words: str, mistake: Callable[[FakeService], object]
) -> None:
    service = FakeService()
    service.open_session("open")
    with pytest.raises(FakeServiceError, match=re.escape(words)) as caught:
        mistake(service)
    assert "secret" not in str(caught.value)
    assert delete(service, UNKNOWN).status == 404  # There is no outage.
