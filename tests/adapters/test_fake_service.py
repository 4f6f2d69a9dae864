"""The rules that the fake service keeps, one by one."""

import copy
import math
import pickle
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firecrawl_interact.adapters.fake_service import FakeService
from firecrawl_interact.adapters.fake_service.faults import (
    DrippedResponse,
    FakeServiceError,
    NoResponse,
)
from firecrawl_interact.adapters.in_memory import InMemoryTransport
from firecrawl_interact.core.transport import Request

from .fake_requests import content, delete, failure, send


class TestAKey:
    def test_it_may_not_be_absent(self) -> None:
        response = send(FakeService(), "/v2/interact/1", authorization=None)
        assert (response.status, content(response)) == (401, failure("Unauthorized"))

    @pytest.mark.parametrize("authorization", ["Bearer", "Bearer ", "fc-test"])
    def test_it_must_be_the_second_word(self, authorization: str) -> None:
        response = send(FakeService(), "/v2/interact/1", authorization=authorization)
        assert (response.status, content(response)) == (401, failure("Unauthorized: Token missing"))

    def test_it_must_be_known(self) -> None:
        response = send(FakeService(), "/v2/interact/1", authorization="Bearer fc-other")
        assert (response.status, content(response)) == (401, failure("Unauthorized: Invalid token"))

    def test_its_header_may_be_written_in_any_case(self) -> None:
        service = FakeService()
        request = Request(
            "DELETE",
            f"/v2/interact/{service.open_session()}",
            {"AUTHORIZATION": "Bearer fc-test"},
        )
        assert InMemoryTransport(service).send(request, 90).status == 200

    def test_it_does_not_destroy_another_teams_session(self) -> None:
        service = FakeService(api_keys=["fc-a", "fc-b"])
        session_id = service.open_session(api_key="fc-b")
        response = delete(service, session_id, "fc-a")
        assert (response.status, content(response)) == (403, failure("Forbidden."))
        assert service.is_open(session_id)

    def test_it_does_not_destroy_another_teams_session_that_has_ended(self) -> None:
        service = FakeService(api_keys=["fc-a", "fc-b"])
        session_id = service.open_session(api_key="fc-b")
        delete(service, session_id, "fc-b")
        assert delete(service, session_id, "fc-a").status == 403

    def test_the_first_owns_a_session_unless_another_key_is_given(self) -> None:
        service = FakeService(api_keys=["fc-a", "fc-b"])
        assert delete(service, service.open_session(), "fc-a").status == 200

    @pytest.mark.parametrize("authorization", [None, "Bearer fc-anything", "Basic"])
    def test_a_service_without_sign_in_takes_any_or_none(self, authorization: str | None) -> None:
        service = FakeService(api_keys=())
        path = f"/v2/interact/{service.open_session()}"
        assert send(service, path, authorization=authorization).status == 200

    def test_a_service_without_sign_in_is_one_team(self) -> None:
        service = FakeService(api_keys=())
        session_id = service.open_session(api_key="fc-a")
        assert delete(service, session_id, "fc-b").status == 200


class TestARoute:
    @pytest.mark.parametrize("name", ["interact", "browser"])
    def test_two_lead_to_a_session(self, name: str) -> None:
        service = FakeService()
        assert send(service, f"/v2/{name}/{service.open_session()}").status == 200

    @pytest.mark.parametrize(
        "path",
        [
            "/",
            "/v2/interact",
            "/v2/interact/",
            "/v2/interact/1/",
            "/v2/interact/1/2",
            "/v1/interact/1",
        ],
    )
    def test_any_other_is_a_page_that_says_nothing_about_a_session(self, path: str) -> None:
        service = FakeService()
        service.open_session("1")
        response = send(service, path)
        assert response.status == 404
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert f"<pre>Cannot DELETE {path}</pre>" in response.body.decode()
        assert service.is_open("1")

    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "delete"])
    def test_any_other_method_is_such_a_page_too(self, method: str) -> None:
        service = FakeService()
        path = f"/v2/interact/{service.open_session()}"
        response = send(service, path, method=method)
        assert response.status == 404
        assert f"Cannot {method} {path}" in response.body.decode()

    def test_the_page_escapes_the_path(self) -> None:
        assert b"<script>" not in send(FakeService(), "/<script>").body

    def test_it_ignores_a_query(self) -> None:
        service = FakeService()
        assert send(service, f"/v2/interact/{service.open_session()}?x=/1").status == 200

    @given(st.from_regex(r"id-[A-Za-z0-9._~-]{1,250}", fullmatch=True))
    def test_it_decodes_the_one_segment_that_is_the_id(self, session_id: str) -> None:
        service = FakeService()
        service.open_session(session_id)
        segment = "".join(f"%{ord(character):02X}" for character in session_id)
        assert send(service, f"/v2/interact/{segment}").status == 200
        assert not service.is_open(session_id)


class TestADelete:
    def test_of_an_unknown_session_finds_nothing(self) -> None:
        response = delete(FakeService(), str(uuid.uuid4()))
        assert (response.status, content(response)) == (404, failure("Browser session not found."))

    def test_destroys_and_bills(self) -> None:
        service = FakeService()
        session_id = service.open_session()
        service.sleep(39.095)
        receipt = content(delete(service, session_id))
        assert not service.is_open(session_id)
        assert receipt == {
            "success": True,
            "sessionDurationMs": pytest.approx(39095, abs=0.001),
            "creditsBilled": 2,
            "status": "stopped",
        }

    def test_again_succeeds_without_a_duration(self) -> None:
        service = FakeService()
        session_id = service.open_session()
        first = content(delete(service, session_id))
        service.sleep(3600)
        again = content(delete(service, session_id))
        assert again == {k: v for k, v in first.items() if k != "sessionDurationMs"}

    def test_gives_a_duration_that_is_seldom_a_whole_number(self) -> None:
        service = FakeService()
        durations = []
        for milliseconds in range(1, 1000):
            session_id = service.open_session()
            service.sleep(milliseconds / 1000)
            duration = content(delete(service, session_id))["sessionDurationMs"]
            assert isinstance(duration, float)
            assert round(duration) == milliseconds
            durations.append(duration)
        assert sum(duration.is_integer() for duration in durations) < 10

    @pytest.mark.parametrize(("prompt_used", "least"), [(False, 2), (True, 7)])
    def test_bills_a_minute_at_least(self, prompt_used: bool, least: int) -> None:
        service = FakeService()
        session_id = service.open_session(prompt_used=prompt_used)
        assert content(delete(service, session_id))["creditsBilled"] == least

    @pytest.mark.parametrize(("prompt_used", "credits_per_hour"), [(False, 120), (True, 420)])
    def test_bills_the_time_begun(self, prompt_used: bool, credits_per_hour: int) -> None:
        service = FakeService()
        session_id = service.open_session(prompt_used=prompt_used)
        service.sleep(3601)
        assert content(delete(service, session_id))["creditsBilled"] == credits_per_hour + 1

    def test_at_once_from_many_threads_settles_once(self) -> None:
        service = FakeService()
        session_ids = [service.open_session() for _ in range(20)]
        ready = threading.Barrier(8)

        def destroy() -> list[dict[str, object]]:
            ready.wait()
            return [content(delete(service, session_id)) for session_id in session_ids]

        with ThreadPoolExecutor(8) as threads:
            calls = [threads.submit(destroy) for _ in range(8)]
        receipts = [receipt for call in calls for receipt in call.result()]
        assert all(receipt["success"] for receipt in receipts)
        assert sum("sessionDurationMs" in receipt for receipt in receipts) == len(session_ids)

    def test_is_needed_for_a_session_never_expires_by_itself(self) -> None:
        service = FakeService()
        session_id = service.open_session()
        service.sleep(1_000_000)
        assert service.is_open(session_id)


class TestTheClock:
    def test_starts_at_zero_and_moves_only_when_somebody_waits(self) -> None:
        service = FakeService()
        delete(service, service.open_session())
        assert service.monotonic() == 0
        service.sleep(70)
        assert service.monotonic() == 70

    @pytest.mark.parametrize("seconds", [-1, -1e-9, math.nan, math.inf])
    def test_never_goes_back_nor_stands_still_for_ever(self, seconds: float) -> None:
        service = FakeService()
        with pytest.raises(ValueError, match="cannot wait"):
            service.sleep(seconds)
        assert service.monotonic() == 0

    def test_runs_by_itself_on_the_systems_time(self) -> None:
        service = FakeService()
        with service.system_time():
            before = service.monotonic()
            while service.monotonic() == before:
                pass

    def test_really_waits_on_the_systems_time(self) -> None:
        service = FakeService()
        with service.system_time():
            before = time.monotonic()
            service.sleep(0.01)
            assert time.monotonic() - before >= 0.01

    def test_stands_again_once_the_last_that_wanted_the_systems_time_has_left(self) -> None:
        service = FakeService()
        with service.system_time():
            with service.system_time():
                pass
            between = service.monotonic()
            while service.monotonic() == between:
                pass
        assert service.monotonic() == service.monotonic()

    @given(st.lists(st.sampled_from(["wait", "switch on", "switch off"]), max_size=20))
    def test_never_jumps_back_however_it_is_switched(self, steps: list[str]) -> None:
        service = FakeService()
        switched = []
        times = [service.monotonic()]
        for step in steps:
            if step == "switch on":
                switched.append(service.system_time())
                switched[-1].__enter__()
            elif step == "switch off" and switched:
                switched.pop().__exit__(None, None, None)
            elif not switched:
                service.sleep(5)
            times.append(service.monotonic())
        assert times == sorted(times)


class TestTheRecord:
    def test_keeps_each_request_in_order_without_its_credentials(self) -> None:
        service = FakeService()
        headers = {"authorization": "Bearer fc-test", "Accept": "application/json"}
        InMemoryTransport(service).send(Request("DELETE", "/v2/interact/1", headers), 90)
        send(service, "/v2/browser/2", method="GET")
        assert service.requests == [
            Request("DELETE", "/v2/interact/1", {"Accept": "application/json"}),
            Request("GET", "/v2/browser/2", {}),
        ]

    def test_is_a_copy(self) -> None:
        service = FakeService()
        service.requests.append(Request("DELETE", "/", {}))
        assert service.requests == []

    def test_is_summed_up_in_the_repr_without_a_key(self) -> None:
        service = FakeService(api_keys=["fc-secret"], rate_limit=10)
        service.open_session()
        delete(service, service.open_session(), "fc-secret")
        assert repr(service) == (
            "<FakeService: 1 of 2 sessions open, requests: 1, rate limit: RateLimit(requests=10)>"
        )


class TestASession:
    def test_has_an_id_like_the_services_unless_given_one(self) -> None:
        service = FakeService()
        assert uuid.UUID(service.open_session())
        assert service.open_session("session-1") == "session-1"
        given = uuid.uuid4()
        assert service.open_session(given) == str(given)
        assert service.is_open(given)

    def test_is_left_open_until_it_is_destroyed(self) -> None:
        service = FakeService(api_keys=["fc-a", "fc-b"])
        one, other = service.open_session(), service.open_session(api_key="fc-b")
        delete(service, one, "fc-b")
        assert service.sessions_left_open == [one, other]
        delete(service, one, "fc-a")
        assert service.sessions_left_open == [other]
        delete(service, other, "fc-b")
        assert service.sessions_left_open == []


def opened_twice(service: FakeService) -> None:
    service.open_session("1")
    service.open_session("1")


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(lambda _: FakeService(api_keys="fc-test"), id="one key instead of a list"),
        pytest.param(lambda _: FakeService(api_keys=[""]), id="an empty key"),
        pytest.param(lambda _: FakeService(api_keys=["fc test"]), id="a key with a blank"),
        pytest.param(lambda _: FakeService(rate_limit=-1), id="a negative rate limit"),
        pytest.param(lambda _: FakeService(latency=-1), id="a negative latency"),
        pytest.param(lambda _: FakeService(latency=math.inf), id="an endless latency"),
        pytest.param(lambda service: service.open_session(api_key="fc-x"), id="an unknown key"),
        pytest.param(opened_twice, id="an id twice"),
        pytest.param(lambda service: service.is_open("never"), id="the state of no session"),
        pytest.param(lambda service: service.queue("NoResponse"), id="a fault that is none"),
        pytest.param(lambda service: service.queue(NoResponse), id="a fault's class"),
        pytest.param(lambda _: DrippedResponse(0), id="a drip that takes no time"),
    ],
)
def test_a_mistake_in_the_set_up_is_an_error_of_its_own(
    mistake: Callable[[FakeService], object],
) -> None:
    with pytest.raises(FakeServiceError):
        mistake(FakeService())


@pytest.mark.parametrize(
    "session_id",
    ["", ".", "..", " 1", "1\n", '"1"', "1,", "a/b", "a%2Fb", "\xe9", "\ud800", "a" * 257],
)
def test_an_id_that_the_library_refuses_is_a_mistake_in_the_set_up(session_id: str) -> None:
    with pytest.raises(FakeServiceError, match="no service has made such an id"):
        FakeService().open_session(session_id)


def test_a_mistake_never_quotes_a_key() -> None:
    with pytest.raises(FakeServiceError) as caught:
        FakeService(api_keys=["fc-secret"]).open_session(api_key="fc-other-secret")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_service_refuses_to_be_duplicated(duplicate: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="LoopbackService"):
        duplicate(FakeService())
