"""What a run tells whoever typed the command: its outcomes, its bar and its summary."""

import json
import logging
import math
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from firecrawl_interact import core

from .lines import Sums, json_line, plain_line
from .screen import Bar, is_screen, show, show_note, utc_time

_NEXT = "Next: correct what you can, and type the same command again: a session is billed once."


class Log(logging.Handler):
    """Prints what the library logs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        show_note(record.getMessage())


class Report:
    """Prints what becomes of the sessions, and sums it up."""

    # Any: as click passes the options
    def __init__(self, params: Mapping[str, Any], deletions: core.Deletions, sums: Sums) -> None:
        self.stopped: str | None = None  #: why the run ends early
        self._params = params
        self._deletions = deletions
        self._sums = sums
        self._advice: dict[str, str] = {}
        # What goes into a pipe may end on the same terminal, where a bar would be in its way.
        is_piped = not (sys.stdout.isatty() or sys.stdout.seekable())
        is_shown = is_screen(sys.stderr) and not (is_piped or params["quiet"])
        self.bar: Bar = Bar(self._progress, is_shown=is_shown)

    @property
    def has_failures(self) -> bool:
        """Whether a session is left, or was not found where that is a failure."""
        done = self._sums.gone + (self._sums.not_found if self._params["missing_ok"] else 0)
        return done < self._sums.sessions or self.stopped is not None

    def add(self, outcome: core.Outcome, ended_at: str) -> None:
        """Count an outcome, and print it: `OSError`, if standard output cannot be written."""
        self._sums.add(outcome)
        is_missing = isinstance(outcome, core.SessionNotFoundError)
        if isinstance(outcome, core.DeletionReceipt) or (is_missing and self._params["missing_ok"]):
            if self._params["quiet"]:
                return
        elif outcome.attempts:
            if outcome.advice != core.DeleteSessionError.advice:  # _NEXT says that.
                self._advice[type(outcome).__name__] = outcome.advice
        elif sys.stdout.isatty():
            return  # Thousands of lines would hide what was tried: the summary has their number.
        is_json = self._params["as_json"]
        line = json_line(outcome, ended_at) if is_json else plain_line(outcome)
        # In one piece: nothing must come between a line and the bar.
        print(self.bar.place_above(line), end="", flush=True)

    def _progress(self) -> tuple[str, float]:
        """Return what the bar says, the most important first, and which part is done."""
        sums, pause = self._sums, self._deletions.pause
        ended = sums.gone + sums.not_found + sums.failed
        said = f"{ended} of {sums.sessions}"
        if pause and pause.error:
            what = "next probe" if pause.reason == "outage" else "rate limit: next request"
            said = f"{what} in {math.ceil(pause.seconds_left)} s; {said}: {pause.error.args[0]}"
        return said, ended / sums.sessions if sums.sessions else 1

    def show_summary(self) -> None:
        """Say why it ended early, if it did; what came of the sessions; and what to type next."""
        sums, params = self._sums, self._params
        if sums.not_tried and sys.stdout.isatty():
            show_note(f"{sums.not_tried} not-tried: into a file, each is a line.")
        if params["missing_ok"] and sums.not_found == sums.sessions > 1:
            show_note(
                f"Warning: none of the {sums.sessions} sessions was found. A list of something else"
                " and a wrong address look like this, and the real sessions go on."
            )
        if params["quiet"] and not self.has_failures:
            return
        advice = [f"{name}: {text}" for name, text in sorted(self._advice.items())]
        if sums.may_still_be_billing:
            advice.append(_NEXT)
        if params["as_json"]:
            end = {"stopped": self.stopped, "advice": advice, "ended_at": utc_time()}
            show(f"{json.dumps(msgspec.structs.asdict(sums) | end)}\n")
            return
        if self.stopped is not None:
            show_note(f"Stopped: {self.stopped}")
        for line in (str(sums), *advice):
            show_note(line)
