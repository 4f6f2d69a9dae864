"""Faults that are planted in copies of the core, one for each claim at least, each of them caught.

A fault quotes as little of the core as it can, and says in which definition that stands. A
quotation that does not fit any more is an error that says so: quote the code as it is now.
"""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

CALLS = ("tests.proof.schedules",)
"""What plays every schedule of a call."""
RUNS = ("tests.proof.simulation", "0", "2500")
"""What plays simulated runs."""


def scenario(name: str) -> tuple[str, str]:
    """What plays a run that is written down."""
    return "tests.proof.scenarios", name


class Fault(NamedTuple):
    """A change to one definition of the core, and the claim that it breaks."""

    what: str
    breaks: str
    where: str
    """A class, a function or `Class.method`, in whatever module. Empty: anywhere."""
    old: str
    new: str
    shown_by: tuple[str, ...] = CALLS


OF_CALLS = [
    Fault(
        "a lost connection is taken for one that never was",
        "untouched",
        "_unreachable",
        "SessionFate.UNKNOWN if failure.sent else ",
        "",
    ),
    Fault(
        "what an earlier attempt may have done is forgotten",
        "untouched",
        "_keep_worst_fate",
        "if uncertain and",
        "if False and",
    ),
    Fault(
        "the backend's 401 is taken for the service's",
        "untouched",
        "_kind",
        "if _is_of_backend(content)",
        "if _is_of_backend(content) and status != 401",
    ),
    Fault(
        "a 404 of the backend is taken for the end of the session",
        "gone",
        "_kind",
        "return ServiceUnavailableError",
        "return SessionNotFoundError if status == 404 else ServiceUnavailableError",
    ),
    Fault("a router's 404 is believed", "gone", "_kind", " and _says_gone(content)", ""),
    Fault(
        "any JSON under a 200 gives a receipt",
        "receipt",
        "parse_response",
        '== b"true"',
        '!= b"false"',
    ),
    Fault(
        "the bill is made up", "receipt", "_receipt", "content.credits_billed", 'msgspec.Raw(b"2")'
    ),
    Fault("the older route is asked", "one session", "request", "/interact/", "/browser/"),
    Fault(
        "gone is forgotten after a timeout",
        "no vaguer",
        "_keep_worst_fate",
        " and error.session_fate is SessionFate.UNTOUCHED",
        "",
    ),
    Fault(
        "a rate limit leaves the fate unknown",
        "no vaguer",
        "RateLimitError",
        "SessionFate.UNTOUCHED",
        "SessionFate.UNKNOWN",
    ),
    Fault("an error counts one attempt", "outcome", "_attempt", "attempts=attempts", "attempts=1"),
    Fault(
        "one attempt too many", "attempts", "_pause_after", "attempts == retry", "attempts > retry"
    ),
    Fault(
        "a wait goes beyond the deadline",
        "deadline",
        "converse",
        "pause >= left",
        "pause == math.inf",
    ),
    Fault(
        "an attempt may outlast the deadline",
        "deadline",
        "converse",
        "min(retry.attempt_timeout, left)",
        "retry.attempt_timeout",
    ),
    Fault(
        "a 401 is retried",
        "retries",
        "UnauthorizedError",
        "    advice =",
        "    transient = True\n    advice =",
    ),
    Fault(
        "a page is not retried",
        "retries",
        "UnexpectedResponseError",
        "transient = True",
        "transient = False",
    ),
    Fault(
        "the wait that was told is not kept",
        "pauses",
        "_pause_after",
        "return error.retry_after",
        "pass",
    ),
    Fault(
        "each stale connection is followed by a retry at once",
        "pauses",
        "converse",
        "stale_retried or is_stale",
        "False",
    ),
]

OF_RUNS = [
    Fault(
        "what is in flight when a run is left has no outcome",
        "one outcome",
        "Scheduler.end_all",
        "self._end(job, outcome)",
        "del self._jobs[job]",
        RUNS,
    ),
    Fault(
        "an id in flight is taken for gone when the run is left",
        "gone",
        "Scheduler.end_all",
        "SessionFate.UNKNOWN",
        "SessionFate.GONE",
        RUNS,
    ),
    Fault(
        "an id that waits forgets what its last attempt met",
        "untouched",
        "Scheduler._end_unsent",
        "job.error or ",
        "",
        RUNS,
    ),
    Fault(
        "the note says that the session was not destroyed when nobody knows",
        "untouched",
        "",
        "The session may not have been destroyed.",
        "The session was not destroyed.",
        RUNS,
    ),
    Fault(
        "a response is taken for that of another session",
        "receipt",
        "AsyncDeletions._settle",
        "end or task.result()",
        "end or self._landed[-1].result()",
        RUNS,
    ),
    Fault("a run asks the older route", "one session", "request", "/interact/", "/browser/", RUNS),
    Fault(
        "only the last attempt of an id in flight counts when the run is left",
        "attempts",
        "Scheduler.end_all",
        "attempts=job.requests",
        "attempts=1",
        RUNS,
    ),
    Fault(
        "one more request is in flight than may be",
        "requests",
        "Scheduler._next_send_in",
        ">= self._concurrency",
        "> self._concurrency",
        RUNS,
    ),
    Fault(
        "an outage shortens the pause that a 429 asked for",
        "requests",
        "Scheduler._next_send_in",
        "max(until_probe, self._gate.paused_until - self._now())",
        "until_probe",
        scenario("a 429 in an outage"),
    ),
    Fault(
        "a stop lets the other requests of the turn go",
        "the end",
        "Scheduler.hand_out",
        "if self.is_stopped:  # meanwhile",
        "if False:  # meanwhile",
        scenario("a stop at the second request of a turn"),
    ),
    Fault(
        "leaving takes a second more than it may",
        "leaving",
        "",
        "self._left_at + self.shutdown_timeout - now",
        "self._left_at + self.shutdown_timeout + 1 - now",
        scenario("a run that is left while nothing comes"),
    ),
    Fault(
        "a run of concurrency 1 holds nine ids",
        "memory",
        "Scheduler.has_room",
        "max(self._concurrency, 2)",
        "max(self._concurrency, 9)",
        scenario("ids that wait for their retries"),
    ),
    Fault(
        "what the ids raise is forgotten",
        "raised",
        "Scheduler.admit",
        "self.failure = error",
        "pass",
        RUNS,
    ),
    Fault(
        "a page of a gateway is taken for a response of the service",
        "held back",
        "Scheduler.settle",
        "if is_from_service(response)",
        "if response.status < 500",
        scenario("a gateway shows its page: 200"),
    ),
    Fault(
        "an outage is taken for each id's own affair",
        "held back",
        "Scheduler._hold_back",
        "self._outage.is_on or self.is_stopped",
        "False",
        scenario("an outage longer than two attempts"),
    ),
    Fault(
        "the delete's error takes the place of what the block raised",
        "block",
        "_OnExit._report",
        "if raised is None",
        "if outcome is not None",
        RUNS,
    ),
    Fault(
        "the journal forgets whatever ended",
        "journal",
        "record_gone",
        "is not SessionFate.GONE",
        "is SessionFate.UNTOUCHED",
        RUNS,
    ),
    Fault(
        "a block begins before its session is recorded",
        "journal",
        "DeleteOnExit.record",
        "self._journal.opened(self.session_id)",
        "pass",
        RUNS,
    ),
]


class QuotationError(Exception):
    """A fault quotes what the core does not say, or says more than once."""


def claims_broken_by(fault: Fault, directory: Path) -> set[str]:
    """Play what shows a fault to a copy of the core with it."""
    copy = directory / "firecrawl_interact" / "core"
    shutil.copytree(ROOT / "core", copy, ignore=shutil.ignore_patterns("__pycache__"))
    plant(fault, copy)
    done = subprocess.run(
        [sys.executable, "-m", *fault.shown_by],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    _, found, broken = done.stderr.rpartition("broken: ")
    assert found or not done.returncode, f"{fault.what}: {done.stderr}"
    return set(broken.strip().split(", ")) if found else set()


def plant(fault: Fault, core: Path) -> None:
    """Change the one place that a fault quotes.

    Raises:
        QuotationError: there is no such place, or more than one.
    """
    places = [
        (path, source, begin + offset)
        for path in sorted(core.glob("*.py"))
        for source in [path.read_text(encoding="utf-8")]
        for begin, text in _definitions(source, fault.where)
        for offset in range(len(text))
        if text.startswith(fault.old, offset)
    ]
    if len(places) != 1:
        where = fault.where or "the core"
        raise QuotationError(
            f"{fault.what!r} quotes {fault.old!r}, which stands {len(places)} times in {where}:"
            " let it quote the code as it is now, in tests/proof/planted_faults.py"
        )
    [(path, source, at)] = places
    changed = source[:at] + fault.new + source[at + len(fault.old) :]
    path.write_text(changed, encoding="utf-8")


def _definitions(source: str, name: str) -> Iterator[tuple[int, str]]:
    """Find the definitions of a name: where each begins, and its text."""
    if not name:
        yield 0, source
        return
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    scopes: list[tuple[ast.AST, str]] = [(ast.parse(source), "")]
    for node, outer in scopes:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                full = f"{outer}{child.name}"
                scopes.append((child, f"{full}."))
                if full == name:
                    begin, end = starts[child.lineno - 1], starts[child.end_lineno or 0]
                    yield begin, source[begin:end]
