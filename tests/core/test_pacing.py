"""When a run may send: after responses with status 429, and while the service is away."""

import math
from functools import partial
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firecrawl_interact.core import Failed, RetryPolicy, ServiceUnavailableError
from firecrawl_interact.core.pacing import Outage, RateLimitGate

PAUSES = [1, 2, 4, 8, 8, 8]  # the usual policy's, if chance makes each as long as can be


class Gate(RateLimitGate):
    def __init__(self) -> None:
        super().__init__(partial(RetryPolicy().pause, random=lambda: 1.0))

    def send(self, *times: float) -> Self:
        for time in times:
            self.note_sent(time)
        return self

    def ok(self, *times: float) -> Self:
        """Send requests, and let each be accepted."""
        for time in times:
            self.note_accepted(self.note_sent(time))
        return self

    def no(
        self, at: float, wait: float | None = None, latency: float = 0, number: int | None = None
    ) -> Self:
        """Let a request get a 429: one that is sent now, or that of a number."""
        number = number or self.note_sent(at)
        self.note_limited(number, latency=latency, now=at + latency, wait=wait)
        return self


def ten() -> Gate:
    """Ten were accepted, one a second, and the pause ends a minute after the first of them."""
    return Gate().ok(*range(10)).no(10, wait=50)


def ten_at_once() -> Gate:
    return Gate().ok(*[100] * 10)


@pytest.mark.parametrize(
    ("gate", "next_send_at"),
    [
        (Gate().ok(3), 3),
        # The pause is as long as the service says, or the policy.
        (Gate().no(0, wait=30, latency=1), 31),
        (Gate().no(0), PAUSES[0]),
        # Then requests are spaced as they were accepted until then, but no further than the pause.
        (ten().send(60), 60 + 6),
        (Gate().ok(0).no(1000, wait=20, latency=1).send(1021), 1021 + 21),
        # The spacing halves with each request, or in two seconds, or in four latencies.
        (ten().send(60, 66), 66 + 6 / 2),
        (ten().send(60, 1000), 1000 + 6 / 2),
        (ten_at_once().no(100, wait=9).send(109, 109.9), 109.9 + 0.9 * 2 ** -(0.9 / 1.8)),
        (ten_at_once().no(100, 8.1, 0.9).send(109, 109.9), 109.9 + 0.9 * 2 ** -(0.9 / 3.6)),
        # The next 429 doubles it.
        (ten().ok(60, 66).no(69, wait=10).send(79), 79 + 2 * 6 / 4),
        # After two pauses in a row half-open probes go two latencies apart, until one is accepted.
        (Gate().no(0, wait=1).no(1, wait=0).send(10), 10 + 0.1),
        (Gate().no(0, wait=1).no(1, wait=0, latency=0.5).send(10), 10 + 1),
        (Gate().no(0, wait=1).no(1, wait=0, latency=0.5).ok(10), 10),
        (Gate().no(0, wait=1).no(1, wait=1, latency=1).send(4).no(5, wait=1).send(6), 6 + 1),
        (ten().no(60, wait=0, latency=0.5).send(62.5), 62.5 + 6),
        # A pause that was too short is followed by one of the policy's backoff, at least.
        (Gate().no(0, wait=1).no(1, wait=0), 1 + PAUSES[1]),
        (Gate().no(0, wait=1).no(1, wait=30), 31),
        (Gate().no(0, wait=1).ok(1).no(1, wait=0), 1),
        # It was long enough if another request was accepted, or is sent before it.
        (Gate().no(0, wait=1).send(1).no(1, wait=1), 2 + 0.0),
        # One that was sent before the pause tells nothing of it, but perhaps a longer wait.
        (Gate().send(0, 0).no(0, 30, number=1).no(1, 40, number=2), 41),
        (Gate().send(0, 0).no(0, 30, number=1).no(1, 10, number=2), 30),
        (Gate().send(0, 0).no(0, 0.25, number=1).no(0, None, number=2), 0.25),
    ],
)
def test_when_the_next_request_may_go(gate: Gate, next_send_at: float) -> None:
    assert [gate.next_send_at for _ in range(2)] == pytest.approx([next_send_at] * 2)


def test_a_request_from_before_the_pause_that_is_accepted_late_says_nothing_of_it() -> None:
    gate = Gate().send(0, 0).no(0, wait=1, number=1)
    gate.note_accepted(2)
    assert gate.no(1, wait=0).paused_until == 1 + PAUSES[1]


@given(st.permutations([True] * 10 + [False] * 8))
def test_which_of_many_requests_were_accepted_does_not_change_the_spacing(
    accepted: list[bool],
) -> None:
    gate = Gate().send(*[0] * len(accepted))
    for number, is_accepted in enumerate(accepted, 1):
        if not is_accepted:
            gate.no(0, wait=60, number=number)
    assert gate.send(60).next_send_at == 60 + 60 / 10


def test_pauses_that_are_too_short_grow_as_the_policys_do() -> None:
    gate, lengths = Gate(), []
    for _ in PAUSES:
        sent_at = max(0, gate.paused_until)
        lengths.append(gate.no(sent_at).paused_until - sent_at)
    assert lengths == PAUSES


class Service(Outage):
    """What is seen of a service. Each request is sent when its failure comes, or as it is said."""

    def __init__(self, retry: RetryPolicy = RetryPolicy()) -> None:  # noqa: B008 - immutable
        super().__init__(partial(retry.pause, random=lambda: 1.0), retry.deadline)

    def fail(  # noqa: PLR0913 - what is known of one failure
        self,
        session_id: str,
        at: float,
        sent_at: float | None = None,
        oldest: float = math.inf,
        *,
        is_last: bool = False,
        wait: float | None = None,
    ) -> Self:
        error = ServiceUnavailableError("HTTP 503", session_id=session_id, retry_after=wait)
        sent_at = at if sent_at is None else sent_at
        self.note_failure(Failed(error, is_last), sent_at=sent_at, now=at, oldest=oldest)
        return self

    def ok(self, sent_at: float) -> Self:
        self.note_response(sent_at=sent_at)
        return self


@pytest.mark.parametrize(
    ("service", "next_probe_at"),
    [
        (Service().fail("a", 10).fail("a", 11, is_last=True), None),
        (Service().fail("a", 10).fail("b", 11), 12),
        # All that was in flight at the first failure must fail, unless an id is given up.
        (Service().fail("a", 10, oldest=5).fail("b", 11, oldest=6), None),
        (Service().fail("a", 10, oldest=5).fail("b", 11, oldest=10), None),
        (Service().fail("a", 10, oldest=5).fail("b", 11, oldest=10.5), 12),
        (Service().fail("a", 10, oldest=5).fail("b", 11, oldest=5, is_last=True), 12),
        # A response refutes the failures of requests that were sent no later.
        (Service().fail("a", 10).fail("b", 11).ok(11), None),
        (Service().fail("a", 10).fail("b", 11).ok(9), 12),
        (Service().ok(5).fail("a", 10, 4).fail("b", 10, 5), None),
        (Service().ok(5).ok(3).fail("a", 10, 4).fail("b", 10, 4), None),
        (Service().ok(5).fail("a", 10, 6).fail("b", 10, 6), 11),
        # The next half-open probe goes after the backoff, or when the service says.
        (Service().fail("a", 0).fail("b", 1, wait=60), 61),
        (Service().fail("a", 0).fail("b", 1).fail("c", 1.5, sent_at=0.5), 2),
        (Service().fail("a", 0).fail("b", 1).fail("c", 2), 2 + PAUSES[1]),
        (Service(RetryPolicy(first_pause=0)).fail("a", 0).fail("b", 0), 0.1),
        # The next outage begins anew.
        (Service().fail("a", 0).fail("b", 1, wait=60).ok(5).fail("a", 9).fail("b", 9), 10),
        # None lasts for longer than the deadline.
        (Service().fail("a", 10).fail("b", 20, wait=1000), 10 + 240),
    ],
)
def test_whether_there_is_an_outage_and_when_somebody_finds_out(
    service: Service, next_probe_at: float | None
) -> None:
    assert service.is_on is (next_probe_at is not None)
    assert not service.is_on or service.next_probe_at == next_probe_at
    assert (service.ends_run_at == math.inf) is not service.is_on


def test_half_open_probes_are_spaced_by_the_policys_backoff() -> None:
    service, now, spacing = Service().fail("a", 0), 0.0, []
    for _ in PAUSES:
        spacing.append(service.fail("b", now).next_probe_at - now)
        now = service.next_probe_at
    assert spacing == PAUSES
