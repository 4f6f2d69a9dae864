"""The conversation step by step, as whoever drives it sees it."""

from collections.abc import Callable, Generator
from typing import TypeAlias

import pytest

from firecrawl_interact.core import (
    ConnectFailedError,
    ConnectionLostError,
    DeleteSessionError,
    DeletionReceipt,
    Response,
    RetryPolicy,
    SessionFate,
    TimedOutError,
    TransportError,
    UnreachableError,
    wire,
)
from firecrawl_interact.core.conversation import Conversation, Failed, Send, Wait, converse
from firecrawl_interact.core.headers import request_headers

from .scripted_transport import DESTROYED, SESSION_ID, UNAVAILABLE, response

Decided: TypeAlias = Generator[Send | Wait, Response, DeletionReceipt]

HEADERS = request_headers(None)
REQUEST = wire.request(SESSION_ID, HEADERS)


def conversation(
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - immutable
    hold_back: Callable[[DeleteSessionError, bool], bool] = lambda error, is_last: False,
    monotonic: Callable[[], float] = lambda: 0.0,
) -> Decided:
    steps = converse(
        SESSION_ID, headers=HEADERS, retry=retry, monotonic=monotonic, random=lambda: 1.0
    )
    return decided(steps, hold_back)


def decided(steps: Conversation, hold_back: Callable[[DeleteSessionError, bool], bool]) -> Decided:
    """Let a function say of each failure whether it is held back."""
    try:
        step = next(steps)
        while True:
            if isinstance(step, Failed):
                step = steps.send(hold_back(step.error, step.is_last))
                continue
            try:
                step = steps.send((yield step))
            except TransportError as failure:
                step = steps.throw(failure)
    except StopIteration as end:
        receipt: DeletionReceipt = end.value
        return receipt


def test_it_asks_for_requests_and_waits_and_ends_in_the_receipt() -> None:
    steps = conversation()
    assert next(steps) == Send(REQUEST, 90)
    assert steps.send(UNAVAILABLE) == Wait(1.0)
    assert next(steps) == Send(REQUEST, 90)
    with pytest.raises(StopIteration) as end:
        steps.send(DESTROYED)
    assert end.value.value == DeletionReceipt(session_id=SESSION_ID, attempts=2)


def test_nothing_is_asked_before_it_is_started() -> None:
    def monotonic() -> float:
        raise AssertionError("the clock was read")

    conversation(monotonic=monotonic).close()


def test_an_attempt_that_is_held_back_is_followed_by_the_next_and_does_not_count() -> None:
    steps = conversation(RetryPolicy(max_attempts=1), hold_back=lambda error, is_last: True)
    next(steps)
    for _ in range(5):
        assert steps.send(UNAVAILABLE) == Send(REQUEST, 90)
    with pytest.raises(StopIteration) as end:
        steps.send(DESTROYED)
    assert end.value.value.attempts == 6


def test_the_error_before_a_retry_has_the_fate_after_all_attempts_so_far() -> None:
    fates: list[SessionFate] = []

    def hold_back(error: DeleteSessionError, is_last: bool) -> bool:
        fates.append(error.session_fate)
        return False

    steps = conversation(hold_back=hold_back)
    next(steps)
    steps.throw(ConnectFailedError("refused"))
    next(steps)
    steps.throw(TimedOutError("late"))
    next(steps)
    steps.throw(ConnectFailedError("refused"))
    assert fates == [SessionFate.UNTOUCHED, SessionFate.UNKNOWN, SessionFate.UNKNOWN]


@pytest.mark.parametrize(
    ("retry", "wait", "is_last"),
    [
        (RetryPolicy(), "1", False),
        (RetryPolicy(), "240", True),
        (RetryPolicy(max_attempts=1), "1", True),
    ],
)
def test_the_run_learns_whether_the_session_would_be_given_up(
    retry: RetryPolicy, wait: str, is_last: bool
) -> None:
    seen: list[bool] = []

    def hold_back(error: DeleteSessionError, is_last: bool) -> bool:
        seen.append(is_last)
        return True

    steps = conversation(retry, hold_back=hold_back)
    next(steps)
    steps.send(response(503, None, {"retry-after": wait}))
    assert seen == [is_last]


def test_a_stale_connection_is_not_retried_when_the_time_is_up() -> None:
    now = iter([0.0, 0.0, 240.0])
    steps = conversation(monotonic=lambda: next(now))
    next(steps)
    with pytest.raises(UnreachableError):
        steps.throw(ConnectionLostError("closed", stale=True))


def test_an_attempt_after_no_pause_gets_what_is_left() -> None:
    now = iter([0.0, 0.0, 200.0])
    steps = conversation(monotonic=lambda: next(now))
    next(steps)
    assert steps.throw(ConnectionLostError("closed", stale=True)) == Send(REQUEST, 40.0)


def test_an_attempt_after_one_that_was_held_back_gets_what_is_left_when_it_begins() -> None:
    now = iter([0.0, 200.0, 100.0])  # The run excuses the time that it has taken.
    steps = conversation(
        RetryPolicy(attempt_timeout=240),
        hold_back=lambda error, is_last: True,
        monotonic=lambda: next(now),
    )
    next(steps)
    assert steps.send(UNAVAILABLE) == Send(REQUEST, 140.0)


def test_a_second_stale_connection_is_retried_after_a_pause_whatever_came_between() -> None:
    steps = conversation()
    next(steps)
    steps.throw(ConnectionLostError("closed", stale=True))
    steps.send(UNAVAILABLE)
    next(steps)
    assert steps.throw(ConnectionLostError("closed", stale=True)) == Wait(4.0)
