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
    scenario: str = ""
    """Of `scenarios`: it shows the fault. None: simulated runs do."""


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
        "return max(until_probe, self._gate.paused_until - self._now())",
        "return until_probe",
        scenario="a 429 in an outage",
    ),
    FaultInRuns(
        "a stop lets the other requests of the turn go",
        "the end",
        "scheduler",
        "if self.is_stopped:  # meanwhile",
        "if False:  # meanwhile",
        scenario="a stop at the second request of a turn",
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
        "end or task.result())",
        "end or self._landed[-1].result())",
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
        "            reason, session_id=job.session_id, attempts=job.requests, transient=False\n",
        "            reason,\n            session_id=job.session_id,\n"
        "            attempts=job.requests,\n            session_fate=SessionFate.UNTOUCHED,\n",
    ),
    FaultInRuns(
        "only the last attempt of an id in flight counts when the run is left",
        "attempts",
        "scheduler",
        "attempts=job.requests,\n",
        "attempts=1,\n",
    ),
    FaultInRuns(
        "what is in flight when a run is left has no outcome",
        "one outcome",
        "scheduler",
        "            self._end(job, outcome)\n\n    def _now",
        "            del self._jobs[job]\n\n    def _now",
    ),
    FaultInRuns(
        "a run takes ids as long as there are any",
        "memory",
        "scheduler",
        "and len(self._jobs) < max(self._concurrency, 2)",
        "",
    ),
    FaultInRuns(
        "a run of concurrency 1 holds nine ids",
        "memory",
        "scheduler",
        "and len(self._jobs) < max(self._concurrency, 2)",
        "and len(self._jobs) < max(self._concurrency, 9)",
        scenario="ids that wait for their retries",
    ),
    FaultInRuns(
        "leaving takes a second more than it may",
        "leaving",
        "deletions",
        "return max(0.0, self._left_at + self.shutdown_timeout - now)",
        "return max(0.0, self._left_at + self.shutdown_timeout + 1 - now)",
        scenario="a run that is left while nothing comes",
    ),
    FaultInRuns(
        "a page of a gateway is taken for a response of the service",
        "held back",
        "scheduler",
        "if is_from_service(response):",
        "if response.status < 500:",
        scenario="a gateway shows its page: 200",
    ),
    FaultInRuns(
        "an outage of the backend is taken for a response of the service",
        "held back",
        "wire",
        "    if not _speaks(content) or _is_of_backend(content):\n        return False\n",
        "    if not _speaks(content) or _is_of_backend(content):\n        return True\n",
        scenario="a backend that is away",
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
        scenario="an outage longer than two attempts",
    ),
    FaultInRuns(
        "a pause ends a second too early",
        "requests",
        "pacing",
        "self.paused_until = max(self.paused_until, now + wait)",
        "self.paused_until = max(self.paused_until, now + wait - 1)",
    ),
    FaultInRuns(
        "an outage ends a run too early",
        "held back",
        "pacing",
        "longest = self._retry.deadline\n",
        "longest = self._retry.deadline / 4\n",
    ),
    FaultInRuns(
        "leaving does not wait for what is in flight",
        "the end",
        "deletions",
        "                self._settle(timeout=min(left, LONGEST_SLEEP))\n        finally",
        "                break\n        finally",
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
        "self._scheduler.admit(self._next_id.result)\n        self._next_id = self._timer",
        "pass\n        self._next_id = self._timer",
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
        "            self._record_gone(self._scheduler.outcomes[0])\n",
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
        "outcome.session_fate = SessionFate.UNKNOWN  #",
        "pass  #",
    ),
    FaultInRuns(
        "the delete's error takes the place of what the block raised",
        "block",
        "on_exit",
        "                if raised is None:\n",
        "                if outcome is not None:\n",
    ),
]


def claims_broken_by(fault: FaultInRuns, directory: Path) -> set[str]:
    """Play its scenario, or simulated runs, to a copy of the core with the fault."""
    package = directory / "firecrawl_interact"
    shutil.copytree(ROOT / "core", package / "core", ignore=shutil.ignore_patterns("__pycache__"))
    file = package / "core" / f"{fault.module}.py"
    source = file.read_text(encoding="utf-8")
    assert source.count(fault.old) == 1, f"{fault.what}: nothing to change, or more than one place"
    file.write_text(source.replace(fault.old, fault.new), encoding="utf-8")
    module, *arguments = "simulation", "0", str(SEEDS_TO_FIND_IT)
    if fault.scenario:
        module, *arguments = "scenarios", fault.scenario
    done = subprocess.run(
        [sys.executable, "-m", f"tests.proof.{module}", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    broken = done.stderr.rpartition("broken: ")[2].strip()
    return set(broken.split(", ")) if done.returncode else set()
