"""What a run tells whoever typed the command: its outcomes, its bar and its summary."""

import json
import logging
import math
import os
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import click

from firecrawl_interact import core

from .lines import advice_on, json_line, kind, plain_line, short_reason
from .screen import Bar, fit, is_screen, show_note, utc_time

_MOST_CREDITS = 1e9  # on one receipt; what is beyond it says nothing about a bill
_COLOURS = {
    core.SessionFate.GONE: "green",
    core.SessionFate.UNTOUCHED: "yellow",
    core.SessionFate.UNKNOWN: "red",
}
_OUTCOMES = ("gone", "not_found", "failed", "not_tried")
_SUMS = ("bill_unknown", "may_still_be_billing", "done_before", "credits", "credits_billed_before")


class Report(logging.Handler):
    """Prints what becomes of the sessions, counts it, and sums it up. Prints the log, too."""

    def __init__(self, params: Mapping[str, Any]) -> None:  # Any: as click passes them
        super().__init__(logging.ERROR if params["quiet"] else logging.WARNING)
        self.total = 0  #: sessions of this run
        self.sums: dict[str, float] = dict.fromkeys((*_OUTCOMES, *_SUMS), 0)  #: of the summary
        self.stopped: str | None = None  #: why the run ends early
        self.would_fail_again: bool = False  #: whether something must be corrected first
        self.may_resume: bool = True  #: whether --resume would help whoever starts again
        self._params = params
        self._deletions: core.Deletions | None = None
        self._began = time.monotonic()
        self._noted_outage = 0  # the number of its pause
        self._advice: dict[str, str] = {}
        # What goes into a pipe may end on the same terminal, where a bar would be in its way.
        is_in_sight = sys.stdout.isatty() or sys.stdout.seekable()
        self.has_bar: bool = is_screen(sys.stderr) and is_in_sight and not params["quiet"]
        self._bar = Bar(self._progress)
        logger = logging.getLogger("firecrawl_interact")
        logger.addHandler(self)
        if params["verbose"]:
            self.setLevel(logging.DEBUG)
            logger.setLevel(logging.DEBUG)

    def emit(self, record: logging.LogRecord) -> None:
        """Print what the library logs. Beside a bar, that is an outage or an error."""
        pause = self._deletions and self._deletions.pause
        if pause and pause.error and pause.reason == "outage" and pause.number > self._noted_outage:
            self._noted_outage = pause.number  # It begins with this record.
            until = f"until it is over, at most {self._params['deadline']:g} s (--deadline)"
            show_note(f"Outage: {pause.error.args[0]}. The run waits {until}.")
        elif not self.has_bar or self.level == logging.DEBUG or record.levelno >= logging.ERROR:
            show_note(record.getMessage())

    @property
    def has_failures(self) -> bool:
        """Whether a session is left, or was not found where that is a failure."""
        done = self.sums["gone"] + (self.sums["not_found"] if self._params["missing_ok"] else 0)
        return done < self.total or self.stopped is not None

    def add(self, outcome: core.Outcome, ended_at: str) -> None:
        """Count an outcome, and print it: `OSError`, if standard output cannot be written."""
        is_missing = isinstance(outcome, core.SessionNotFoundError)
        is_success = isinstance(outcome, core.DeletionReceipt) or (
            is_missing and self._params["missing_ok"]
        )
        if isinstance(outcome, core.DeletionReceipt):
            self._add_receipt(outcome)
        elif not outcome.attempts:
            self.sums["not_tried"] += 1
            if sys.stdout.isatty() and not self._params["as_json"]:
                return  # All of them are one line.
        else:
            self.sums["not_found" if is_missing else "failed"] += 1
            self.would_fail_again |= not (is_missing or outcome.transient)
            if not is_success and outcome.advice != core.DeleteSessionError.advice:
                self._advice[kind(outcome)] = advice_on(outcome)
        if is_success and self._params["quiet"]:
            return
        if self._params["as_json"]:
            self._print(json_line(outcome, ended_at))
        else:
            colour = "yellow" if is_missing else _COLOURS[outcome.session_fate]
            self._print(plain_line(outcome), colour)

    def _add_receipt(self, receipt: core.DeletionReceipt) -> None:
        self.sums["gone"] += 1
        if receipt.credits_billed is None or abs(receipt.credits_billed) > _MOST_CREDITS:
            self.sums["bill_unknown"] += 1
        elif receipt.session_duration_ms is None and receipt.attempts == 1:
            # Only the call that settles a session gets its duration: another one had the bill.
            self.sums["credits_billed_before"] += receipt.credits_billed
        else:
            self.sums["credits"] += receipt.credits_billed

    def _print(self, line: str, colour: str | None = None) -> None:
        line = fit(line, sys.stdout)
        if colour and is_screen(sys.stdout) and not os.environ.get("NO_COLOR"):
            line = click.style(line, fg=colour)
        # In one piece: nothing must come between the rows of a line that is wrapped.
        print(self._bar.place_above(line), end="", flush=True)

    def show_progress(self, deletions: core.Deletions) -> AbstractContextManager[None]:
        """Show what happens while a block lasts, with a bar where there is a terminal."""
        self._deletions = deletions
        return self._bar if self.has_bar else nullcontext()

    def _progress(self) -> tuple[str, float]:
        """Return what the bar says, the most important first, and which part is done."""
        pause = self._deletions and self._deletions.pause
        why = short_reason(pause.error) if pause and pause.error else ""
        ended = int(sum(self.sums[name] for name in _OUTCOMES))
        failed = f", {self.sums['failed']} failed" if self.sums["failed"] else ""
        counts = f"{ended} of {self.total}{failed}"
        said = f"{time.monotonic() - self._began:.0f} s; {counts}"
        if self.stopped is not None:
            said = f"stopping, Ctrl-C ends it now; {counts}"
        elif pause and pause.reason == "outage":
            said = f"next probe in {math.ceil(pause.seconds_left)} s: {why}; {counts}"
        elif pause:
            said = f"{pause.reason}: {pause.seconds_left:.0f} s; {counts}: {why}"
        return said, ended / self.total if self.total else 1

    def show_summary(self) -> None:
        """Say why it ended early, if it did; what came of the sessions; and what to type next."""
        if self.sums["not_tried"] and sys.stdout.isatty() and not self._params["as_json"]:
            with suppress(OSError):
                self._print(f"{self.sums['not_tried']} not-tried: into a file, each is a line.")
        if self._params["missing_ok"] and self.sums["not_found"] == self.total > 1:
            show_note(
                f"Warning: none of the {self.total} sessions was found. A list of something else"
                " and a wrong address look like this, and the real sessions go on."
            )
        if self._params["quiet"] and not self.has_failures:
            return
        why = self.stopped or ""
        advice = sorted(f"{name}: {text}" for name, text in self._advice.items() if text not in why)
        self.sums["may_still_be_billing"] = self.sums["failed"] + self.sums["not_tried"]
        if self.sums["may_still_be_billing"]:
            first = "correct that, and " if self.would_fail_again else ""
            hint = " With --resume FILE, it does only what is left." if self.may_resume else ""
            again = "type the same command again: a session is billed once."
            advice.append(f"Next: {first}{again}{hint}")
        if self._params["as_json"]:
            end = {"stopped": self.stopped, "advice": advice, "ended_at": utc_time()}
            show_note(json.dumps({"sessions": self.total} | self.sums | end))
            return
        for line in [*[f"Stopped: {why}"] * bool(why), self._sentence(), *advice]:
            show_note(line)

    def _sentence(self) -> str:
        """Return the sums in words: only what is not zero."""
        rest = [
            f"{number:.15g} {name.replace('_', ' ')}"
            for name, number in self.sums.items()
            if number and name not in {"gone", "credits"}
        ]
        words = f"{self.sums['gone'] or 'None'} of {self.total} sessions gone"
        if not self.total:
            words = "Nothing to delete"
        if self.sums["credits"]:
            words += f", {self.sums['credits']:.15g} credits"
        return f"{words}{'; ' if rest else ''}{', '.join(rest)}."
