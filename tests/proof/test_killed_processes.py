"""No session is lost with a process, whenever it is killed.

Real processes open sessions, delete them, and adopt what others left behind. They are killed at
each system call that a `FileJournal` makes. The conformance suite kills those of each journal at
random moments. This file is also the script that forks them. It has no threads, so that it may
fork, and has imported everything, so that a process costs milliseconds. A process says each step
after it has taken it.
"""

import copy
import fcntl
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from firecrawl_interact import FileJournal

_SYSTEM_CALLS = [
    *((os, name) for name in ("open", "close", "fsync", "mkdir", "rename", "unlink", "rmdir")),
    *((os, name) for name in ("stat", "fstat", "utime", "listdir", "scandir")),
    (fcntl, "flock"),
]
_write = os.write
_PARENT = os.pipe()
"""A pipe that ends with this process: what would live on ends then, too."""

Work = Callable[[FileJournal, "Child"], None]


class Child:
    """What a process says, and before which of its system calls it dies. 0: before none."""

    def __init__(self, writing: int, call: int) -> None:
        self.writing, self._call, self._calls = writing, call, 0
        for module, name in _SYSTEM_CALLS if call else []:
            setattr(module, name, self._counted(getattr(module, name)))

    def _counted(self, function: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object, **named: object) -> object:
            self._calls += 1
            if self._calls == self._call:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)

        return counted

    def say(self, step: str, session_id: str) -> None:
        _write(self.writing, f"{step} {session_id}\n".encode())


def work(journal: FileJournal, child: Child) -> None:
    """Open sessions, fork a child that lives on, delete two, and hand on and leave the others."""
    ids = [f"{os.getpid()}-{os.urandom(4).hex()}" for _ in range(4)]
    other = copy.copy(journal)
    for session_id in ids:
        journal.opened(session_id)
        child.say("opened", session_id)
        if session_id == ids[1] and not os.fork():
            os.close(child.writing)
            os.read(_PARENT[0], 1)
            os._exit(0)
    for session_id in ids[:2]:
        child.say("gone", session_id)  # The service comes first, and its word is final.
        journal.gone(session_id)
        child.say("forgotten", session_id)
    for session_id in ids[2:]:
        other.opened(session_id)
    journal.close()


def sweep(journal: FileJournal, child: Child) -> None:
    """Delete what dead processes left open."""
    for session_id in journal.adopt_orphans():
        child.say("given", session_id)
        child.say("gone", session_id)
        journal.gone(session_id)
        child.say("forgotten", session_id)
    journal.close()


def live(journal: FileJournal, child: Child) -> None:
    """Open a session, and hold it until the end."""
    journal.opened("living")
    child.say("opened", "living")
    os.close(child.writing)
    os.read(_PARENT[0], 1)
    os._exit(0)


class Machine:
    """A directory, and what the processes that share it have said."""

    def __init__(self, directory: str) -> None:
        self.kills = 0
        self.said: dict[str, set[str]] = {
            step: set() for step in ("opened", "given", "gone", "forgotten")
        }
        self._directory = directory
        self._living, reading = self._fork(live, 0)
        with os.fdopen(reading) as pipe:
            assert pipe.read() == "opened living\n"

    def run(self, *orders: tuple[Work, int]) -> None:
        """Let processes work side by side."""
        forgotten, survivors = set(self.said["forgotten"]), list[str]()
        for pid, reading in [self._fork(*order) for order in orders]:
            with os.fdopen(reading) as pipe:
                said = [line.split() for line in pipe.read().split("\n")[:-1]]
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert code <= 0, "a process failed"
            self.kills += code < 0
            for step, session_id in said:
                self.said[step].add(session_id)
                assert step != "given" or session_id not in forgotten, "a dead id came back"
            survivors += [one for step, one in said if step == "given" and code == 0]
        assert len(set(survivors)) == len(survivors), "an orphan came to two sweepers"
        assert "living" not in self.said["given"], "a sweeper has taken what a process holds"

    def sweep(self) -> None:
        """Sweep, unkilled, by two at once: nothing that was recorded is open then."""
        self.run((sweep, 0), (sweep, 0))
        self.run((sweep, 0))
        assert self.said["opened"] <= self.said["gone"], "a session is lost"

    def end(self) -> None:
        """Kill whom no sweep has disturbed: what it holds is an orphan then, and no other is."""
        os.kill(self._living, signal.SIGKILL)
        os.waitpid(self._living, 0)
        orphans = FileJournal(self._directory, service="").adopt_orphans()
        assert list(orphans) == ["living"], "a sweep has left or taken something"

    def _fork(self, function: Work, call: int) -> tuple[int, int]:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid:
            os.close(writing)
            return pid, reading
        try:
            os.close(_PARENT[1])
            function(FileJournal(self._directory, service=""), Child(writing, call))
            os._exit(0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
            os._exit(1)


def kill_at_each_system_call(machine: Machine) -> None:
    for function in (work, sweep):
        for call in itertools.count(1):
            killed = machine.kills
            if function is sweep:
                machine.run((work, 0), (work, 0))
            machine.run((function, call))
            is_over = machine.kills == killed
            machine.sweep()
            if is_over:
                break
        print(function.__name__, call - 1)


def main(directory: str) -> None:
    os.fsync = lambda fd: None  # No machine crashes here: nobody waits for disks.
    machine = Machine(directory)
    kill_at_each_system_call(machine)
    machine.end()


@pytest.mark.skipif(sys.platform == "win32", reason="it has no fork")
def test_a_process_that_is_killed_at_any_moment_loses_no_session(tmp_path: Path) -> None:
    command = [sys.executable, __file__, str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    calls = dict(line.split() for line in done.stdout.splitlines())
    assert int(calls["work"]) >= 30
    assert int(calls["sweep"]) >= 30


if __name__ == "__main__":
    main(sys.argv[1])
