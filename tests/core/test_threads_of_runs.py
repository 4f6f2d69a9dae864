"""Daemon threads carry the requests of a blocking run: real ones, with signals and a fork."""

import asyncio
import contextvars
import dis
import gc
import logging
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Set
from itertools import count, islice
from types import FrameType
from typing import Any
from unittest.mock import Mock

import pytest

from firecrawl_interact.core import (
    ConnectFailedError,
    Deletions,
    Outcome,
    Response,
    SessionFate,
)
from firecrawl_interact.core.runs.run import Run

from . import virtual_time
from .log_records import log_records
from .scripted_transport import DESTROYED, run
from .side_by_side import (
    AsyncFunctionTransport,
    DeleteMany,
    FunctionTransport,
    after,
    both_kinds,
    listed,
    many,
    many_awaited,
    unchecked,
)
from .steps import at_each_call, at_each_line

LONG = 60
"""Seconds that nothing here takes, however busy the machine is."""

TENANT = contextvars.ContextVar("tenant", default="nobody")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = {*threading.enumerate()}  # A request that is held elsewhere keeps its thread for ever.
    yield
    join_threads(before)


def join_threads(before: Set[threading.Thread] = frozenset()) -> None:
    for thread in {*threading.enumerate()} - before:
        if thread.name.startswith("firecrawl_interact"):
            thread.join(LONG)
            assert not thread.is_alive()


def endless() -> Iterator[str]:
    return map(str, count())


def test_as_many_daemon_threads_send_as_may_be_in_flight_and_the_caller_s_reads_the_ids() -> None:
    together = threading.Barrier(3)
    threads: set[threading.Thread] = set()
    readers = set()

    def respond(session_id: str) -> Response:
        threads.add(threading.current_thread())
        together.wait(LONG)
        return DESTROYED

    def ids() -> Iterator[str]:
        for session_id in "abcdef":
            readers.add((threading.current_thread(), TENANT.get()))
            yield session_id

    token = TENANT.set("tenant-7")
    deletions = many(FunctionTransport(respond), concurrency=3)(ids())
    assert not threads, "nothing happens before the first outcome is asked for"
    assert len(list(deletions)) == 6
    TENANT.reset(token)
    assert len(threads) == 3
    assert all(thread.name == "firecrawl_interact" and thread.daemon for thread in threads)
    assert readers == {(threading.current_thread(), "tenant-7")}


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


def test_a_thread_that_waits_for_the_next_request_holds_nothing_of_the_last_one() -> None:
    is_freed = threading.Event()

    def fail(session_id: str) -> Response:
        error = ConnectFailedError("no such host", transient=False)
        weakref.finalize(error, is_freed.set)
        try:
            raise error
        finally:
            del error

    with many(FunctionTransport(fail), concurrency=1)(["a", "b"]) as deletions:
        assert next(deletions).session_fate is SessionFate.UNTOUCHED
        assert is_freed.wait(LONG)


def press(number: signal.Signals) -> None:
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

    deletions = many(FunctionTransport(respond), concurrency=1)(endless())
    before = signal.signal(signal.SIGTERM, stop)
    try:
        assert [outcome.session_id for outcome in deletions] == ["0"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_signal_s_handler_stops_an_awaited_run_whose_event_loop_waits() -> None:
    async def respond(session_id: str) -> Response:
        threading.Timer(0.2, press, [signal.SIGTERM]).start()
        await asyncio.sleep(LONG)
        return DESTROYED

    async def main() -> None:
        use_case = many_awaited(AsyncFunctionTransport(respond))
        use_case.shutdown_timeout = 0
        deletions = use_case(["0"])
        signal.signal(signal.SIGTERM, lambda *_: deletions.stop())
        async with asyncio.timeout(5):
            assert [outcome.session_id async for outcome in deletions] == ["0"]

    before = signal.getsignal(signal.SIGTERM)
    try:
        asyncio.run(main())
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("end", [Deletions.stop, Deletions.close])
@pytest.mark.parametrize("moment", range(0, 300, 3))
def test_stop_or_close_may_come_before_any_line_and_each_id_has_one_outcome(
    moment: int, end: Callable[[Deletions], None]
) -> None:
    lines, told, ids = count(), list[str](), iter("abc")
    use_case = many(FunctionTransport(), concurrency=2)
    use_case.delete_session.on_outcome = lambda outcome: told.append(outcome.session_id or "")
    deletions = use_case(ids)

    def step(frame: FrameType) -> None:
        if next(lines) == moment:
            end(deletions)

    with at_each_line(step, "run", "deletions", "scheduler"), deletions:
        taken = [*islice(deletions, 1)]
    taken += deletions
    assert sorted(outcome.session_id or "" for outcome in taken) == sorted(told)
    assert sorted([*told, *ids]) == [*"abc"]


def test_no_signal_s_handler_finds_an_outcome_in_no_queue() -> None:
    seen = []

    def look(frame: FrameType, event: str, argument: object) -> Any:  # Any: itself
        if frame.f_code.co_name != "_notify_of_next":
            return None
        frame.f_trace_opcodes = True
        seen.append("1 ended" in repr(deletions))
        return look

    deletions, before = many(FunctionTransport())(["a"]), sys.gettrace()
    sys.settrace(look)
    try:
        assert len(list(deletions)) == 1
    finally:
        sys.settrace(before)
    assert len(seen) > 4  # its lines, at least: Python 3.12 shows no more
    assert all(seen)


def test_no_signal_s_handler_runs_between_taking_an_outcome_out_and_returning_it() -> None:
    steps = [step.opname for step in dis.get_instructions(Run._hand_out_or_end)]
    last = steps[steps.index("DELETE_SUBSCR") :]
    assert not [name for name in last if name.startswith(("CALL", "JUMP", "RESUME"))]


@pytest.mark.parametrize("error", [RuntimeError("release unlocked lock"), KeyError("<Thread>")])
def test_an_interruption_while_a_thread_starts_is_raised_and_leaves_no_thread(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    start = threading.Thread.start

    def interrupted_start(thread: threading.Thread) -> None:
        start(thread)
        try:
            raise KeyboardInterrupt
        finally:  # as the lock, or the register of threads, does it
            raise error

    monkeypatch.setattr(threading.Thread, "start", interrupted_start)
    with pytest.raises(KeyboardInterrupt):
        list(many(FunctionTransport())(["a"]))


def test_a_thread_that_cannot_start_leaves_none_that_could(monkeypatch: pytest.MonkeyPatch) -> None:
    start, is_refused = threading.Thread.start, threading.Event()
    refusals = iter([False])  # for the first one

    def start_the_first(thread: threading.Thread) -> None:
        if next(refusals, True):
            is_refused.set()
            raise RuntimeError("can't start new thread")
        start(thread)

    def respond(_: str) -> Response:
        is_refused.wait(LONG)
        return DESTROYED

    monkeypatch.setattr(threading.Thread, "start", start_the_first)
    with pytest.raises(RuntimeError, match="can't start"):
        list(many(FunctionTransport(respond))(["a", "b"]))


def test_a_mock_may_be_the_transport() -> None:
    transport = Mock()
    transport.send.return_value = DESTROYED
    transport.monotonic.return_value = 0
    assert len(list(many(transport)(["a", "b"]))) == 2


@both_kinds
def test_a_second_thread_or_task_may_not_ask_a_run(delete_many: DeleteMany) -> None:
    def respond(session_id: str) -> Response:
        refuses = pytest.raises(RuntimeError, match="another thread or task")
        with refuses as raised:  # in the thread or task of the request
            next(deletions) if isinstance(deletions, Deletions) else run(anext(deletions))
        refused.append(raised)
        return DESTROYED

    refused: list[object] = []
    deletions = delete_many(FunctionTransport(respond))(["a", "b"])
    assert len(virtual_time.run(listed(deletions))) == len(refused) == 2


def test_ids_that_ask_their_own_run_for_an_outcome_end_it_with_an_error() -> None:
    def ids() -> Iterator[str]:
        yield "a"
        yield next(deletions).session_id

    deletions = many(FunctionTransport())(ids())
    assert next(deletions).session_id == "a"
    with pytest.raises(RuntimeError, match="in this or another thread"):
        next(deletions)


@pytest.mark.parametrize("is_left", [False, True])
def test_an_outcome_that_is_told_may_not_ask_its_own_run_for_the_next_one(is_left: bool) -> None:
    refused = list[str]()

    def ask(outcome: Outcome) -> None:
        with pytest.raises(RuntimeError, match="this run is asked already"):
            next(deletions)
        refused.append(outcome.session_id)

    use_case = many(FunctionTransport())
    use_case.delete_session.on_outcome = ask
    deletions: Deletions = use_case([*"abc"])
    outcomes = [next(deletions)]
    if is_left:
        deletions.close()
    outcomes += deletions
    assert refused == [outcome.session_id for outcome in outcomes]
    assert is_left or len(refused) == 3


def test_a_run_that_was_left_keeps_no_thread() -> None:
    with many(FunctionTransport(), concurrency=3)(endless()) as deletions:
        next(deletions)
    join_threads()
    assert "0 in flight" in repr(deletions)  # It is still there.


class InFlight(FunctionTransport):
    """Responds to `0` once all others were sent, and to those when they may end."""

    def __init__(self, concurrency: int) -> None:
        super().__init__(self._wait)
        self.may_end, self._all_sent = threading.Event(), threading.Barrier(concurrency)

    def _wait(self, session_id: str) -> Response:
        self._all_sent.wait(LONG)
        assert session_id == "0" or self.may_end.wait(LONG)
        return DESTROYED


@pytest.mark.filterwarnings("ignore:<Deletions:RuntimeWarning")
def test_dropping_the_iterator_lets_what_is_in_flight_end_and_sends_nothing_new() -> None:
    transport = InFlight(4)
    deletions = many(transport, concurrency=4)(endless())
    assert next(deletions).session_id == "0"
    del deletions
    gc.collect()
    transport.may_end.set()
    join_threads()
    assert sorted(transport.responded) == sorted(transport.sent) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("is_awaited", [False, True])
@virtual_time.on_virtual_time
async def test_a_child_leaves_a_run_and_what_is_in_flight_to_its_parent_however_it_was_forked(
    is_awaited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, transport = list[Outcome](), InFlight(2)
    of_parent = AsyncFunctionTransport(after(1, **{"1": 50}))
    use_case = unchecked(many_awaited(of_parent) if is_awaited else many(transport))
    use_case.shutdown_timeout, use_case.delete_session.on_outcome = 0, told.append
    deletions = use_case(["0", "1"])
    await anext(deletions) if is_awaited else next(deletions)
    with monkeypatch.context() as child, log_records(logging.WARNING) as records:
        child.setattr(os, "getpid", lambda: -1)
        await deletions.aclose() if is_awaited else deletions.close()
        with pytest.raises(RuntimeError, match="begun in another process"):
            await anext(deletions) if is_awaited else next(deletions)
        assert "1 in flight, 0 waiting" in repr(deletions)
        deletions.__del__()  # Only its parent is to be warned.
    assert (records, len(told)) == ([], 1)
    deletions.shutdown_timeout = None
    transport.may_end.set()
    assert [outcome.session_fate for outcome in await listed(deletions)] == [SessionFate.GONE]


def test_a_run_that_is_closed_at_work_stops_and_gives_each_outcome_once() -> None:
    def ids() -> Iterator[str]:
        yield "a"
        deletions.close()
        yield "b"
        yield "c"

    deletions = many(FunctionTransport(), concurrency=1)(ids())
    fates = {outcome.session_id: outcome.session_fate for outcome in deletions}
    assert fates == {"a": SessionFate.GONE, "b": SessionFate.UNTOUCHED}


class SlowError(Exception):
    """What the handler of a signal raises."""


@pytest.mark.parametrize("function", ["admit", "parse_response", "notify"])
def test_what_a_signal_s_handler_raises_in_a_run_comes_out_and_costs_no_outcome(
    function: str,
) -> None:
    deletions, is_over = many(FunctionTransport())([*"abc"]), False

    def interrupt(frame: FrameType) -> None:
        nonlocal is_over
        has_id = len(getattr(frame.f_locals.get("self"), "_jobs", "a"))
        if not is_over and frame.f_code.co_name == function and has_id:
            is_over = True
            raise SlowError

    with at_each_call(interrupt), pytest.raises(SlowError):
        next(deletions)
    taken = list(deletions)
    assert is_over
    # Two threads may be served in either order: only which ids were taken is certain.
    assert sorted(outcome.session_id for outcome in taken) == [*"abc"][: len(taken)] != []
