"""What a run tells whoever typed the command: its outcomes, its bar and its summary."""

import json
import logging
import os
import sys
import time
from contextlib import AbstractContextManager, nullcontext

import click

from firecrawl_interact.core import (
    DeleteSessionError,
    DeletionReceipt,
    Deletions,
    Outcome,
    SessionFate,
    SessionNotFoundError,
)

from .lines import advice_on, json_line, kind, plain_line, short_reason
from .screen import bar, erase_bar, fit, is_screen, show_note

_MOST_CREDITS = 1e9  # on one receipt; what is beyond it says nothing about a bill
_COLOURS = {SessionFate.GONE: "green", SessionFate.UNTOUCHED: "yellow", SessionFate.UNKNOWN: "red"}


class Report(logging.Handler):
    """Prints what becomes of the sessions, counts it, and sums it up. Prints the log, too."""

    def __init__(self, *, missing_ok: bool, as_json: bool, quiet: bool) -> None:
        super().__init__(logging.ERROR if quiet else logging.WARNING)
        self.total = 0  #: sessions of this run
        self.before = 0  #: how many more an earlier run has done
        self.stopped: str | None = None  #: why the run ends early
        self.would_fail_again: bool = False  #: whether something must be corrected first
        self._missing_ok = missing_ok
        self._as_json = as_json
        self._quiet = quiet
        self._deletions: Deletions | None = None
        self._noted_outage = 0  # the number of its pause
        self._counts = dict.fromkeys(("gone", "not_found", "failed", "not_tried"), 0)
        self._credits: float = 0
        self._bill_unknown = 0  # receipts
        self._advice: dict[str, str] = {}
        self._has_colour = is_screen(sys.stdout) and not (as_json or os.environ.get("NO_COLOR"))
        # What goes into a pipe may end on the same terminal, where a bar would be in its way.
        is_in_sight = sys.stdout.isatty() or sys.stdout.seekable()
        self.has_bar: bool = is_screen(sys.stderr) and is_in_sight and not quiet
        logging.getLogger("firecrawl_interact").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Print what the library logs. Where there is a bar, that is an outage or an error."""
        pause = self._deletions and self._deletions.pause
        if pause and pause.reason == "outage" and pause.number > self._noted_outage:
            self._noted_outage = pause.number  # It begins with this record.
            why = pause.error.args[0] if pause.error else "no request succeeds"
            show_note(f"Outage: {why}. The run waits until it is over (see --deadline).")
        elif not (self.has_bar and self._deletions and record.levelno < logging.ERROR):
            show_note(record.getMessage())

    @property
    def has_failures(self) -> bool:
        """Whether a session is left, or was not found where that is a failure."""
        done = self._counts["gone"] + (self._counts["not_found"] if self._missing_ok else 0)
        return done < self.total or self.stopped is not None

    def add(self, outcome: Outcome) -> None:
        """Count an outcome, and print it: `OSError`, if standard output cannot be written."""
        is_missing = isinstance(outcome, SessionNotFoundError)
        is_success = isinstance(outcome, DeletionReceipt) or (is_missing and self._missing_ok)
        if isinstance(outcome, DeletionReceipt):
            self._counts["gone"] += 1
            if outcome.credits_billed is None or abs(outcome.credits_billed) > _MOST_CREDITS:
                self._bill_unknown += 1
            else:
                self._credits += outcome.credits_billed
        elif not outcome.attempts:
            self._counts["not_tried"] += 1
        else:
            self._counts["not_found" if is_missing else "failed"] += 1
            if not is_success and outcome.advice != DeleteSessionError.advice:
                self._advice[kind(outcome)] = advice_on(outcome)
            self.would_fail_again |= not (is_missing or outcome.transient)
        if is_success and self._quiet:
            return
        line = json_line(outcome) if self._as_json else fit(plain_line(outcome), sys.stdout)
        if self._has_colour:
            line = click.style(line, fg="yellow" if is_missing else _COLOURS[outcome.session_fate])
        # In one piece: the bar must not come between the rows of one that is wrapped.
        print(f"{erase_bar(sys.stdout)}{line}\n", end="", flush=True)

    def show_progress(self, deletions: Deletions) -> AbstractContextManager[None]:
        """Show what happens while a block lasts, with a bar where there is a terminal."""
        self._deletions, began = deletions, time.monotonic()

        def progress() -> tuple[str, float]:
            now, why, pause = f"{time.monotonic() - began:.0f} s", "", deletions.pause
            if self.stopped is not None:
                now = "stopping, Ctrl-C ends it now"
            elif pause:
                now = f"{pause.reason}: {pause.seconds_left:.0f} s"
                why = f": {short_reason(pause.error)}" if pause.error else ""
            ended, failed = sum(self._counts.values()), self._counts["failed"]
            counts = f"{ended} of {self.total}{f', {failed} failed' if failed else ''}"
            return f"{now}; {counts}{why}", ended / self.total if self.total else 1

        return bar(progress) if self.has_bar else nullcontext()

    def show_summary(self, *, has_record: bool) -> None:
        """Say why it ended early, if it did; what came of the sessions; and what to type next."""
        missing = self._counts["not_found"]
        left = self._counts["failed"] + self._counts["not_tried"]
        if self._missing_ok and missing == self.total > 1:
            show_note(
                f"Warning: none of the {missing} sessions was found. A list of something else and"
                " a wrong address look like this, and the real sessions go on."
            )
        if self._quiet and not self.has_failures:
            return
        why = self.stopped or ""
        advice = sorted(f"{name}: {text}" for name, text in self._advice.items() if text not in why)
        if left:
            first = "correct that, and " if self.would_fail_again else ""
            hint = "" if has_record else " With --resume FILE, it does only what is left."
            again = "type the same command again: a session is billed once."
            advice.append(f"Next: {first}{again}{hint}")
        counts = self._counts | {"bill_unknown": self._bill_unknown, "may_still_be_billing": left}
        counts["done_before"] = self.before
        if self._as_json:
            start = {"sessions": self.total, **counts, "credits": self._credits}
            show_note(json.dumps({**start, "stopped": self.stopped, "advice": advice}))
            return
        for line in [*[f"Stopped: {why}"] * bool(why), self._sentence(counts), *advice]:
            show_note(line)

    def _sentence(self, counts: dict[str, int]) -> str:
        """Return the counts in words: only what is not zero."""
        gone = counts.pop("gone")
        words = (
            f"{gone or 'None'} of {self.total} sessions gone" if self.total else "Nothing to delete"
        )
        words += f", {self._credits:.15g} credits" if self._credits else ""
        rest = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count]
        return f"{words}{'; ' if rest else ''}{', '.join(rest)}."
