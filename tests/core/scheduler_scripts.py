"""Scripts for a scheduler: nothing is sent or waited for, and time passes as the script says.

`take a b` gives ids to the run, and `send a b` says which ones may go now, and in which order;
`_LONG_FOR` has verbs for both. `503 a b` is what comes of requests (see `RESULTS`), and `+8` lets
so many seconds pass. `room = no` looks at what the run says: see `Run.look_at`. What stands before
`|` are the concurrency and fields of the policy.
"""

import errno
import re
from collections.abc import Iterator
from typing import Any

import pytest

from firecrawl_interact.core import (
    ConnectFailedError,
    ConnectionLostError,
    DeleteSession,
    Outcome,
    Response,
    RetryPolicy,
    RunEndedError,
    TimedOutError,
)
from firecrawl_interact.core.runs.job import Job
from firecrawl_interact.core.scheduler import Scheduler

from .scripted_transport import DESTROYED, RATE_LIMITED, UNAVAILABLE, response
from .side_by_side import KEY, FunctionTransport, unchecked


def no_connection(number: int, *, transient: bool = True) -> ConnectFailedError:
    failure = ConnectFailedError("no connection", transient=transient)
    failure.__cause__ = OSError(number, "for some reason")
    return failure


RESULTS: dict[str, Response | BaseException] = {
    "ok": DESTROYED,
    "503": UNAVAILABLE,
    "409": response(409, {"success": False, "error": "in progress"}),
    "409-page": Response(409, {}, b"<html>"),
    "429": RATE_LIMITED,
    "stale": ConnectionLostError("closed", stale=True),
    "lost": ConnectionLostError("lost"),
    "silent": TimedOutError("silence"),
    "bad-name": no_connection(errno.ENOENT, transient=False),
    "no-route": no_connection(errno.EHOSTUNREACH),
    "page": Response(200, {}, b"<html>"),
    "faulty": MemoryError(),
    "exits": SystemExit(),
    "not-a-response": TypeError("None"),
    "unreadable": Response(503, unchecked(None), b""),
}
"""`429/20` and `503/20` ask for a wait of 20 s, besides."""

_LONG_FOR = {
    "go": "take ?; send ?",
    "pass": "take ?; send ?; ok ?; ended = ? DeletionReceipt gone x1",
    "probe": "take ?; +8; send ?; lost ?",
    "spoken-probe": "take ?; +8; send ?; 503 ?",
}


class Run(Scheduler):
    """A scheduler, its clock, and what was handed out."""

    def __init__(self, script: str) -> None:
        settings, _, steps = script.rpartition("| ")
        given: dict[str, Any] = {"concurrency": 8}  # Any: the concurrency, and fields of a policy
        for name, value in re.findall(r"(\w+) ([\d.]+)", settings):
            given[name] = float(value) if "." in value else int(value)
        concurrency, self.clock = given.pop("concurrency"), FunctionTransport()
        retry = RetryPolicy(**given)
        delete_session = DeleteSession(self.clock, KEY, retry=retry, random=lambda: 0.5)
        super().__init__(delete_session, concurrency)
        self.sent: dict[str, Job] = {}
        self.then(steps)

    def then(self, script: str) -> None:
        for step in script.split("; "):
            what, _, expected = step.partition(" = ")
            verb, *names = step.split(" ")
            if expected:
                assert self.look_at(what) == expected, step
            elif verb == "send":
                jobs = list(iter(self._send_next, None))
                assert [job.session_id for job in jobs] == names, step
                self.sent |= dict(zip(names, jobs, strict=True))
            elif verb == "end":
                self.admit(iter([]))
            elif verb == "stop":
                self.stop()
            elif verb.startswith("+"):
                self.clock.now += float(verb)
                self.waited += float(verb)
            else:
                assert names, f"no such verb: {verb}"
            for name in () if expected or verb == "send" else names:
                self._do(verb, name)

    def _send_next(self) -> Job | None:
        job = self.next_job()
        if job is not None:
            self.note_sent(job)
        return job

    def _do(self, verb: str, name: str) -> None:
        if verb == "take":
            self.admit(iter([name]))
        elif verb in _LONG_FOR:
            self.then(_LONG_FOR[verb].replace("?", name))
        else:
            self.sent[name].landed_at = self.clock.now
            self.settle(self.sent[name], _result(verb))

    def look_at(self, what: str) -> str:
        pause, ended_by = self.pause, self.ended_by
        match what.split():
            case ["room"]:
                return "yes" if self.has_room() else "no"
            case ["needs", "id"]:
                return "yes" if self.needs_new_id else "no"
            case ["due", "in"]:
                return f"{self.due_in():g}"
            case ["timeout", name]:
                return f"{self.sent[name].timeout:g}"
            case ["held", "by"]:
                return pause.reason if pause else "nothing"
            case ["pause"] if pause and pause.error:
                left = f"{pause.reason} {pause.seconds_left:g} s"
                return f"{left}, {pause.waiting} wait, {pause.number}, {pause.error.session_id}"
            case ["ended", "by"] if isinstance(ended_by, RunEndedError):
                lasted = f"{ended_by.reason}: {ended_by.args[0]}, lasted {ended_by.lasted:g} s"
                return f"{lasted}, {ended_by.retry_after}, {type(ended_by.__cause__).__name__}"
            case ["ended"]:
                ended = ", ".join(sorted(map(_shown, self.outcomes)))
                self.outcomes.clear()
                return ended or "none"
            case ["pause"] | ["ended", "by"]:
                return "none"
        raise LookupError(what)


def _shown(outcome: Outcome) -> str:
    what = f"{type(outcome).__name__} {outcome.session_fate.value}"
    return f"{outcome.session_id} {what} x{outcome.attempts}"


def _result(name: str) -> Response | BaseException:
    status, _, wait = name.partition("/")
    if wait:
        return response(int(status), {"success": False}, {"retry-after": wait})
    return RESULTS[name]


def each_script(text: str) -> pytest.MarkDecorator:
    """Let a test play each script of a text: the indented lines, under what they show."""
    scripts = dict(_named(text))
    return pytest.mark.parametrize("script", scripts.values(), ids=scripts)


def _named(text: str) -> Iterator[tuple[str, str]]:
    name = ""
    for line in text.strip().splitlines():
        if line.startswith(" "):
            yield f"{name}: {line.strip()}", line.strip()
        name = name if line.startswith(" ") else line
