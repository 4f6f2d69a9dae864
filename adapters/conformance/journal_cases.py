"""The cases of the kit for journals: what a `Journal` promises, and what shows it."""

import pickle
import threading
import time
from collections.abc import Callable
from itertools import islice
from unittest import SkipTest

from firecrawl_interact.core import InvalidSessionIdError, JournalError

from . import journal_processes as work
from .journal_case import JournalCase, Place, require

Scenario = Callable[[Place], None]

JOURNAL_CASES: list[JournalCase] = []


def case(scenario: Scenario) -> Scenario:
    """Make a case of a function: its name says what happens, its docstring what is promised."""
    promise = (scenario.__doc__ or "").rstrip(".")
    name = scenario.__name__.replace("_", "-")
    JOURNAL_CASES.append(JournalCase(name, promise[0].lower() + promise[1:], scenario))
    return scenario


@case
def a_closed_journals_session_is_an_orphan(place: Place) -> None:
    """What a journal has open when it is closed is an orphan."""
    place.leave("one", "two")
    place.expect("one", "two")


@case
def a_living_journals_session_is_no_orphan(place: Place) -> None:
    """No sweep gets a session of a living journal, however long it has been open."""
    journal = place.journal()
    journal.opened("one")
    place.expect()
    place.let_leases_end(2)
    require(place.journal().orphans() == [], "a living journal's session is listed")
    place.expect()


@case
def what_is_gone_is_no_orphan(place: Place) -> None:
    """A session that is gone is forgotten."""
    journal = place.journal()
    journal.opened("one")
    journal.opened("two")
    journal.gone("one")
    journal.close()
    place.expect("two")


@case
def an_orphan_that_is_gone_is_forgotten(place: Place) -> None:
    """What a sweeper has deleted stays forgotten."""
    place.leave("one", "two")
    sweeper = place.journal()
    for session_id in sweeper.adopt_orphans():
        sweeper.gone(session_id)
    sweeper.close()
    place.expect()


@case
def gone_of_an_unknown_id_changes_nothing(place: Place) -> None:
    """Gone does nothing and raises nothing for an id that is unknown, or can be none."""
    journal = place.journal()
    journal.gone("one")
    journal.opened("two")
    for unknown in ("three", "", "..", "two/", "a b", "x" * 1000, "\0", "\ud800"):
        journal.gone(unknown)
    journal.close()
    journal.gone("three")
    place.expect("two")


@case
def recorded_twice_is_recorded_once(place: Place) -> None:
    """A session that is recorded twice is forgotten at once, and is one orphan."""
    journal = place.journal()
    for session_id in ("one", "one", "two", "two"):
        journal.opened(session_id)
    journal.gone("one")
    journal.close()
    place.expect("two")


@case
def an_id_can_be_opened_again(place: Place) -> None:
    """An id that was gone can be recorded again."""
    journal = place.journal()
    journal.opened("one")
    journal.gone("one")
    journal.opened("one")
    journal.close()
    place.expect("one")


@case
def orphans_of_another_service_are_left_alone(place: Place) -> None:
    """A sweep leaves the orphans of another label alone."""
    other = f"{place.label}/other"
    place.leave("one", label=other)
    place.expect()
    place.expect("one", label=other)


@case
def an_address_is_one_label_however_it_ends(place: Place) -> None:
    """One address is one label, whether it ends in /v2, / or neither."""
    for number, end in enumerate(("", "/", "/v2", "/v2/")):
        place.leave(f"session-{number}", label=place.label + end)
    place.expect(*(f"session-{number}" for number in range(4)), label=f"{place.label}/v2")


@case
def an_adopted_session_is_its_adopters(place: Place) -> None:
    """An adopted session is its adopter's, as long as that one lives."""
    place.leave("one")
    place.expect("one")
    place.let_leases_end(2)
    place.expect()


@case
def an_adopters_session_is_an_orphan_later(place: Place) -> None:
    """What an adopter has open when it is closed is an orphan again."""
    place.leave("one")
    sweeper = place.journal()
    require(list(sweeper.adopt_orphans()) == ["one"], "the orphan was not adopted")
    sweeper.close()
    place.expect("one")


@case
def an_adopted_session_is_yielded_once(place: Place) -> None:
    """A journal yields an orphan once."""
    place.leave("one")
    sweeper = place.journal()
    found = [*sweeper.adopt_orphans(), *sweeper.adopt_orphans()]
    require(found == ["one"], f"{found} was yielded")


@case
def a_yielded_session_is_no_other_sweepers(place: Place) -> None:
    """What a sweep has yielded is no other sweeper's, while the sweep goes on."""
    place.leave("one", "two", "three")
    first = next(place.journal().adopt_orphans())
    found = place.sweep()
    require(first not in found, f"{first} was yielded to two sweepers")


@case
def a_sweep_left_half_way_loses_nothing(place: Place) -> None:
    """A sweep that is left half-way loses nothing: its journal's next one goes on."""
    ids = [f"session-{number}" for number in range(6)]
    place.leave(*ids)
    sweeper = place.journal()
    found = [*islice(sweeper.adopt_orphans(), 2)]
    sweeper.gone(found[0])
    rest = list(sweeper.adopt_orphans())
    require(sorted(found + rest) == ids, f"{found}, then {rest} were yielded")
    sweeper.close()
    place.expect(*sorted({*ids} - {found[0]}))


@case
def orphans_are_listed_and_not_adopted(place: Place) -> None:
    """Orphans are listed without being adopted."""
    place.leave("one", "two")
    lister = place.journal()
    for _ in range(2):
        require(sorted(lister.orphans()) == ["one", "two"], f"{lister.orphans()} is listed")
    place.expect("one", "two")
    require(lister.orphans() == [], "what somebody has adopted is listed")


@case
def two_threads_share_the_orphans(place: Place) -> None:
    """Two sweepers share the orphans, and none comes twice."""
    place.leave(*(f"session-{number}" for number in range(200)))
    journals = [place.journal(), place.journal()]
    found: list[list[str]] = [[], []]
    both_have_begun = threading.Barrier(2)

    def sweep(which: int) -> None:
        orphans = journals[which].adopt_orphans()
        found[which] = [*islice(orphans, 1)]
        both_have_begun.wait(60)
        found[which] += orphans

    _at_once([lambda: sweep(0), lambda: sweep(1)])
    both = found[0] + found[1]
    require(len(set(both)) == len(both) == 200, f"{len(both)} yielded, {len(set(both))} different")


@case
def a_session_handed_to_another_journal_is_that_ones(place: Place) -> None:
    """A session that was handed to a living journal is no orphan when its first one ends."""
    first, second = place.journal(), place.journal()
    first.opened("one")
    second.opened("one")
    first.close()
    place.let_leases_end(1.6)
    place.expect()
    second.close()
    place.expect("one")


@case
def threads_may_record_at_once(place: Place) -> None:
    """Threads may record at once."""
    journal = place.journal()

    def record(name: str) -> None:
        for number in range(10):
            journal.opened(f"{name}-{number}")
            if number % 2:
                journal.gone(f"{name}-{number}")

    _at_once([lambda name=name: record(name) for name in "abcd"])  # type: ignore[misc] # each its own
    journal.close()
    place.expect(*(f"{name}-{number}" for name in "abcd" for number in range(0, 10, 2)))


@case
def every_sendable_id_is_kept_as_it_is(place: Place) -> None:
    """Every id that can be sent can be recorded, and comes back as it was."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    ids = ["A", "a", "X" * 120, "x" * 120, "...", "-", "_.~", alphabet, alphabet.lower(), "0.new"]
    place.leave(*ids)
    place.expect(*ids)


@case
def an_impossible_id_is_refused(place: Place) -> None:
    """An id that no session can have is an InvalidSessionIdError, and is not recorded."""
    journal = place.journal()
    for impossible in ("", ".", "..", "a/b", "a b", "a%b", "x" * 121, "\0"):
        try:
            journal.opened(impossible)
        except InvalidSessionIdError:
            continue
        raise AssertionError(f"{impossible!r} was recorded")
    journal.close()
    place.expect()


@case
def a_closed_journal_takes_nothing(place: Place) -> None:
    """A closed journal takes and gives nothing more: a JournalError names the session."""
    place.leave("one")
    journal = place.journal()
    journal.close()
    journal.close()
    failure = place.failure_of(lambda: journal.opened("two"))
    require(failure is not None, "a closed journal has recorded a session")
    require(getattr(failure, "session_id", None) == "two", f"{failure!r} has no session_id")
    for call in (lambda: list(journal.adopt_orphans()), journal.orphans):
        require(place.failure_of(call) is not None, "a closed journal gives orphans")
    place.expect("one")


@case
def a_sweep_ends_when_its_journal_is_closed(place: Place) -> None:
    """A sweep of a journal that is closed meanwhile ends."""
    place.leave("one", "two")
    sweeper = place.journal()
    orphans = sweeper.adopt_orphans()
    next(orphans)
    sweeper.close()
    require(list(orphans) == [], "a closed journal has yielded an orphan")
    place.expect("one", "two")


@case
def a_pickle_is_another_journal_there(place: Place) -> None:
    """A pickle of a journal is another journal at the same place."""
    journal = place.journal()
    journal.opened("one")
    try:
        pickled = pickle.dumps(journal)
    except Exception as error:
        raise SkipTest(str(error)) from error
    other = pickle.loads(pickled)  # noqa: S301 - our own bytes
    require(list(other.adopt_orphans()) == [], "a copy adopts what its original has open")
    other.opened("two")
    other.close()
    place.expect("two")
    journal.close()
    place.expect("one")


@case
def a_repr_shows_no_secret(place: Place) -> None:
    """No repr shows a password."""
    if not place.secrets:
        raise SkipTest("pass secrets=, the texts that nothing may show")
    place.require_no_secret(repr(place.journal()))


@case
def a_killed_process_leaves_orphans(place: Place) -> None:
    """What a killed process had open is an orphan."""
    process = place.start(work.hold, "one", "two")
    process.next_words()
    place.expect()
    process.kill()
    place.let_leases_end()
    place.expect("one", "two")


@case
def a_killed_sweeper_leaves_orphans(place: Place) -> None:
    """What a killed sweeper had adopted is an orphan again."""
    ids = [f"session-{number}" for number in range(20)]
    place.leave(*ids)
    process = place.start(work.sweep_one)
    process.next_words()
    process.kill()
    place.let_leases_end()
    place.expect(*ids)


@case
def processes_killed_at_any_moment_lose_nothing(place: Place) -> None:
    """A process that is killed at any moment loses no session that it has recorded."""
    said: list[tuple[str, str]] = []
    for moment in (0.01, 0.06, 0.2):
        processes = [place.start(work.record_without_end) for _ in range(3)]
        said += [("opened", process.next_words()[1]) for process in processes]
        for process in processes:
            time.sleep(moment / 3)
            process.kill()
            said += [(step, session_id) for step, session_id in process.all_words()]
    opened = {session_id for step, session_id in said if step == "opened"}
    gone = {session_id for step, session_id in said if step == "gone"}
    place.let_leases_end()
    found = place.sweep()
    require(len(set(found)) == len(found), "an orphan came twice")
    lost = opened - gone - set(found)
    require(not lost, f"{len(lost)} of {len(opened)} sessions are lost")


@case
def four_processes_share_the_orphans(place: Place) -> None:
    """Processes that sweep at once share the orphans, and none comes twice."""
    ids = [f"session-{number}" for number in range(100)]
    place.leave(*ids)
    processes = [place.start(work.sweep) for _ in range(4)]
    for _ in ("ready", "first"):
        for process in processes:
            process.next_words()
        for process in processes:
            process.say_go()
    found = [one for process in processes for one in process.next_words()]
    require(sorted(found) == sorted(ids), f"{len(found)} yielded, {len(set(found))} different")


@case
def a_stopped_process_loses_nothing(place: Place) -> None:
    """A process that is stopped for long loses no session, and none comes twice."""
    process = place.start(work.hold, "one")
    process.next_words()
    process.stop()
    place.let_leases_end()
    found = place.sweep()
    process.go_on()
    process.kill()
    place.let_leases_end()
    found += place.sweep()
    require(found == ["one"], f"{found} was yielded")


@case
def a_forked_child_holds_and_harms_nothing(place: Place) -> None:
    """A forked child holds nothing of its parent's, and harms nothing, also when it ends."""
    process = place.start(work.fork_children_that_do_nothing)
    swept, ends = process.next_words(), process.next_words()
    require(swept == ["swept"], f"a child has adopted its parent's sessions: {swept[1:]}")
    require(ends == ["0"] * 4, f"the children ended with {ends}")
    place.let_leases_end(1.6)
    place.expect()
    process.kill()
    place.let_leases_end()
    place.expect("after", "parents")


@case
def a_forked_childs_session_is_its_own(place: Place) -> None:
    """What a forked child opens is its own."""
    process = place.start(work.fork_a_child_with_a_session)
    require(process.next_words() == ["0"], "a child could not record a session")
    place.let_leases_end()
    place.expect("childs")


@case
def a_child_that_lives_on_keeps_no_orphan_back(place: Place) -> None:
    """A forked child that lives on keeps no session of its parent's from being an orphan."""
    process = place.start(work.fork_a_child_that_lives_on)
    process.next_words()
    process.kill()
    place.let_leases_end()
    place.expect("parents")


@case
def a_fork_amid_records_leaves_both_whole(place: Place) -> None:
    """A fork while threads record leaves parent and child whole."""
    process = place.start(work.fork_amid_records, 8)
    ended, recorded = map(int, process.next_words())
    require(ended == 8, f"child {ended + 1} of 8 failed, or hung")
    process.kill()
    place.let_leases_end()
    found = place.sweep()
    require(len(found) == recorded + 8, f"{len(found)} of {recorded + 8} sessions are orphans")


@case
def owners_come_and_go_during_sweeps(place: Place) -> None:
    """While owners come and go, sweeps lose nothing and get no living one's session."""
    processes = [place.start(work.come_and_go, 10) for _ in range(4)]
    said = [words for process in processes for words in process.all_words()]
    require(said.count(["end"]) == 4, "a process failed")
    adopted = [words[1] for words in said if words[0] == "adopted"]
    dead = {words[1] for words in said if words[0] == "dead"}
    require(len(set(adopted)) == len(adopted), "an orphan came twice")
    require(set(adopted) <= dead, f"living ones were adopted: {set(adopted) - dead}")
    place.let_leases_end()
    lost = dead - set(adopted) - set(place.sweep())
    require(not lost, f"{len(lost)} of {len(dead)} sessions are lost")


@case
def an_outage_is_a_journal_error(place: Place) -> None:
    """While its storage is away, a journal raises JournalError soon, and works again later."""
    journal, other = place.journal(), place.journal()
    journal.opened("before")
    other.opened("others")
    with place.outage():
        failure = place.failure_of(lambda: journal.opened("during"))
        if failure is not None:
            require(failure.session_id == "during", f"{failure!r} names another session")
        place.failure_of(lambda: journal.gone("before"))
        place.failure_of(journal.orphans)
        place.failure_of(lambda: list(place.journal().adopt_orphans()))
        require(place.failure_of(other.close) is None, "close raises")
    journal.opened("after")
    journal.close()
    place.let_leases_end()
    found = set(place.sweep())
    require({"after", "others"} <= found, f"the orphans are {sorted(found)}")
    require(failure is not None or "during" in found, "what was recorded in the outage is lost")


@case
def an_outage_makes_no_orphan(place: Place) -> None:
    """An outage that lasts longer than a lease makes no living owner's session an orphan."""
    journal = place.journal()
    journal.opened("one")
    found: list[str] = []

    def sweep_as_soon_as_possible() -> None:
        while True:
            sweeper = place.journal()
            try:
                found.extend(sweeper.adopt_orphans())
            except JournalError:
                continue
            return

    with place.outage():
        sweeping = threading.Thread(target=sweep_as_soon_as_possible, daemon=True)
        sweeping.start()
        place.let_leases_end(1.5)
    sweeping.join(60)
    require(found == [], f"the orphans are {found} instead of []")
    place.expect()
    journal.close()
    place.expect("one")


def _at_once(calls: list[Callable[[], None]]) -> None:
    """Make calls in threads, and raise what one of them raises."""
    failures: list[Exception] = []

    def note_failure(call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=note_failure, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for failure in failures:
        raise failure
