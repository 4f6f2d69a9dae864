"""A case of the kit for journals, and the harness in which it is played."""

import pickle
import reprlib
import threading
import time
import uuid
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, ExitStack
from types import ModuleType
from typing import TypeAlias
from unittest import SkipTest

import msgspec

from firecrawl_interact.core.journal import Journal, JournalError

from .case import tell
from .expectations import Severity, require
from .journal_process import Process, Work

MakeJournal: TypeAlias = Callable[..., Journal]
Outage: TypeAlias = Callable[[], AbstractContextManager[object]]

ENOUGH_SECONDS = 15
"""A call that takes longer hangs."""


class JournalHarness(ExitStack):
    """The journals of one case, with one label, and its processes.

    The arguments are those of `check_journal`.
    """

    def __init__(
        self,
        make_journal: MakeJournal,
        patience: float,
        outage: Outage | None,
        secrets: Collection[str],
    ) -> None:
        super().__init__()
        self.patience = patience
        self.secrets = secrets
        self.label: str = f"https://{uuid.uuid4().hex}.example"
        self._make_journal = make_journal
        self._outage = outage

    def journal(self, label: str | None = None) -> Journal:
        """Make another journal here. It lives until the case is over."""
        journal = self._make_journal(service=label or self.label)
        self.callback(journal.close)
        return journal

    def leave(self, *session_ids: str, label: str | None = None) -> None:
        """Let a journal end with sessions open."""
        journal = self.journal(label)
        for session_id in session_ids:
            journal.opened(session_id)
        journal.close()

    def sweep(self, label: str | None = None) -> list[str]:
        """Let a new journal adopt the orphans."""
        return list(self.journal(label).adopt_orphans())

    def expect(self, *session_ids: str, label: str | None = None) -> None:
        """Sweep, and require that these are the orphans, each once."""
        found, expected = sorted(self.sweep(label)), sorted(session_ids)
        seen = f"the orphans are {reprlib.repr(found)} instead of {reprlib.repr(expected)}"
        require(found == expected, f"{seen}: {len(found)} instead of {len(expected)}")

    def let_leases_end(self, times: float = 1.1) -> None:
        """Wait until a process that died now would count as dead."""
        time.sleep(self.patience * times)

    def start(self, work: Work, *arguments: object) -> Process:
        """Start a process that has a journal of its own here."""
        process = Process(work, self.journal(), *arguments)
        self.callback(process.end)
        return process

    def outage(self) -> AbstractContextManager[object]:
        """Make the storage unavailable while a block lasts."""
        if self._outage is None:
            raise SkipTest("pass outage=, which makes the storage unavailable")
        return self._outage()

    def failure_of(self, call: Callable[[], object]) -> JournalError | None:
        """Call a journal whose storage may be unavailable. Return how it failed."""
        failures: list[BaseException] = []

        def note_failure() -> None:
            try:
                call()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=note_failure, daemon=True)
        thread.start()
        thread.join(ENOUGH_SECONDS)
        is_over = not thread.is_alive()
        require(is_over, f"a call has hung for {ENOUGH_SECONDS} s", Severity.MAY_HANG)
        for error in failures:
            is_right = isinstance(error, JournalError)
            require(is_right, f"{error!r}, which is no JournalError", Severity.STRICTNESS)
            self.require_no_secret(f"{error} {error!r} {pickle.dumps(error)!r}")
        return next((one for one in failures if isinstance(one, JournalError)), None)

    def require_no_secret(self, text: str) -> None:
        """Require that a text shows no secret."""
        for secret in self.secrets:
            require(secret not in text, f"a secret in {text.replace(secret, '***')}")


class JournalCase(msgspec.Struct, frozen=True):
    """One promise of the port `Journal`, and a scenario in which a journal keeps or breaks it."""

    name: str
    """What happens, in words that fit a test id."""
    promise: str
    """What every journal promises, in one line."""
    scenario: Callable[[JournalHarness], None]
    severity: Severity = Severity.MAY_LOSE_SESSIONS
    """What it costs when the promise is broken."""

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
                is broken. pytest reports both as a skip.
        """

        def play() -> None:
            try:
                with JournalHarness(make_journal, patience, outage, secrets) as harness:
                    self.scenario(harness)
            except (AssertionError, SkipTest):
                raise
            except Exception as error:
                raise AssertionError(repr(error)) from error

        tell(self.name, self.promise, self.severity, known, play)

    def __str__(self) -> str:
        return self.name


def cases_of(module: ModuleType) -> list[JournalCase]:
    """Make cases of a module's functions: names say what happens, docstrings what is promised."""
    cases = []
    for name, scenario in vars(module).items():
        if getattr(scenario, "__module__", None) == module.__name__ and not name.startswith("_"):
            promise = scenario.__doc__[0].lower() + scenario.__doc__[1:].rstrip(".")
            cases.append(JournalCase(name.replace("_", "-"), promise, scenario))
    return cases
