"""What the processes do that a case of the kit for journals starts, kills and forks.

Each says on its standard output what it has done. It waits until its standard input ends, or until
it is killed.
"""

import os
import pickle
import sys
import threading
from collections.abc import Callable
from functools import partial
from itertools import islice

from firecrawl_interact.core.journal import Journal, JournalError


def say(*words: object) -> None:
    """Write a line at once, and without a buffer, which a fork would copy."""
    os.write(1, " ".join(map(str, words)).encode() + b"\n")


def wait() -> None:
    """Wait for the end of the case."""
    while os.read(0, 4096):
        pass


def hold(journal: Journal, *session_ids: str) -> None:
    """Open sessions, and have them open."""
    for session_id in session_ids:
        journal.opened(session_id)
    say("ready")
    wait()


def record_without_end(journal: Journal) -> None:
    """Open sessions, and delete two of three."""
    number = 0
    while True:
        session_id = f"{os.getpid()}-{number}"
        journal.opened(session_id)
        say("opened", session_id)
        if number % 3:
            say("gone", session_id)  # The service comes first, and its word is final.
            journal.gone(session_id)
        number += 1


def sweep(journal: Journal) -> None:
    """Adopt all orphans, when the others do. None ends before each has its first one."""
    say("ready")
    os.read(0, 1)
    orphans = journal.adopt_orphans()
    found = [*islice(orphans, 1)]
    say("first")
    os.read(0, 1)
    say(*found, *orphans)
    wait()


def sweep_one(journal: Journal) -> None:
    """Adopt orphans, and stop at the first."""
    orphans = journal.adopt_orphans()
    say(next(orphans))
    wait()


def come_and_go(journal: Journal, rounds: int) -> None:
    """Open two sessions, sweep, delete one of the two, and close: again and again."""
    pickled = pickle.dumps(journal)
    for number in range(rounds):
        one, two = (f"{os.getpid()}-{number}-{which}" for which in "ab")
        journal = pickle.loads(pickled)  # noqa: S301 - our own bytes
        journal.opened(one)
        journal.opened(two)
        for session_id in journal.adopt_orphans():
            say("adopted", session_id)
            journal.gone(session_id)
        say("dead", two)
        journal.gone(one)
        journal.close()
    say("end")


def in_child(work: Callable[[], object], *, tidily: bool) -> int:
    """Fork, let the child work, and return how it ended: 0 is well.

    Args:
        work: what the child does.
        tidily: whether it ends as a program does, with all that Python does then.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        work()
    except BaseException as error:
        os.write(2, f"{error!r}\n".encode())
        os._exit(1)
    if tidily:
        sys.exit(0)
    os._exit(0)


def fork_children_that_do_nothing(journal: Journal) -> None:
    """Have a session open while children end, close the journal, delete, and sweep."""
    journal.opened("parents")
    ends = [
        in_child(lambda: None, tidily=True),
        in_child(journal.close, tidily=True),
        in_child(lambda: journal.gone("parents-child"), tidily=False),
        in_child(lambda: say("swept", *journal.adopt_orphans()), tidily=True),
    ]
    journal.opened("after")
    say(*ends)
    wait()


def fork_a_child_with_a_session(journal: Journal) -> None:
    """Have a session open, while a child opens one and dies."""
    journal.opened("parents")
    say(in_child(lambda: journal.opened("childs"), tidily=False))
    wait()


def fork_a_child_that_lives_on(journal: Journal) -> None:
    """Have a session open, and a child that outlives this process."""
    journal.opened("parents")
    if not os.fork():
        say("ready")
    wait()
    os._exit(0)


def fork_amid_records(journal: Journal, children: int) -> None:
    """Fork while two threads open sessions."""
    stop = threading.Event()
    counts = [0, 0]

    def record(which: int) -> None:
        while not stop.is_set():
            journal.opened(f"thread-{which}-{counts[which]}")
            counts[which] += 1

    threads = [threading.Thread(target=record, args=(which,), daemon=True) for which in (0, 1)]
    for thread in threads:
        thread.start()

    def open_one(number: int) -> None:
        opening = threading.Thread(target=journal.opened, args=(f"child-{number}",), daemon=True)
        opening.start()
        opening.join(10)
        if opening.is_alive():
            raise JournalError("it hangs")

    ends = 0
    for number in range(children):
        if in_child(partial(open_one, number), tidily=False):
            break
        ends += 1
    stop.set()
    for thread in threads:
        thread.join()
    say(ends, sum(counts))
    wait()
