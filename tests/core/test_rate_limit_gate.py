"""When a run may send the next request, after responses with status 429."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firecrawl_interact.core import RetryPolicy
from firecrawl_interact.core.pacing import RateLimitGate

RETRY = RetryPolicy(first_pause=0.5, longest_pause=8)
PAUSES = [1, 2, 4, 8, 8, 8]  # the policy's, if chance makes each as long as can be


@pytest.fixture
def gate() -> RateLimitGate:
    return RateLimitGate(RETRY, lambda: 1.0)


def accept(gate: RateLimitGate, *, at: float) -> None:
    gate.note_accepted(gate.note_sent(at))


def limit(
    gate: RateLimitGate, *, at: float, retry_after: float | None, latency: float = 0.0
) -> None:
    number = gate.note_sent(at)
    gate.note_limited(number, latency=latency, now=at + latency, retry_after=retry_after)


def limit_after_ten(gate: RateLimitGate) -> None:
    """Accept ten requests, and then name a pause that ends a minute after the first of them."""
    for second in range(10):
        accept(gate, at=second)
    limit(gate, at=10, retry_after=50)


def accept_ten_at_once(gate: RateLimitGate) -> None:
    for _ in range(10):
        accept(gate, at=100)


def test_nobody_waits_before_the_first_429(gate: RateLimitGate) -> None:
    accept(gate, at=3)
    assert gate.next_send_at == 3


def test_the_pause_is_as_long_as_the_service_says(gate: RateLimitGate) -> None:
    limit(gate, at=0, latency=1, retry_after=30)
    assert gate.next_send_at == gate.paused_until == 31


def test_the_pause_is_the_policys_if_the_service_names_none(gate: RateLimitGate) -> None:
    limit(gate, at=0, retry_after=None)
    assert gate.next_send_at == PAUSES[0]


def test_after_the_first_pause_requests_keep_the_distance_of_those_accepted_so_far(
    gate: RateLimitGate,
) -> None:
    limit_after_ten(gate)
    gate.note_sent(60)
    assert gate.next_send_at == 60 + 60 / 10


@given(st.permutations([True] * 10 + [False] * 8))
def test_which_of_many_requests_were_accepted_does_not_change_the_distance(
    accepted: list[bool],
) -> None:
    gate = RateLimitGate(RETRY, lambda: 1.0)
    numbers = [gate.note_sent(0) for _ in accepted]
    for number, is_accepted in zip(numbers, accepted, strict=True):
        if not is_accepted:
            gate.note_limited(number, latency=0, now=0, retry_after=60)
    gate.note_sent(60)
    assert gate.next_send_at == 60 + 60 / 10


def test_the_first_distance_is_no_longer_than_the_pause(gate: RateLimitGate) -> None:
    accept(gate, at=0)
    limit(gate, at=1000, latency=1, retry_after=20)
    gate.note_sent(1021)
    assert gate.next_send_at == 1021 + 21


def test_each_request_that_has_kept_a_long_distance_halves_it(gate: RateLimitGate) -> None:
    limit_after_ten(gate)
    gate.note_sent(60)
    gate.note_sent(66)
    assert gate.next_send_at == 66 + 6 / 2


def test_a_short_distance_halves_in_two_seconds_of_sending(gate: RateLimitGate) -> None:
    accept_ten_at_once(gate)
    limit(gate, at=100, retry_after=9)
    gate.note_sent(109)
    gate.note_sent(109.9)
    assert gate.next_send_at == pytest.approx(109.9 + 0.9 * 2 ** -(0.9 / 1.8))


def test_a_short_distance_halves_in_four_latencies_if_those_are_long(gate: RateLimitGate) -> None:
    accept_ten_at_once(gate)
    limit(gate, at=100, latency=0.9, retry_after=8.1)
    gate.note_sent(109)
    gate.note_sent(109.9)
    assert gate.next_send_at == pytest.approx(109.9 + 0.9 * 2 ** -(0.9 / (4 * 0.9)))


def test_time_in_which_nothing_is_sent_does_not_shorten_the_distance(gate: RateLimitGate) -> None:
    limit_after_ten(gate)
    gate.note_sent(60)
    gate.note_sent(1000)
    assert gate.next_send_at == 1000 + 6 / 2


def test_the_next_429_doubles_the_distance(gate: RateLimitGate) -> None:
    limit_after_ten(gate)
    accept(gate, at=60)
    accept(gate, at=66)
    limit(gate, at=69, retry_after=10)
    gate.note_sent(79)
    assert gate.next_send_at == 79 + 2 * 6 / 2**2


def test_a_429_for_a_request_sent_before_the_pause_only_lengthens_it(gate: RateLimitGate) -> None:
    numbers = [gate.note_sent(0) for _ in range(4)]
    ends = []
    for number, retry_after in zip(numbers, [30, 10, 40, None], strict=True):
        gate.note_limited(number, latency=number, now=number, retry_after=retry_after)
        ends.append(gate.next_send_at)
    assert ends == [31, 31, 43, 43]


def test_pauses_that_are_too_short_grow_as_the_policys_do(gate: RateLimitGate) -> None:
    lengths = []
    for _ in PAUSES:
        sent_at = max(0, gate.next_send_at)
        limit(gate, at=sent_at, retry_after=None)
        lengths.append(gate.paused_until - sent_at)
    assert lengths == PAUSES


def test_requests_go_one_by_one_after_a_pause_that_was_too_short(gate: RateLimitGate) -> None:
    limit(gate, at=0, retry_after=1)
    limit(gate, at=1, latency=0.5, retry_after=0)
    number = gate.note_sent(3.5)
    assert gate.next_send_at == 3.5 + 2 * 0.5
    gate.note_accepted(number)
    assert gate.next_send_at == 3.5


def test_going_one_by_one_does_not_lengthen_a_longer_distance(gate: RateLimitGate) -> None:
    limit_after_ten(gate)
    limit(gate, at=60, latency=0.5, retry_after=0)
    gate.note_sent(62.5)
    assert gate.next_send_at == 62.5 + 2.5


def test_to_ask_the_gate_changes_nothing(gate: RateLimitGate) -> None:
    limit_after_ten(gate)
    gate.note_sent(60)
    assert len({gate.next_send_at for _ in range(3)}) == 1


def test_a_429_before_any_request_was_accepted_and_while_another_is_in_flight_is_a_new_one(
    gate: RateLimitGate,
) -> None:
    limit(gate, at=0, retry_after=1)
    gate.note_sent(1)
    limit(gate, at=1, retry_after=1)
    assert gate.paused_until == 2


def test_a_pause_was_long_enough_if_a_later_request_was_accepted(gate: RateLimitGate) -> None:
    limit(gate, at=0, retry_after=1)
    first, second = gate.note_sent(1), gate.note_sent(1)
    gate.note_accepted(second)
    gate.note_limited(first, latency=0, now=1, retry_after=1)
    assert gate.paused_until == 2


def test_a_429_that_names_no_pause_lengthens_none(gate: RateLimitGate) -> None:
    first, second = gate.note_sent(0), gate.note_sent(0)
    gate.note_limited(first, latency=0, now=0, retry_after=0.25)
    gate.note_limited(second, latency=0, now=0, retry_after=None)
    assert gate.paused_until == 0.25


def test_a_second_pause_is_the_policys_even_if_that_is_short() -> None:
    gate = RateLimitGate(RetryPolicy(first_pause=0.125), lambda: 1.0)
    limit(gate, at=0, retry_after=0)
    limit(gate, at=0, retry_after=None)
    assert gate.paused_until == 0.5


def test_a_longer_pause_is_not_made_shorter_by_the_next_429(gate: RateLimitGate) -> None:
    late, first = gate.note_sent(0), gate.note_sent(0)
    gate.note_limited(first, latency=0, now=0, retry_after=1)
    number = gate.note_sent(1)
    gate.note_limited(late, latency=1, now=1, retry_after=30)
    gate.note_limited(number, latency=1, now=2, retry_after=1)
    assert gate.paused_until == 31


@pytest.mark.parametrize(("latency", "distance"), [(0, 0.1), (0.5, 1), (3, PAUSES[1])])
def test_one_by_one_means_two_latencies_apart_but_no_further_than_the_pause(
    gate: RateLimitGate, latency: float, distance: float
) -> None:
    limit(gate, at=0, retry_after=1)
    limit(gate, at=1, latency=latency, retry_after=0)
    gate.note_sent(10)
    assert gate.next_send_at == 10 + distance


def test_a_new_pause_ends_going_one_by_one(gate: RateLimitGate) -> None:
    limit(gate, at=0, retry_after=1)
    limit(gate, at=1, latency=1, retry_after=0)
    gate.note_sent(4)
    limit(gate, at=5, retry_after=1)
    gate.note_sent(6)
    assert gate.next_send_at == 6 + 1


def test_a_request_from_before_the_pause_that_is_accepted_late_says_nothing_of_it(
    gate: RateLimitGate,
) -> None:
    limited, accepted = gate.note_sent(0), gate.note_sent(0)
    gate.note_limited(limited, latency=0, now=0, retry_after=1)
    gate.note_accepted(accepted)
    limit(gate, at=1, retry_after=0)
    assert gate.paused_until == 1 + PAUSES[1]
