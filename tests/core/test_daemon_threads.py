"""What carries the requests of a blocking run."""

import threading

from firecrawl_interact.core.daemon_threads import DaemonThreads

from .side_by_side import library_threads


def test_a_call_that_is_cancelled_before_its_turn_is_never_made() -> None:
    may_end = threading.Event()
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
