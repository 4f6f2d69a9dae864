"""What a journal promises, as tests. `core/journal.py` says it in words."""

import pickle
import string
import uuid
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from threading import Barrier

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from firecrawl_interact.core.errors import InvalidSessionIdError
from firecrawl_interact.core.journal import Journal

from .driver import compare, require
from .harness import JournalHarness, require_orphans
from .process_tests import ProcessTests


class OwnershipTests(JournalHarness):
    """Who owns a session, within one process."""

    __test__ = False

    def test_a_closed_journals_sessions_are_orphans(self) -> None:
        self.leave("one", "two")
        self.new().orphans()  # which changes nothing
        self.expect("one", "two")

    def test_a_living_journals_session_is_no_orphan(self) -> None:
        """A sweep would delete a session in use."""
        self.new().opened("one")
        self.expect()
        self.wait_a_lease(1.6)
        self.expect()

    def test_what_is_gone_is_forgotten_whoever_holds_it(self) -> None:
        self.leave("one", "two")
        holder, other = self.new(), self.new()
        for session_id in ("two", "three", "four"):
            holder.opened(session_id)
        other.opened("three")
        for session_id in ("one", "two", "three"):
            other.gone(session_id)
        holder.close()
        other.close()
        self.expect("four")

    def test_gone_of_an_unknown_id_changes_nothing(self) -> None:
        journal = self.new()
        journal.opened("two")
        for unknown in ("three", "", "..", "two/", "a b", "x" * 1000, "\0", "\ud800"):
            journal.gone(unknown)
        journal.close()
        self.expect("two")

    def test_a_closed_journal_is_a_new_owner_until_it_is_closed_again(self) -> None:
        journal = self.new()
        journal.opened("one")
        journal.close()
        journal.opened("two")
        self.wait_a_lease(1.6)
        self.expect("one")
        journal.close()
        require_orphans(self.sweep(), ["two"])

    def test_orphans_of_another_service_are_left_alone(self) -> None:
        """This service would not know them, and the journal would then forget them."""
        other = f"{self.label}/other"
        self.leave("one", label=other)
        self.expect()
        self.expect("one", label=other)

    def test_an_address_is_one_label_however_it_ends(self) -> None:
        for number, end in enumerate(("", "/", "/v2", "/v2/")):
            self.leave(f"session-{number}", label=self.label + end)
        self.expect(*(f"session-{number}" for number in range(4)), label=f"{self.label}/v2")

    def test_an_adopted_session_is_its_adopters_until_that_is_closed(self) -> None:
        self.leave("one", "two")
        sweeper = self.new()
        require_orphans([*sweeper.adopt_orphans(), *sweeper.adopt_orphans()], ["one", "two"])
        sweeper.gone("one")
        self.wait_a_lease(2)
        self.expect()
        sweeper.close()
        self.expect("two")

    def test_a_sweep_left_half_way_loses_nothing(self) -> None:
        ids = [f"session-{number}" for number in range(6)]
        self.leave(*ids)
        sweeper, other = self.new(), self.new()
        found = list(islice(sweeper.adopt_orphans(), 2))
        require(found, f"adopt_orphans() gave nothing of {ids}")
        sweeper.gone(found[0])
        require_orphans([*found, *other.adopt_orphans(), *sweeper.adopt_orphans()], ids)
        sweeper.close()
        other.close()
        self.expect(*{*ids} - {found[0]})

    def test_two_sweepers_share_the_orphans_and_none_comes_twice(self) -> None:
        ids = [f"session-{number:02}" for number in range(50)]
        for _ in range(2):  # A session that was handed on has two dead owners.
            self.leave(*ids)
        both = Barrier(2, timeout=60)

        def sweep(journal: Journal) -> list[str]:
            both.wait()
            orphans = journal.adopt_orphans()
            first = list(islice(orphans, 1))
            both.wait()
            return [*first, *orphans]

        with ThreadPoolExecutor(2) as threads:
            one, other = threads.map(sweep, (self.new(), self.new()))
        require_orphans(one + other, ids)

    def test_valid_ids_are_kept_as_they_are_and_others_refused(self) -> None:
        journal = self.new()
        for impossible in ("", ".", "..", "a/b", "a b", "a%b", "x" * 121, "\0", "scrape:"):
            with pytest.raises(InvalidSessionIdError):
                journal.opened(impossible)
        ids = ["A", "a", "X" * 120, "x" * 120, "...", "-", "_.~", "0.new", string.ascii_letters]
        self.leave(*ids)
        self.expect(*ids)

    def test_a_scrape_is_recorded_like_a_session(self) -> None:
        """`scrape:` and an id stand for the session of a scrape. A block records it first."""
        ids = ["scrape:" + "X" * 120, "scrape:0199a7c4-5d1e-7b60-9f3a-2c8e4d6b1a57"]
        self.leave(*ids)
        living = self.new()
        living.opened(ids[0])
        self.expect(ids[1])
        living.close()
        self.expect(ids[0])

    def test_its_pickle_is_another_journal_with_the_same_storage(self) -> None:
        journal = self.new()
        journal.opened("one")
        other: Journal = pickle.loads(pickle.dumps(journal))  # noqa: S301 - our own bytes
        require_orphans(other.adopt_orphans(), [])
        other.opened("two")
        other.close()
        self.expect("two")

    def test_any_order_of_calls_loses_nothing(self) -> None:
        machine = type("Machine", (AnyOrder,), {"tests": self})
        how = settings(
            max_examples=4 if self.lease else 40,
            stateful_step_count=20,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )
        run_state_machine_as_test(machine, settings=how)


_names, _sessions = st.sampled_from("AB"), st.sampled_from(["one", "scrape:two"])


class AnyOrder(RuleBasedStateMachine):
    """Two owners, and which of them have recorded each session, the last one at the end."""

    tests: JournalHarness

    def __init__(self) -> None:
        super().__init__()
        self.label: str = f"https://{uuid.uuid4().hex}.example"
        self.living: dict[str, Journal] = {}
        self.recorded: dict[str, list[Journal]] = {}

    @rule(owner=_names, session_id=_sessions)
    def opened(self, owner: str, session_id: str) -> None:
        journal = self._journal(owner)
        journal.opened(session_id)
        self._note_owner(session_id, journal)

    @rule(owner=_names, session_id=_sessions)
    def gone(self, owner: str, session_id: str) -> None:
        self._journal(owner).gone(session_id)
        self.recorded.pop(session_id, None)

    @rule(owner=_names)
    def close(self, owner: str) -> None:
        self._journal(owner).close()
        del self.living[owner]

    @rule(owner=_names)
    def adopt(self, owner: str) -> None:
        journal, living = self._journal(owner), list(self.living.values())
        found, recorded = list(journal.adopt_orphans()), self.recorded.items()
        orphans = {one for one, owners in recorded if not any(own in living for own in owners)}
        owned = {one for one, owners in recorded if owners[-1] in living}
        compare("orphans that are lost", orphans - {*found}, set())
        compare("what was adopted and is gone", {*found} - {*self.recorded}, set())
        compare("what was adopted and has an owner", {*found} & owned, set())
        for session_id in found:
            self._note_owner(session_id, journal)

    def teardown(self) -> None:
        for dying, living in (("B", "A"), ("A", "B")):
            self.close(dying)
            self.adopt(living)
        self.close("B")

    def _journal(self, owner: str) -> Journal:
        return self.living.setdefault(owner, self.tests.new(self.label))

    def _note_owner(self, session_id: str, journal: Journal) -> None:
        others = [one for one in self.recorded.get(session_id, []) if one is not journal]
        self.recorded[session_id] = [*others, journal]


class JournalTests(OwnershipTests, ProcessTests):
    """Subclass it, and make your journal. Each test is one promise of the port."""

    __test__ = False
