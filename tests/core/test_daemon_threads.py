"""The threads that carry the requests of a run."""

import threading
import weakref
from threading import Barrier, Event

import pytest

from firecrawl_interact.core.daemon_threads import DaemonThreads

from .side_by_side import library_threads


def test_no_more_threads_are_started_than_are_allowed() -> None:
    before = set(threading.enumerate())
    threads, done = DaemonThreads(2), Event()
    futures = [threads.submit(done.wait, 10) for _ in range(5)]
    started = set(threading.enumerate()) - before
    done.set()
    assert len(started) == 2
    assert all(future.result(10) for future in futures)
    threads.shutdown()
    for thread in started:
        thread.join(10)


def test_calls_run_side_by_side_in_as_many_threads_as_are_allowed() -> None:
    threads, meeting = DaemonThreads(3), Barrier(3)
    futures = [threads.submit(meeting.wait, 10) for _ in range(3)]
    assert sorted(future.result(10) for future in futures) == [0, 1, 2]
    threads.shutdown()


def test_calls_after_a_shutdown_have_threads_of_their_own() -> None:
    threads = DaemonThreads(1)
    for number in range(3):
        assert threads.submit(abs, number).result(10) == number
        threads.shutdown()


def test_a_thread_that_waits_holds_nothing_of_its_last_call() -> None:
    class Secret:
        pass

    secret, collected = Secret(), Event()
    weakref.finalize(secret, collected.set)
    threads = DaemonThreads(1)
    threads.submit(id, secret).result(10)
    del secret
    assert collected.wait(10)
    threads.shutdown()


def test_a_call_that_is_cancelled_before_its_turn_is_never_made() -> None:
    may_end = Event()
    calls: list[str] = []
    threads = DaemonThreads(1)
    first = threads.submit(may_end.wait, 10)
    second = threads.submit(calls.append, "second")
    third = threads.submit(calls.append, "third")
    assert second.cancel()
    may_end.set()
    assert first.result(10) is True
    assert third.result(10) is None
    assert calls == ["third"]
    threads.shutdown()
    assert not library_threads()


def let_only_so_many_threads_start(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system refuse every further thread of ours, as it does at a limit of processes."""
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def start_if_allowed(thread: threading.Thread) -> None:
        if len(started) == most:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_if_allowed)


def test_the_threads_that_could_start_make_all_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    let_only_so_many_threads_start(2, monkeypatch)
    threads, may_end = DaemonThreads(4), Event()
    futures = [threads.submit(may_end.wait, 10) for _ in range(5)]
    may_end.set()
    assert all(future.result(10) for future in futures)
    threads.shutdown()
    assert not library_threads()


def test_a_call_that_was_refused_for_want_of_a_thread_is_never_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []
    threads = DaemonThreads(4)
    with monkeypatch.context() as patched:
        let_only_so_many_threads_start(0, patched)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            threads.submit(calls.append, "refused")
    threads.submit(calls.append, "later").result(10)
    threads.shutdown()
    assert calls == ["later"]
