"""Any order of calls to two owners: a Hypothesis state machine plays it, beside a model."""

import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any, NamedTuple
from unittest import SkipTest

from .expectations import require
from .journal_case import JournalHarness
from .journal_process import call


def any_order_of_calls_loses_nothing(harness: JournalHarness) -> None:
    """Whatever two owners open, forget and adopt until they are closed or killed, none is lost."""
    try:
        from hypothesis import Phase, settings, stateful  # noqa: PLC0415 - this case alone needs it
        from hypothesis.strategies import sampled_from  # noqa: PLC0415 - the same
    except ImportError as error:
        raise SkipTest("install hypothesis to play any order of calls") from error

    def play(examples: int, *, in_processes: bool) -> None:
        class Machine(_TwoOwners, stateful.RuleBasedStateMachine):
            def __init__(self) -> None:
                super().__init__(harness, in_processes)

            # One rule: of several, Hypothesis leaves some out of each example.
            step = stateful.rule(
                owner=sampled_from(["A", "B"]),
                method=sampled_from(
                    ["opened", "adopt", "gone", "opened", "adopt", "close", "crash"]
                ),
                session_id=sampled_from(["one", "two"]),
            )(_TwoOwners.step)

        how = settings(
            max_examples=examples,
            stateful_step_count=20,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink],
        )
        try:
            stateful.run_state_machine_as_test(Machine, settings=how)
        except Exception as error:
            steps = [one for one in getattr(error, "__notes__", []) if one.startswith("state.step")]
            raise AssertionError(f"{error}, after {'; '.join(steps)}") from error

    # A lease that ends takes time, and so do processes: most faults are found without them.
    play(4 if harness.patience else 40, in_processes=False)
    with suppress(SkipTest):
        harness.start().end()  # unless it cannot be pickled
        play(4 if harness.patience else 15, in_processes=True)


class _Owner(NamedTuple):
    number: int
    call: Callable[..., Any]  # Any: a result
    kill: Callable[[], object]


class _TwoOwners:
    """The owners A and B. Those that are in no process of their own are closed, not killed.

    The model is which owners have recorded each session, the last one at the end.
    """

    def __init__(self, harness: JournalHarness, in_processes: bool) -> None:
        super().__init__()
        self._harness = harness
        self._in_processes = in_processes
        self._label = f"https://{uuid.uuid4().hex}.example"
        self._numbers = count()
        self._owners: dict[str, _Owner] = {}  # those that live
        self._recorded: dict[str, list[int]] = {}

    def step(self, owner: str, method: str, session_id: str) -> None:
        if method in {"close", "crash"}:
            self._end(owner, method)
            return
        if owner not in self._owners:
            self._owners[owner] = self._new_owner()
        if method == "adopt":
            self._adopt(owner)
            return
        self._owners[owner].call(method, session_id)
        if method == "gone":
            self._recorded.pop(session_id, None)
        else:
            self._note_owner(session_id, owner)

    def _new_owner(self) -> _Owner:
        number = next(self._numbers)
        if self._in_processes:
            process = self._harness.start(label=self._label)
            return _Owner(number, process.asked, process.kill)
        journal = self._harness.journal(self._label)
        return _Owner(number, partial(call, journal), journal.close)

    def _end(self, owner: str, how: str) -> None:
        if owner in self._owners:
            ended = self._owners.pop(owner)
            if how == "close":
                ended.call("close")
            ended.kill()
            if how == "crash":
                self._harness.exhaust_patience()

    def _adopt(self, owner: str) -> None:
        found = self._owners[owner].call("adopt_orphans")
        living = {one.number for one in self._owners.values()}
        lost = {one for one, by in self._recorded.items() if living.isdisjoint(by)} - {*found}
        require(not lost, f"{sorted(lost)} is lost")
        require(len(set(found)) == len(found), f"{found} was yielded")
        for session_id in found:
            require(session_id in self._recorded, f"{session_id} was yielded, and is gone")
            has_owner = self._recorded[session_id][-1] in living
            require(not has_owner, f"{session_id} was yielded, and has an owner")
            self._note_owner(session_id, owner)

    def teardown(self) -> None:
        """Let each owner adopt what the other one leaves."""
        for dying, living in (("B", "A"), ("A", "B")):
            self.step(dying, "crash", "")
            self.step(living, "adopt", "")
        self.step("B", "crash", "")

    def _note_owner(self, session_id: str, owner: str) -> None:
        number = self._owners[owner].number
        others = [one for one in self._recorded.get(session_id, []) if one != number]
        self._recorded[session_id] = [*others, number]
