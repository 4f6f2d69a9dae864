"""Faults that are planted in copies of the core, one for each claim at least, each of them caught.

A fault quotes as little of the core as it can, and says in which definition that stands. A
quotation that does not fit any more is an error that says so: quote the code as it is now.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

# The claim, and the fault that breaks it; in which class, function or `Class.method` of whatever
# module the code stands, and what becomes of it. Every schedule of one call shows it.
_OF_CALLS = r"""
untouched: a lost connection is taken for one that never was
    _attempt: SessionFate.UNKNOWN if failure.sent => SessionFate.UNTOUCHED if failure.sent
untouched: what an earlier attempt may have done is forgotten
    converse: if uncertain and => if False and
untouched: the backend's 401 is taken for the service's
    _kind: if _words(content) == => if status != 401 and _words(content) ==
gone: a failure of the backend is taken for the end of the session
    _kind: return errors.ServiceUnavailableError => return errors.SessionNotFoundError
gone: a router's 404 is believed
    _kind: reports_failure and says_gone => reports_failure
receipt: any JSON under a 200 gives a receipt
    parse_response: == b"true" => != b"false"
receipt: the bill is made up
    parse_response: content.credits_billed => msgspec.Raw(b"2")
one session: the older route is asked
    request: /interact/ => /browser/
no vaguer: gone is forgotten after a timeout
    converse: uncertain and error.session_fate is SessionFate.UNTOUCHED => uncertain
no vaguer: a rate limit leaves the fate unknown
    RateLimitError: SessionFate.UNTOUCHED => SessionFate.UNKNOWN
outcome: an error counts one attempt
    _attempt: session_id=session_id, attempts=attempts => session_id=session_id, attempts=1
attempts: one attempt too many
    _pause_after: attempts == retry => attempts > retry
deadline: a wait goes beyond the deadline
    converse: pause >= deadline - monotonic() => pause == math.inf
deadline: an attempt may outlast the deadline
    _attempt: min(retry.attempt_timeout, left) => retry.attempt_timeout
retries: a 401 is retried
    UnauthorizedError: advice = => transient, advice = True,
retries: a page is not retried
    UnexpectedResponseError: transient = True => transient = False
retries: `success: false` is not retried
    NotDeletedError: transient = True => transient = False
pauses: the wait that was told is not kept
    _pause_after: return error.retry_after => pass
pauses: each stale connection is followed by a retry at once
    converse: stale_retried or is_stale => False
"""

# The same. The scenario shows it that is named, else simulated runs do.
_OF_RUNS = r"""
one outcome: what is in flight when a run is left has no outcome
    Scheduler.end_what_is_left: self._end(job, job.outcome or left) => del self._jobs[job]
one outcome: a cancellation takes an outcome with it
    AsyncDeletions.__anext__: self.aclose() => self.aclose(); self._scheduler.outcomes.clear()
gone: an id in flight is taken for gone when the run is left
    Job.unreachable: SessionFate.UNKNOWN => SessionFate.GONE
untouched: an id in flight is taken for untouched when the run is left
    Job.unreachable: SessionFate.UNKNOWN => SessionFate.UNTOUCHED
untouched: the note says that the session was not destroyed when nobody knows
    anywhere: The session may not have been destroyed. => The session was not destroyed.
receipt: a response is taken for that of another session
    AsyncDeletions._settle: self._requests.pop(task) => self._requests.popitem()[1]
one session: a run asks the older route
    request: /interact/ => /browser/
attempts: only the last attempt of an id in flight counts when the run is left
    Job.unreachable: attempts=self.requests => attempts=1
requests: one more request is in flight than may be
    Scheduler._next_send_in: >= self._concurrency => > self._concurrency
requests: an outage shortens the pause that a 429 asked for
    Scheduler._next_send_in: due_at - now, self._gate.paused_until - now => due_at - now
    scenario: a 429 in an outage
the end: a stop lets the other requests of the turn go
    Scheduler.hand_out: <= 0 and not self.is_stopped => <= 0
    scenario: a stop at the second request of a turn
leaving: leaving takes a second more than it may
    Run._count_down: longest - now => longest + 1 - now
    scenario: a run that is left while nothing comes
memory: a run of concurrency 1 holds nine ids
    Scheduler.has_room: max(self._concurrency, 2) => max(self._concurrency, 9)
    scenario: ids that wait for their retries
raised: what the ids raise is forgotten
    Scheduler.admit: self.failure = error => pass
held back: a page of a gateway is taken for a response of the service
    Scheduler.settle: if is_from_service(response) => if response.status < 500
    scenario: a gateway shows its page: 200
held back: an outage is taken for each id's own affair
    Scheduler._hold_back: self._outage.is_on or self.is_stopped => False
    scenario: an outage longer than two attempts
block: the delete's error takes the place of what the block raised
    _OnExit._report: if raised is None => if error is not None
journal: the journal forgets whatever ended
    _record_gone: is not SessionFate.GONE => is SessionFate.UNTOUCHED
journal: a block begins before its session is recorded
    DeleteOnExit.__enter__: self._journal.opened(self.session_id) => pass
"""


class Fault(NamedTuple):
    """A change to one definition of the core, and the claim that it breaks."""

    breaks: str
    what: str
    where: str
    old: str
    new: str
    shown_by: tuple[str, ...]


def _read(text: str, usual: tuple[str, ...]) -> Iterator[Fault]:
    for entry in re.split(r"\n(?! )", text.strip()):
        first, second, *more = entry.split("\n")
        breaks, _, what = first.partition(": ")
        where, _, change = second.strip().partition(": ")
        old, _, new = change.partition(" => ")
        shown_by = usual
        if more:
            shown_by = ("tests.proof.scenarios", more[0].strip().removeprefix("scenario: "))
        yield Fault(breaks, what, where, old, new, shown_by)


OF_CALLS = list(_read(_OF_CALLS, ("tests.proof.schedules",)))
OF_RUNS = list(_read(_OF_RUNS, ("tests.proof.simulation", "0", "2500")))


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
        raise QuotationError(
            f"{fault.what!r} quotes {fault.old!r}, which stands {len(places)} times in"
            f" {fault.where}: let it quote the code as it is now, in tests/proof/planted_faults.py"
        )
    [(path, source, at)] = places
    changed = source[:at] + fault.new + source[at + len(fault.old) :]
    path.write_text(changed, encoding="utf-8")


def _definitions(source: str, name: str) -> Iterator[tuple[int, str]]:
    """Find the definitions of a name: where each begins, and its text."""
    if name == "anywhere":
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
