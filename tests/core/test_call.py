"""A call: what its driver sees of it. `tests/proof` plays every schedule of attempts."""

import pytest
from hypothesis import example, given, strategies as st

from firecrawl_interact import core

from .scripted_transport import DESTROYED, SESSION_ID, log_records, response

HEADERS = core.request_headers(None)
REFUSED = core.ConnectFailedError("refused")


def call_of(
    session_id: str = SESSION_ID,
    retry: core.RetryPolicy = core.RetryPolicy(),  # noqa: B008 - immutable
) -> core.Call:
    return core.Call(session_id, headers=HEADERS, retry=retry, random=lambda: 1.0)


def failed(call: core.Call) -> core.DeleteSessionError:
    """Let an attempt fail in a way that a run is asked about."""
    assert call.begin_attempt(240)
    error = call.read(core.TimedOutError("late"))
    assert error is not None
    return error


def test_it_says_how_long_to_wait_and_ends_in_the_receipt() -> None:
    call = call_of()
    stale = core.ConnectionLostError("closed", stale=True)
    assert call.request == core.wire.request(SESSION_ID, HEADERS)
    waits = []
    for result in (stale, response(503, None, {"retry-after": "0"}), stale, DESTROYED):
        assert call.begin_attempt(240) == 90
        waits.append(call.end_attempt(result, 240))
    # It goes on at once, but once. 0 s are no wait: the policy's counts.
    assert waits == [0.0, 2.0, 4.0, 0.0]
    assert call.begin_attempt(240) == 0.0
    assert call.outcome == core.DeletionReceipt(session_id=SESSION_ID, attempts=4)


def test_an_id_that_cannot_be_sent_ends_it_at_once() -> None:
    call = call_of("../scrape")
    assert call.begin_attempt(240) == 0.0
    assert isinstance(call.outcome, core.InvalidSessionIdError)
    assert not hasattr(call, "request")


def test_a_first_stale_connection_says_nothing_to_a_run() -> None:
    call = call_of()
    for is_first in (True, False):
        assert call.begin_attempt(240)
        error = call.read(core.ConnectionLostError("closed", stale=True))
        assert error is not None
        assert call.is_first_stale(error) is is_first
        call.back_off(error, 240)


def test_an_attempt_that_is_not_counted_uses_up_nothing() -> None:
    call = call_of(retry=core.RetryPolicy(max_attempts=1))
    failed(call)
    with log_records() as records:
        assert call.begin_attempt(240) == 90
    [record] = records
    assert record.args == (SESSION_ID, 1, 1)
    assert vars(record)["attempt"] == 2
    assert call.end_attempt(REFUSED, 240) == 0.0
    assert str(call.outcome).startswith(f"Session '{SESSION_ID}': refused. 2 attempts.")
    # The first one may have reached it.
    assert call.outcome.session_fate is core.SessionFate.UNKNOWN


@pytest.mark.parametrize(("wait", "is_made"), [(239, True), (240, False)])
def test_a_wait_that_does_not_fit_in_the_deadline_is_not_begun(wait: int, is_made: bool) -> None:
    call = call_of()
    call.begin_attempt(240)
    limited = response(429, None, {"retry-after": f"{wait}"})
    # At the longest, jitter takes half of the second that is left.
    assert call.end_attempt(limited, 240) == (wait + 0.5 if is_made else 0.0)
    assert call.has_ended is not is_made


@pytest.mark.parametrize(("asked", "wait"), [(1, 1.1), (10, 11), (19, 20.9), (60, 62)])
def test_the_wait_of_a_429_is_spread_by_a_tenth_and_at_most_two_seconds(
    asked: int, wait: float
) -> None:
    call = call_of()
    call.begin_attempt(240)
    limited = response(429, None, {"retry-after": f"{asked}"})
    assert call.end_attempt(limited, 240) == pytest.approx(wait)


def test_the_log_counts_the_attempts() -> None:
    call = call_of()
    with log_records() as records:
        for _ in range(3):
            failed(call)
            call.back_off(call.error or failed(call), 240)
    numbers = [record.args[1:] for record in records if isinstance(record.args, tuple)]
    assert [number for number in numbers if number[1:] == (10,)] == [(1, 10), (2, 10), (3, 10)]


@pytest.mark.parametrize("seconds_left", [0.5, 0.0, -1.0])
def test_no_attempt_begins_after_the_deadline(
    seconds_left: float,
) -> None:
    call = call_of()
    assert call.begin_attempt(60) == 60
    assert call.end_attempt(REFUSED, 50) == 1.0
    assert call.begin_attempt(seconds_left) == max(0.0, seconds_left)
    assert call.has_ended is (seconds_left <= 0)


def test_no_attempt_begins_if_the_deadline_has_passed_already() -> None:
    call = call_of()
    assert call.begin_attempt(0.0) == 0.0
    assert isinstance(call.outcome, core.UnreachableError)
    assert call.outcome.attempts == 0


# Its policy


def test_the_usual_policy() -> None:
    assert core.RetryPolicy() == core.RetryPolicy(
        max_attempts=10, attempt_timeout=90, deadline=240, first_pause=0.5, longest_pause=8
    )


seconds = st.floats(0, 86_400)


@given(seconds, seconds, st.integers(1, 10_000), st.floats(0, 1))
@example(86_400.0, 86_400.0, 10**9, 1.0)
@example(0.5, 8.0, 4, 0.5)
@example(0.5, 8.0, 5, 1.0)
def test_a_backoff_doubles_and_half_of_it_is_random(
    first: float, longest: float, retry_number: int, chance: float
) -> None:
    policy = core.RetryPolicy(first_pause=first, longest_pause=longest)
    most = min(longest, first * 2.0 ** min(retry_number, 1_000))
    pause = policy.pause(retry_number, lambda: chance)
    assert pause == pytest.approx(max(0.1, most / 2 + most / 2 * chance))
