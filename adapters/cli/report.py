"""What a run tells whoever typed the command: its outcomes, its bar and its summary."""

import json
import logging
import math
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import click

from firecrawl_interact import core

from .lines import json_line, kind, plain_line, short_reason
from .screen import Bar, fit, is_screen, show_note, utc_time

_COLOURS = {"gone": "green", "unknown": "red"}  # by the second column; the others are yellow
_OUTCOMES = ("gone", "not_found", "failed", "not_tried")
_SUMS = ("bill_unknown", "may_still_be_billing", "done_before", "credits", "credits_billed_before")
_NEXT = (
    "Next: correct what is named above, if anything, and type the same command again: a session is"
    " billed once."
)
_SHOWN_BY_BAR = {"conversation", "scheduler"}  # modules: what they log are retries and pauses


class Report(logging.Handler):
    """Prints what becomes of the sessions, counts it, and sums it up. Prints the log, too."""

    def __init__(
        self,
        params: Mapping[str, Any],  # Any: as click passes the options
        deletions: core.Deletions,
        *,
        total: int,
        done_before: int,
    ) -> None:
        super().__init__(logging.ERROR if params["quiet"] else logging.WARNING)
        self.stopped: str | None = None  #: why the run ends early
        self._params = params
        self._deletions = deletions
        self._total = total
        self._sums: dict[str, float] = dict.fromkeys((*_OUTCOMES, *_SUMS), 0)
        self._sums["done_before"] = done_before
        self._advice: dict[str, str] = {}
        self._noted_outage = 0  # the number of its pause
        # What goes into a pipe may end on the same terminal, where a bar would be in its way.
        is_in_sight = sys.stdout.isatty() or sys.stdout.seekable()
        is_shown = is_screen(sys.stderr) and is_in_sight and not params["quiet"]
        self.bar: Bar = Bar(self._progress, is_shown=is_shown)
        self._counts_not_tried_alone = sys.stdout.isatty() and not params["as_json"]
        logger = logging.getLogger("firecrawl_interact")
        logger.addHandler(self)
        if params["verbose"]:
            self.setLevel(logging.DEBUG)
            logger.setLevel(logging.DEBUG)

    def emit(self, record: logging.LogRecord) -> None:
        """Print what the library logs, but for what the bar says, if there is one."""
        pause = self._deletions.pause
        if pause and pause.error and pause.reason == "outage" and pause.number > self._noted_outage:
            self._noted_outage = pause.number  # It begins with this record.
            until = f"until it is over, at most {self._params['deadline']:g} s (--deadline)"
            show_note(f"Outage: {pause.error.args[0]}. The run waits {until}.")
        elif not self.bar.is_shown or self._params["verbose"] or record.module not in _SHOWN_BY_BAR:
            show_note(record.getMessage())

    @property
    def has_failures(self) -> bool:
        """Whether a session is left, or was not found where that is a failure."""
        done = self._sums["gone"] + (self._sums["not_found"] if self._params["missing_ok"] else 0)
        return done < self._total or self.stopped is not None

    def add(self, outcome: core.Outcome, ended_at: str) -> None:
        """Count an outcome, and print it: `OSError`, if standard output cannot be written."""
        is_success = isinstance(outcome, core.DeletionReceipt)
        if isinstance(outcome, core.DeletionReceipt):
            self._add_receipt(outcome)
        elif not outcome.attempts:
            self._sums["not_tried"] += 1
            if self._counts_not_tried_alone:
                return
        elif isinstance(outcome, core.SessionNotFoundError):
            self._sums["not_found"] += 1
            is_success = self._params["missing_ok"]
            if not is_success:
                self._advice[kind(outcome)] = "Check the id, or allow it with --missing-ok."
        else:
            self._sums["failed"] += 1
            if outcome.advice != core.DeleteSessionError.advice:
                self._advice[kind(outcome)] = outcome.advice
        if is_success and self._params["quiet"]:
            return
        if self._params["as_json"]:
            self._print(json_line(outcome, ended_at))
        else:
            line = plain_line(outcome)
            self._print(line, _COLOURS.get(line.split(" ")[1], "yellow"))

    def _add_receipt(self, receipt: core.DeletionReceipt) -> None:
        self._sums["gone"] += 1
        if receipt.credits_billed is None:
            self._sums["bill_unknown"] += 1
        elif receipt.session_duration_ms is None and receipt.attempts == 1:
            # Only the call that settles a session gets its duration: another one had the bill.
            self._sums["credits_billed_before"] += receipt.credits_billed
        else:
            self._sums["credits"] += receipt.credits_billed

    def _print(self, line: str, colour: str | None = None) -> None:
        line = fit(line, sys.stdout)
        if colour and is_screen(sys.stdout) and not os.environ.get("NO_COLOR"):
            line = click.style(line, fg=colour)
        # In one piece: nothing must come between the rows of a line that is wrapped.
        print(self.bar.place_above(line), end="", flush=True)

    def _progress(self) -> tuple[list[str], float]:
        """Return what the bar says, the most important first, and which part is done."""
        pause = self._deletions.pause
        why = short_reason(pause.error) if pause and pause.error else ""
        ended = int(sum(self._sums[name] for name in _OUTCOMES))
        failed = f", {self._sums['failed']} failed" if self._sums["failed"] else ""
        said = [f"{ended} of {self._total}{failed}"]
        if self.stopped is not None:
            said = ["stopping, Ctrl-C ends it now;", *said]
        elif pause and pause.reason == "outage":
            said = [f"next probe in {math.ceil(pause.seconds_left)} s:", f"{why};", *said]
        elif pause:
            said = [f"{pause.reason}: {pause.seconds_left:.0f} s;", f"{said[0]}:", why]
        return said, ended / self._total if self._total else 1

    def show_summary(self) -> None:
        """Say why it ended early, if it did; what came of the sessions; and what to type next."""
        not_tried = self._sums["not_tried"]
        if not_tried and self._counts_not_tried_alone:
            with suppress(OSError):
                self._print(f"{not_tried} not-tried: into a file, each is a line.")
        if self._params["missing_ok"] and self._sums["not_found"] == self._total > 1:
            show_note(
                f"Warning: none of the {self._total} sessions was found. A list of something else"
                " and a wrong address look like this, and the real sessions go on."
            )
        if self._params["quiet"] and not self.has_failures:
            return
        self._sums["may_still_be_billing"] = self._sums["failed"] + not_tried
        why = self.stopped or ""
        advice = sorted(f"{name}: {text}" for name, text in self._advice.items() if text not in why)
        if self._sums["may_still_be_billing"]:
            advice.append(_NEXT)
        if self._params["as_json"]:
            end = {"stopped": self.stopped, "advice": advice, "ended_at": utc_time()}
            show_note(json.dumps({"sessions": self._total} | self._sums | end))
            return
        if self.stopped is not None:
            show_note(f"Stopped: {self.stopped}")
        for line in (self._sentence(), *advice):
            show_note(line)

    def _sentence(self) -> str:
        """Return the sums in words: only what is not zero."""
        words = f"{self._sums['gone'] or 'None'} of {self._total} sessions gone"
        if not self._total:
            words = "Nothing to delete"
        if self._sums["credits"]:
            words += f", {self._sums['credits']:.15g} credits"
        rest = [
            f"{number:.15g} {name.replace('_', ' ')}"
            for name, number in self._sums.items()
            if number and name not in {"gone", "credits"}
        ]
        return f"{words}{'; ' if rest else ''}{', '.join(rest)}."
