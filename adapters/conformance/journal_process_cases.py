"""What a `Journal` promises when processes are killed, stopped or forked, or in an outage."""

import os
import pickle
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from multiprocessing.connection import Connection

from firecrawl_interact.core.journal import Journal, JournalError

from .expectations import require
from .journal_case import JournalHarness
from .journal_process import error_of, in_child, wait


def _sweep_half_way(connection: Connection, journal: Journal) -> None:
    journal.opened("one")
    orphans = journal.adopt_orphans()
    connection.send(next(orphans, None))
    wait(connection)


def a_killed_process_leaves_orphans(harness: JournalHarness) -> None:
    """What a killed process had open or had adopted is an orphan."""
    orphans = [f"session-{number}" for number in range(20)]
    harness.leave(*orphans)
    process = harness.start(_sweep_half_way)
    require(process.said() in orphans, "a process has adopted no orphan")
    harness.kill(process)
    harness.expect("one", *orphans)


def a_stopped_process_loses_nothing(harness: JournalHarness) -> None:
    """A process that is stopped for long loses no session, and none comes twice."""
    process = harness.start()
    for session_id in ("one", "two"):
        process.asked("opened", session_id)
    process.signal(signal.SIGSTOP)
    harness.exhaust_patience()
    found = harness.sweep()
    process.signal(signal.SIGCONT)
    harness.kill(process)
    found += harness.sweep()
    require(sorted(found) == ["one", "two"], f"{found} was yielded")


def _record_without_end(connection: Connection, journal: Journal) -> None:
    for number in count():
        session_id = f"{os.getpid()}-{number}"
        journal.opened(session_id)
        connection.send(("opened", session_id))
        if number % 3:
            connection.send(("gone", session_id))  # The service destroys it first.
            journal.gone(session_id)


def processes_killed_at_any_moment_lose_nothing(harness: JournalHarness) -> None:
    """A process that is killed at any moment loses no session that it has recorded."""
    said: list[tuple[str, str]] = []
    for moment in (0.01, 0.06, 0.2):
        processes = [harness.start(_record_without_end) for _ in range(3)]
        said += [process.said() for process in processes]
        for process in processes:
            killing = threading.Timer(moment, process.kill)
            killing.start()
            said += process.all_said()
            killing.join()
    opened = {session_id for step, session_id in said if step == "opened"}
    gone = {session_id for step, session_id in said if step == "gone"}
    harness.exhaust_patience()
    found = harness.sweep()
    require(len(set(found)) == len(found), "an orphan came twice")
    lost = opened - gone - set(found)
    require(not lost, f"{len(lost)} of {len(opened)} sessions are lost")


def what_two_dead_owners_had_goes_to_one_sweeper(harness: JournalHarness) -> None:
    """A session that was handed on, and whose owners are all dead, goes to one of two sweepers."""
    ids = [f"session-{number:03}" for number in range(200)]
    for _ in range(2):
        harness.leave(*ids)
    processes = [harness.start() for _ in range(2)]
    for process in processes:
        process.tell("adopt_orphans")
    found = sorted(session_id for process in processes for session_id in process.said())
    require(found == ids, f"{len(found)} yielded, {len(set(found))} of {len(ids)} different")


def _fork_children_that_do_nothing(connection: Connection, journal: Journal) -> None:
    journal.opened("parents")
    ends = [
        in_child(lambda: None),
        in_child(journal.close),
        in_child(lambda: journal.gone("parents-child")),
        in_child(lambda: sys.exit(len([*journal.adopt_orphans()]))),
    ]
    journal.opened("after")
    connection.send(ends)


def a_forked_child_holds_and_harms_nothing(harness: JournalHarness) -> None:
    """A forked child holds nothing of its parent's, and harms nothing, also when it ends."""
    process = harness.start(_fork_children_that_do_nothing)
    ends = process.said()
    require(ends[3] == 0, f"a child has adopted {ends[3]} of its parent's sessions")
    require(ends == [0] * 4, f"the children ended with {ends}")
    harness.exhaust_patience(1.6)
    harness.expect()
    harness.kill(process)
    harness.expect("after", "parents")


def _fork_a_child_that_lives_on(connection: Connection, journal: Journal) -> None:
    def open_and_close() -> None:
        journal.opened("childs")
        journal.close()

    journal.opened("parents")
    end = in_child(open_and_close)
    if not os.fork():
        if end == 0:
            journal.opened("living")
        connection.send(end)
    wait(connection)


def a_forked_childs_session_is_its_own(harness: JournalHarness) -> None:
    """What a forked child opens is its own, and one that lives on keeps no orphan back."""
    process = harness.start(_fork_a_child_that_lives_on)
    require(process.said() == 0, "a child could not record a session")
    harness.exhaust_patience(1.6)
    harness.expect("childs")
    harness.kill(process)
    harness.expect("parents")


def _fork_amid_records(connection: Connection, journal: Journal) -> None:
    recorded, is_over = [0, 0], False

    def record(which: int) -> None:
        while not is_over:
            journal.opened(f"thread-{which}-{recorded[which]}")
            recorded[which] += 1

    def open_one() -> None:
        if error := error_of(lambda: journal.opened(f"child-{os.getpid()}")):
            connection.send(error)

    with ThreadPoolExecutor(2) as threads:
        recording = [threads.submit(record, which) for which in (0, 1)]
        for _ in range(8):
            in_child(open_one)
        is_over = True
    for one in recording:
        one.result()
    connection.send(sum(recorded))


def a_fork_amid_records_leaves_both_whole(harness: JournalHarness) -> None:
    """A fork while threads record leaves parent and child whole."""
    process = harness.start(_fork_amid_records)
    recorded = process.said()
    harness.kill(process)
    found = harness.sweep()
    require(len(found) == recorded + 8, f"{len(found)} of {recorded + 8} sessions are orphans")


def _come_and_go(connection: Connection, journal: Journal) -> None:
    pickled = pickle.dumps(journal)
    for number in range(10):
        one, two = (f"{os.getpid()}-{number}-{which}" for which in "ab")
        journal = pickle.loads(pickled)  # noqa: S301 - our own bytes
        journal.opened(one)
        journal.opened(two)
        for session_id in journal.adopt_orphans():
            connection.send(("adopted", session_id))
            journal.gone(session_id)
        connection.send(("dead", two))
        journal.gone(one)
        journal.close()
    connection.send(("end", ""))
    os._exit(0)


def owners_come_and_go_during_sweeps(harness: JournalHarness) -> None:
    """While owners come and go, sweeps lose nothing and get no living one's session."""
    processes = [harness.start(_come_and_go) for _ in range(4)]
    said = [words for process in processes for words in process.all_said()]
    require(said.count(("end", "")) == 4, "a process failed")
    adopted = [session_id for step, session_id in said if step == "adopted"]
    dead = {session_id for step, session_id in said if step == "dead"}
    require(len(set(adopted)) == len(adopted), "an orphan came twice")
    require(set(adopted) <= dead, f"living ones were adopted: {set(adopted) - dead}")
    harness.exhaust_patience()
    lost = dead - set(adopted) - set(harness.sweep())
    require(not lost, f"{len(lost)} of {len(dead)} sessions are lost")


def an_outage_is_a_journal_error(harness: JournalHarness) -> None:
    """While its storage is away, a journal raises JournalError soon, and works again later."""
    journal, other = harness.journal(), harness.journal()
    journal.opened("before")
    other.opened("others")
    with harness.outage():
        failure = harness.failure_of(lambda: journal.opened("during"))
        if failure is not None:
            require(failure.session_id == "during", f"{failure!r} names another session")
        harness.failure_of(lambda: journal.gone("before"))
        harness.failure_of(journal.orphans)
        harness.failure_of(lambda: list(harness.journal().adopt_orphans()))
        require(harness.failure_of(other.close) is None, "close raises")
    journal.opened("after")
    journal.close()
    harness.exhaust_patience()
    found = set(harness.sweep())
    require({"after", "others"} <= found, f"the orphans are {sorted(found)}")
    require(failure is not None or "during" in found, "what was recorded in the outage is lost")


def an_outage_makes_no_orphan(harness: JournalHarness) -> None:
    """An outage that lasts longer than a lease makes no living owner's session an orphan."""
    journal = harness.journal()
    journal.opened("one")
    found: list[str] | None = None

    def sweep_as_soon_as_possible() -> None:
        nonlocal found
        while found is None:
            with suppress(JournalError):
                found = harness.sweep()

    with harness.outage():
        sweeping = threading.Thread(target=sweep_as_soon_as_possible, daemon=True)
        sweeping.start()
        harness.exhaust_patience(1.5)
    sweeping.join(60)
    require(found == [], f"the orphans are {found} instead of []")
    harness.expect()
    journal.close()
    harness.expect("one")
