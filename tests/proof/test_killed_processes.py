"""No session is lost with a process, whenever it is killed.

Real processes open sessions of a real server, delete them, and adopt what others left behind.
They are killed at each system call that a journal makes, in the middle of each write, and at
random moments. `JOURNAL_KILLS=10000` asks for so many of the latter.
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
ENOUGH_TO_REPLACE_THE_FILE = 500


@dataclass(frozen=True)
class Life:
    """What became of one process."""

    killed: bool
    reports: list[tuple[str, str]]

    def said(self, step: str) -> list[str]:
        return [session_id for word, session_id in self.reports if word == step]


@dataclass
class Town:
    """A directory, the processes that share it, and the service whose sessions they open."""

    service: FakeService
    api_url: str
    directory: Path
    mortals: "subprocess.Popen[str]"
    recorded: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    kills: int = 0

    def run(self, *orders: dict[str, object]) -> list[Life]:
        """Let processes work side by side, and take down what they say."""
        place = {"directory": str(self.directory), "service": self.api_url, "api_url": self.api_url}
        lives = [
            Life(found["killed"], [(step, value) for step, value in found["reports"]])
            for found in self._tell([place | order for order in orders])
        ]
        self.kills += sum(life.killed for life in lives)
        for life in lives:
            self.recorded.update(life.said("opened"))
            assert self.gone.isdisjoint(life.said("given"))
        survivors = Counter(
            session_id for life in lives if not life.killed for session_id in life.said("given")
        )
        assert set(survivors.values()) <= {1}
        for life in lives:
            self.gone.update(life.said("gone"))
        return lives

    def _tell(self, order: object) -> Any:  # Any: it comes from JSON
        assert self.mortals.stdin is not None
        assert self.mortals.stdout is not None
        self.mortals.stdin.write(json.dumps(order) + "\n")
        self.mortals.stdin.flush()
        results = json.loads(self.mortals.stdout.readline())
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
        self._tell("kill the living")


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """A town in which somebody lives all the while, and some have died at another address."""
    service = FakeService()
    elsewhere = [service.open_session() for _ in range(3)]
    with FileJournal(tmp_path, service=ELSEWHERE) as journal:
        for session_id in elsewhere:
            journal.opened(session_id)
    script = Path(__file__).with_name("mortals.py")
    with (
        LoopbackService(service) as loopback,
        subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as mortals,
    ):
        town = Town(service, loopback.api_url, tmp_path, mortals)
        living = [service.open_session() for _ in range(3)]
        town.run({"work": "live", "ids": living})
        town.recorded.clear()
        yield town
        town.sweep()
        assert all(map(service.is_open, living))
        town.kill_the_living()
        (last,) = town.run({"work": "sweep"})
        assert sorted(last.said("given")) == sorted(living)
        assert not any(map(service.is_open, living))
        assert all(map(service.is_open, elsewhere))
        with FileJournal(tmp_path, service=ELSEWHERE) as journal:
            assert list(journal.adopt_orphans()) == elsewhere
            for session_id in elsewhere:
                journal.gone(session_id)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("half_way", [False, True])
@pytest.mark.parametrize("history", [0, ENOUGH_TO_REPLACE_THE_FILE])
def test_a_process_that_is_killed_at_any_system_call_loses_no_session(
    town: Town, history: int, half_way: bool
) -> None:
    for call in itertools.count(1):
        (life,) = town.run(town.work(call=call, half_way=half_way, history=history, forks=call % 2))
        town.sweep()
        if not life.killed:
            break
    assert town.kills >= (8 if half_way else 20)


@pytest.mark.parametrize("half_way", [False, True])
def test_a_sweeper_that_is_killed_at_any_system_call_loses_no_session(
    town: Town, half_way: bool
) -> None:
    for call in itertools.count(1):
        town.run(town.leave(), town.leave())
        (life,) = town.run({"work": "sweep", "call": call, "half_way": half_way})
        town.run({"work": "sweep"}, {"work": "sweep"})
        town.sweep()
        if not life.killed:
            break
    assert town.kills >= (3 if half_way else 15)


def test_processes_that_are_killed_at_any_moment_lose_no_session(town: Town) -> None:
    chance = random.SystemRandom()
    while town.kills < KILLS:
        moments = [chance.uniform(0, 0.05) for _ in range(5)]
        town.run(*(town.work(seconds=moment, forks=True) for moment in moments[:3]))
        town.run(*({"work": "sweep", "seconds": moment} for moment in moments[3:]))
        town.run({"work": "sweep"}, {"work": "sweep"})
        town.sweep()


def test_two_sweepers_share_ten_thousand_sessions(town: Town) -> None:
    session_ids = [f"session-{number}" for number in range(10_000)]
    for start in range(0, 10_000, 500):
        town.run({"work": "leave", "ids": session_ids[start : start + 500]})
    town.recorded.clear()  # The service has none of them.
    one, other = town.run({"work": "take"}, {"work": "take"})
    given = one.said("given") + other.said("given")
    assert sorted(given) == sorted(session_ids)
