"""No session is lost with a process, whenever it is killed.

Real processes open sessions of a real server, delete them, and adopt what others left behind.
They are killed at each system call that a journal makes, and at random moments.
`JOURNAL_KILLS=10000` asks for so many of the latter.
"""

import itertools
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from firecrawl_interact.adapters import FakeService, FileJournal, LoopbackService

pytestmark = pytest.mark.enable_socket

KILLS = int(os.environ.get("JOURNAL_KILLS", "150"))
ELSEWHERE = "https://elsewhere.example"


@dataclass(frozen=True)
class Process:
    """What became of one process."""

    killed: bool
    reports: list[tuple[str, str]]

    def reported(self, step: str) -> list[str]:
        return [session_id for word, session_id in self.reports if word == step]


@dataclass
class Machine:
    """A directory, the processes that share it, and the service whose sessions they open."""

    service: FakeService
    api_url: str
    directory: Path
    forker: "subprocess.Popen[str]"
    recorded: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    kills: int = 0

    def run(self, *orders: dict[str, object]) -> list[Process]:
        """Let processes work side by side, and note what they report."""
        place = {"directory": str(self.directory), "service": self.api_url, "api_url": self.api_url}
        processes = [
            Process(found["killed"], [(step, value) for step, value in found["reports"]])
            for found in self._order([place | order for order in orders])
        ]
        self.kills += sum(process.killed for process in processes)
        for process in processes:
            self.recorded.update(process.reported("opened"))
            assert self.gone.isdisjoint(process.reported("given"))
        survivors = Counter(
            session_id
            for process in processes
            if not process.killed
            for session_id in process.reported("given")
        )
        assert set(survivors.values()) <= {1}
        for process in processes:
            self.gone.update(process.reported("gone"))
        return processes

    def _order(self, order: object) -> Any:  # Any: it comes from JSON
        assert self.forker.stdin is not None
        assert self.forker.stdout is not None
        self.forker.stdin.write(json.dumps(order) + "\n")
        self.forker.stdin.flush()
        results = json.loads(self.forker.stdout.readline())
        assert not any(result["failed"] for result in results)
        return results

    def work(self, **order: object) -> dict[str, object]:
        ids = [self.service.open_session() for _ in range(5)]
        return {"work": "work", "ids": ids, **order}

    def leave(self) -> dict[str, object]:
        return {"work": "leave", "ids": [self.service.open_session() for _ in range(3)]}

    def sweep(self) -> None:
        """Sweep, unkilled, and look at the service: nothing that was recorded is open."""
        self.run({"work": "sweep"})
        assert self.recorded.isdisjoint(self.service.sessions_left_open)

    def kill_the_living(self) -> None:
        self._order("kill the living")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine with one process that lives all the while, and one that died at another address."""
    service = FakeService()
    elsewhere = [service.open_session() for _ in range(3)]
    with FileJournal(tmp_path, service=ELSEWHERE) as journal:
        for session_id in elsewhere:
            journal.opened(session_id)
    script = Path(__file__).with_name("forked_processes.py")
    with (
        LoopbackService(service) as loopback,
        subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as forker,
    ):
        machine = Machine(service, loopback.api_url, tmp_path, forker)
        living = [service.open_session() for _ in range(3)]
        machine.run({"work": "live", "ids": living})
        machine.recorded.clear()
        yield machine
        machine.sweep()
        assert all(map(service.is_open, living))
        machine.kill_the_living()
        (last,) = machine.run({"work": "sweep"})
        assert sorted(last.reported("given")) == sorted(living)
        assert not any(map(service.is_open, living))
        assert all(map(service.is_open, elsewhere))
        with FileJournal(tmp_path, service=ELSEWHERE) as journal:
            assert sorted(journal.adopt_orphans()) == sorted(elsewhere)
            for session_id in elsewhere:
                journal.gone(session_id)
        assert list(tmp_path.glob("*/*")) == []


def test_a_process_that_is_killed_at_any_system_call_loses_no_session(machine: Machine) -> None:
    for call in itertools.count(1):
        (process,) = machine.run(machine.work(call=call, forks=call % 2))
        machine.sweep()
        if not process.killed:
            break
    assert machine.kills >= 60


def test_a_sweeper_that_is_killed_at_any_system_call_loses_no_session(machine: Machine) -> None:
    for call in itertools.count(1):
        machine.run(machine.leave(), machine.leave())
        (process,) = machine.run({"work": "sweep", "call": call})
        machine.run({"work": "sweep"}, {"work": "sweep"})
        machine.sweep()
        if not process.killed:
            break
    assert machine.kills >= 40


def test_processes_that_are_killed_at_any_moment_lose_no_session(machine: Machine) -> None:
    chance = random.SystemRandom()
    while machine.kills < KILLS:
        moments = [chance.uniform(0, 0.05) for _ in range(5)]
        machine.run(*(machine.work(seconds=moment, forks=True) for moment in moments[:3]))
        machine.run(*({"work": "sweep", "seconds": moment} for moment in moments[3:]))
        machine.run({"work": "sweep"}, {"work": "sweep"})
        machine.sweep()


def test_two_sweepers_share_ten_thousand_sessions(machine: Machine) -> None:
    session_ids = [f"session-{number}" for number in range(10_000)]
    for start in range(0, 10_000, 500):
        machine.run({"work": "leave", "ids": session_ids[start : start + 500]})
    machine.recorded.clear()  # The service has none of them.
    one, other = machine.run({"work": "take"}, {"work": "take"})
    given = one.reported("given") + other.reported("given")
    assert sorted(given) == sorted(session_ids)
