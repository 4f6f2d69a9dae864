"""A process with a journal, which a case of the kit kills, stops or forks."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pickle import PicklingError
from typing import Any, Concatenate, TypeAlias
from unittest import SkipTest

from firecrawl_interact.core.journal import Journal

from .expectations import Severity, require

Work: TypeAlias = Callable[Concatenate[Connection, Journal, ...], None]
"""What a process does. It reports through the connection."""

_ENOUGH_SECONDS = 120
_SPAWN = get_context("spawn")


class Process:
    """A process that works with a journal, reports, and lives until it is killed."""

    def __init__(self, work: Work, journal: Journal, *arguments: object) -> None:
        if not hasattr(os, "fork"):
            raise SkipTest("this system has no fork")
        self._connection, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_live, args=(work, theirs, journal, *arguments))
        try:
            self._process.start()
        except (TypeError, AttributeError, PicklingError) as error:
            raise SkipTest(f"it cannot be pickled for another process: {error}") from error
        finally:
            theirs.close()

    def said(self) -> Any:  # Any: what the work says
        """Wait for its next report."""
        has_come = self._connection.poll(_ENOUGH_SECONDS)
        hangs = f"a process that has the journal has hung for {_ENOUGH_SECONDS} s"
        require(has_come, hangs, Severity.MAY_HANG)
        for words in self.all_said():
            return words
        raise AssertionError("a process that has the journal failed")

    def asked(self, *words: object) -> Any:  # Any: what the work says
        """Tell it something, and wait for its report."""
        self._connection.send(words)
        return self.said()

    def all_said(self) -> Iterator[Any]:
        """Yield its reports until its end, without one that is cut off."""
        with suppress(EOFError, OSError):
            while True:
                yield self._connection.recv()

    def signal(self, number: int) -> None:
        """Send it a signal, such as SIGSTOP."""
        os.kill(self._process.pid or 0, number)

    def kill(self) -> None:
        """Kill it (SIGKILL)."""
        self._process.kill()
        self._process.join()

    def end(self) -> None:
        """Kill it, and let its children end."""
        if self._process.pid is not None:
            self.kill()
        self._connection.close()


def _live(work: Work, connection: Connection, *arguments: Any) -> None:
    # Python warns of a fork with threads, which a journal must survive.
    warnings.simplefilter("ignore", DeprecationWarning)
    work(connection, *arguments)
    wait(connection)


def wait(connection: Connection) -> None:
    """Wait for the end of the case."""
    with suppress(EOFError):
        connection.recv()


def in_child(work: Callable[[], object]) -> int:
    """Fork, let the child work and exit as a program does, and return its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    work()
    sys.exit(0)
