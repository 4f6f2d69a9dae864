"""One run of `delete` or `sweep`: it takes the outcomes, and ends early where that is due."""

import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import BinaryIO, NoReturn

from firecrawl_interact import core

from .lines import advice_on, json_line
from .report import Report
from .screen import discard_output, show_note, utc_time

_SECONDS_AFTER_SIGTERM = 3  # for what is in flight: supervisors send SIGKILL later than that
_REASONS = {"SIGINT": "Ctrl-C", "SIGTERM": "SIGTERM", "SIGHUP": "the terminal was closed"}
_alarm = getattr(signal, "alarm", lambda seconds: 0)  # Windows has none.


class Run:
    """Takes the outcomes of a run, records them as JSON lines, and shows them."""

    def __init__(
        self,
        delete_many_sessions: core.DeleteManySessions,
        ids: Iterator[str],
        report: Report,
        record: BinaryIO | None,
    ) -> None:
        self._deletions = delete_many_sessions(ids)
        self._ids = ids  # What the run does not take stays there.
        self._report = report
        self._record = record
        self._signal = ""  # the first one that came
        self._has_output = True  # Without it, what was done is said on standard error.
        self._is_leaving = False

    def __call__(self) -> int:
        """Run to the end, and return the exit status."""
        for name in (*_REASONS, "SIGALRM"):
            number = getattr(signal, name, signal.SIGINT)
            # What a shell starts in the background ignores Ctrl-C, and is to go on ignoring it.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._handle)
        with self._report.show_progress(self._deletions), self._deletions:
            try:
                for outcome in self._deletions:
                    self._take(outcome)
            except core.RunEndedError as error:
                self._stop(str(error))
            except RuntimeError as error:  # for instance, no thread can start
                self._stop(f"{error} ({error.__cause__}).")
            self._is_leaving = True
            for session_id in self._ids:
                reason = "the run ended before anything was sent"
                self._show(core.NotTriedError(reason, session_id=session_id), utc_time())
        self._report.show_summary()
        if self._signal:
            self._exit()  # All is written, and a thread may hang.
        return 1 if self._report.has_failures else 0

    def _take(self, outcome: core.Outcome) -> None:
        ended_at = utc_time()
        if self._record is not None:
            try:
                self._record.write(f"{json_line(outcome, ended_at)}\n".encode("ascii"))
                self._record.flush()
            except OSError as error:
                self._stop(f"the file of --resume cannot be written: {error.strerror}.", lasts=True)
                discard_output(self._record)
                self._record = None
        if (
            isinstance(outcome, core.UnauthorizedError | core.UnreachableError)
            and not outcome.transient
        ):
            # It is the same for every session: an untrusted certificate, for instance.
            reason = f"{outcome.args[0]}. {advice_on(outcome)} Nothing more was sent."
            self._stop(reason, lasts=True)
        self._show(outcome, ended_at)

    def _show(self, outcome: core.Outcome, ended_at: str) -> None:
        try:
            self._report.add(outcome, ended_at)
        except OSError as error:  # It went to a full disk or a closed pipe.
            self._stop(f"standard output cannot be written: {error.strerror}.", lasts=True)
            discard_output(sys.stdout)
            self._has_output = False
        if not self._has_output and outcome.attempts:
            show_note(json_line(outcome, ended_at))

    def _stop(self, reason: str, *, lasts: bool = False) -> None:
        self._report.would_fail_again |= lasts
        self._report.stopped = self._report.stopped or reason
        self._deletions.stop()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if name in {"SIGTERM", "SIGHUP"}:  # A second one may be the first, sent on by a parent.
            _alarm(_alarm(0) or _SECONDS_AFTER_SIGTERM)
        if name == "SIGHUP" and self._report.has_bar:
            discard_output(sys.stderr)  # That was the terminal: the bar must not fail on it.
        if not self._signal:
            self._signal = name
            self._stop(f"{_REASONS.get(name, name)}.")
            if not self._report.has_bar:  # The bar says so itself.
                show_note("Stopping: what is in flight ends first. Ctrl-C ends it now.")
        elif name in {"SIGINT", "SIGALRM"}:
            if self._is_leaving:
                self._exit()
            self._is_leaving = True
            self._deletions.shutdown_timeout = 0
            self._deletions.stop()
            _alarm(1)  # Whoever reads the report may have stopped.

    def _exit(self) -> NoReturn:
        os._exit({"SIGINT": 130, "SIGTERM": 143}.get(self._signal, 1))
