"""Daemon threads carry the requests of a blocking run: few, forked, or interrupted."""

import os
import threading
import time
import warnings

import pytest

from firecrawl_interact.core import (
    DeleteManySessions,
    DeleteSession,
    DeletionReceipt,
    Response,
    SessionFate,
    UnreachableError,
)

from .scripted_transport import DESTROYED, UNAVAILABLE
from .side_by_side import KEY, FunctionTransport, Ids, many


@pytest.fixture
def most(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many threads the system still allows."""
    start, left = threading.Thread.start, [0]

    def start_some(thread: threading.Thread) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_some)
    return left


def test_a_run_goes_on_with_as_many_threads_as_the_system_allows(most: list[int]) -> None:
    most[0] = 2
    outcomes = list(many(FunctionTransport(), concurrency=8)(iter("abcdefghij")))
    assert [type(outcome) for outcome in outcomes] == [DeletionReceipt] * 10
    assert {outcome.attempts for outcome in outcomes} == {1}


@pytest.mark.usefixtures("most")
def test_without_any_thread_the_run_ends_and_nothing_was_sent() -> None:
    transport = FunctionTransport()
    deletions = many(transport)(Ids())
    outcome = next(deletions)
    assert isinstance(outcome, UnreachableError)
    assert (outcome.session_fate, outcome.attempts) == (SessionFate.UNTOUCHED, 0)
    with pytest.raises(RuntimeError, match="no request can be sent") as raised:
        next(deletions)
    assert "can't start new thread" in str(raised.value.__cause__)
    assert transport.sent == []


class TwoInFlight(FunctionTransport):
    """Responds to `a` once `b` was sent, and to `b` when it may."""

    def __init__(self, response: Response = DESTROYED) -> None:
        super().__init__(self.wait_for_b)
        self._response = response
        self.b_is_sent, self.b_may_end = threading.Event(), threading.Event()

    def wait_for_b(self, session_id: str) -> Response:
        if session_id == "b":
            self.b_is_sent.set()
            assert self.b_may_end.wait(20)
            return DESTROYED
        assert self.b_is_sent.wait(20)
        return self._response


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_that_was_forked_in_the_block_waits_for_no_request_of_its_parent() -> None:
    transport = TwoInFlight()
    with many(transport, concurrency=2)(["a", "b"]) as deletions:
        assert next(deletions).session_id == "a"
        assert transport.b_is_sent.wait(20)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
            child = os.fork()
        if not child:
            deletions.close()
            os._exit(0)
        for _ in range(1_000):
            ended, _status = os.waitpid(child, os.WNOHANG)
            if ended:
                break
            time.sleep(0.01)
        transport.b_may_end.set()
    assert ended == child
    assert [outcome.session_fate for outcome in deletions] == [SessionFate.GONE]


def test_what_no_thread_carries_any_more_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = TwoInFlight()
    deletions = many(transport, concurrency=2)(["a", "b"])
    assert next(deletions).session_id == "a"
    assert transport.b_is_sent.wait(20)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "is_alive", lambda thread: False)
        deletions.close()
    transport.b_may_end.set()
    assert [outcome.session_fate for outcome in deletions] == [SessionFate.UNKNOWN]


def test_a_ctrl_c_while_a_response_is_read_keeps_the_other_one() -> None:
    transport = TwoInFlight(UNAVAILABLE)

    def is_interrupted() -> float:  # where the pause before the retry of `a` is drawn
        transport.b_may_end.set()
        raise KeyboardInterrupt

    delete_session = DeleteSession(transport, KEY, random=is_interrupted)
    deletions = DeleteManySessions(delete_session, concurrency=2)(["b", "a"])
    with pytest.raises(KeyboardInterrupt):
        list(deletions)
    fates = {outcome.session_id: outcome.session_fate for outcome in deletions}
    assert fates == {"a": SessionFate.UNKNOWN, "b": SessionFate.GONE}
