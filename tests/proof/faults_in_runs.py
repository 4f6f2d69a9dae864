"""Copies of the core in which one fault each is planted that only a whole run can show."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class FaultInRuns(NamedTuple):
    """A change to a module of the core, and the claim that it breaks."""

    what: str
    breaks: str
    module: str
    old: str
    new: str
    first_seed: int = 0
    """From which on it is looked for: near one that shows a rare case."""


SEEDS_TO_FIND_IT = 2_500

FAULTS_IN_RUNS = [
    FaultInRuns(
        "one more request is in flight than may be",
        "requests",
        "scheduler",
        "if len(self._in_flight) >= self._concurrency:",
        "if len(self._in_flight) > self._concurrency:",
    ),
    FaultInRuns(
        "an outage shortens the pause that a 429 asked for",
        "requests",
        "scheduler",
        "return max(self._outage.next_request_at, self._gate.paused_until)",
        "return self._outage.next_request_at",
        first_seed=9_000,
    ),
    FaultInRuns(
        "a stop lets the other requests of the turn go",
        "the end",
        "scheduler",
        "if self.is_stopped:  # meanwhile",
        "if False:  # meanwhile",
        first_seed=2_500,
    ),
    FaultInRuns(
        "an id that waits forgets what its last attempt met",
        "untouched",
        "scheduler",
        "error = job.error or UnreachableError(",
        "error = UnreachableError(",
    ),
    FaultInRuns(
        "an id in flight is taken for untouched when the run is left",
        "untouched",
        "scheduler",
        "session_fate=SessionFate.UNKNOWN if job.requests else SessionFate.UNTOUCHED",
        "session_fate=SessionFate.UNTOUCHED",
    ),
    FaultInRuns(
        "an id in flight is taken for gone when the run is left",
        "gone",
        "scheduler",
        "session_fate=SessionFate.UNKNOWN if job.requests",
        "session_fate=SessionFate.GONE if job.requests",
    ),
    FaultInRuns(
        "a response is taken for that of another session",
        "receipt",
        "async_deletions",
        "self._scheduler.settle(job, task.result)",
        "self._scheduler.settle(job, self._landed[-1].result)",
    ),
    FaultInRuns(
        "the older route is asked",
        "one session",
        "wire",
        "/v2/interact/{session_id}",
        "/v2/browser/{session_id}",
    ),
    FaultInRuns(
        "what a faulty transport may have sent is taken for unsent",
        "untouched",
        "scheduler",
        "kind = ConnectionLostError if sent else ConnectFailedError",
        "kind = ConnectFailedError",
    ),
    FaultInRuns(
        "only the last attempt of an id in flight counts when the run is left",
        "attempts",
        "scheduler",
        "attempts=job.requests,",
        "attempts=1,",
    ),
    FaultInRuns(
        "what is in flight when a run is left has no outcome",
        "one outcome",
        "scheduler",
        "            self._end(job, outcome)\n\n    def _next_send_at",
        "            del self._jobs[job]\n\n    def _next_send_at",
    ),
    FaultInRuns(
        "a run takes ids as long as there are any",
        "memory",
        "scheduler",
        "and len(self._jobs) < max(self._concurrency, 2)",
        "",
    ),
    FaultInRuns(
        "what the ids raise is forgotten",
        "raised",
        "scheduler",
        "            self.failure = error\n",
        "",
    ),
    FaultInRuns(
        "an outage is taken for each id's own affair",
        "held back",
        "scheduler",
        "is_held_back = self._outage.is_on or self.is_stopped",
        "is_held_back = False",
    ),
    FaultInRuns(
        "a pause ends a second too early",
        "requests",
        "pacing",
        "self.paused_until = max(self.paused_until, now + wait)  #",
        "self.paused_until = max(self.paused_until, now + wait - 1)  #",
    ),
    FaultInRuns(
        "an outage ends a run too early",
        "held back",
        "pacing",
        "return self.began_at + self._retry.deadline if",
        "return self.began_at + self._retry.deadline / 4 if",
    ),
    FaultInRuns(
        "leaving does not wait for what is in flight",
        "the end",
        "deletions",
        "wait(self._in_flight, timeout=None if left == math.inf else left)",
        "wait(self._in_flight, timeout=0)",
    ),
    FaultInRuns(
        "leaving waits for longer than it may",
        "leaving",
        "async_deletions",
        "self._in_flight, timeout=None if left == math.inf else left",
        "self._in_flight",
    ),
    FaultInRuns(
        "a cancellation takes an outcome with it",
        "one outcome",
        "async_deletions",
        "self._scheduler.outcomes.appendleft(outcome)",
        "pass",
    ),
    FaultInRuns(
        "an id that is there already is forgotten when the run is left",
        "one outcome",
        "async_deletions",
        "self._scheduler.admit(self._next_id.result)\n        self._next_id = self._nap",
        "pass\n        self._next_id = self._nap",
    ),
    FaultInRuns(
        "the journal forgets whatever ended",
        "journal",
        "journal",
        "if outcome.session_fate is not SessionFate.GONE:",
        "if outcome.session_fate is SessionFate.UNTOUCHED:",
    ),
    FaultInRuns(
        "the journal forgets nothing when a run is left",
        "journal",
        "deletions",
        "        self._record_gone(self._scheduler.outcomes[0])\n",
        "",
    ),
    FaultInRuns(
        "a block begins before its session is recorded",
        "journal",
        "on_exit",
        "            self._journal.opened(self.session_id)\n",
        "            pass\n",
    ),
    FaultInRuns(
        "the note says that the session was not destroyed when nobody knows",
        "untouched",
        "on_exit",
        '"The session may not have been destroyed."',
        '"The session was not destroyed."',
    ),
    FaultInRuns(
        "a delete that was interrupted is forgotten",
        "untouched",
        "on_exit",
        "        error.session_fate = SessionFate.UNKNOWN\n",
        "        pass\n",
    ),
    FaultInRuns(
        "a cancellation ends the delete",
        "block",
        "on_exit",
        "interruption, cancelled_often = await wait_for_end(task)",
        "interruption, cancelled_often = await wait_for_end(ensure_future(__import__"
        '("asyncio").wait([task], timeout=1)))\n        task.done() or task.cancel()',
    ),
]


def claims_broken_by(fault: FaultInRuns, directory: Path) -> set[str]:
    """Play runs to a copy of the core with the fault, up to the first that shows it."""
    package = directory / "firecrawl_interact"
    shutil.copytree(ROOT / "core", package / "core", ignore=shutil.ignore_patterns("__pycache__"))
    file = package / "core" / f"{fault.module}.py"
    source = file.read_text(encoding="utf-8")
    assert source.count(fault.old) == 1, f"{fault.what}: nothing to change, or more than one place"
    file.write_text(source.replace(fault.old, fault.new), encoding="utf-8")
    seeds = (str(fault.first_seed), str(SEEDS_TO_FIND_IT))
    done = subprocess.run(
        [sys.executable, "-m", "tests.proof.simulation", *seeds],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    broken = done.stderr.rpartition("broken: ")[2].strip()
    return set(broken.split(", ")) if done.returncode else set()
