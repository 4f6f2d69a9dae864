"""What a `Journal` promises within one process, and what shows it."""

import pickle
import string
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from unittest import SkipTest

from firecrawl_interact.core import InvalidSessionIdError

from .expectations import Severity, require
from .journal_case import JournalHarness


def a_closed_journals_session_is_an_orphan(harness: JournalHarness) -> None:
    """What a journal has open when it is closed is an orphan: it is listed, and then adopted."""
    harness.leave("one", "two")
    harness.journal().orphans()  # which changes nothing
    harness.expect("one", "two")
    harness.expect()


def a_living_journals_session_is_no_orphan(harness: JournalHarness) -> None:
    """No sweep gets a session of a living journal, however long it has been open."""
    harness.journal().opened("one")
    harness.expect()
    harness.exhaust_patience(1.6)
    harness.expect()


def what_is_gone_is_no_orphan(harness: JournalHarness) -> None:
    """A session that is gone is forgotten, also when it was adopted."""
    journal, sweeper = harness.journal(), harness.journal()
    for session_id in ("one", "two", "three"):
        journal.opened(session_id)
    journal.gone("one")
    journal.close()
    found = sorted(sweeper.adopt_orphans())
    require(found == ["three", "two"], f"the orphans are {found}")
    sweeper.gone("two")
    sweeper.close()
    harness.expect("three")


def what_is_gone_is_forgotten_whoever_holds_it(harness: JournalHarness) -> None:
    """A session that is gone is forgotten, whichever journals have recorded it, living or not."""
    harness.leave("one", "two")
    holder, other = harness.journal(), harness.journal()
    for session_id in ("two", "three"):
        holder.opened(session_id)
    other.opened("three")
    for session_id in ("one", "two", "three"):
        other.gone(session_id)
    holder.close()
    other.close()
    harness.expect()


def gone_of_an_unknown_id_changes_nothing(harness: JournalHarness) -> None:
    """Gone does nothing and raises nothing for an id that is unknown, or can be none."""
    journal = harness.journal()
    journal.opened("two")
    for unknown in ("three", "", "..", "two/", "a b", "x" * 1000, "\0", "\ud800"):
        journal.gone(unknown)
    journal.close()
    journal.gone("three")
    harness.expect("two")


def a_session_may_be_recorded_again(harness: JournalHarness) -> None:
    """A session that is recorded again is forgotten at once, is one orphan, and may come back."""
    journal = harness.journal()
    for session_id in ("one", "one", "two", "two", "three"):
        journal.opened(session_id)
    journal.gone("one")
    journal.gone("three")
    journal.opened("three")
    journal.close()
    harness.expect("three", "two")


def orphans_of_another_service_are_left_alone(harness: JournalHarness) -> None:
    """A sweep leaves the orphans of another label alone."""
    other = f"{harness.label}/other"
    harness.leave("one", label=other)
    harness.expect()
    harness.expect("one", label=other)


def an_address_is_one_label_however_it_ends(harness: JournalHarness) -> None:
    """One address is one label, whether it ends in /v2, / or neither."""
    for number, end in enumerate(("", "/", "/v2", "/v2/")):
        harness.leave(f"session-{number}", label=harness.label + end)
    harness.expect(*(f"session-{number}" for number in range(4)), label=f"{harness.label}/v2")


def an_adopted_session_is_its_adopters(harness: JournalHarness) -> None:
    """An orphan is yielded once, is its adopter's as long as that one lives, and an orphan then."""
    harness.leave("one")
    sweeper = harness.journal()
    found = [*sweeper.adopt_orphans(), *sweeper.adopt_orphans()]
    require(found == ["one"], f"{found} was yielded")
    harness.exhaust_patience(2)
    harness.expect()
    sweeper.close()
    harness.expect("one")


def a_yielded_session_is_no_other_sweepers(harness: JournalHarness) -> None:
    """What a sweep has yielded is no other sweeper's, while the sweep goes on."""
    harness.leave("one", "two", "three")
    first = next(harness.journal().adopt_orphans(), None)
    require(first is not None, "no orphan was yielded")
    require(first not in harness.sweep(), f"{first} was yielded to two sweepers")


def a_sweep_left_half_way_loses_nothing(harness: JournalHarness) -> None:
    """A sweep that is left half-way loses nothing: its journal's next one goes on."""
    ids = [f"session-{number}" for number in range(6)]
    harness.leave(*ids)
    sweeper = harness.journal()
    found = [*islice(sweeper.adopt_orphans(), 2)]
    require(found != [], "no orphan was yielded")
    sweeper.gone(found[0])
    rest = list(sweeper.adopt_orphans())
    require(sorted(found + rest) == ids, f"{found}, then {rest} were yielded")
    sweeper.close()
    harness.expect(*{*ids} - {found[0]})


def two_threads_share_the_orphans(harness: JournalHarness) -> None:
    """Two sweepers share the orphans, and none comes twice."""
    harness.leave(*(f"session-{number}" for number in range(200)))
    journals = harness.journal(), harness.journal()
    both_have_begun = threading.Barrier(2)

    def sweep(which: int) -> list[str]:
        orphans = journals[which].adopt_orphans()
        first = [*islice(orphans, 1)]
        both_have_begun.wait(60)
        return [*first, *orphans]

    with ThreadPoolExecutor(2) as threads:
        both = [one for found in threads.map(sweep, range(2)) for one in found]
    require(len(set(both)) == len(both) == 200, f"{len(both)} yielded, {len(set(both))} different")


def a_session_handed_to_another_journal_is_that_ones(harness: JournalHarness) -> None:
    """A session that was handed to a living journal is no orphan when its first one ends."""
    first, second, third = (harness.journal() for _ in range(3))
    first.opened("one")
    second.opened("one")
    first.close()
    harness.exhaust_patience(1.6)
    harness.expect()
    second.close()
    third.opened("one")
    harness.expect()
    third.close()
    harness.expect("one")


def every_sendable_id_is_kept_as_it_is(harness: JournalHarness) -> None:
    """An id that can be sent comes back as it was. Any other is an InvalidSessionIdError."""
    journal = harness.journal()
    for impossible in ("", ".", "..", "a/b", "a b", "a%b", "x" * 121, "\0"):
        with suppress(InvalidSessionIdError):
            journal.opened(impossible)
            require(False, f"{impossible!r} was recorded", Severity.STRICTNESS)
    ids = ["A", "a", "X" * 120, "x" * 120, "...", "-", "_.~", "0.new"]
    ids += [string.ascii_uppercase, string.ascii_lowercase]
    harness.leave(*ids)
    journal.close()
    harness.expect(*ids)


def a_closed_journal_takes_and_gives_nothing(harness: JournalHarness) -> None:
    """A closed journal takes and gives nothing more: a JournalError names the session."""
    harness.leave("one", "two")
    journal, sweeper = harness.journal(), harness.journal()
    orphans = sweeper.adopt_orphans()
    require(next(orphans, None) is not None, "no orphan was yielded")
    for one in (journal, journal, sweeper):
        one.close()
    require(list(orphans) == [], "a closed journal has yielded an orphan")
    failure = harness.failure_of(lambda: journal.opened("three"))
    require(failure is not None, "a closed journal has recorded a session")
    named = getattr(failure, "session_id", None)
    require(named == "three", f"{failure!r} has no session_id", Severity.STRICTNESS)
    for call in (lambda: list(journal.adopt_orphans()), journal.orphans):
        require(harness.failure_of(call) is not None, "a closed journal gives orphans")
    harness.expect("one", "two")


def a_pickle_is_another_journal_there(harness: JournalHarness) -> None:
    """A pickle of a journal is another journal in the same storage."""
    journal = harness.journal()
    journal.opened("one")
    try:
        pickled = pickle.dumps(journal)
    except Exception as error:
        raise SkipTest(str(error)) from error
    other = pickle.loads(pickled)  # noqa: S301 - our own bytes
    require(list(other.adopt_orphans()) == [], "a copy adopts what its original has open")
    other.opened("two")
    other.close()
    harness.expect("two")
    journal.close()
    harness.expect("one")


def a_repr_shows_no_secret(harness: JournalHarness) -> None:
    """No repr shows a password."""
    if not harness.secrets:
        raise SkipTest("pass secrets=, the texts that nothing may show")
    harness.require_no_secret(repr(harness.journal()))
