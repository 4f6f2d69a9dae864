"""What the command says: a line for each outcome, a bar, and the summary.

Standard output has the outcomes and nothing else. All the rest goes to standard error.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from shutil import get_terminal_size
from textwrap import TextWrapper
from typing import TextIO

import click

from firecrawl_interact.core import (
    DeleteSessionError,
    DeletionReceipt,
    Outcome,
    Pause,
    SessionFate,
    SessionNotFoundError,
)
from firecrawl_interact.core.headers import printable

_MOST_CREDITS = 1e9  # on one receipt; what is beyond it says nothing about a bill
_BAR_WIDTH = 20
_COLOURS = {SessionFate.GONE: "green", SessionFate.UNTOUCHED: "yellow", SessionFate.UNKNOWN: "red"}
_WORDS_OF_THE_LIBRARY = {
    "allow_plain_http=True": "--allow-plain-http",
    "or None for a": "and leave out --api-key and FIRECRAWL_API_KEY for a",
    "pass the service's key as api_key": "put the service's key into FIRECRAWL_API_KEY",
    "If you expected it to live, check the id": "Check the id, or allow it with --missing-ok",
}


def for_a_command(text: str) -> str:
    """Replace words for Python programmers by those of the command, and escape the text."""
    for theirs, ours in _WORDS_OF_THE_LIBRARY.items():
        text = text.replace(theirs, ours)
    return printable(text)


def json_line(outcome: Outcome) -> str:
    """Return an outcome as a JSON object. Receipts and errors have the same keys."""
    receipt = outcome if isinstance(outcome, DeletionReceipt) else None
    error = outcome if isinstance(outcome, DeleteSessionError) else None
    return json.dumps(
        {
            "session_id": outcome.session_id,
            "outcome": _name(outcome),
            "session_fate": outcome.session_fate.value,
            "attempts": outcome.attempts,
            "http_status": 200 if receipt else getattr(error, "status", None),
            "message": error and for_a_command(str(error)),
            **{name: getattr(error, name, None) for name in ("code", "request_id", "retry_after")},
            "transient": error and error.transient,
            "session_duration_ms": receipt and receipt.session_duration_ms,
            "credits_billed": receipt and receipt.credits_billed,
            "session_status": receipt and receipt.status,
        }
    )


def plain_line(outcome: Outcome) -> str:
    """Return an outcome in columns, the same for all. Only the last one has blanks in it."""
    billed = lived = None
    remarks = [f"{outcome.attempts} attempts"] if outcome.attempts > 1 else []
    if isinstance(outcome, DeleteSessionError):
        remarks.append(printable(outcome.args[0]))
    else:
        billed, lived = outcome.credits_billed, outcome.session_duration_ms
        remarks += ["the browser had crashed"] if outcome.status == "failed" else []
    fate = outcome.session_fate.value
    columns = [outcome.session_id, fate, _name(outcome)]
    columns.append(f"credits={'-' if billed is None else billed}")
    columns.append(f"seconds={'-' if lived is None else lived // 1000}")
    return " ".join([*columns, ": ".join(remarks)]).rstrip()


def _name(outcome: Outcome) -> str:
    return "deleted" if isinstance(outcome, DeletionReceipt) else type(outcome).__name__


@dataclass
class Report:
    """Prints what becomes of the sessions, counts it, and sums it up."""

    total: int  #: sessions
    before: int  #: how many of them an earlier run has deleted
    missing_ok: bool  #: whether a session that is not found is a success
    as_json: bool
    quiet: bool  #: whether nothing but failures is printed
    is_stopping: bool = False  #: whether nothing new is sent

    def __post_init__(self) -> None:
        self._gone = self.before
        self._not_found = self._failed = 0
        self._credits: float = 0
        self._unknown = 0  # receipts without a figure
        self._advice: dict[str, str] = {}
        self._began = time.monotonic()
        self._has_colour = _is_screen(sys.stdout) and not os.environ.get("NO_COLOR")
        # What goes into a pipe may end on the same terminal, where a bar would be in its way.
        is_in_sight = sys.stdout.isatty() or sys.stdout.seekable()
        self.has_bar: bool = _is_screen(sys.stderr) and is_in_sight and not self.quiet
        level = logging.ERROR if self.has_bar or self.quiet else logging.WARNING
        logging.getLogger("firecrawl_interact").setLevel(level)

    @property
    def has_failures(self) -> bool:
        """Whether a session is left, or was not found where that is a failure."""
        return self._gone < self.total or (self._not_found > 0 and not self.missing_ok)

    def add(self, outcome: Outcome) -> None:
        """Count an outcome, and print it.

        Raises:
            OSError: standard output cannot be written.
        """
        is_missing = isinstance(outcome, SessionNotFoundError)
        is_success = isinstance(outcome, DeletionReceipt) or (is_missing and self.missing_ok)
        self._gone += outcome.session_fate is SessionFate.GONE
        self._failed += outcome.session_fate is not SessionFate.GONE
        self._not_found += is_missing
        if isinstance(outcome, DeleteSessionError):
            if not is_success and outcome.advice != DeleteSessionError.advice:
                self._advice[_name(outcome)] = outcome.advice
        elif outcome.credits_billed is None or abs(outcome.credits_billed) > _MOST_CREDITS:
            self._unknown += 1
        else:
            self._credits += outcome.credits_billed
        if is_success and self.quiet:
            return
        line = json_line(outcome) if self.as_json else _fit(plain_line(outcome), sys.stdout)
        if self._has_colour and not self.as_json:
            line = click.style(line, fg="yellow" if is_missing else _COLOURS[outcome.session_fate])
        if self.has_bar and sys.stdout.isatty():
            line = f"\r\x1b[2K{line}"  # It takes the place of the bar, which is drawn anew below.
        print(line, flush=True)

    @contextmanager
    def show_bar(self, pause: Callable[[], Pause | None]) -> Iterator[None]:
        """Show the progress while a block lasts, and what holds the run back."""
        if not self.has_bar:
            yield
            return
        from rich.console import Console  # noqa: PLC0415 - slow to import
        from rich.live import Live  # noqa: PLC0415 - slow to import
        from rich.text import Text  # noqa: PLC0415 - slow to import

        def line() -> Text:
            now = f"{time.monotonic() - self._began:.0f} s"
            if self.is_stopping:
                now = "stopping, Ctrl-C ends it now"
            elif held := pause():
                now = f"{held.reason}: {held.seconds_left:.0f} s"
            ended = self._gone + self._failed
            filled = ended * _BAR_WIDTH // max(1, self.total)
            text = Text(f"{now}; {ended} of {self.total}, {self._failed} failed ")
            text.append("━" * filled, "green").append("━" * (_BAR_WIDTH - filled), "bright_black")
            text.truncate(console.width - 4)  # ^C, which a terminal shows, must not break the line.
            return text

        console = Console(stderr=True)
        with Live(
            console=console,
            get_renderable=line,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        ):
            yield

    def show_summary(self, reason: str | None, *, has_record: bool) -> None:
        """Say why it ended early, if it did; what came of the sessions; and what to type next."""
        if self.quiet and not self.has_failures and reason is None:
            return
        left = self.total - self._gone
        counts = [(self.before, "before"), (self._not_found, "not found")]
        remarks = ", ".join(f"{count} {what}" for count, what in counts if count)
        unknown = f" ({self._unknown} unknown)" if self._unknown else ""
        lines = [] if reason is None else [f"Stopped: {reason}"]
        lines.append(
            f"{self._gone} of {self.total} sessions gone{remarks and f' ({remarks})'},"
            f" {self._credits:.15g} credits{unknown}; {self._failed} failed,"
            f" {left - self._failed} not tried, {left} may still be billing."
        )
        lines += [f"{name}: {advice}" for name, advice in self._advice.items()]
        if left:
            hint = "" if has_record else " With --resume FILE, it does only what is left."
            lines.append(f"Next: type the same command again: a session is billed once.{hint}")
        for line in lines:
            show_note(line)


def show_note(text: str) -> None:
    """Print on standard error. If that cannot be written, the text is lost."""
    try:
        print(_fit(for_a_command(text), sys.stderr), file=sys.stderr, flush=True)
    except OSError:
        discard_output(sys.stderr)
    except RuntimeError:  # A signal's handler prints this during another print.
        os.write(sys.stderr.fileno(), f"{text}\n".encode("ascii", "backslashreplace"))


def discard_output(stream: TextIO) -> None:
    """Drop all that is still to be written there, or Python would fail on it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _is_screen(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _fit(text: str, stream: TextIO) -> str:
    """Wrap a line at blanks if it goes to a terminal that is narrower."""
    if not stream.isatty() or len(text) <= (columns := get_terminal_size().columns):
        return text
    return TextWrapper(
        columns, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    ).fill(text)
