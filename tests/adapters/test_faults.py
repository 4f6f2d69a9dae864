"""What can be made to go wrong with the fake service: one request, or a whole outage."""

import math
import pickle

import pytest

from firecrawl_interact.adapters import (
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
    Response,
    TimedOutError,
)

from .fake_requests import delete


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
    assert delete(service, session_id).status == 200


def test_no_fault_is_queued_if_another_is_none() -> None:
    service = FakeService()
    with pytest.raises(FakeServiceError):
        service.queue(Reply(502), None)  # type: ignore[arg-type]  # the mistake
    assert statuses(service, 1) == [404]


@pytest.mark.parametrize(
    "fault",
    [
        Reply(502),
        Reply(200, json={"success": True}),
        NoConnection(),
        NoResponse(),
        LostResponse(),
        DrippedResponse(0.1),
    ],
    ids=repr,
)
def test_a_fault_is_a_value(fault: Fault) -> None:
    assert pickle.loads(pickle.dumps(fault)) == fault  # noqa: S301 - our own bytes
    assert fault != Reply(200, json={"success": False})
    with pytest.raises(AttributeError):
        fault.status = 1  # type: ignore[union-attr,misc]  # the mistake


def test_a_reply_takes_json_for_its_body_and_keeps_the_content_type_that_it_is_given() -> None:
    reply = Reply(429, json={"success": False, "error": "slow down"})
    assert reply.body == b'{"success":false,"error":"slow down"}'
    assert reply.headers == {"content-type": "application/json; charset=utf-8"}
    reply = Reply(200, headers={"Content-Type": "text/json"}, json=None)
    assert (reply.body, reply.headers) == (b"null", {"Content-Type": "text/json"})


def test_a_reply_refuses_text_for_its_body_and_says_what_to_write() -> None:
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
    seen = [service.current_outage]
    service.sleep(0.1)
    assert [*seen, service.current_outage] == [NoResponse(), None]
    assert service.is_open(session_id)
    assert delete(service, session_id).status == 200


def test_an_outage_of_replies_leaves_the_queue_and_the_rate_limit_as_they_are() -> None:
    service = FakeService(rate_limit=1)
    service.queue(Reply(502))
    service.outage(1, Reply(503))
    assert statuses(service, 2) == [503, 503]
    service.sleep(1)
    assert statuses(service, 3) == [502, 404, 429]


def test_an_outage_may_last_for_good_or_be_ended() -> None:
    service = FakeService()
    service.outage(math.inf)
    service.sleep(1e9)
    with pytest.raises(ConnectFailedError):
        delete(service, "unknown")
    service.outage(0)
    assert statuses(service, 1) == [404]
