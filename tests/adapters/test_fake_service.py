"""The rules that the fake service keeps, one by one, and what can be made to go wrong with it."""

import copy
import math
import pickle
import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firecrawl_interact.adapters import (
    DrippedResponse,
    FakeService,
    FakeServiceError,
    Fault,
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
    path = f"/v2/interact/{quote(session_id, safe='')}"
    return send(service, path, authorization=f"Bearer {api_key}")


def content(response: Response) -> dict[str, object]:
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    return msgspec.json.decode(response.body, type=dict[str, object])


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
    response = send(FakeService(), "/v2/interact/1", authorization=authorization)
    assert (response.status, content(response)) == (status, failure(error))


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


PATHS = "/ /v2/interact /v2/interact/ /v2/interact/1/ /v2/interact/1/2 /v1/interact/1"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("DELETE", path) for path in PATHS.split(" ")),
        *((method, "/v2/interact/1") for method in ("GET", "POST", "PUT", "PATCH", "delete")),
    ],
)
def test_anything_else_is_a_page_that_says_nothing_about_a_session(method: str, path: str) -> None:
    service = FakeService()
    service.open_session("1")
    response = send(service, path, method=method)
    assert response.status == 404
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert f"<pre>Cannot {method} {path}</pre>" in response.body.decode()
    assert service.is_open("1")


def test_the_page_escapes_the_path() -> None:
    assert b"<script>" not in send(FakeService(), "/<script>").body


@given(
    st.sampled_from(["/v2/interact/{}", "/v2/browser/{}", "/v2/interact/{}?x=/1"]),
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
    ("prompt_used", "seconds", "credits_billed"),
    [(False, 0, 2), (True, 0, 7), (False, 39.095, 2), (False, 3601, 121), (True, 3601, 421)],
)
def test_a_delete_ends_a_session_and_bills_the_time_begun_but_a_minute_at_least(
    prompt_used: bool, seconds: float, credits_billed: int
) -> None:
    service = FakeService()
    session_id = service.open_session(prompt_used=prompt_used)
    service.sleep(seconds)
    first = content(delete(service, session_id))
    assert not service.is_open(session_id)
    assert first == {
        "success": True,
        "sessionDurationMs": pytest.approx(seconds * 1000, abs=0.001),
        "creditsBilled": credits_billed,
        "status": "stopped",
    }
    service.sleep(3600)
    again = content(delete(service, session_id))
    assert again == {name: value for name, value in first.items() if name != "sessionDurationMs"}


def test_a_duration_is_seldom_a_whole_number() -> None:
    service = FakeService()
    durations: list[Any] = []  # Any: of JSON
    for _ in range(100):
        session_id = service.open_session()
        service.sleep(0.123)
        durations.append(content(delete(service, session_id))["sessionDurationMs"])
    assert durations == pytest.approx([123] * 100, abs=0.001)
    assert sum(float.is_integer(duration) for duration in durations) < 10


def test_the_clock_starts_at_zero_and_moves_forward_alone_when_somebody_waits() -> None:
    service = FakeService()
    session_id = service.open_session()
    delete(service, "unknown")
    for seconds in (-1, -1e-9, math.nan, math.inf):
        with pytest.raises(ValueError, match="cannot wait"):
            service.sleep(seconds)
    assert service.monotonic() == 0
    service.sleep(1_000_000)
    assert service.monotonic() == 1_000_000
    assert service.is_open(session_id)  # It never expires by itself.


def test_on_the_systems_time_the_clock_runs_by_itself_and_waits_are_real() -> None:
    service = FakeService()
    with service.clock.system_time():
        before = time.monotonic(), service.monotonic()
        service.sleep(0.01)
        assert time.monotonic() - before[0] >= 0.01
        assert service.monotonic() - before[1] >= 0.01
    assert service.monotonic() == service.monotonic()


@given(st.lists(st.sampled_from(["wait", "switch on", "switch off"]), max_size=20))
def test_the_clock_never_jumps_back_however_it_is_switched(steps: list[str]) -> None:
    service = FakeService()
    switched = []
    times = [service.monotonic()]
    for step in steps:
        if step == "switch on":
            switched.append(service.clock.system_time())
            switched[-1].__enter__()
        elif step == "switch off" and switched:
            switched.pop().__exit__(None, None, None)
        elif not switched:
            service.sleep(5)
        times.append(service.monotonic())
    assert times == sorted(times)


def statuses(service: FakeService, requests: int) -> list[int]:
    return [delete(service, "unknown").status for _ in range(requests)]


def test_a_fault_meets_one_request_each_in_order() -> None:
    service = FakeService()
    service.queue(Reply(502), Reply(503))
    service.queue(Reply(504))
    assert statuses(service, 4) == [502, 503, 504, 404]


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
FAULTS += [LostResponse(), DrippedResponse(0.1)]


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
    service.sleep(100)
    session_id = service.open_session()
    service.outage(200, NoResponse())
    for _ in range(2):
        with pytest.raises(TimedOutError):
            delete(service, session_id)
    service.sleep(299.9 - service.monotonic())
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
    service.sleep(1e9)
    with pytest.raises(ConnectFailedError):
        delete(service, "unknown")
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
    assert uuid.UUID(own_id)
    assert ids == ["session-1", str(given_id)]
    assert service.is_open(given_id)
    delete(service, own_id, "fc-a")
    assert service.sessions_left_open == ids


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(lambda _: FakeService(api_keys="fc-test"), id="one key instead of a list"),
        pytest.param(lambda _: FakeService(api_keys=[""]), id="an empty key"),
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
        pytest.param(lambda _: Reply(204, b"x"), id="a body where none may be"),
        pytest.param(lambda _: Reply(204, json={}), id="JSON where no body may be"),
        pytest.param(lambda _: Reply(200, b"x", json={}), id="a body and JSON"),
        pytest.param(lambda _: Reply(200, json=object()), id="what JSON cannot hold"),
        pytest.param(lambda _: Reply(200, headers={"a": "b\r\nc: d"}), id="two headers in one"),
        pytest.param(lambda _: Reply(200, headers={"a b": "c"}), id="a name that is none"),
        pytest.param(lambda _: Reply(200, headers={"Content-Length": "1"}), id="its framing"),
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
    assert delete(service, "unknown").status == 404  # There is no outage.


@pytest.mark.parametrize("session_id", ["", ".", " 1", "1\n", "a/b", "a%2Fb", "\xe9", "a" * 257])
def test_an_id_that_the_library_refuses_is_a_mistake_in_the_set_up(session_id: str) -> None:
    with pytest.raises(FakeServiceError, match="the service makes no such id"):
        FakeService().open_session(session_id)


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_service_refuses_to_be_duplicated(duplicate: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="LoopbackService"):
        duplicate(FakeService())
