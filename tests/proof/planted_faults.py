"""Faults that are planted in copies of the core, one for each claim at least, each of them caught.

A fault quotes as little of the core as it can. A quotation that does not fit any more is an error
that says so: quote the code as it is now.

`python -m tests.proof.planted_faults calls` plays what must show each fault of calls.
"""

import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from firecrawl_interact.core import RetryPolicy

from .claims import ClaimBrokenError
from .model import NAMED
from .schedules import alphabet, check_every_schedule, one_of_each_kind
from .scrapes import ALPHABET, MODEL
from .simulation import SCENARIOS, check, play_seed

ROOT = Path(__file__).parents[2]


class Fault(NamedTuple):
    """A change of the core, and the claim that it breaks."""

    breaks: str
    what: str
    old: str
    new: str


def read_faults(text: str) -> list[Fault]:
    return [Fault(*one) for one in re.findall(r"(.+?): (.+)\n +(.+?) => (.+)", text)]


# The claim, and the fault that breaks it; the code, and what becomes of it. Where the code stands
# in more than one place, it is the first behind other words and three dots.
OF_CALLS = read_faults(r"""
untouched: a lost connection is taken for one that never was
    SessionFate.UNKNOWN if failure.sent => SessionFate.UNTOUCHED if failure.sent
untouched: what an earlier attempt may have done is forgotten
    if uncertain and => if False and
untouched: the backend's 401 is taken for the service's
    if _words(content) == => if status != 401 and _words(content) ==
gone: a failure of the backend is taken for the end of the session
    return errors.ServiceUnavailableError => return errors.SessionNotFoundError
gone: a router's 404 is believed
    reports_failure and says_gone => reports_failure
gone: the words of a gone session are believed under every status
    status in {404, 410} and => True and
receipt: any JSON under a 200 gives a receipt
    == b"true" => != b"false"
receipt: the bill is made up
    content.credits_billed => msgspec.Raw(b"2")
one session: the older route is asked
    /interact/ => /browser/
no vaguer: gone is forgotten after a timeout
    uncertain and error.session_fate is SessionFate.UNTOUCHED => uncertain
no vaguer: a rate limit leaves the fate unknown
    class RateLimitError ... SessionFate.UNTOUCHED => SessionFate.UNKNOWN
outcome: an error counts one attempt
    return wire.parse_response ... attempts=attempts => attempts=1
attempts: one attempt too many
    counted == retry => counted > retry
deadline: a wait goes beyond the deadline
    pause >= deadline - monotonic() => pause == math.inf
deadline: an attempt may outlast the deadline
    min(retry.attempt_timeout, seconds_left) => retry.attempt_timeout
retries: a 401 is retried
    class UnauthorizedError ... advice = => transient, advice = True,
retries: a page is not retried
    class UnexpectedResponseError ... transient = True => transient = False
retries: `success: false` is not retried
    class NotDeletedError ... transient = True => transient = False
pauses: the wait that was told is not kept
    return error.retry_after => pass
pauses: each stale connection is followed by a retry at once
    stale_retried or pause == 0 => False
""")
OF_RUNS = read_faults(r"""
one outcome: what is in flight when a run is left has no outcome
    self._end(job, job.outcome or job.if_left()) => del self._jobs[job]
one outcome: a cancellation takes an outcome with it
    def __anext__ ... self.aclose() => self.aclose(); self._to_hand_out.clear()
gone: an id in flight is taken for gone when the run is left
    =self.requests) => =self.requests, session_fate=type(NotTriedError.session_fate).GONE)
untouched: an id in flight is taken for untouched when the run is left
    =self.requests) => =self.requests, session_fate=NotTriedError.session_fate)
untouched: the note says that the session is as it was when nobody knows
    It may still be running and billing. => This call did nothing to it.
receipt: a response is taken for that of another session
    self._requests.pop(task) => self._requests.popitem()[1]
one session: a run asks the older route
    /interact/ => /browser/
attempts: only the last attempt of an id in flight counts when the run is left
    attempts=self.requests => attempts=1
requests: one more request is in flight than may be
    >= self._concurrency => > self._concurrency
requests: an outage shortens the pause that a 429 asked for
    next_probe_at - now, self._gate.paused_until - now => next_probe_at - now
the end: what is in flight is not cancelled when its time is over
    timeout=self._seconds_to_land()) ... task.cancel() => pass
leaving: leaving takes a second more than it may
    longest - now => longest + 1 - now
memory: a run of concurrency 1 holds nine ids
    max(self._concurrency, 2) => max(self._concurrency, 9)
raised: what the ids raise is forgotten
    def note_end_of_ids ... self.ended_by = error => pass
held back: a page of a gateway is taken for a response of the service
    or outcome.shows_service_works => or getattr(outcome, "status", 0) < 500
held back: an outage is taken for each id's own affair
    self._breaker.is_open or self.is_stopped => False
others: an id that fails for ever is taken for an outage
    _MOST_IDS_OWN = 20 => _MOST_IDS_OWN = 1
others: the last ids of a run are probed until the deadline
    _LONGEST_ALONE = 40.0 => _LONGEST_ALONE = 400.0
slow: a session is charged until somebody asks
    job.charged += job.latency => job.charged += self._now() - job.sent_at
slow: the clock runs while the caller holds an outcome
    LONGEST_SLEEP) ... waited += transport.monotonic() - began => waited = transport.monotonic()
block: the session is left when the block ends
    self.session_id is not None and not self._delete.is_done => False
block: the note on what the block raised says nothing
    raised.add_note(str(error)) => raised.add_note("")
told: the delete's error takes the place of what the block raised
    error is not None and raised is None => error is not None
told: what a block knows is told to nobody
    self._use_case.tell(self._delete, is_seen=raised is None) => pass
journal: the journal forgets whatever ended
    if is_gone else None => if outcome else None
journal: a block begins before its session is recorded
    journal.opened(session_id) => pass
""")
OF_SCRAPES = read_faults(r"""
gone: a failure of the backend is taken for the end of the session
    return errors.ServiceUnavailableError => return errors.SessionNotFoundError
untouched: a lost response is taken for one that never was
    SessionFate.UNKNOWN if failure.sent => SessionFate.UNTOUCHED if failure.sent
receipt: any JSON under a 200 gives a receipt
    == b"true" => != b"false"
one session: the scrape is taken for a session
    if is_scrape(session_id): => if False:
outcome: an error counts one attempt
    return wire.parse_response ... attempts=attempts => attempts=1
""")


FAULTS = {"calls": OF_CALLS, "runs": OF_RUNS, "scrapes": OF_SCRAPES}


def claims_broken_by(fault: Fault, of_what: str, directory: Path) -> set[str]:
    """Play what shows a fault to a copy of the core with it."""
    copy = directory / "firecrawl_interact" / "core"
    shutil.copytree(ROOT / "core", copy, ignore=shutil.ignore_patterns("__pycache__"))
    plant(fault, copy)
    command = [sys.executable, "-m", "tests.proof.planted_faults", of_what]
    at_copy = os.environ | {"PYTHONPATH": str(directory)}
    done = subprocess.run(
        command, cwd=ROOT, env=at_copy, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{fault.what}: {done.stderr}"
    return set(done.stdout.splitlines())


def plant(fault: Fault, core: Path) -> None:
    """Change the one place that a fault quotes."""
    *_, old = quoted = fault.old.split(" ... ")
    quotation = re.compile(".*?".join(map(re.escape, quoted)), re.DOTALL)
    found = [
        (path, place)
        for path in core.glob("*.py")
        for place in quotation.finditer(path.read_text(encoding="utf-8"))
    ]
    assert len(found) == 1, (
        f"{fault.what!r} quotes {fault.old!r}, which stands {len(found)} times in the core:"
        " let it quote the code as it is now, in tests/proof/planted_faults.py"
    )
    [(path, place)] = found
    changed = place.string[: place.end() - len(old)] + fault.new + place.string[place.end() :]
    path.write_text(changed, encoding="utf-8")


def main(of_what: str) -> None:
    """Play what shows faults of one kind, and print the claims that are broken first."""
    logging.getLogger("firecrawl_interact").setLevel(logging.CRITICAL)
    try:
        if of_what == "calls":
            named = alphabet(NAMED)
            for each in (one_of_each_kind(named), named):  # The short play shows most of them.
                check_every_schedule([each] * 3, RetryPolicy(max_attempts=3))
        elif of_what == "scrapes":
            policy = RetryPolicy(max_attempts=3)
            check_every_schedule([ALPHABET] * 3, policy, model=MODEL)
        else:
            for name in SCENARIOS:
                check(name)
            for seed in range(2_500):
                play_seed(seed)
    except ClaimBrokenError as error:
        print(*error.names, sep="\n")


if __name__ == "__main__":
    main(sys.argv[1])
