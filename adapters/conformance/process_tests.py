"""What a journal promises when processes are killed, stopped and forked, and in an outage."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from typing import Any, ClassVar, TypeAlias

import pytest

from firecrawl_interact.core.journal import Journal, JournalError

from .driver import compare, require
from .harness import WITH_THREADS, JournalHarness, require_orphans, unless_windows

LONGEST_CALL = 60  # seconds

Work: TypeAlias = Callable[[Connection, Journal], None]
"""What a process does with its journal. It reports through the connection."""
_has_fork = unless_windows("it has no fork")
_however_it_starts = pytest.mark.parametrize(
    "start", [pytest.param("fork", marks=_has_fork), "spawn"], ids=["fork", "spawn"]
)
_QUICKLY = "spawn" if sys.platform == "win32" else "fork"


class ProcessTests(JournalHarness):
    """What outlives a process, and its storage's outage."""

    __test__ = False
    pytestmark: ClassVar[pytest.MarkDecorator] = pytest.mark.filterwarnings(WITH_THREADS)

    def start(self, work: Work, start: str = _QUICKLY) -> "Process":
        """Start a process with a journal of its own, that is killed when the test is over."""
        process = Process(work, self.new(), start)
        self._stack.callback(process.kill)
        return process

    @_however_it_starts
    def test_a_killed_process_leaves_orphans_with_what_it_had_adopted(self, start: str) -> None:
        """This is what a journal is for."""
        ids = [f"session-{number}" for number in range(20)]
        self.leave(*ids)
        process = self.start(open_one_and_sweep_half_way, start)
        found = process.said()
        require(found in ids, f"a process found {found!r} of the orphans {ids}")
        process.kill()
        self.wait_a_lease()
        self.expect("scrape:one", *ids)

    @unless_windows("it has no signal that stops a process")
    def test_a_process_that_is_stopped_for_long_loses_nothing(self) -> None:
        """It can wake up when a sweep has adopted its sessions."""
        process = self.start(open_one_and_sweep_half_way)
        process.said()
        process.signal(signal.SIGSTOP)
        self.wait_a_lease()
        found = self.sweep()
        process.signal(signal.SIGCONT)
        process.kill()
        self.wait_a_lease()
        require_orphans(found + self.sweep(), ["scrape:one"])

    def test_processes_that_are_killed_at_any_moment_lose_nothing(self) -> None:
        said: list[tuple[str, str]] = []
        for moment in (0.01, 0.06, 0.2):
            processes = [self.start(record_without_end) for _ in range(3)]
            said += [process.said() for process in processes]
            for process in processes:
                threading.Timer(moment, process.kill).start()
                said += process.all_said()
        opened = {session_id for step, session_id in said if step == "opened"}
        gone = {session_id for step, session_id in said if step == "gone"}
        self.wait_a_lease()
        lost = opened - gone - set(self.sweep())
        require(not lost, f"{len(lost)} of {len(opened)} recorded sessions are lost")

    @_has_fork
    def test_what_a_forked_child_opens_is_its_own_and_its_parents_stays(self) -> None:
        process = self.start(fork_a_child_that_lives_on)
        child = process.said()
        self._stack.callback(os.kill, child, signal.SIGKILL)
        self.wait_a_lease(1.6)
        self.expect("childs-first")
        process.kill()
        self.wait_a_lease()
        self.expect("parents")

    def test_an_outage_is_a_journal_error_soon_and_it_works_again_later(self) -> None:
        journal, other = self.new(), self.new()
        journal.opened("before")
        other.opened("others")
        with self.outage():
            failure = failure_of(lambda: journal.opened("during"))
            for call in (journal.orphans, lambda: list(self.new().adopt_orphans())):
                failure_of(call)
            compare("what close() raises", failure_of(other.close), None)
        journal.opened("after")
        journal.close()
        self.wait_a_lease()
        kept = {"after", "others"} if failure else {"after", "others", "during"}
        compare("what an outage has lost", kept - set(self.sweep()), set())
        compare("the session_id of the error", failure and failure.session_id, failure and "during")
        shown = f"{journal!r} {failure} {failure!r}"
        compare(f"secrets in {shown}", [one for one in self.secrets if one in shown], [])

    def test_an_outage_makes_no_living_owners_session_an_orphan(self) -> None:
        """The owner cannot renew its lease while the storage is away."""
        journal = self.new()
        journal.opened("one")
        found: list[list[str]] = []

        def sweep_as_soon_as_possible() -> None:
            while not found:
                with suppress(JournalError):
                    found.append(self.sweep())
                time.sleep(0.01)

        sweeping = threading.Thread(target=sweep_as_soon_as_possible, daemon=True)
        with self.outage():
            sweeping.start()
            self.wait_a_lease(1.5)
        sweeping.join(LONGEST_CALL)
        compare("the orphans after an outage", found, [[]])
        journal.close()
        self.expect("one")


def failure_of(call: Callable[[], object]) -> JournalError | None:
    """Call a journal whose storage may be away. It must work, or raise a `JournalError` soon."""
    began, failure = time.monotonic(), None
    try:
        call()
    except JournalError as error:
        failure = error
    seconds = time.monotonic() - began
    require(seconds < LONGEST_CALL, f"in an outage a call ended in {failure!r} after {seconds} s")
    return failure


class Process:
    """A process that works with a journal, reports, and lives until it is killed."""

    def __init__(self, work: Work, journal: Journal, start: str) -> None:
        self._connection, theirs = Pipe()
        kind = get_context("spawn").Process if start == "spawn" else get_context("fork").Process
        self._process = kind(target=work, args=(theirs, journal), daemon=True)
        self._process.start()
        theirs.close()

    def said(self) -> Any:  # Any: what the work says
        """Wait for its next report."""
        for words in self.all_said():
            return words
        raise AssertionError("a process with the journal has failed: its stderr says why")

    def all_said(self) -> Iterator[Any]:
        """Yield its reports until its end."""
        with suppress(EOFError, OSError):
            while self._connection.poll(LONGEST_CALL):
                yield self._connection.recv()
            raise AssertionError(f"a process with the journal has hung for {LONGEST_CALL} s")

    def signal(self, number: int) -> None:
        """Send it a signal, such as SIGSTOP."""
        os.kill(self._process.pid or 0, number)

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.join()


def open_one_and_sweep_half_way(connection: Connection, journal: Journal) -> None:
    """Record the session of a scrape, adopt one session that is there, and wait."""
    journal.opened("scrape:one")
    connection.send(next(journal.adopt_orphans(), None))
    time.sleep(LONGEST_CALL)


def record_without_end(connection: Connection, journal: Journal) -> None:
    """Record sessions, and forget two of three."""
    for number in count():
        session_id = f"{os.getpid()}-{number}"
        with suppress(JournalError):  # The storage may be busy.
            journal.opened(session_id)
            connection.send(("opened", session_id))
            if number % 3:
                connection.send(("gone", session_id))  # The service destroys it first.
                journal.gone(session_id)


def fork_a_child_that_lives_on(connection: Connection, journal: Journal) -> None:
    """Record a session, and let a forked child close its journal once, and outlive its parent."""
    journal.opened("parents")
    if not os.fork():
        journal.opened("childs-first")
        journal.close()
        journal.opened("childs-second")
        connection.send(os.getpid())
    time.sleep(LONGEST_CALL)
