"""What a case of the kit for journals is, where it is played, and what a report says."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self, TypeAlias
from unittest import SkipTest

import msgspec

from firecrawl_interact.core.journal import Journal, JournalError

from .case import Severity, tell

MakeJournal: TypeAlias = Callable[..., Journal]
Outage: TypeAlias = Callable[[], AbstractContextManager[object]]

ENOUGH_SECONDS = 15
"""A call that has not come back by then hangs."""

_CHILD = """
import pickle, sys
read = sys.stdin.buffer.raw.read
sys.path[:] = pickle.loads(bytes.fromhex(sys.argv[1]))
size, content = int(sys.argv[2]), b""
while len(content) < size:
    content += read(size - len(content))
work, arguments = pickle.loads(content)
work(*arguments)
"""


def require(condition: object, seen: str) -> None:
    """Say what was seen, if it is not what was promised."""
    if not condition:
        raise AssertionError(seen)


class Process:
    """A process that has a journal, and says what it does."""

    def __init__(self, work: Callable[..., None], *arguments: object) -> None:
        if not hasattr(os, "fork"):
            raise SkipTest("this system has no fork")
        try:
            content = pickle.dumps((work, arguments))
        except Exception as error:
            raise SkipTest(f"another process cannot have it: {error}") from error
        # Python warns of every fork with threads: a journal must bear it.
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _CHILD]
        self._popen = subprocess.Popen(  # noqa: S603 - this interpreter
            [*command, pickle.dumps(sys.path).hex(), str(len(content))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._watch = threading.Timer(120, self._popen.kill)
        self._watch.start()
        if self._popen.stdin is None or self._popen.stdout is None:
            raise OSError("no pipes")
        self._stdin, self._stdout = self._popen.stdin, self._popen.stdout
        self._stdin.write(content)
        self._stdin.flush()

    def next_words(self) -> list[str]:
        """Wait for the next line that it says."""
        line = self._stdout.readline()
        require(line, "a process that has the journal failed")
        return line.decode().split()

    def all_words(self) -> list[list[str]]:
        """Read what it says until its end. A line that was cut off does not count."""
        return [line.decode().split() for line in self._stdout.read().split(b"\n")[:-1]]

    def say_go(self) -> None:
        """Let it take its next step."""
        self._stdin.write(b"!")
        self._stdin.flush()

    def stop(self) -> None:
        """Stop it (SIGSTOP)."""
        self._popen.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on after `stop`."""
        self._popen.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it (SIGKILL)."""
        self._popen.kill()
        self._popen.wait()

    def end(self) -> None:
        """Kill it, and let its children end."""
        self._watch.cancel()
        self.kill()
        self._stdin.close()
        self._stdout.close()


class Place:
    """Where a case is played: journals of one label, and processes that have them.

    Args:
        make_journal: makes a journal of a label.
        patience: the seconds after which a dead process's sessions are orphans.
        outage: a context manager's function: in its block the storage is away.
        secrets: texts that nothing may show.
    """

    def __init__(
        self,
        make_journal: MakeJournal,
        patience: float,
        outage: Outage | None,
        secrets: Collection[str],
    ) -> None:
        self.make_journal = make_journal
        self.patience = patience
        self.secrets = secrets
        self.label: str = f"https://{uuid.uuid4().hex}.example"
        self._outage = outage
        self._journals: list[Journal] = []
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.end()
        for journal in self._journals:
            journal.close()

    def journal(self, label: str | None = None) -> Journal:
        """Make another journal here."""
        journal = self.make_journal(service=label or self.label)
        self._journals.append(journal)
        return journal

    def leave(self, *session_ids: str, label: str | None = None) -> None:
        """Let a journal end with sessions open."""
        journal = self.journal(label)
        for session_id in session_ids:
            journal.opened(session_id)
        journal.close()

    def sweep(self, label: str | None = None) -> list[str]:
        """Let a new journal adopt the orphans. It lives until the case is over."""
        return list(self.journal(label).adopt_orphans())

    def expect(self, *session_ids: str, label: str | None = None) -> None:
        """Sweep, and require that these are the orphans, each once."""
        found = sorted(self.sweep(label))
        if len(found) + len(session_ids) > 20:
            missing, surplus = set(session_ids) - set(found), set(found) - set(session_ids)
            seen = f"{len(found)} orphans, {len(missing)} are missing, {len(surplus)} are surplus"
            require(found == sorted(session_ids), seen)
        else:
            seen = f"the orphans are {found} instead of {sorted(session_ids)}"
            require(found == sorted(session_ids), seen)

    def let_leases_end(self, times: float = 1.1) -> None:
        """Wait until a process that died now would count as dead."""
        time.sleep(self.patience * times)

    def start(self, work: Callable[..., None], *arguments: object) -> Process:
        """Start a process that has a journal of its own here."""
        process = Process(work, self.journal(), *arguments)
        self._processes.append(process)
        return process

    def outage(self) -> AbstractContextManager[object]:
        """Take the storage away for a block."""
        if self._outage is None:
            raise SkipTest("pass outage=, which takes the storage away")
        return self._outage()

    def failure_of(self, call: Callable[[], object]) -> JournalError | None:
        """Call a journal whose storage may be away. Return how it failed."""
        failures: list[BaseException] = []

        def note_failure() -> None:
            try:
                call()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=note_failure, daemon=True)
        thread.start()
        thread.join(ENOUGH_SECONDS)
        require(not thread.is_alive(), f"a call has not come back after {ENOUGH_SECONDS} s")
        for error in failures:
            require(isinstance(error, JournalError), f"{error!r}, which is no JournalError")
            self.require_no_secret(f"{error} {error!r} {pickle.dumps(error)!r}")
        return next((one for one in failures if isinstance(one, JournalError)), None)

    def require_no_secret(self, text: str) -> None:
        """Require that a text shows no secret."""
        for secret in self.secrets:
            require(secret not in text, f"a secret in {text.replace(secret, '***')}")


class JournalCase(msgspec.Struct, frozen=True):
    """One promise of the port `Journal`, and a scenario in which a journal keeps or breaks it."""

    name: str
    """What happens, in words that a test id can carry."""
    promise: str
    """What every journal promises, in one line."""
    scenario: Callable[[Place], None]
    severity: Severity = Severity.MAY_LOSE_SESSIONS
    """What it can cost when the promise is broken."""

    def run(
        self,
        make_journal: MakeJournal,
        *,
        patience: float = 0,
        outage: Outage | None = None,
        secrets: Collection[str] = (),
        known: Collection[str] = (),
    ) -> None:
        """Play the case. The arguments are those of `check_journal`.

        Raises:
            AssertionError: the promise is broken, or kept although `known` names it.
            unittest.SkipTest: the case cannot be played here, or `known` names it and the promise
                is broken. pytest knows both as a skip.
        """

        def play() -> None:
            with Place(make_journal, patience, outage, secrets) as place:
                try:
                    self.scenario(place)
                except (AssertionError, SkipTest):
                    raise
                except Exception as error:
                    raise AssertionError(repr(error)) from error

        tell(self.name, self.promise, known, play)

    def __str__(self) -> str:
        return self.name
