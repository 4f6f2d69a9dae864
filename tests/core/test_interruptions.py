"""A Ctrl-C that meets a run in the middle of a step: each id that was taken has its outcome."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

import pytest

from firecrawl_interact.core import DeletionReceipt, Response, SessionFate, UnreachableError

from .scripted_transport import DESTROYED, RATE_LIMITED, UNAVAILABLE
from .side_by_side import FunctionTransport, InlineExecutor, many

_P = ParamSpec("_P")
_T = TypeVar("_T")


class InterruptedExecutor(InlineExecutor):
    """Is interrupted once, when it has sent the second request."""

    def __init__(self) -> None:
        self._requests = 0

    def submit(
        self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Future[_T]:
        self._requests += 1
        future = super().submit(function, *args, **kwargs)
        if self._requests == 2:
            raise KeyboardInterrupt
        return future


def test_an_id_whose_request_is_being_given_to_the_executor_is_unknown() -> None:
    deletions = many(FunctionTransport(), concurrency=2, executor=InterruptedExecutor())(["1", "2"])
    with pytest.raises(KeyboardInterrupt):
        list(deletions)
    first, second = sorted(deletions, key=lambda outcome: outcome.session_id)
    assert isinstance(first, DeletionReceipt)
    assert isinstance(second, UnreachableError)
    assert (second.session_fate, second.attempts) == (SessionFate.UNKNOWN, 1)


class InterruptedClock(FunctionTransport):
    """Somebody presses Ctrl-C when the run looks at the clock after a response."""

    def __init__(self, response: Response) -> None:
        super().__init__(lambda _: response)
        self._is_interrupted = False

    def monotonic(self) -> float:
        if self.sent and not self._is_interrupted:
            self._is_interrupted = True
            raise KeyboardInterrupt
        return super().monotonic()


def test_an_id_whose_response_is_being_read_is_unknown() -> None:
    transport = InterruptedClock(UNAVAILABLE)
    deletions = many(transport, concurrency=1, executor=InlineExecutor())(["1"])
    with pytest.raises(KeyboardInterrupt):
        list(deletions)
    [outcome] = deletions
    assert (outcome.session_fate, outcome.attempts) == (SessionFate.UNKNOWN, 1)


class NeverCancelled(Future[_T]):
    """Somebody presses Ctrl-C when the run, which is being left, wants to cancel it."""

    def cancel(self) -> bool:
        raise KeyboardInterrupt


class HangingExecutor(InlineExecutor):
    def submit(
        self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Future[_T]:
        return NeverCancelled() if args else super().submit(function, *args, **kwargs)


def test_an_id_in_flight_is_unknown_when_even_leaving_is_interrupted() -> None:
    deletions = many(FunctionTransport(), executor=HangingExecutor())(["1", ".."])
    refused = next(deletions)
    with pytest.raises(KeyboardInterrupt):
        deletions.close()
    [outcome] = deletions
    assert (refused.session_id, outcome.session_id) == ("..", "1")
    assert (outcome.session_fate, outcome.attempts) == (SessionFate.UNKNOWN, 1)


def test_a_run_that_is_stopped_while_requests_are_given_gives_none_of_the_others() -> None:
    transport = FunctionTransport(lambda _: DESTROYED if transport.now else RATE_LIMITED)

    class Stopping(InlineExecutor):
        def submit(
            self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
        ) -> Future[_T]:
            if transport.now:
                deletions.stop()
            return super().submit(function, *args, **kwargs)

    deletions = many(transport, concurrency=3, executor=Stopping())(["1", "2", "3"])
    outcomes = list(deletions)
    assert len([outcome for outcome in outcomes if isinstance(outcome, DeletionReceipt)]) == 1
    assert sum(outcome.attempts for outcome in outcomes) == len(transport.sent)
