"""The conversation: what its driver sees of it. `tests/proof` plays every schedule of attempts."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firecrawl_interact import core

from .scripted_transport import DESTROYED, SESSION_ID, log_records, response

HEADERS = core.request_headers(None)
REQUEST = core.wire.request(SESSION_ID, HEADERS)


def conversation(
    retry: core.RetryPolicy = core.RetryPolicy(),  # noqa: B008 - immutable
    monotonic: Callable[[], float] = lambda: 7.0,
) -> core.Conversation:
    return core.converse(
        SESSION_ID, headers=HEADERS, retry=retry, monotonic=monotonic, random=lambda: 1.0
    )


def test_it_asks_for_requests_and_waits_and_ends_in_the_receipt() -> None:
    steps = conversation()
    assert next(steps) == core.Send(REQUEST, 90)
    stale = core.ConnectionLostError("closed", stale=True)
    assert steps.throw(stale) == core.Send(REQUEST, 90)  # at once, and a run is not asked
    assert isinstance(steps.send(response(503, None, {"retry-after": "0"})), core.Failed)
    assert next(steps) == core.Wait(2.0)  # 0 s are no wait: the policy's counts.
    assert next(steps) == core.Send(REQUEST, 90)
    assert isinstance(steps.throw(stale), core.Failed)
    assert next(steps) == core.Wait(4.0)  # It happens at once but once.
    assert next(steps) == core.Send(REQUEST, 90)
    with pytest.raises(StopIteration) as end:
        steps.send(DESTROYED)
    assert end.value.value == core.DeletionReceipt(session_id=SESSION_ID, attempts=4)


def test_an_excused_attempt_counts_for_nothing_and_the_next_one_is_sent_at_once() -> None:
    steps = conversation(core.RetryPolicy(max_attempts=1))
    next(steps)
    steps.throw(core.TimedOutError("late"))
    with log_records() as records:
        assert steps.send(True) == core.Send(REQUEST, 90)
    [record] = records
    assert record.args == (SESSION_ID, 1, 1)
    assert vars(record)["attempt"] == 2
    failed = steps.throw(core.ConnectFailedError("refused"))
    assert isinstance(failed, core.Failed)
    # The first one may have reached it.
    assert failed.error.session_fate is core.SessionFate.UNKNOWN
    with pytest.raises(core.UnreachableError, match=r"refused\. 2 attempts"):
        next(steps)


@pytest.mark.parametrize(("wait", "is_made"), [("239", True), ("240", False)])
def test_a_wait_that_does_not_fit_in_the_deadline_is_not_begun(wait: str, is_made: bool) -> None:
    steps = conversation()
    next(steps)
    steps.send(response(429, None, {"retry-after": wait}))
    with nullcontext() if is_made else pytest.raises(core.RateLimitError):
        assert next(steps) == core.Wait(239)


@pytest.mark.parametrize("ends_at", [239.5, 240.0])
def test_an_attempt_gets_what_is_left_and_none_begins_after_the_deadline(ends_at: float) -> None:
    now = iter([0.0, 100.0, 101.0, ends_at])
    steps = conversation(core.RetryPolicy(attempt_timeout=240), now.__next__)
    next(steps)
    steps.throw(core.ConnectFailedError("refused"))
    assert steps.send(True) == core.Send(REQUEST, 140.0)
    steps.throw(core.ConnectFailedError("refused"))
    assert steps.send(False) == core.Wait(1.0)
    with nullcontext() if ends_at < 240 else pytest.raises(core.UnreachableError):
        assert next(steps) == core.Send(REQUEST, 0.5)


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
def test_a_pause_is_half_fixed_half_random_and_doubles_up_to_the_longest(
    first: float, longest: float, retry_number: int, chance: float
) -> None:
    policy = core.RetryPolicy(first_pause=first, longest_pause=longest)
    most = min(longest, first * 2.0 ** min(retry_number, 1_000))
    pause = policy.pause(retry_number, lambda: chance)
    assert pause == pytest.approx(max(0.1, most / 2 + most / 2 * chance))
