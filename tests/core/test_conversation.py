"""The conversation step by step, as whoever drives it sees it."""

from collections.abc import Callable

import pytest

from firecrawl_interact.core import (
    ConnectFailedError,
    ConnectionLostError,
    DeleteSessionError,
    DeletionReceipt,
    RetryPolicy,
    ServiceUnavailableError,
    SessionFate,
    TimedOutError,
    UnauthorizedError,
    UnreachableError,
    wire,
)
from firecrawl_interact.core.conversation import Conversation, Send, Wait, converse

from .scripted_transport import DESTROYED, SESSION_ID, UNAUTHORIZED, UNAVAILABLE, response

HEADERS = wire.headers(None)
REQUEST = wire.request(SESSION_ID, HEADERS)


def conversation(
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - immutable
    may_retry: Callable[[DeleteSessionError], bool] = lambda error: True,
    monotonic: Callable[[], float] = lambda: 0.0,
) -> Conversation:
    return converse(
        SESSION_ID,
        headers=HEADERS,
        retry=retry,
        monotonic=monotonic,
        random=lambda: 1.0,
        may_retry=may_retry,
    )


def test_it_asks_for_requests_and_waits_and_ends_in_the_receipt() -> None:
    steps = conversation()
    assert next(steps) == Send(REQUEST, 90)
    assert steps.send(UNAVAILABLE) == Wait(1.0)
    assert next(steps) == Send(REQUEST, 90)
    with pytest.raises(StopIteration) as end:
        steps.send(DESTROYED)
    assert end.value.value == DeletionReceipt(session_id=SESSION_ID, attempts=2)


def test_it_takes_a_failure_in_the_place_of_a_response_and_keeps_it_as_the_cause() -> None:
    steps = conversation(RetryPolicy(max_attempts=2))
    next(steps)
    assert steps.throw(TimedOutError("late")) == Wait(1.0)
    next(steps)
    failure = ConnectionLostError("reset")
    with pytest.raises(UnreachableError) as raised:
        steps.throw(failure)
    assert raised.value.__cause__ is failure


@pytest.mark.parametrize("step", [Send(REQUEST, 90), Wait(1.0)])
def test_a_step_cannot_be_changed(step: Send | Wait) -> None:
    with pytest.raises(AttributeError):
        setattr(step, step.__struct_fields__[0], None)


def test_nothing_is_asked_before_it_is_started() -> None:
    def monotonic() -> float:
        raise AssertionError("the clock was read")

    conversation(monotonic=monotonic).close()


def test_what_is_no_transport_error_goes_through_it() -> None:
    steps = conversation()
    next(steps)
    with pytest.raises(KeyboardInterrupt):
        steps.throw(KeyboardInterrupt())


def test_a_retry_needs_no_permission_unless_somebody_wants_to_be_asked() -> None:
    steps = converse(
        SESSION_ID,
        headers=HEADERS,
        retry=RetryPolicy(),
        monotonic=lambda: 0.0,
        random=lambda: 1.0,
    )
    next(steps)
    assert steps.send(UNAVAILABLE) == Wait(1.0)


def test_a_retry_can_be_forbidden_and_then_its_error_is_the_end() -> None:
    asked: list[DeleteSessionError] = []

    def may_retry(error: DeleteSessionError) -> bool:
        asked.append(error)
        return len(asked) == 1

    steps = conversation(may_retry=may_retry)
    next(steps)
    assert steps.throw(TimedOutError("late")) == Wait(1.0)
    next(steps)
    with pytest.raises(UnreachableError) as raised:
        steps.throw(ConnectFailedError("refused"))
    assert [type(error) for error in asked] == [UnreachableError, UnreachableError]
    assert raised.value is asked[1]
    assert raised.value.attempts == 2
    assert raised.value.session_fate is SessionFate.UNKNOWN


def test_the_error_before_a_retry_has_the_fate_after_all_attempts_so_far() -> None:
    fates: list[SessionFate] = []

    def may_retry(error: DeleteSessionError) -> bool:
        fates.append(error.session_fate)
        return True

    steps = conversation(may_retry=may_retry)
    next(steps)
    steps.throw(ConnectFailedError("refused"))
    next(steps)
    steps.throw(TimedOutError("late"))
    next(steps)
    steps.throw(ConnectFailedError("refused"))
    assert fates == [SessionFate.UNTOUCHED, SessionFate.UNKNOWN, SessionFate.UNKNOWN]


def test_the_retry_of_a_stale_connection_can_be_forbidden_too() -> None:
    steps = conversation(may_retry=lambda error: False)
    next(steps)
    with pytest.raises(UnreachableError):
        steps.throw(ConnectionLostError("closed", stale=True))


def never_asked(error: DeleteSessionError) -> bool:
    raise AssertionError(f"asked about {error!r}")


def test_nobody_is_asked_about_what_is_not_retried() -> None:
    steps = conversation(may_retry=never_asked)
    next(steps)
    with pytest.raises(UnauthorizedError):
        steps.send(UNAUTHORIZED)


def test_nobody_is_asked_after_the_last_attempt() -> None:
    steps = conversation(RetryPolicy(max_attempts=1), may_retry=never_asked)
    next(steps)
    with pytest.raises(ServiceUnavailableError):
        steps.send(UNAVAILABLE)


def test_nobody_is_asked_about_a_wait_that_does_not_fit() -> None:
    steps = conversation(may_retry=never_asked)
    next(steps)
    with pytest.raises(ServiceUnavailableError):
        steps.send(response(503, None, {"retry-after": "240"}))


def test_a_stale_connection_is_not_retried_when_the_time_is_up() -> None:
    now = iter([0.0, 240.0])
    steps = conversation(monotonic=lambda: next(now))
    next(steps)
    with pytest.raises(UnreachableError):
        steps.throw(ConnectionLostError("closed", stale=True))


def test_an_attempt_after_no_pause_gets_what_is_left() -> None:
    now = iter([0.0, 200.0])
    steps = conversation(monotonic=lambda: next(now))
    next(steps)
    assert steps.throw(ConnectionLostError("closed", stale=True)) == Send(REQUEST, 40.0)
