"""The rules that the fake service keeps, one by one, and what can be made to go wrong with it."""

import copy
import math
import pickle
import re
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firecrawl_interact.adapters import (
    DrippedResponse,
    FakeService,
    FakeServiceError,
    Fault,
    HeldResponse,
    InMemoryTransport,
    LostResponse,
    NoConnection,
    NoResponse,
    Reply,
)
from firecrawl_interact.core import ConnectFailedError, Request, Response, TimedOutError


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


def content(response: Response) -> dict[str, object]:
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    return msgspec.json.decode(response.body, type=dict[str, object])


UNKNOWN = "00000000-0000-4000-8000-000000000000"


def failure(error: str) -> dict[str, object]:
    return {"success": False, "error": error}


@pytest.mark.parametrize(
    ("authorization", "status", "error"),
    [
        (None, 401, "Unauthorized"),
        ("Bearer", 401, "Unauthorized: Token missing"),
        ("Bearer ", 401, "Unauthorized: Token missing"),
        ("fc-test", 401, "Unauthorized: Token missing"),
        ("Bearer fc-other", 401, "Unauthorized: Invalid token"),
        ("Bearer fc-test", 404, "Browser session not found."),
    ],
)
def test_a_key_must_be_the_second_word_and_known_and_a_session_must_be_known(
    authorization: str | None, status: int, error: str
) -> None:
    response = send(FakeService(), f"/v2/interact/{UNKNOWN}", authorization=authorization)
    assert (response.status, content(response)) == (status, failure(error))
    challenge = (
        'Bearer resource_metadata="https://www.firecrawl.dev/.well-known/oauth-protected-resource"'
    )
    assert response.headers.get("www-authenticate") == (challenge if status == 401 else None)


def test_a_session_belongs_to_one_team_the_first_ones_or_another_also_when_it_has_ended() -> None:
    service = FakeService(api_keys=["fc-a", "fc-b"])
    assert delete(service, service.open_session(), "fc-a").status == 200
    session_id = service.open_session(api_key="fc-b")
    response = delete(service, session_id, "fc-a")
    assert (response.status, content(response)) == (403, failure("Forbidden."))
    assert service.is_open(session_id)
    assert [delete(service, session_id, f"fc-{team}").status for team in "ba"] == [200, 403]


@pytest.mark.parametrize("authorization", [None, "Bearer fc-b", "Basic"])
def test_a_service_without_sign_in_is_one_team(authorization: str | None) -> None:
    service = FakeService(api_keys=())
    path = f"/v2/interact/{service.open_session(api_key='fc-a')}"
    assert send(service, path, authorization=authorization).status == 200


PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Error</title>
</head>
<body>
<pre>Cannot {}</pre>
</body>
</html>
"""


@pytest.mark.parametrize(
    "route",
    [
        *(f"DELETE {path}" for path in ("/", "/v2/interact", "/v2/interact/", "/v2/interact/1/2")),
        *(
            "DELETE /v1/interact/1",
            "DELETE /v2/scrape/1",
            "POST /v2/interact/1",
            "GET /v2/browser/1",
        ),
        *("delete /v2/interact/1", "GET /v2/scrape/1/interact", "GET /v2/interact/1/execute"),
    ],
)
@pytest.mark.parametrize("authorization", ["Bearer fc-test", None])
def test_anything_else_is_a_page_that_comes_before_key_and_rate_limit(
    route: str, authorization: str | None
) -> None:
    service = FakeService(rate_limit=0)
    service.open_session("1", scrape_id="1")
    method, _, path = route.partition(" ")
    response = send(service, path, method=method, authorization=authorization)
    assert (response.status, response.body.decode()) == (404, PAGE.format(route))
    assert response.headers == {
        "access-control-allow-origin": "*",
        "content-security-policy": "default-src 'none'",
        "x-content-type-options": "nosniff",
        "content-type": "text/html; charset=utf-8",
        "content-length": str(len(response.body)),
        "x-response-time": "0.000ms",
        "date": "Mon, 24 Nov 2025 22:16:26 GMT",
        "connection": "keep-alive",
        "keep-alive": "timeout=5",
    }
    assert service.is_open("1")


def test_the_page_escapes_the_path() -> None:
    assert b"<script>" not in send(FakeService(), "/<script>").body


def test_each_response_has_the_headers_that_the_services_server_adds() -> None:
    service = FakeService(latency=8.195)
    service.advance(60)
    response = delete(service, UNKNOWN)
    assert response.body == b'{"success":false,"error":"Browser session not found."}'
    assert response.headers == {
        "access-control-allow-origin": "*",
        "content-type": "application/json; charset=utf-8",
        "etag": 'W/"36-Lwf0IxyQJ+TFwLngtCLiqJrlAhw"',
        "content-length": "54",
        "x-response-time": "8195.000ms",
        "date": "Mon, 24 Nov 2025 22:17:34 GMT",
        "connection": "keep-alive",
        "keep-alive": "timeout=5",
    }


@given(
    st.sampled_from(
        ["/v2/interact/{}", "/v2/browser/{}/", "/V2/Interact/{}", "/v2/browser/{}?x=/1"]
    ),
    st.from_regex(r"id-[A-Za-z0-9._~-]{1,117}", fullmatch=True),
)
def test_two_routes_lead_to_a_session_and_their_one_segment_is_decoded(
    route: str, session_id: str
) -> None:
    service = FakeService()
    service.open_session(session_id)
    segment = "".join(f"%{ord(character):02X}" for character in session_id)
    assert send(service, route.format(segment)).status == 200
    assert not service.is_open(session_id)


@pytest.mark.parametrize(
    "spelling",
    [
        "{}",
        "%7B{}%7D",
        pytest.param("550E8400E29B41D4A716446655440000", id="upper case without hyphens"),
    ],
)
def test_a_session_has_several_spellings(spelling: str) -> None:
    service = FakeService()
    session_id = service.open_session("550E8400-e29b-41d4-a716-446655440000")
    assert session_id == "550e8400-e29b-41d4-a716-446655440000"
    assert service.is_open("550E8400-E29B-41D4-A716-446655440000")
    assert delete(service, spelling.format(session_id)).status == 200
    assert not service.is_open(session_id)


def test_an_id_that_is_no_uuid_is_a_500_unless_a_test_has_opened_it() -> None:
    service = FakeService()
    service.open_session("session-1")
    errors = [content(delete(service, "session-2")) for _ in range(2)]
    for error in errors:
        assert error == {
            "success": False,
            "code": "UNKNOWN_ERROR",
            "error": error["error"],
        }
        assert re.fullmatch(
            "An unexpected error occurred. Please contact help@firecrawl.com for help."
            " Your exception ID is [0-9a-f]{32}",
            str(error["error"]),
        )
    assert errors[0] != errors[1]
    assert [delete(service, f"session-{number}").status for number in (2, 1)] == [500, 200]


@pytest.mark.parametrize(
    ("prompt_used", "seconds", "credits_billed"),
    [(False, 0, 2), (True, 0, 7), (False, 39.095, 2), (False, 3541, 119), (True, 3541, 414)],
)
def test_a_delete_ends_a_session_and_bills_the_time_begun_but_a_minute_at_least(
    prompt_used: bool, seconds: float, credits_billed: int
) -> None:
    service = FakeService()
    session_id = service.open_session(prompt_used=prompt_used, ttl=3600)
    service.advance(seconds)
    first = content(delete(service, session_id))
    assert not service.is_open(session_id)
    assert first == {
        "success": True,
        "sessionDurationMs": pytest.approx(seconds * 1000, abs=0.001),
        "creditsBilled": credits_billed,
        "status": "stopped",
    }
    service.advance(3600)
    again = content(delete(service, session_id))
    assert again == {name: value for name, value in first.items() if name != "sessionDurationMs"}


@pytest.mark.parametrize("ttl", [600, 30])
def test_a_session_expires_and_is_settled_a_little_later(ttl: float) -> None:
    service = FakeService()
    session_ids = [service.open_session(ttl=ttl) for _ in range(3)]
    service.advance(ttl - 0.5)
    assert service.sessions_left_open == session_ids
    service.advance(0.5)
    assert service.sessions_left_open == []
    assert not service.is_open(session_ids[0])
    service.advance(14)
    receipt = content(delete(service, session_ids[0]))
    assert receipt["sessionDurationMs"] == pytest.approx(ttl * 1000, abs=0.001)
    service.advance(1)
    settled = content(delete(service, session_ids[1]))
    assert settled == {
        name: value for name, value in receipt.items() if name != "sessionDurationMs"
    }
    assert content(delete(service, session_ids[0])) == settled


def stop(service: FakeService, scrape_id: str, api_key: str = "fc-test") -> Response:
    path = f"/v2/scrape/{scrape_id}/interact"
    return send(service, path, authorization=f"Bearer {api_key}")


def test_a_delete_by_scrape_ends_one_session_of_it_that_is_open_or_repeats_a_receipt() -> None:
    service = FakeService(["fc-test", "fc-other"])
    scrape_id = str(uuid.uuid4())
    assert stop(service, scrape_id).status == 404
    sessions = [service.open_session(scrape_id=scrape_id) for _ in range(2)]
    other = service.open_session(scrape_id=str(uuid.uuid4()), prompt_used=True)
    assert stop(service, scrape_id, "fc-other").status == 403
    durations = ["sessionDurationMs" in content(stop(service, scrape_id.upper())) for _ in range(3)]
    assert durations == [True, True, False]
    assert [service.is_open(session_id) for session_id in sessions] == [False, False]
    assert service.sessions_left_open == [other]


def test_a_scrape_id_that_is_no_uuid_is_refused_unless_a_test_has_named_it() -> None:
    service = FakeService()
    service.open_session(scrape_id="scrape-1")
    response = stop(service, "scrape-2")
    error = "Invalid job ID format. Job ID must be a valid UUID."
    assert (response.status, content(response)) == (400, failure(error))
    assert stop(service, "scrape-1").status == 200


# --- opening and using sessions --------------------------------------------------------------


def post(service: FakeService, path: str, body: bytes = b"") -> dict[str, Any]:
    """Post a request, and return what came of it, its status included."""
    headers = {"Authorization": "Bearer fc-test"}
    response, fault = service.respond(Request("POST", path, headers), body)
    assert fault is None
    return {"status": response.status, **content(response)}


@pytest.mark.parametrize(
    ("body", "ttl"), [(b"", 600), (b"{}", 600), (b'{"ttl":30,"streamWebView":false}', 30)]
)
def test_a_session_can_be_opened_used_and_listed(body: bytes, ttl: float) -> None:
    service = FakeService(rate_limit=4)
    service.advance(60)
    opened = [post(service, f"/v2/{alias}", body) for alias in ("interact", "browser")]
    session_ids = [session["id"] for session in opened]
    assert service.sessions_left_open == session_ids
    assert [session["success"] for session in opened] == [True, True]
    expires = {30: "22:17:56", 600: "22:27:26"}[int(ttl)]
    assert opened[0]["expiresAt"] == f"2025-11-24T{expires}Z"
    used = post(service, f"/v2/interact/{session_ids[0]}/execute", b'{"code":"1"}')
    assert (used["exitCode"], used["stdout"]) == (0, "done")
    assert delete(service, session_ids[0]).status == 200
    assert post(service, f"/v2/interact/{session_ids[0]}/execute")["status"] == 410
    listed: Any = content(send(service, "/v2/browser?status=active", method="GET"))
    assert [session["id"] for session in listed["sessions"]] == [session_ids[1]]
    assert delete(service, UNKNOWN).status == 429  # Those that opened a session do not count.


def test_the_list_has_the_teams_own_sessions_the_newest_first() -> None:
    service = FakeService(["fc-test", "fc-other"])
    session_ids = [service.open_session() for _ in range(2)]
    service.open_session(api_key="fc-other")
    service.advance(600)
    session_ids.append(service.open_session())
    listed: Any = content(send(service, "/v2/interact", method="GET"))
    assert [(session["id"], session["status"]) for session in listed["sessions"]] == [
        (session_ids[2], "active"),
        (session_ids[1], "destroyed"),
        (session_ids[0], "destroyed"),
    ]


def test_a_scrape_has_one_session_at_a_time_that_prompts_make_dearer() -> None:
    service = FakeService()
    scrape_id = str(uuid.uuid4())
    path = f"/v2/scrape/{scrape_id}/interact"
    first = [post(service, path, b'{"code":"1"}')["sessionId"] for _ in range(2)]
    assert first[0] == first[1]
    assert content(stop(service, scrape_id))["creditsBilled"] == 2
    second = post(service, path, b'{"prompt":"Open the first link."}')
    assert second["sessionId"] not in first
    assert second["output"] == "done"
    assert content(stop(service, scrape_id))["creditsBilled"] == 7


@pytest.mark.parametrize("body", [b"{", b'{"ttl":"long"}', b'{"ttl":29}', b'{"ttl":3601}'])
def test_a_body_that_the_service_cannot_read_opens_nothing(body: bytes) -> None:
    service = FakeService()
    refused = {"status": 400, "success": False, "code": "BAD_REQUEST", "error": "Bad Request"}
    assert post(service, "/v2/interact", body) == refused
    assert service.sessions_left_open == []


def test_the_session_of_another_team_cannot_be_used() -> None:
    service = FakeService(["fc-test", "fc-other"])
    session_id = service.open_session(api_key="fc-other")
    assert post(service, f"/v2/interact/{session_id}/execute")["status"] == 403


# --- time and faults -------------------------------------------------------------------------


def test_a_duration_is_seldom_a_whole_number() -> None:
    service = FakeService()
    durations: list[Any] = []  # Any: of JSON
    for _ in range(100):
        session_id = service.open_session()
        service.advance(0.123)
        durations.append(content(delete(service, session_id))["sessionDurationMs"])
    assert durations == pytest.approx([123] * 100, abs=0.001)
    assert sum(float.is_integer(duration) for duration in durations) < 10


def statuses(service: FakeService, requests: int) -> list[int]:
    return [delete(service, UNKNOWN).status for _ in range(requests)]


def test_a_fault_meets_one_request_each_in_order() -> None:
    service = FakeService()
    service.queue(Reply(502), Reply(503))
    service.queue(Reply(504))
    assert service.queued == [Reply(502), Reply(503), Reply(504)]
    assert statuses(service, 4) == [502, 503, 504, 404]
    assert service.queued == []


def test_a_fault_for_one_session_meets_its_requests_alone_also_by_its_scrape() -> None:
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


def test_a_reply_comes_as_given_before_every_rule_and_keeps_the_service_from_acting() -> None:
    service = FakeService(rate_limit=1)
    session_id = service.open_session()
    service.queue(Reply(503, b"<html>", {"Retry-After": "7"}))
    reply = Response(503, {"retry-after": "7"}, b"<html>")
    assert delete(service, session_id, "fc-unknown") == reply
    assert len(service.requests) == 1
    with pytest.raises(FakeServiceError):
        service.queue(Reply(502), None)  # type: ignore[arg-type]  # a mistake: none is queued
    assert delete(service, session_id).status == 200


FAULTS = [Reply(502), Reply(200, json={"success": True}), NoConnection(), NoResponse()]
FAULTS += [HeldResponse(), LostResponse(), DrippedResponse(0.1)]


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
def test_a_fault_is_a_value(fault: Fault) -> None:
    assert pickle.loads(pickle.dumps(fault)) == fault  # noqa: S301 - our own bytes
    assert fault != Reply(200, json={"success": False})
    with pytest.raises(AttributeError):
        fault.status = 1  # type: ignore[union-attr,misc]  # the mistake


def test_a_reply_takes_json_for_its_body_and_a_content_type_and_refuses_text() -> None:
    reply = Reply(429, json={"success": False, "error": "slow down"})
    assert reply.body == b'{"success":false,"error":"slow down"}'
    assert reply.headers == {"content-type": "application/json; charset=utf-8"}
    reply = Reply(200, headers={"Content-Type": "text/json"}, json=None)
    assert (reply.body, reply.headers) == (b"null", {"Content-Type": "text/json"})
    with pytest.raises(FakeServiceError, match=r"must be bytes, not str: write b\"\.\.\.\""):
        Reply(500, "text")  # type: ignore[arg-type]  # the mistake


def test_an_outage_meets_every_request_for_so_many_seconds_of_the_services_clock() -> None:
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


def test_an_outage_leaves_the_queue_and_the_rate_limit_as_they_are_and_may_be_endless() -> None:
    service = FakeService(rate_limit=1)
    service.queue(Reply(502))
    service.outage(1, Reply(503))
    assert statuses(service, 2) == [503, 503]
    service.outage(math.inf)
    service.advance(1e9)
    with pytest.raises(ConnectFailedError):
        delete(service, UNKNOWN)
    service.outage(0)
    assert statuses(service, 3) == [502, 404, 429]


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


def test_it_is_summed_up_in_its_repr_without_a_key() -> None:
    service = FakeService(api_keys=["fc-secret"], rate_limit=10)
    service.open_session()
    delete(service, service.open_session(), "fc-secret")
    assert repr(service) == ("<FakeService: 1 of 2 sessions open, requests: 1, rate limit: 10>")


def test_a_session_has_an_id_like_the_services_unless_given_one_and_is_listed_while_open() -> None:
    service, given_id = FakeService(api_keys=["fc-a", "fc-b"]), uuid.uuid4()
    own_id = service.open_session()
    ids = [service.open_session("session-1", api_key="fc-b"), service.open_session(given_id)]
    assert uuid.UUID(own_id).version == 7
    assert int(own_id[:8] + own_id[9:13], 16) == 1764022586000  # milliseconds since 1970
    assert ids == ["session-1", str(given_id)]
    assert service.is_open(given_id)
    delete(service, own_id, "fc-a")
    assert service.sessions_left_open == ids


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(lambda _: FakeService(api_keys="fc-test"), id="one key instead of a list"),
        pytest.param(lambda _: FakeService(api_keys=[""]), id="an empty key"),
        pytest.param(lambda service: service.advance(-1), id="back in time"),
        pytest.param(lambda service: service.advance(math.nan), id="a time that is none"),
        pytest.param(lambda service: service.advance(math.inf), id="to the end of time"),
        pytest.param(lambda service: service.open_session(ttl=0), id="no time to live"),
        pytest.param(lambda service: service.open_session(scrape_id="a/b"), id="a bad scrape id"),
        pytest.param(lambda _: FakeService(api_keys=["fc secret"]), id="a key with a blank"),
        pytest.param(lambda _: FakeService(rate_limit=-1), id="a negative rate limit"),
        pytest.param(lambda _: FakeService(rate_limit=1.5), id="half a request"),  # type: ignore[arg-type]
        pytest.param(lambda _: FakeService(latency=-1), id="a negative latency"),
        pytest.param(lambda _: FakeService(latency=math.inf), id="an endless latency"),
        pytest.param(lambda service: service.open_session(api_key="secret"), id="an unknown key"),
        pytest.param(lambda service: service.open_session("open"), id="an id twice"),
        pytest.param(lambda service: service.is_open("never"), id="the state of no session"),
        pytest.param(lambda service: service.queue("NoResponse"), id="a fault that is none"),
        pytest.param(lambda service: service.queue(NoResponse), id="a fault's class"),
        pytest.param(lambda _: DrippedResponse(0), id="a drip that takes no time"),
        pytest.param(lambda _: Reply(99), id="a status too low"),
        pytest.param(lambda _: Reply(1000), id="a status too high"),
        pytest.param(lambda _: Reply("500"), id="a status that is text"),  # type: ignore[arg-type]
        pytest.param(lambda _: Reply(200, b"x", json={}), id="a body and JSON"),
        pytest.param(lambda _: Reply(200, json=object()), id="what JSON cannot hold"),
        pytest.param(lambda service: service.outage(-1), id="less than no time"),
        pytest.param(lambda service: service.outage(math.nan), id="no number"),
        pytest.param(lambda service: service.outage(1, 503), id="no fault"),
        pytest.param(lambda service: service.outage(1, NoResponse), id="a fault's class"),
    ],
)
def test_a_mistake_in_the_set_up_is_an_error_of_its_own_that_quotes_no_key(
    mistake: Callable[[FakeService], object],
) -> None:
    service = FakeService()
    service.open_session("open")
    with pytest.raises(FakeServiceError) as caught:
        mistake(service)
    assert "secret" not in str(caught.value)
    assert delete(service, UNKNOWN).status == 404  # There is no outage.


@pytest.mark.parametrize("session_id", ["", ".", " 1", "1\n", "a/b", "a%2Fb", "\xe9", "a" * 257])
def test_an_id_that_the_library_refuses_is_a_mistake_in_the_set_up(session_id: str) -> None:
    with pytest.raises(FakeServiceError, match="the service makes no such id"):
        FakeService().open_session(session_id)


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_service_refuses_to_be_duplicated(duplicate: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="LoopbackService"):
        duplicate(FakeService())
