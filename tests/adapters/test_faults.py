"""What can be made to go wrong with the fake service: one request, or a whole outage."""

import math
import pickle
from collections.abc import Callable

import pytest

from firecrawl_interact.adapters.fake_service import (
    DrippedResponse,
    FakeService,
    FakeServiceError,
    Fault,
    LostResponse,
    NoConnection,
    NoResponse,
    Reply,
)
from firecrawl_interact.core.transport import (
    ConnectFailedError,
    ConnectionLostError,
    Response,
    TimedOutError,
)

from .fake_requests import delete


class TestAFault:
    def test_meets_one_request_each_in_order(self) -> None:
        service = FakeService()
        service.queue(Reply(502), Reply(503))
        service.queue(Reply(504))
        assert [delete(service, "1").status for _ in range(4)] == [502, 503, 504, 404]

    def test_that_is_a_reply_comes_as_given_and_keeps_the_service_from_acting(self) -> None:
        service = FakeService(rate_limit=1)
        session_id = service.open_session()
        service.queue(Reply(503, b"<html>", {"Retry-After": "7"}))
        assert delete(service, session_id) == Response(503, {"retry-after": "7"}, b"<html>")
        assert len(service.requests) == 1
        assert delete(service, session_id).status == 200

    def test_precedes_every_rule(self) -> None:
        service = FakeService()
        service.queue(Reply(200))
        assert delete(service, "1", "fc-unknown").status == 200

    def test_is_not_queued_if_another_is_none(self) -> None:
        service = FakeService()
        with pytest.raises(FakeServiceError):
            service.queue(Reply(502), None)  # type: ignore[arg-type]  # the mistake
        assert delete(service, "1").status == 404

    @pytest.mark.parametrize(
        "fault",
        [Reply(502), NoConnection(), NoResponse(), LostResponse(), DrippedResponse(0.1)],
        ids=repr,
    )
    def test_is_a_value(self, fault: Fault) -> None:
        assert pickle.loads(pickle.dumps(fault)) == fault  # noqa: S301 - our own bytes
        with pytest.raises(AttributeError):
            fault.status = 1  # type: ignore[union-attr,misc]  # the mistake


class TestAReply:
    def test_takes_json_for_its_body(self) -> None:
        service = FakeService()
        service.queue(Reply(429, json={"success": False, "error": "slow down"}))
        response = delete(service, "1")
        assert (response.status, response.body) == (429, b'{"success":false,"error":"slow down"}')
        assert response.headers == {"content-type": "application/json; charset=utf-8"}

    def test_keeps_the_content_type_that_it_is_given(self) -> None:
        reply = Reply(200, headers={"Content-Type": "text/json"}, json=None)
        assert (reply.body, reply.headers) == (b"null", {"Content-Type": "text/json"})

    def test_with_json_is_a_value_too(self) -> None:
        reply = Reply(200, json={"success": True})
        assert pickle.loads(pickle.dumps(reply)) == reply  # noqa: S301 - our own bytes
        assert Reply(200, json={"success": False}) != reply

    def test_refuses_text_for_its_body_and_says_what_to_write(self) -> None:
        with pytest.raises(FakeServiceError, match=r"must be bytes, not str: write b\"\.\.\.\""):
            Reply(500, "text")  # type: ignore[arg-type]  # the mistake

    @pytest.mark.parametrize(
        "mistake",
        [
            pytest.param(lambda: Reply(99), id="a status too low"),
            pytest.param(lambda: Reply(1000), id="a status too high"),
            pytest.param(lambda: Reply("500"), id="a status that is text"),  # type: ignore[arg-type]
            pytest.param(lambda: Reply(204, b"x"), id="a body where none may be"),
            pytest.param(lambda: Reply(204, json={}), id="JSON where no body may be"),
            pytest.param(lambda: Reply(200, b"x", json={}), id="a body and JSON"),
            pytest.param(lambda: Reply(200, json=object()), id="what JSON cannot hold"),
            pytest.param(lambda: Reply(200, headers={"a": "b\r\nc: d"}), id="two headers in one"),
            pytest.param(lambda: Reply(200, headers={"a b": "c"}), id="a name that is none"),
            pytest.param(lambda: Reply(200, headers={"Content-Length": "1"}), id="its framing"),
        ],
    )
    def test_that_cannot_be_sent_is_an_error_of_the_set_up(
        self, mistake: Callable[[], object]
    ) -> None:
        with pytest.raises(FakeServiceError):
            mistake()


class TestAnOutage:
    def test_lasts_so_many_seconds_of_the_services_clock(self) -> None:
        service = FakeService()
        service.sleep(100)
        session_id = service.open_session()
        service.outage(60)
        for _ in range(2):
            with pytest.raises(ConnectFailedError):
                delete(service, session_id)
            service.sleep(29.9)
        service.sleep(0.2)
        assert service.is_open(session_id)
        assert delete(service, session_id).status == 200

    def test_can_be_seen_while_it_lasts(self) -> None:
        service = FakeService()
        seen = [service.current_outage]
        service.outage(1, NoResponse())
        seen.append(service.current_outage)
        service.sleep(1)
        assert [*seen, service.current_outage] == [None, NoResponse(), None]

    def test_of_silence_ends_each_request_with_the_timeout(self) -> None:
        service = FakeService()
        service.outage(100, NoResponse())
        for _ in range(2):
            with pytest.raises(TimedOutError):
                delete(service, "unknown")
        assert delete(service, "unknown").status == 404
        assert service.monotonic() == 180

    def test_of_lost_responses_lets_the_service_act(self) -> None:
        service = FakeService()
        session_id = service.open_session()
        service.outage(1, LostResponse())
        with pytest.raises(ConnectionLostError):
            delete(service, session_id)
        assert not service.is_open(session_id)

    def test_of_replies_gives_each_request_the_same(self) -> None:
        service = FakeService()
        service.outage(1, Reply(503))
        assert [delete(service, "unknown").status for _ in range(3)] == [503, 503, 503]
        service.sleep(1)
        assert delete(service, "unknown").status == 404

    def test_leaves_the_queue_as_it_is(self) -> None:
        service = FakeService()
        service.queue(Reply(502))
        service.outage(1, Reply(503))
        assert delete(service, "unknown").status == 503
        service.sleep(1)
        assert delete(service, "unknown").status == 502

    def test_uses_up_nothing_of_the_rate_limit(self) -> None:
        service = FakeService(rate_limit=1)
        service.outage(1, Reply(503))
        delete(service, "unknown")
        service.sleep(1)
        assert delete(service, "unknown").status == 404

    def test_may_last_for_good_or_be_ended(self) -> None:
        service = FakeService()
        service.outage(math.inf)
        service.sleep(1e9)
        with pytest.raises(ConnectFailedError):
            delete(service, "unknown")
        service.outage(0)
        assert delete(service, "unknown").status == 404

    @pytest.mark.parametrize(
        "mistake",
        [
            pytest.param(lambda service: service.outage(-1), id="less than no time"),
            pytest.param(lambda service: service.outage(math.nan), id="no number"),
            pytest.param(lambda service: service.outage(1, 503), id="no fault"),
            pytest.param(lambda service: service.outage(1, NoResponse), id="a fault's class"),
        ],
    )
    def test_that_cannot_be_is_an_error_of_the_set_up(
        self, mistake: Callable[[FakeService], object]
    ) -> None:
        service = FakeService()
        with pytest.raises(FakeServiceError):
            mistake(service)
        assert service.current_outage is None
