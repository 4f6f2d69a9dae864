"""A process with a journal, which a case of the kit kills, stops or forks; and calls that hang."""

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pickle import PicklingError
from typing import Any, TypeAlias
from unittest import SkipTest

from firecrawl_interact.core.journal import Journal

from .expectations import BrokenPromiseError, Severity, require

Work: TypeAlias = Callable[[Connection, Journal], None]
"""What a process does. It reports through the connection."""

_CALL_SECONDS = 15
"""A call that takes longer hangs."""
_ENOUGH_SECONDS = 120


class Process:
    """A process that works with a journal, reports, and lives until it is killed."""

    def __init__(self, journal: Journal, work: Work) -> None:
        if not hasattr(os, "fork"):
            raise SkipTest("this system has no fork")
        # A server that has no threads forks them, in milliseconds.
        context = get_context("forkserver")
        context.set_forkserver_preload([__name__])
        self._connection, theirs = context.Pipe()
        arguments = work, theirs, journal, dict(os.environ)
        self._process = context.Process(target=_live, args=arguments)
        try:
            self._process.start()
        except (TypeError, AttributeError, PicklingError) as error:
            raise SkipTest(f"it cannot be pickled for another process: {error}") from error
        finally:
            theirs.close()

    def said(self) -> Any:  # Any: what the work says
        """Wait for its next report."""
        has_come = self._connection.poll(_ENOUGH_SECONDS)
        # The process imports the script again, and would play the case in there.
        advice = 'A script that plays this case needs `if __name__ == "__main__":`'
        hangs = f"a process that has the journal has hung for {_ENOUGH_SECONDS} s. {advice}"
        require(has_come, hangs, Severity.MAY_HANG)
        for words in self.all_said():
            return words
        raise AssertionError(f"a process that has the journal has died. {advice}")

    def tell(self, *words: object) -> None:
        """Tell it something, and do not wait."""
        self._connection.send(words)

    def asked(self, *words: object) -> Any:  # Any: what the work says
        """Tell it something, and wait for its report."""
        self.tell(*words)
        return self.said()

    def all_said(self) -> Iterator[Any]:
        """Yield its reports until its end, without one that is cut off. Raise what it raised."""
        while True:
            try:
                words = self._connection.recv()
            except (EOFError, OSError):
                return
            if isinstance(words, Exception):
                raise words
            yield words

    def signal(self, number: int) -> None:
        """Send it a signal, such as SIGSTOP."""
        os.kill(self._process.pid or 0, number)

    def kill(self) -> None:
        """Kill it (SIGKILL)."""
        self._process.kill()
        self._process.join()

    def end(self) -> None:
        """Kill it, and let its children end."""
        self.kill()
        self._connection.close()


def _live(
    work: Work, connection: Connection, journal: Journal, environment: dict[str, str]
) -> None:
    # Python warns of a fork with threads, which a journal must survive.
    warnings.simplefilter("ignore", DeprecationWarning)
    os.environ.update(environment)
    try:
        work(connection, journal)
    except Exception as error:
        connection.send(error)
    wait(connection)


def call(journal: Journal, method: str, *arguments: str) -> Any:  # Any: a result
    """Call a method, and let a sweep come to its end."""
    result = getattr(journal, method)(*arguments)
    return list(result) if method == "adopt_orphans" else result


def serve(connection: Connection, journal: Journal) -> None:
    """Call what is asked for, and report the result."""
    while True:
        connection.send(call(journal, *connection.recv()))


def wait(connection: Connection) -> None:
    """Wait for the end of the case."""
    with suppress(EOFError):
        connection.recv()


def error_of(call: Callable[[], object]) -> Exception | None:
    """Call in a thread, and return what it raised. A call that hangs breaks a promise."""
    raised: list[Exception | None] = []

    def work() -> None:
        try:
            call()
            raised.append(None)
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(_CALL_SECONDS)
    if raised:
        return raised[0]
    return BrokenPromiseError(f"a call has hung for {_CALL_SECONDS} s", Severity.MAY_HANG)


def in_child(work: Callable[[], object]) -> int:
    """Fork, let the child work and exit as a program does, and return its exit code.

    A child that hangs is killed after a while.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    signal.alarm(2 * _CALL_SECONDS)
    work()
    sys.exit(0)
