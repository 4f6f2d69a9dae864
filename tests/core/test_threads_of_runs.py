"""Daemon threads carry the requests of a blocking run: real ones, with signals."""

import asyncio
import gc
import signal
import sys
import threading
import weakref
from collections.abc import Iterator
from functools import partial
from itertools import count
from types import FrameType
from typing import Any
from unittest.mock import Mock

import pytest

from firecrawl_interact.core import (
    ConnectionLostError,
    DeletionReceipt,
    Deletions,
    NotTriedError,
    Outcome,
    Response,
    SessionFate,
)

from ..simulation import virtual_time
from .scripted_transport import DESTROYED, response
from .side_by_side import (
    AsyncFunctionTransport,
    DeleteMany,
    FunctionTransport,
    both_kinds,
    listed,
    many,
    many_awaited,
)

LONG = 60
"""Seconds that nothing here takes, however busy the machine is."""


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = {*threading.enumerate()}  # A request that is held elsewhere keeps its thread for ever.
    yield
    for thread in {*threading.enumerate()} - before:
        if thread.name.startswith("firecrawl_interact"):
            thread.join(LONG)
            assert not thread.is_alive()


def test_daemon_threads_send_and_the_callers_reads_the_ids() -> None:
    together = threading.Barrier(3)
    threads: set[threading.Thread] = set()
    readers = set()

    def respond(session_id: str) -> Response:
        threads.add(threading.current_thread())
        together.wait(LONG)
        return DESTROYED

    def ids() -> Iterator[str]:
        for session_id in "abcdef":
            readers.add(threading.current_thread())
            yield session_id

    deletions = many(FunctionTransport(respond), concurrency=3)(ids())
    assert len(list(deletions)) == 6
    assert len(threads) == 3
    assert all(thread.name == "firecrawl_interact" and thread.daemon for thread in threads)
    assert readers == {threading.current_thread()}


def test_as_many_requests_are_in_flight_as_threads_can_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def respond(session_id: str) -> Response:
        assert are_full.wait(LONG)
        return DESTROYED

    class Thread(threading.Thread):
        def start(self) -> None:
            if len(alive) == 20:
                are_full.set()
                raise RuntimeError("can't start new thread")
            alive.add(self)
            super().start()

        def run(self) -> None:
            super().run()
            alive.discard(self)

    alive, are_full = set[threading.Thread](), threading.Event()
    monkeypatch.setattr(threading, "Thread", Thread)
    outcomes = list(many(FunctionTransport(respond), concurrency=64)(map(str, range(200))))
    assert {(outcome.session_fate, outcome.attempts) for outcome in outcomes} == {
        (SessionFate.GONE, 1)
    }
    assert len(outcomes) == 200


def test_as_many_are_in_flight_as_before_once_threads_can_start_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Thread(threading.Thread):
        def start(self) -> None:
            starts.append(self)
            if 2 <= len(starts) < 5:
                raise RuntimeError("can't start new thread")
            super().start()

    def respond(session_id: str) -> Response:
        if session_id in late:
            together.wait(LONG)
        return DESTROYED

    starts, together, late = (
        list[threading.Thread](),
        threading.Barrier(4),
        {*map(str, range(20, 24))},
    )
    monkeypatch.setattr(threading, "Thread", Thread)
    outcomes = list(many(FunctionTransport(respond), concurrency=4)(map(str, range(24))))
    assert {(type(one), one.attempts) for one in outcomes} == {(DeletionReceipt, 1)}


def test_a_run_without_any_thread_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("can't start new thread")
    monkeypatch.setattr(threading.Thread, "start", Mock(side_effect=error))
    deletions = many(FunctionTransport())(["a", "b"])
    with pytest.raises(RuntimeError, match="new thread"):
        next(deletions)
    assert [type(outcome) for outcome in deletions] == [NotTriedError] * 2


@pytest.mark.filterwarnings("ignore:.* was left half-way")
def test_a_run_that_is_left_half_way_leaves_no_thread() -> None:
    next(many(FunctionTransport())(["a", "b"]))


class Id(str):
    """Can be watched."""


@both_kinds
def test_a_run_holds_nothing_of_ids_that_have_ended(delete_many: DeleteMany) -> None:
    held = weakref.WeakSet[Id]()

    def ids() -> Iterator[str]:
        for number in range(100):
            held.add(session_id := Id(number))
            yield session_id

    deletions = delete_many(FunctionTransport())(ids())
    assert len(virtual_time.run(listed(deletions))) == 100
    gc.collect()
    assert len(held) < 10


@both_kinds
def test_a_run_keeps_no_frame_of_a_failed_request(delete_many: DeleteMany) -> None:
    def respond(session_id: str) -> Response:
        requests.append(session_id)
        if len(requests) == 1:
            raise failure
        return DESTROYED

    failure, requests = ConnectionLostError("lost"), list[str]()
    assert len(virtual_time.run(listed(delete_many(FunctionTransport(respond))(["a"])))) == 1
    assert (len(requests), failure.__traceback__) == (2, None)


@pytest.fixture(autouse=True)
def sigterm_is_handled_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def press(number: signal.Signals) -> None:
    if sys.platform == "win32":
        signal.raise_signal(number)
    else:
        signal.pthread_kill(threading.main_thread().ident or 0, number)


@pytest.mark.parametrize("is_in_handler", [False, True])
def test_stop_takes_effect_while_a_response_is_awaited(is_in_handler: bool) -> None:
    stopped = threading.Event()

    def stop(*arguments: object) -> None:
        deletions.stop()
        stopped.set()

    def respond(session_id: str) -> Response:
        press(signal.SIGTERM) if is_in_handler else threading.Thread(target=stop).start()
        assert stopped.wait(LONG)
        return DESTROYED

    deletions = many(FunctionTransport(respond), concurrency=1)(map(str, count()))
    signal.signal(signal.SIGTERM, stop)
    assert [outcome.session_id for outcome in deletions] == ["0"]


def test_a_signal_handler_stops_an_awaited_run() -> None:
    async def respond(session_id: str) -> Response:
        threading.Timer(0.2, press, [signal.SIGTERM]).start()
        await asyncio.sleep(LONG)
        return DESTROYED

    async def main() -> None:
        deletions = many_awaited(AsyncFunctionTransport(respond))(["0"], shutdown_timeout=0)
        signal.signal(signal.SIGTERM, lambda *_: deletions.stop())
        async with asyncio.timeout(5):
            assert [outcome.session_id async for outcome in deletions] == ["0"]

    asyncio.run(main())


def test_a_run_may_go_on_while_another_thread_asks_for_its_pause() -> None:
    def respond(session_id: str) -> Response:
        is_first = transport.sent.count("a") == 1
        return not_deleted if session_id == "a" and is_first else DESTROYED

    def trace(frame: FrameType, event: str, argument: object) -> Any:  # Any: it returns itself
        """End the run after so many steps of the question, as another thread may."""
        frame.f_trace_opcodes = True
        if next(steps) == step:
            assert len(list(deletions)) == 1
        return trace

    not_deleted, tracer = response(200, {"success": False}), sys.gettrace()
    for step in count():
        transport, steps = FunctionTransport(respond), count()
        with many(transport)(["a", "b"]) as deletions:
            assert next(deletions).session_id == "b"  # The other one waits for its retry.
            sys.settrace(trace)
            try:
                _ = deletions.pause
            finally:
                sys.settrace(tracer)
        if next(steps) <= step:  # The question had fewer.
            break
    assert step > 50


@pytest.mark.parametrize("is_closed", [False, True])
def test_another_thread_is_refused_and_the_run_goes_on(is_closed: bool) -> None:
    is_sent, may_end = threading.Event(), threading.Event()

    def respond(session_id: str) -> Response:
        is_sent.set()
        assert may_end.wait(LONG)
        return DESTROYED

    def ask() -> None:
        assert is_sent.wait(LONG)
        with pytest.raises(RuntimeError, match="another thread or task is asking this run"):
            deletions.close() if is_closed else next(deletions)
        may_end.set()

    deletions = many(FunctionTransport(respond), concurrency=1)(iter(["a", "b"]))
    thread = threading.Thread(target=ask)
    thread.start()
    outcomes = [(outcome.session_id, outcome.session_fate) for outcome in deletions]
    thread.join(LONG)
    gone = SessionFate.GONE
    assert outcomes == ([("a", gone)] if is_closed else [("a", gone), ("b", gone)])


def note(told: list[str], outcome: Outcome) -> None:
    told.append(outcome.session_id)


def interrupted_at(line: int, deletions: Deletions) -> bool:
    """Ask for the outcomes. Return whether a Ctrl-C came, at a line of the caller's thread."""

    def trace(frame: FrameType, event: str, argument: object) -> Any:  # Any: it returns itself
        if not frame.f_globals["__name__"].startswith("firecrawl_interact.core"):
            return None
        if event == "line" and next(lines) == line:
            raise KeyboardInterrupt
        return trace

    lines, tracer = count(), sys.gettrace()
    sys.settrace(trace)
    try:
        for _ in deletions:
            pass
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(tracer)
    return False


@pytest.mark.filterwarnings(
    "ignore:.*never awaited", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_an_interruption_at_any_line_loses_one_id_at_most() -> None:
    def respond(session_id: str) -> Response:
        is_first = transport.sent.count(session_id) == 1
        return not_deleted if session_id == "b" and is_first else DESTROYED

    def ids() -> Iterator[str]:
        for session_id in "abcd":
            taken.append(session_id)
            yield session_id

    not_deleted, lost = response(200, {"success": False}), 0
    for line in count():
        transport, taken, told = FunctionTransport(respond), list[str](), list[str]()
        tell = partial(note, told)
        deletions = many(transport, concurrency=2, on_outcome=tell)(ids())
        was_interrupted = interrupted_at(line, deletions)
        left = [outcome.session_id for outcome in deletions]
        deletions.close()
        assert len({*taken} - {*told, *left}) <= 1
        assert len(told) == len({*told})
        lost += len({*taken} - {*told, *left})
        if not was_interrupted:
            break
    assert lost < line / 2  # at most of the lines, nothing is taken or handed over
