"""When failures of several ids are an outage, how long it lasts, and who finds out."""

import math

import pytest

from firecrawl_interact.core import RetryPolicy, ServiceUnavailableError
from firecrawl_interact.core.pacing import Outage

RETRY = RetryPolicy(first_pause=0.5, longest_pause=8, deadline=240)
PAUSES = [1, 2, 4, 8, 8, 8]  # the policy's, if chance makes each as long as can be


@pytest.fixture
def outage() -> Outage:
    return Outage(RETRY, lambda: 1.0)


def fail(  # noqa: PLR0913 - what is known of one failure
    outage: Outage,
    session_id: str,
    *,
    at: float,
    sent_at: float | None = None,
    oldest_in_flight: float = math.inf,
    is_last: bool = False,
    retry_after: float | None = None,
) -> None:
    outage.note_failure(
        session_id,
        ServiceUnavailableError("HTTP 503", session_id=session_id, retry_after=retry_after),
        sent_at=at if sent_at is None else sent_at,
        now=at,
        oldest_in_flight=oldest_in_flight,
        is_last=is_last,
    )


def test_an_outage_begins_when_two_ids_and_all_in_flight_have_failed(outage: Outage) -> None:
    fail(outage, "a", at=10, oldest_in_flight=5)
    fail(outage, "b", at=11, oldest_in_flight=6)
    assert not outage.is_on
    fail(outage, "c", at=12, oldest_in_flight=10.5)
    assert outage.is_on


def test_one_id_alone_is_no_outage(outage: Outage) -> None:
    for second in range(9):
        fail(outage, "a", at=second, is_last=True)
    assert not outage.is_on
    assert outage.next_probe_at == -math.inf


def test_an_outage_begins_before_an_id_is_given_up(outage: Outage) -> None:
    fail(outage, "a", at=10, oldest_in_flight=5)
    fail(outage, "b", at=11, oldest_in_flight=5, is_last=True)
    assert outage.is_on


def test_a_response_to_a_request_no_older_ends_an_outage(outage: Outage) -> None:
    fail(outage, "a", at=10)
    fail(outage, "b", at=11)
    outage.note_response(sent_at=11)
    assert not outage.is_on
    assert outage.is_refuted("a")
    assert outage.is_refuted("b")


def test_a_response_to_an_older_request_refutes_no_failure(outage: Outage) -> None:
    fail(outage, "a", at=10)
    fail(outage, "b", at=11)
    outage.note_response(sent_at=9)
    assert outage.is_on
    assert not outage.is_refuted("a")


def test_a_failure_of_a_request_older_than_a_response_is_no_sign(outage: Outage) -> None:
    outage.note_response(sent_at=5)
    fail(outage, "a", at=10, sent_at=4)
    fail(outage, "b", at=10, sent_at=4)
    assert not outage.is_on


def test_requests_that_find_out_have_growing_distances(outage: Outage) -> None:
    fail(outage, "a", at=0)
    now, distances = 0.0, []
    for _ in PAUSES:
        fail(outage, "b", at=now)
        distances.append(outage.next_probe_at - now)
        now = outage.next_probe_at
    assert distances == PAUSES


def test_the_request_that_finds_out_waits_as_long_as_the_service_says(outage: Outage) -> None:
    fail(outage, "a", at=0)
    fail(outage, "b", at=1, retry_after=60)
    assert outage.next_probe_at == 61


def test_an_outage_may_last_from_its_first_failure_to_the_deadline(outage: Outage) -> None:
    fail(outage, "a", at=10)
    assert outage.ends_run_at == math.inf
    fail(outage, "b", at=20, retry_after=1000)
    assert outage.ends_run_at == outage.next_probe_at == 10 + RETRY.deadline


@pytest.mark.parametrize(("sent_at", "is_refuted"), [(4, True), (5, True), (6, False)])
def test_a_failure_is_refuted_by_a_response_to_a_request_no_older(
    outage: Outage, sent_at: float, is_refuted: bool
) -> None:
    outage.note_response(sent_at=5)
    fail(outage, "a", at=10, sent_at=sent_at)
    assert outage.is_refuted("a") is is_refuted


def test_a_request_that_was_sent_when_the_first_failure_came_must_fail_too(outage: Outage) -> None:
    fail(outage, "a", at=10, oldest_in_flight=5)
    fail(outage, "b", at=11, oldest_in_flight=10)
    assert not outage.is_on


def test_a_second_outage_begins_with_the_first_distance(outage: Outage) -> None:
    for second in range(9):
        fail(outage, "ab"[second % 2], at=second)
    outage.note_response(sent_at=20)
    fail(outage, "a", at=30)
    fail(outage, "b", at=30)
    assert outage.next_probe_at == 30 + PAUSES[0]


def test_an_id_that_the_run_is_done_with_is_forgotten(outage: Outage) -> None:
    outage.note_response(sent_at=5)
    fail(outage, "a", at=10, sent_at=4)
    outage.forget("a")
    assert not outage.is_refuted("a")


def test_a_request_sent_before_it_finds_out_nothing(outage: Outage) -> None:
    fail(outage, "a", at=0)
    fail(outage, "b", at=1)
    fail(outage, "c", at=1.5, sent_at=0.5)
    assert outage.next_probe_at == 1 + PAUSES[0]


def test_a_wait_named_in_one_outage_does_not_hold_in_the_next(outage: Outage) -> None:
    fail(outage, "a", at=0)
    fail(outage, "b", at=1, retry_after=60)
    outage.note_response(sent_at=5)
    fail(outage, "a", at=10)
    fail(outage, "b", at=10)
    assert outage.next_probe_at == 10 + PAUSES[0]


def test_a_short_pause_of_the_policy_is_kept_to() -> None:
    outage = Outage(RetryPolicy(first_pause=0.125), lambda: 1.0)
    fail(outage, "a", at=0)
    fail(outage, "b", at=0)
    assert outage.next_probe_at == 0.25


def test_a_response_to_an_older_request_takes_nothing_back(outage: Outage) -> None:
    outage.note_response(sent_at=5)
    outage.note_response(sent_at=3)
    fail(outage, "a", at=10, sent_at=4)
    assert outage.is_refuted("a")


def test_a_response_begins_no_outage(outage: Outage) -> None:
    fail(outage, "a", at=10)
    outage.note_response(sent_at=5)
    assert not outage.is_on
