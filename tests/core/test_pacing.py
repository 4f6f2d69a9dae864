"""How many sessions share one service: what repeats may cost, and when a request may go."""

import heapq
import itertools
import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firecrawl_interact.core.errors import (
    DeleteSessionError,
    ServiceUnavailableError,
    UnreachableError,
)
from firecrawl_interact.core.pacing import RateLimitGate, RepeatBudget
from firecrawl_interact.core.transport import ConnectionLostError, TimedOutError, TransportError

MINUTE = 60.0


def unreachable(cause: TransportError) -> DeleteSessionError:
    error = UnreachableError("no answer came")
    error.__cause__ = cause
    return error


UNAVAILABLE = ServiceUnavailableError("HTTP 503")
LOST = unreachable(ConnectionLostError("lost"))
TIMED_OUT = unreachable(TimedOutError("too late"))


def repeats(budget: RepeatBudget, error: DeleteSessionError) -> int:
    """How many repeats in a row it pays for."""
    paid = 0
    while budget.may_repeat(error):
        paid += 1
        assert paid < 1_000, "a budget without an end"
    return paid


# The budget


@pytest.mark.parametrize("error", [UNAVAILABLE, LOST], ids=["unavailable", "lost"])
def test_in_an_outage_the_budget_pays_for_twenty_repeats(error: DeleteSessionError) -> None:
    assert repeats(RepeatBudget(), error) == 20


def test_a_repeat_after_a_time_out_costs_twice_as_much() -> None:
    assert repeats(RepeatBudget(), TIMED_OUT) == 10


def test_what_is_too_little_for_a_repeat_after_a_time_out_is_enough_for_another() -> None:
    budget = RepeatBudget()
    for _ in range(19):
        assert budget.may_repeat(LOST)
    assert not budget.may_repeat(TIMED_OUT)
    assert budget.may_repeat(LOST)
    assert not budget.may_repeat(LOST)


def test_five_successes_pay_for_one_repeat() -> None:
    budget = RepeatBudget()
    repeats(budget, LOST)
    for _ in range(4):
        budget.refill()
        assert not budget.may_repeat(LOST)
    budget.refill()
    assert repeats(budget, LOST) == 1


def test_a_long_time_of_successes_saves_nothing_beyond_the_capacity() -> None:
    budget = RepeatBudget()
    for _ in range(1_000):
        budget.refill()
    assert repeats(budget, LOST) == 20


@given(st.lists(st.sampled_from([LOST, UNAVAILABLE, TIMED_OUT, None]), max_size=200))
def test_a_repeat_is_paid_for_whenever_enough_is_left(
    events: list[DeleteSessionError | None],
) -> None:
    budget, left = RepeatBudget(), 100
    for error in events:
        if error is None:
            budget.refill()
            left = min(100, left + 1)
            continue
        cost = 10 if error is TIMED_OUT else 5
        assert budget.may_repeat(error) == (left >= cost)
        left -= cost if left >= cost else 0


# The gate, step by step


def send(gate: RateLimitGate, now: float) -> bool:
    """Send one request that the gate must allow, and tell whether it is a probe."""
    assert gate.allows(now)
    return gate.sent(now)


def serve(gate: RateLimitGate, now: float, requests: int) -> None:
    """Send so many requests, one after the other, none of them a probe: all are accepted."""
    for _ in range(requests):
        assert not send(gate, now)
        gate.accepted(probe=False)


def refuse(gate: RateLimitGate, now: float, wait: float, *, probe: bool = False) -> None:
    """Send one request, which is refused."""
    assert send(gate, now) == probe
    gate.refused(now, wait, probe=probe)


def taught(takes: int, *, now: float = 0.0) -> RateLimitGate:
    """A gate that has learned that the service takes so many requests a minute."""
    gate = RateLimitGate()
    serve(gate, now, takes)
    refuse(gate, now, MINUTE)
    return gate


def test_before_the_first_refusal_any_number_may_be_under_way() -> None:
    gate = RateLimitGate()
    assert not any(send(gate, now=0.0) for _ in range(1_000))


def test_before_the_first_refusal_a_window_has_no_end() -> None:
    gate = RateLimitGate()
    serve(gate, 0.0, 5)
    serve(gate, 1e9, 5)
    refuse(gate, 1e9, MINUTE)
    serve(gate, 1e9 + MINUTE, 10)


def test_a_refusal_closes_until_its_wait_is_over() -> None:
    gate = RateLimitGate()
    refuse(gate, 5.0, 34)
    assert gate.opens_at == 39
    assert not gate.allows(5.0)
    assert not gate.allows(38.999)
    assert gate.allows(39.0)


@pytest.mark.parametrize("waits", [(34.0, 2.0), (2.0, 34.0)])
def test_of_two_waits_the_one_that_ends_later_counts(waits: tuple[float, float]) -> None:
    gate = RateLimitGate()
    for _ in waits:
        send(gate, 0.0)
    for wait in waits:
        gate.refused(0.0, wait, probe=False)
    assert gate.opens_at == 34


def test_refusals_of_what_was_under_way_together_close_once() -> None:
    gate = RateLimitGate()
    for _ in range(5):
        send(gate, 0.0)
    for now in (0.0, 0.1, 0.2, 0.3, 0.4):
        gate.refused(now, MINUTE, probe=False)
    assert gate.closings == 1
    refuse(gate, 61.0, MINUTE)
    assert gate.closings == 2


def test_a_refusal_at_the_moment_of_opening_closes_anew() -> None:
    gate = RateLimitGate()
    refuse(gate, 0.0, MINUTE)
    refuse(gate, 60.0, MINUTE)
    assert gate.closings == 2


def test_any_other_answer_begins_the_count_of_closings_anew() -> None:
    gate = RateLimitGate()
    refuse(gate, 0.0, 1)
    refuse(gate, 1.0, 1)
    assert gate.closings == 2
    serve(gate, 2.0, 1)
    assert gate.closings == 0


def test_after_a_refusal_a_window_passes_what_the_last_one_took_and_then_one_probe() -> None:
    gate = taught(10)
    serve(gate, 60.0, 10)
    assert send(gate, 60.0)


def test_refusals_of_a_burst_do_not_count_as_taken() -> None:
    gate = RateLimitGate()
    for _ in range(8):
        send(gate, 0.0)
    for _ in range(3):
        gate.accepted(probe=False)
    for _ in range(5):
        gate.refused(0.0, MINUTE, probe=False)
    serve(gate, 60.0, 3)
    assert send(gate, 60.0)


def test_a_probe_waits_until_nothing_else_is_under_way() -> None:
    gate = taught(2)
    send(gate, 60.0)
    send(gate, 60.0)
    assert not gate.allows(60.0)
    gate.accepted(probe=False)
    assert not gate.allows(60.0)
    gate.accepted(probe=False)
    assert send(gate, 60.0)


def test_nothing_goes_beside_a_probe() -> None:
    gate = taught(2)
    serve(gate, 60.0, 2)
    assert send(gate, 60.0)
    assert not gate.allows(60.0)


def test_a_window_that_ends_before_it_is_full_begins_anew_with_the_next_request() -> None:
    gate = taught(3)
    serve(gate, 60.0, 2)
    serve(gate, 130.0, 3)
    assert send(gate, 189.9), "the window began at 130 s, not at 120 s"


def test_a_window_begins_with_its_first_request_and_ends_sharp() -> None:
    gate = taught(3)
    serve(gate, 60.0, 1)
    serve(gate, 90.0, 1)
    serve(gate, 120.0, 3)


def test_a_window_is_as_long_as_from_its_first_request_to_the_end_of_the_wait() -> None:
    gate = RateLimitGate()
    serve(gate, 0.0, 3)
    refuse(gate, 20.0, 40)
    serve(gate, 60.0, 1)
    serve(gate, 110.0, 2)
    assert send(gate, 110.0), "a probe: this window ends at 120 s"


@given(st.floats(0, 1e9), st.floats(0, 1e4), st.floats(0, 1e4))
@example(9.7, 5.1, 45.6)  # began + (opens - began) > opens
def test_after_a_wait_a_window_begins_however_its_length_is_rounded(
    began: float, later: float, wait: float
) -> None:
    gate = RateLimitGate()
    serve(gate, began, 3)
    refuse(gate, began + later, wait)
    serve(gate, gate.opens_at, 3)


def test_a_full_window_closes_by_itself_until_its_end() -> None:
    gate = taught(3)
    serve(gate, 60.0, 3)
    refuse(gate, 60.0, MINUTE, probe=True)
    serve(gate, 125.0, 3)
    assert not gate.allows(130.0)
    assert gate.opens_at == 185, "sixty seconds after its first request"
    assert gate.closings == 0, "no refusal closed it"
    assert not gate.allows(184.9)
    serve(gate, 185.0, 3)


def test_after_each_refused_probe_twice_as_many_windows_go_by_without_one() -> None:
    gate = taught(3)
    now, unprobed = 60.0, [0]
    while len(unprobed) < 8:
        serve(gate, now, 3)
        if gate.allows(now):
            refuse(gate, now, MINUTE, probe=True)
            unprobed.append(0)
        else:
            unprobed[-1] += 1
        now += MINUTE
    assert unprobed == [0, 1, 2, 4, 8, 8, 8, 0]


def test_after_a_refusal_that_no_probe_met_the_next_window_is_probed() -> None:
    gate = taught(3)
    for now in (60.0, 180.0):  # the window between these two goes by without a probe
        serve(gate, now, 3)
        refuse(gate, now, MINUTE, probe=True)
        serve(gate, now + MINUTE, 3)
        assert not gate.allows(now + MINUTE)
    refuse(gate, 300.0, MINUTE)  # somebody else of the team was quicker
    serve(gate, 360.0, 1)
    assert send(gate, 360.0), "a probe"
    gate.refused(360.0, MINUTE, probe=True)
    serve(gate, 420.0, 1)
    assert not gate.allows(420.0)
    serve(gate, 480.0, 1)
    assert send(gate, 480.0), "patience began anew: one window without a probe"


def test_a_probe_that_is_not_refused_doubles_what_a_window_is_thought_to_take() -> None:
    gate = taught(3)
    serve(gate, 60.0, 3)
    assert send(gate, 60.0)
    gate.accepted(probe=True)
    serve(gate, 60.0, 2)
    assert send(gate, 60.0), "four of six have passed: the seventh is a probe"


def test_after_a_probe_that_is_not_refused_one_window_goes_by_after_a_refused_one() -> None:
    gate = taught(2)
    serve(gate, 60.0, 2)
    refuse(gate, 60.0, MINUTE, probe=True)
    serve(gate, 120.0, 2)
    assert not gate.allows(120.0)
    serve(gate, 180.0, 2)
    assert send(gate, 180.0)
    gate.accepted(probe=True)
    serve(gate, 180.0, 1)
    refuse(gate, 180.0, MINUTE, probe=True)
    serve(gate, 240.0, 4)
    assert not gate.allows(240.0)
    serve(gate, 300.0, 4)
    assert send(gate, 300.0)


def test_a_service_that_takes_less_than_before_is_believed() -> None:
    gate = taught(10)
    serve(gate, 60.0, 4)
    refuse(gate, 60.0, MINUTE)
    serve(gate, 120.0, 4)
    assert send(gate, 120.0)


def test_a_service_that_takes_nothing_is_asked_for_one_request_a_window() -> None:
    gate = RateLimitGate()
    for window in range(20):
        refuse(gate, window * MINUTE, MINUTE, probe=False)
    send(gate, 20 * MINUTE)
    assert not gate.allows(20 * MINUTE)


def test_a_late_refusal_of_an_earlier_window_leaves_at_least_one_request() -> None:
    gate = RateLimitGate()
    send(gate, 0.0)
    refuse(gate, 0.0, 1)
    assert gate.allows(1.0)
    gate.refused(1.0, 1, probe=False)
    assert not send(gate, 2.0)


def test_a_wait_of_no_time_closes_nothing() -> None:
    gate = RateLimitGate()
    for _ in range(3):
        refuse(gate, 7.0, 0)
    assert gate.allows(7.0)
    assert gate.closings == 3


# The gate before a service that takes so many requests a window


class Window(NamedTuple):
    """What one window of the service saw."""

    accepted: int
    refused: int


class Simulation:
    """A service that counts in windows of a minute, and a client that asks the gate.

    Args:
        sessions: how many requests must be accepted before it ends.
        concurrency: how many may be under way.
        takes: the requests that each window takes: of the n-th, from 0.
        latency: seconds from an accepted request to its answer; a refusal comes at once.
    """

    def __init__(
        self,
        sessions: int,
        concurrency: int,
        takes: Callable[[int], int],
        latency: float = 0.0,
    ) -> None:
        self.windows: list[Window] = []
        self.sent = 0
        self.most_beside_a_probe = 0
        self.now = 0.0
        self._gate = RateLimitGate()
        self._takes = takes
        self._latency = latency
        self._ends = 0.0
        self._left = sessions
        self._concurrency = concurrency
        self._under_way: list[tuple[float, int, bool, float | None]] = []  # the wait, if refused
        while self._left or self._under_way:
            assert self.sent < 100_000, "no end"
            self._send()
            self._receive()

    def _send(self) -> None:
        gate = self._gate
        while self._left and len(self._under_way) < self._concurrency and gate.allows(self.now):
            self._left -= 1
            self.sent += 1
            probe = gate.sent(self.now)
            wait = self._wait()
            answer_at = self.now + (self._latency if wait is None else 0.0)
            heapq.heappush(self._under_way, (answer_at, self.sent, probe, wait))
            if any(is_probe for _, _, is_probe, _ in self._under_way):
                self.most_beside_a_probe = max(self.most_beside_a_probe, len(self._under_way) - 1)

    def _wait(self) -> float | None:
        """Let the service take or refuse a request now."""
        if self.now >= self._ends:
            self._ends = self.now + MINUTE
            self.windows.append(Window(0, 0))
        window = self.windows[-1]
        if sum(window) < self._takes(len(self.windows) - 1):
            self.windows[-1] = Window(window.accepted + 1, window.refused)
            return None
        self.windows[-1] = Window(window.accepted, window.refused + 1)
        return math.ceil(self._ends - self.now)

    def _receive(self) -> None:
        due = [self._under_way[0][0]] if self._under_way else []
        if self._left and self.now < self._gate.opens_at:
            due.append(self._gate.opens_at)
        assert due or not self._left, "nothing would ever be sent again"
        self.now = max(self.now, min(due, default=self.now))
        while self._under_way and self._under_way[0][0] <= self.now:
            _, _, probe, wait = heapq.heappop(self._under_way)
            if wait is None:
                self._gate.accepted(probe=probe)
            else:
                self._gate.refused(self.now, wait, probe=probe)
                self._left += 1


def indexes(windows: Iterable[Window]) -> list[int]:
    """Those of the windows with a refusal."""
    return [index for index, window in enumerate(windows) if window.refused]


sessions = st.integers(1, 200)
concurrency = st.sampled_from([1, 2, 3, 8, 32])
limits = st.integers(1, 25)


@given(sessions, concurrency, limits)
def test_no_window_is_wasted(sessions: int, concurrency: int, limit: int) -> None:
    simulation = Simulation(sessions, concurrency, lambda _: limit)
    *full, last = simulation.windows
    assert all(window.accepted == limit for window in full)
    assert 1 <= last.accepted <= limit
    assert simulation.now == MINUTE * len(full)


@given(sessions, concurrency, limits)
def test_once_it_has_learned_a_window_has_at_most_one_refusal(
    sessions: int, concurrency: int, limit: int
) -> None:
    first, *later = Simulation(sessions, concurrency, lambda _: limit).windows
    assert first.refused <= concurrency
    assert all(window.refused <= 1 for window in later)


@given(sessions, concurrency, limits)
def test_refusals_become_rarer_and_rarer(sessions: int, concurrency: int, limit: int) -> None:
    later = indexes(Simulation(sessions, concurrency, lambda _: limit).windows)[1:]
    distances = [second - first for first, second in itertools.pairwise(later)]
    assert distances == [2, 3, 5, *[9] * len(distances)][: len(distances)]


@given(sessions, concurrency, limits, st.sampled_from([0.0, 0.5, 7.0, 59.0, 60.0, 200.0]))
def test_a_probe_is_always_alone(
    sessions: int, concurrency: int, limit: int, latency: float
) -> None:
    simulation = Simulation(sessions, concurrency, lambda _: limit, latency)
    assert simulation.most_beside_a_probe == 0


@given(limits, limits, concurrency)
def test_a_limit_that_changes_is_found_out_and_then_used_whole(
    before: int, after: int, concurrency: int
) -> None:
    change = 10
    simulation = Simulation(
        change * before + 20 * after, concurrency, lambda n: before if n < change else after
    )
    settled = simulation.windows[change + 9 : -1]  # at most eight windows go by without a probe
    assert all(window.accepted == after for window in settled)
    assert all(window.refused <= 1 for window in settled)


def test_a_hundred_sessions_at_ten_a_minute_cost_four_refusals_one_by_one() -> None:
    simulation = Simulation(100, 1, lambda _: 10)
    assert (simulation.now, simulation.sent) == (9 * MINUTE, 104)
