"""One run of `delete` or `sweep`: it takes the outcomes, and ends early where that is due."""

import os
import signal
import sys
from types import FrameType
from typing import TextIO

from firecrawl_interact.core import (
    Deletions,
    OutageError,
    Outcome,
    RateLimitError,
    SessionFate,
    UnauthorizedError,
    UnreachableError,
)

from .report import Report, discard_output, json_line, show_note

_SECONDS_AFTER_SIGTERM = 3  # for what is in flight: supervisors send SIGKILL later than that
_SECONDS_TO_REPORT = 1
_SIGNALS = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGALRM")]
_alarm = getattr(signal, "alarm", lambda seconds: 0)  # Windows has none.


class Run:
    """Takes the outcomes of a run, records them and shows them."""

    def __init__(self, deletions: Deletions, report: Report, record: TextIO | None) -> None:
        self._deletions = deletions
        self._report = report
        self._record = record  # takes the outcomes as JSON lines, for a later run
        self._reason: str | None = None  # why it ends early
        self._signal: int | None = None  # the first one that came
        self._is_leaving = False
        # Failures that left a session untouched. They are not shown if the run ends early: its
        # reason, which is shown, is theirs too.
        self._held: list[Outcome] = []

    def __call__(self) -> int:
        """Run to the end, and return the exit status."""
        for number in _SIGNALS:
            # What a shell starts in the background ignores Ctrl-C, and is to go on ignoring it.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._handle)
        with self._report.show_bar(lambda: self._deletions.pause), self._deletions:
            while self._take_outcomes():
                pass
            self._is_leaving = True
            if self._reason is None:
                self._show_held()
        self._report.show_summary(self._reason, has_record=self._record is not None)
        if self._signal is not None:
            os._exit(128 + self._signal)  # All is written, and a thread may hang.
        return 1 if self._reason or self._report.has_failures else 0

    def _take_outcomes(self) -> bool:
        """Take outcomes, and return whether there may be more."""
        try:
            for outcome in self._deletions:
                self._take(outcome)
        except KeyboardInterrupt:  # A second Ctrl-C, or time is up.
            self._deletions.close()
            return True
        except OutageError as error:
            self._stop(str(error))
        except RuntimeError as error:  # for instance, no thread can start
            self._stop(f"{error} ({error.__cause__}).")
        return False

    def _take(self, outcome: Outcome) -> None:
        if self._record is not None:
            try:
                print(json_line(outcome), file=self._record, flush=True)
            except OSError as error:
                self._stop(f"the file of --resume cannot be written: {error.strerror}.")
                discard_output(self._record)
                self._record = None
        is_untouched = outcome.session_fate is SessionFate.UNTOUCHED
        if isinstance(outcome, UnauthorizedError) or (
            isinstance(outcome, UnreachableError) and is_untouched and not outcome.transient
        ):  # It is the same for every session: an untrusted certificate, for instance.
            self._stop(f"{outcome.args[0]}. {outcome.advice} Nothing more was sent.")
        kinds_held = RateLimitError | UnauthorizedError | UnreachableError
        if is_untouched and isinstance(outcome, kinds_held):
            self._held.append(outcome)
            return
        if self._reason is None:
            self._show_held()
        self._show(outcome)

    def _show_held(self) -> None:
        for outcome in self._held:
            self._show(outcome)
        self._held.clear()

    def _show(self, outcome: Outcome) -> None:
        try:
            self._report.add(outcome)
        except OSError as error:  # It went to a full disk or a closed pipe.
            self._stop(f"standard output cannot be written: {error.strerror}.")
            discard_output(sys.stdout)
            show_note(json_line(outcome))

    def _stop(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._report.is_stopping = True
        self._deletions.stop()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM:  # A second one may be the first, sent on by a parent.
            _alarm(_alarm(0) or _SECONDS_AFTER_SIGTERM)
        if self._signal is None:
            self._signal = number
            self._stop("Ctrl-C." if number == signal.SIGINT else "SIGTERM.")
            if not self._report.has_bar:  # The bar says so itself.
                show_note("Stopping: what is in flight ends first. Ctrl-C ends it now.")
        elif number != signal.SIGTERM:
            if self._is_leaving:
                os._exit(128 + self._signal)
            self._is_leaving = True
            self._deletions.shutdown_timeout = 0
            _alarm(_SECONDS_TO_REPORT)  # Whoever reads the report may have stopped.
            raise KeyboardInterrupt
