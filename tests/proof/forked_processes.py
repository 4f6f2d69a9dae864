"""A script that forks processes, lets them work with a journal, and kills them.

Each line of its input is a JSON list of processes to run side by side; each line of its output
is what became of them. It has no threads, so that it may fork, and has imported everything, so
that a process costs milliseconds. A process reports each step only after it has taken it.
"""

import fcntl
import json
import math
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from firecrawl_interact.adapters import FileJournal, Urllib3Transport
from firecrawl_interact.core import DeleteSession

Order = dict[str, Any]  # Any: it comes from JSON

_SYSTEM_CALLS = [
    *((os, name) for name in ("open", "close", "fsync", "mkdir", "rename", "unlink", "rmdir")),
    *((os, name) for name in ("stat", "fstat", "utime", "listdir", "scandir")),
    (fcntl, "flock"),
]
_write = os.write

_PARENT = os.pipe()
"""A pipe that is closed when this process ends: what waits for ever ends then, too."""


class Report:
    """Says what has been done."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __call__(self, step: str, value: object) -> None:
        _write(self._descriptor, json.dumps([step, value]).encode() + b"\n")

    def leave_it_to_the_parent(self) -> None:
        os.close(self._descriptor)


@contextmanager
def fast_disk() -> Iterator[None]:
    """Do not wait for the disk: no machine crashes here."""
    fsync, os.fsync = os.fsync, lambda fd: None
    yield
    os.fsync = fsync


def wait_for_the_parents_end() -> NoReturn:
    os.read(_PARENT[0], 1)
    os._exit(0)


class KillAtCall:
    """Counts the system calls of this process, and kills it at one of them.

    Args:
        call: the number of the call before which it dies; 0 for none.
    """

    def __init__(self, call: int) -> None:
        self.calls = 0
        self._call = call

    def begin(self) -> None:
        for module, name in _SYSTEM_CALLS:
            setattr(module, name, self._counted(getattr(module, name)))

    def _counted(self, function: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object, **named: object) -> object:
            self.calls += 1
            if self.calls == self._call:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)

        return counted


def work(order: Order, report: Report, killer: KillAtCall) -> None:
    """Open sessions in every way, delete most of them, and leave two behind."""
    one, two, three, four, five = order["ids"]
    with (
        FileJournal(order["directory"], service=order["service"]) as journal,
        Urllib3Transport(order["api_url"]) as transport,
    ):
        delete_session = DeleteSession(transport, "fc-test", journal=journal)
        killer.begin()
        journal.opened(one)
        report("opened", one)
        if order.get("forks") and not os.fork():
            report.leave_it_to_the_parent()
            wait_for_the_parents_end()
        with delete_session.on_exit(two):
            report("opened", two)
        report("gone", two)
        with delete_session.on_exit(three):
            report("opened", three)
            journal.opened(four)
            report("opened", four)
            delete_session(one)
            report("gone", one)
        report("gone", three)
        journal.opened(five)
        report("opened", five)


def sweep(order: Order, report: Report, killer: KillAtCall) -> None:
    """Delete what dead processes left open."""
    with (
        FileJournal(order["directory"], service=order["service"]) as journal,
        Urllib3Transport(order["api_url"]) as transport,
    ):
        delete_session = DeleteSession(transport, "fc-test", journal=journal)
        killer.begin()
        for session_id in journal.adopt_orphans():
            report("given", session_id)
            delete_session(session_id)
            report("gone", session_id)


def take(order: Order, report: Report, killer: KillAtCall) -> None:
    """Adopt what dead processes left open, as if each delete took no time."""
    with FileJournal(order["directory"], service=order["service"]) as journal:
        for session_id in journal.adopt_orphans():
            report("given", session_id)
            journal.gone(session_id)


def leave(order: Order, report: Report, killer: KillAtCall) -> None:
    """Open many sessions, and die."""
    with FileJournal(order["directory"], service=order["service"]) as journal, fast_disk():
        for session_id in order["ids"]:
            journal.opened(session_id)
            report("opened", session_id)


def live(order: Order, report: Report, killer: KillAtCall) -> None:
    """Hold sessions until killed."""
    with FileJournal(order["directory"], service=order["service"]) as journal:
        for session_id in order["ids"]:
            journal.opened(session_id)
            report("opened", session_id)
        wait_for_the_parents_end()


_WORK = {function.__name__: function for function in (work, sweep, take, leave, live)}


class ForkedProcess:
    """A forked process, and what it has reported so far."""

    def __init__(self, order: Order) -> None:
        self.reports: list[list[object]] = []
        self.due = time.monotonic() + order.get("seconds", math.inf)
        self._order = order
        self._unread = b""
        self.reading, writing = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            self._work(Report(writing))
        os.close(writing)

    def _work(self, report: "Report") -> NoReturn:
        os.close(self.reading)
        os.close(_PARENT[1])
        killer = KillAtCall(self._order.get("call", 0))
        try:
            _WORK[self._order["work"]](self._order, report, killer)
            report("calls", killer.calls)
            os._exit(0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
        os._exit(1)

    def listen(self) -> bool:
        """Read what there is; say whether there can be more."""
        content = os.read(self.reading, 65536)
        *lines, self._unread = (self._unread + content).split(b"\n")
        self.reports += [json.loads(line) for line in lines]
        return bool(content)

    def kill(self) -> None:
        """Kill it, if it lives."""
        self.due = math.inf
        os.kill(self.pid, signal.SIGKILL)

    def end(self) -> dict[str, object]:
        """Wait for its end."""
        os.close(self.reading)
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return {"killed": code == -signal.SIGKILL, "failed": code > 0, "reports": self.reports}


def run_side_by_side(processes: list[ForkedProcess]) -> list[dict[str, object]]:
    """Run processes side by side, and kill each when it is due."""
    ends: dict[ForkedProcess, dict[str, object]] = {}
    with selectors.DefaultSelector() as selector:
        for process in processes:
            selector.register(process.reading, selectors.EVENT_READ, process)
        while len(ends) < len(processes):
            due = min(process.due for process in processes if process not in ends)
            timeout = None if due == math.inf else max(0, due - time.monotonic())
            for key, _ in selector.select(timeout):
                process = key.data
                if not process.listen():
                    selector.unregister(process.reading)
                    ends[process] = process.end()
            for process in processes:
                if process not in ends and process.due <= time.monotonic():
                    process.kill()
    return [ends[process] for process in processes]


def main() -> None:
    living: list[ForkedProcess] = []
    for line in sys.stdin:
        orders = json.loads(line)
        if orders == "kill the living":
            for process in living:
                process.kill()
            results = [process.end() for process in living]
            living.clear()
        elif orders[0]["work"] == "live":
            (process,) = map(ForkedProcess, orders)
            living.append(process)
            while len(process.reports) < len(orders[0]["ids"]) and process.listen():
                pass
            results = [{"killed": False, "failed": False, "reports": process.reports}]
        else:
            results = run_side_by_side([ForkedProcess(order) for order in orders])
        print(json.dumps(results), flush=True)


if __name__ == "__main__":
    main()
