"""A case of the kit for journals, and the harness in which it is played."""

import pickle
import reprlib
import time
import uuid
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, ExitStack
from types import ModuleType
from typing import TypeAlias
from unittest import SkipTest

from firecrawl_interact.core.journal import Journal, JournalError

from .case import PromiseCase, promise_of
from .expectations import BrokenPromiseError, Severity, require
from .journal_process import Process, Work, error_of, serve

MakeJournal: TypeAlias = Callable[..., Journal]
Outage: TypeAlias = Callable[[], AbstractContextManager[object]]


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
        """Require that these are the orphans, each once: they are listed, and then adopted."""
        journal = self.journal(label)
        expected = sorted(session_ids)
        for found in (sorted(journal.orphans()), sorted(journal.adopt_orphans())):
            seen = f"the orphans are {reprlib.repr(found)} instead of {reprlib.repr(expected)}"
            require(found == expected, f"{seen}: {len(found)} instead of {len(expected)}")

    def exhaust_patience(self, times: float = 1.1) -> None:
        """Wait until a process that died now would count as dead."""
        time.sleep(self.patience * times)

    def start(self, work: Work = serve, label: str | None = None) -> Process:
        """Start a process that has a journal of its own here."""
        process = Process(self.journal(label), work)
        self.callback(process.end)
        return process

    def kill(self, process: Process) -> None:
        """Kill a process, and wait until it counts as dead."""
        process.kill()
        self.exhaust_patience()

    def outage(self) -> AbstractContextManager[object]:
        """Make the storage unavailable while a block lasts."""
        if self._outage is None:
            raise SkipTest("pass outage=, which makes the storage unavailable")
        return self._outage()

    def failure_of(self, call: Callable[[], object]) -> JournalError | None:
        """Call a journal whose storage may be unavailable. Return how it failed."""
        error = error_of(call)
        if isinstance(error, JournalError):
            self.require_no_secret(f"{error} {error!r} {pickle.dumps(error)!r}")
            return error
        if isinstance(error, BrokenPromiseError):
            raise error
        require(error is None, f"{error!r}, which is no JournalError", Severity.STRICTNESS)
        return None

    def require_no_secret(self, text: str) -> None:
        """Require that a text shows no secret."""
        for secret in self.secrets:
            require(secret not in text, f"a secret in {text.replace(secret, '***')}")


class JournalCase(PromiseCase, frozen=True):
    """One promise of the port `Journal`, and a scenario in which a journal keeps or breaks it."""

    scenario: Callable[[JournalHarness], None]

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
        with self._telling(known):
            try:
                with JournalHarness(make_journal, patience, outage, secrets) as harness:
                    self.scenario(harness)
            except (AssertionError, SkipTest):
                raise
            except Exception as error:
                raise AssertionError(repr(error)) from error


def cases_of(module: ModuleType) -> list[JournalCase]:
    """Make cases of a module's functions: names say what happens, docstrings what is promised."""
    cases = []
    for name, scenario in vars(module).items():
        if getattr(scenario, "__module__", None) == module.__name__ and not name.startswith("_"):
            promise = promise_of(scenario)
            severity = Severity.MAY_LOSE_SESSIONS  # unless what was seen says less
            cases.append(JournalCase(name.replace("_", "-"), promise, severity, scenario))
    return cases
