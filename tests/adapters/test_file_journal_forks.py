"""What a forked child has of its parent's journal: nothing.

This file is also the script that forks. It takes the name of a scene and a directory. A fork of
the process that runs the tests would copy its threads.
"""

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from firecrawl_interact.adapters import FileJournal


def wait_for(child: int) -> None:
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def in_child(work: Callable[[], None]) -> int:
    """Fork, and let the child do its work and end without Python's tidying up."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)


def adopted(directory: Path) -> list[str]:
    with FileJournal(directory) as journal:
        return list(journal.adopt_orphans())


def a_child_holds_nothing_of_its_parents(directory: Path) -> None:
    journal = FileJournal(directory)
    journal.opened("parents")
    wait_for(in_child(lambda: journal.gone("parents")))
    wait_for(in_child(journal.close))
    wait_for(in_child(lambda: print(list(journal.adopt_orphans()))))
    print(adopted(directory))
    journal.close()
    print(adopted(directory))


def a_child_that_closes_the_journal_leaves_its_parents_file(directory: Path) -> None:
    journal = FileJournal(directory)
    journal.opened("one")
    journal.gone("one")
    before = os.listdir(directory)
    wait_for(in_child(journal.close))
    print(os.listdir(directory) == before)


def a_child_starts_a_file_of_its_own(directory: Path) -> None:
    journal = FileJournal(directory)
    journal.opened("parents")
    wait_for(in_child(lambda: journal.opened("childs")))
    print(adopted(directory))


def a_child_of_a_journal_without_a_file_has_another_one(directory: Path) -> None:
    journal = FileJournal(directory)
    wait_for(in_child(lambda: journal.opened("childs")))
    journal.opened("parents")
    print(adopted(directory))


def a_child_does_not_go_on_with_its_parents_orphans(directory: Path) -> None:
    with FileJournal(directory) as dead:
        dead.opened("one")
        dead.opened("two")
    journal = FileJournal(directory)
    orphans = journal.adopt_orphans()
    print(next(orphans), flush=True)
    wait_for(in_child(lambda: print(list(orphans))))
    print(list(orphans))


def a_childs_threads_can_record(directory: Path) -> None:
    journal = FileJournal(directory)
    journal.opened("parents")

    def record_in_a_thread() -> None:
        thread = threading.Thread(target=journal.opened, args=("childs",), daemon=True)
        thread.start()
        thread.join(timeout=10)

    wait_for(in_child(record_in_a_thread))
    print(adopted(directory))


def a_child_that_lives_on_keeps_no_lock(directory: Path) -> None:
    until_the_script_ends, lifeline = os.pipe()
    until_the_child_runs, running = os.pipe()

    def parent() -> None:
        journal = FileJournal(directory)
        journal.opened("parents")
        if not os.fork():
            os.close(lifeline)
            os.write(running, b"!")
            os.read(until_the_script_ends, 1)
            os._exit(0)
        os.read(until_the_child_runs, 1)
        os.kill(os.getpid(), signal.SIGKILL)

    os.waitpid(in_child(parent), 0)
    print(adopted(directory))
    os.close(lifeline)


def a_fork_in_the_midst_of_records_leaves_both_whole(directory: Path) -> None:
    journal = FileJournal(directory)
    stop = threading.Event()

    def record() -> None:
        for number in itertools.count():
            journal.opened(f"parents-{number}")
            if stop.is_set():
                print(number + 1)
                return

    thread = threading.Thread(target=record)
    thread.start()
    for number in range(50):
        wait_for(in_child(partial(journal.opened, f"childs-{number}")))
    stop.set()
    thread.join()
    print(len(adopted(directory)))
    journal.close()
    print(len(adopted(directory)) - 50)


def shown(scene: Callable[[Path], None], directory: Path) -> list[str]:
    # Python warns of every fork with threads: this library must bear it.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", __file__]
    done = subprocess.run(
        [*command, scene.__name__, str(directory)],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("scene", "lines"),
    [
        (a_child_holds_nothing_of_its_parents, ["[]", "[]", "['parents']"]),
        (a_child_that_closes_the_journal_leaves_its_parents_file, ["True"]),
        (a_child_starts_a_file_of_its_own, ["['childs']"]),
        (a_child_of_a_journal_without_a_file_has_another_one, ["['childs']"]),
        (a_child_does_not_go_on_with_its_parents_orphans, ["one", "[]", "['two']"]),
        (a_childs_threads_can_record, ["['childs']"]),
        (a_child_that_lives_on_keeps_no_lock, ["['parents']"]),
    ],
)
def test_scene(scene: Callable[[Path], None], lines: list[str], tmp_path: Path) -> None:
    assert shown(scene, tmp_path) == lines


def test_a_fork_in_the_midst_of_records_leaves_both_whole(tmp_path: Path) -> None:
    recorded, by_children, by_parent = shown(
        a_fork_in_the_midst_of_records_leaves_both_whole, tmp_path
    )
    assert by_children == "50"
    assert by_parent == recorded


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
