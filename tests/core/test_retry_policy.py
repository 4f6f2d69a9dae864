"""What a policy takes, and how long its pauses are."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firecrawl_interact.core import ConnectFailedError, RetryPolicy

from .scripted_transport import DESTROYED, Delete, ScriptedTransport, both_ways, error_of


def test_the_usual_policy() -> None:
    assert RetryPolicy() == RetryPolicy(
        max_attempts=4, attempt_timeout=90, deadline=240, first_pause=0.5, longest_pause=8
    )


def test_a_policy_is_named_argument_by_argument() -> None:
    with pytest.raises(TypeError):
        RetryPolicy(4)  # type: ignore[call-arg] # the point


@pytest.mark.parametrize("name", ["first_pause", "longest_pause"])
def test_no_pause_is_shorter_than_a_tenth_of_a_second(name: str) -> None:
    policy = RetryPolicy(**{name: 0})
    assert policy.pause(1, lambda: 1.0) == policy.pause(1, lambda: 0.0) == 0.1


@both_ways
def test_a_policy_without_a_pause_does_not_flood_a_service_that_is_away(delete: Delete) -> None:
    transport = ScriptedTransport(ConnectFailedError("refused"), DESTROYED)
    delete(transport, retry=RetryPolicy(first_pause=0))
    assert transport.sleeps == [0.1]


seconds = st.floats(0, 86_400)


@given(seconds, seconds, st.integers(1, 10_000), st.floats(0, 1))
@example(86_400.0, 86_400.0, 10**9, 1.0)
@example(0.5, 8.0, 1, 0.0)
@example(0.5, 8.0, 2, 1.0)
@example(0.5, 8.0, 4, 0.5)
@example(0.5, 8.0, 5, 1.0)
def test_a_pause_is_half_fixed_half_random_and_doubles_up_to_the_longest(
    first: float, longest: float, retry_number: int, chance: float
) -> None:
    policy = RetryPolicy(first_pause=first, longest_pause=longest)
    most = min(longest, first * 2.0 ** min(retry_number, 1_000))
    pause = policy.pause(retry_number, lambda: chance)
    assert pause == pytest.approx(max(0.1, most / 2 + most / 2 * chance))


@both_ways
def test_the_randomness_is_the_caller_s(delete: Delete) -> None:
    chances = iter([0.0, 0.5, 1.0])
    transport = ScriptedTransport(*[ConnectFailedError("refused")] * 3, DESTROYED)
    delete(transport, random=lambda: next(chances))
    assert transport.sleeps == [0.5, 1.5, 4.0]


@both_ways
def test_an_attempt_gets_its_own_time_or_what_is_left(delete: Delete) -> None:
    transport = ScriptedTransport(*[ConnectFailedError("refused")] * 3, DESTROYED, busy=[1, 1, 0.5])
    delete(transport, retry=RetryPolicy(attempt_timeout=90, deadline=240), random=lambda: 0.0)
    assert transport.timeouts == [90, 90, 240 - 90 - 0.5 - 90 - 1, 58.5 / 2 - 2]


@both_ways
def test_a_deadline_shorter_than_an_attempt_bounds_it(delete: Delete) -> None:
    transport = ScriptedTransport(DESTROYED)
    delete(transport, retry=RetryPolicy(attempt_timeout=90, deadline=20))
    assert transport.timeouts == [20]


@both_ways
def test_a_pause_that_does_not_fit_in_the_deadline_is_not_begun(delete: Delete) -> None:
    transport = ScriptedTransport(ConnectFailedError("refused"))
    error_of(delete, transport, retry=RetryPolicy(deadline=0.5))
    assert transport.sleeps == []


@both_ways
def test_a_pause_that_took_too_long_ends_the_call(delete: Delete) -> None:
    transport = ScriptedTransport(ConnectFailedError("refused"), overslept=[239.25])
    error = error_of(delete, transport, retry=RetryPolicy(deadline=240))
    assert transport.sleeps == [0.75]
    assert error.attempts == len(transport.requests) == 1
