"""Any order of calls to two owners: a Hypothesis state machine plays it, beside a model."""

import os
import pickle
import signal
import uuid
from itertools import count
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any
from unittest import SkipTest

from firecrawl_interact.core.journal import Journal

from .expectations import require
from .journal_case import JournalHarness
from .journal_process import Process

_numbers = count()  # of owners


def any_order_of_calls_loses_nothing(harness: JournalHarness) -> None:
    """Whatever two owners open, forget and adopt until they are closed or killed, none is lost."""
    try:
        from hypothesis import Phase, settings  # noqa: PLC0415 - this case alone needs it
        from hypothesis.stateful import (  # noqa: PLC0415 - the same
            RuleBasedStateMachine,
            rule,
            run_state_machine_as_test,
        )
        from hypothesis.strategies import sampled_from  # noqa: PLC0415 - the same
    except ImportError as error:
        raise SkipTest("install hypothesis to play any order of calls") from error

    try:
        host = harness.start(_fork_owners)
    except SkipTest:  # It cannot be pickled.
        host = None

    class Machine(_TwoOwners, RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__(harness, host)

        # One rule: of several, Hypothesis leaves some out of each example.
        step = rule(
            owner=sampled_from(["A", "B"]),
            call=sampled_from(["opened", "adopt", "gone", "opened", "adopt", "close", "crash"]),
            session_id=sampled_from(["one", "two"]),
        )(_TwoOwners.step)

    examples = 5 if harness.patience else 40  # A lease that ends takes time.
    how = settings(
        max_examples=examples,
        stateful_step_count=20,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=[Phase.generate, Phase.shrink],
    )
    try:
        run_state_machine_as_test(Machine, settings=how)
    except AssertionError as error:
        steps = [one for one in getattr(error, "__notes__", []) if one.startswith("state.step")]
        raise AssertionError(f"{error}, after {'; '.join(steps)}") from error


class _TwoOwners:
    """The owners A and B, each in a process of its own if there is a host for it.

    The model is which owners have recorded each session, the last one at the end.
    """

    def __init__(self, harness: JournalHarness, host: Process | None) -> None:
        super().__init__()
        self._harness, self._host = harness, host
        self._label = f"https://{uuid.uuid4().hex}.example"
        self._journals: dict[str, tuple[int, Journal]] = {}  # those that live, and their numbers
        self._recorded: dict[str, list[int]] = {}

    def step(self, owner: str, call: str, session_id: str) -> None:
        match call:
            case "opened":
                self._call(owner, "opened", session_id)
                self._note_owner(session_id, owner)
            case "gone":
                self._call(owner, "gone", session_id)
                self._recorded.pop(session_id, None)
            case "adopt":
                self._adopt(owner)
            case _:
                self._end(owner, call if self._host else "close")

    def _adopt(self, owner: str) -> None:
        found = self._call(owner, "adopt_orphans")
        living = {number for number, _ in self._journals.values()}
        lost = {one for one, by in self._recorded.items() if living.isdisjoint(by)} - {*found}
        require(not lost, f"{sorted(lost)} is lost")
        require(len(set(found)) == len(found), f"{found} was yielded")
        for session_id in found:
            has_owner = self._recorded.get(session_id, [*living])[-1] in living
            require(not has_owner, f"{session_id} was yielded, and is gone or has an owner")
            self._note_owner(session_id, owner)

    def teardown(self) -> None:
        """Let each owner adopt what the other one leaves."""
        for dying, living in (("B", "A"), ("A", "B")):
            self.step(dying, "crash", "")
            self.step(living, "adopt", "")
        self.step("B", "crash", "")

    def _note_owner(self, session_id: str, owner: str) -> None:
        number, _ = self._journals[owner]
        others = [one for one in self._recorded.get(session_id, []) if one != number]
        self._recorded[session_id] = [*others, number]

    def _call(self, owner: str, method: str, *arguments: str) -> Any:  # Any: a result
        """Call a method of an owner, which lives from now on."""
        if owner not in self._journals:
            self._journals[owner] = next(_numbers), self._harness.journal(self._label)
        number, journal = self._journals[owner]
        if self._host is None:
            return _call(journal, method, *arguments)
        result = self._host.asked(number, pickle.dumps(journal), method, *arguments)
        require(not isinstance(result, Exception), f"{method} has raised {result!r}")
        return result

    def _end(self, owner: str, how: str) -> None:
        if owner in self._journals:
            self._call(owner, how)
            del self._journals[owner]
            if how == "crash":
                self._harness.let_leases_end()


def _call(journal: Journal, method: str, *arguments: str) -> Any:  # Any: see above
    result = getattr(journal, method)(*arguments)
    return list(result) if method == "adopt_orphans" else result


def _fork_owners(connection: Connection, journal: Journal) -> None:
    """Fork a process for each owner, and pass calls on. This one has no threads: it may fork."""
    owners: dict[int, tuple[int, Connection]] = {}
    while True:
        number, pickled, method, *arguments = connection.recv()
        if number not in owners:
            ours, theirs = Pipe()
            child = os.fork()
            if not child:
                for inherited in (ours, *(one for _, one in owners.values())):
                    inherited.close()
                _own(theirs, pickle.loads(pickled))  # noqa: S301 - our own bytes
            owners[number] = child, ours
        child, ours = owners[number]
        if method == "crash":
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            connection.send(None)
        else:
            ours.send((method, *arguments))
            connection.send(ours.recv())


def _own(connection: Connection, journal: Journal) -> None:
    """Be an owner until it is killed, or the process that forked it has ended."""
    while True:
        try:
            words = connection.recv()
        except EOFError:
            os._exit(0)
        try:
            connection.send(_call(journal, *words))
        except Exception as error:
            connection.send(error)
