"""What the command prints: outcomes as JSON lines, plain lines or a table; a bar; and its notes.

Standard output has the outcomes and nothing else. All the rest goes to standard error.
"""

import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from shutil import get_terminal_size
from textwrap import fill
from typing import TYPE_CHECKING, TextIO, TypeAlias

import click

from firecrawl_interact.core import Outcome, Pause
from firecrawl_interact.core.printable import printable

from . import words
from .words import Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Show: TypeAlias = Callable[[Outcome, bool, str | None], None]
"""Prints an outcome. It is told whether that is fine, and an error's words if they are news."""

_TABLE_WIDTH = 80  # columns; what is narrower would cut the words
_BAR_WIDTH = 20
_STANDARD_ERROR = 2  # the file descriptor
_STYLES = {
    "destroyed": "green",
    "destroyed, had crashed": "green",
    "not found": "yellow",
    "not tried": "yellow",
    "untouched": "red",
    "unknown": "bold red",
}


class Output:
    """Where and how outcomes are printed.

    Args:
        as_json: whether they are one JSON object a line.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._show = show_json if as_json else show_line
        self._bar_on: TextIO | None = None
        if sys.stdout.isatty() and not as_json:
            self._bar_on = sys.stdout
        # What goes into a pipe may end on the same terminal, where a bar would be in its way.
        elif sys.stderr.isatty() and not sys.stdout.isatty() and sys.stdout.seekable():
            self._bar_on = sys.stderr

    @property
    def has_bar(self) -> bool:
        """Whether a terminal shows how it stands."""
        return self._bar_on is not None

    @contextmanager
    def printing(self, progress: Progress, pause: Callable[[], Pause | None]) -> Iterator[Show]:
        """Show how it stands while a block lasts, and give the function for the outcomes."""
        if self._bar_on is None:
            with _pauses_told(pause):
                yield self._show
            return
        from rich.console import Console  # noqa: PLC0415 - slow to import

        if isinstance(self._bar_on, TextIOWrapper):  # A service may say what it cannot show.
            self._bar_on.reconfigure(errors="backslashreplace")
        console = Console(file=self._bar_on)
        with _bar(console, progress, pause):
            yield _rows(console) if self._bar_on is sys.stdout else self._show

    def write_last(self, text: str) -> None:
        """Write from a signal's handler just before the end, and leave the terminal clean."""
        if self._bar_on is not None:
            with suppress(OSError):
                os.write(self._bar_on.fileno(), b"\r\x1b[2K\x1b[?25h")  # no line, but a cursor
        write_at_once(text)


def show_json(outcome: Outcome, fine: bool, error: str | None) -> None:
    """Print an outcome as one line of JSON."""
    # Unlike msgspec's, this takes half a surrogate pair, and writes ASCII alone.
    click.echo(json.dumps(words.fields(outcome)))


def show_line(outcome: Outcome, fine: bool, error: str | None) -> None:
    """Print an outcome as a line of standard output, or an error on the other."""
    if fine:
        click.echo(words.plain_line(outcome))
    else:
        show_on_stderr(outcome, fine, error)


def show_on_stderr(outcome: Outcome, fine: bool, error: str | None) -> None:
    """Print an outcome on standard error."""
    if error is not None:
        show_error(error)
    else:
        show_note(words.plain_line(outcome))


def _rows(console: "Console") -> Show:
    """Print a row for each outcome, and an error below its row."""
    from rich.text import Text  # noqa: PLC0415 - slow to import

    headed = False

    def show(outcome: Outcome, fine: bool, error: str | None) -> None:
        nonlocal headed
        if console.width >= _TABLE_WIDTH:
            console.print(_row(outcome, show_header=not headed))
            headed = True
        else:
            console.print(Text(words.plain_line(outcome)))
        if error is not None:
            show_error(error)

    return show


def _row(outcome: Outcome, *, show_header: bool) -> "Table":
    """Lay out one row. The widths are fixed, so that rows printed apart stand in line."""
    from rich.table import Table  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415 - slow to import

    row = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=show_header)
    row.add_column("Session", width=36, overflow="fold")  # the length of a UUID
    row.add_column("Outcome", width=11)
    row.add_column("Duration", width=8, justify="right")
    row.add_column("Credits", width=7, justify="right", overflow="fold")
    row.add_column("Attempts", width=8, justify="right")
    happened = words.what_happened(outcome)
    duration, credits_billed = words.bill(outcome, unknown="-")
    row.add_row(
        # As `Text`: in a plain string, [brackets] would be markup.
        Text(words.shown(outcome.session_id)),
        Text(happened, style=_STYLES[happened]),
        duration,
        credits_billed,
        str(outcome.attempts),
    )
    return row


@contextmanager
def _bar(
    console: "Console", progress: Progress, pause: Callable[[], Pause | None]
) -> Iterator[None]:
    from rich.live import Live  # noqa: PLC0415 - slow to import
    from rich.progress_bar import ProgressBar  # noqa: PLC0415 - slow to import
    from rich.table import Table  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415 - slow to import

    def line() -> Table:
        total = progress.total
        words = Text(progress.line(pause()), no_wrap=True, overflow="ellipsis")
        # Three columns stay free, or the ^C that a terminal shows would break the line.
        width = max(1, min(_BAR_WIDTH, console.width - len(words) - 4))
        bar = ProgressBar(total or 1, progress.done, width=width, pulse=total is None)
        row = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
        row.add_row(bar, words)
        return row

    with Live(
        get_renderable=line,
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=sys.stderr.isatty(),
    ):
        yield


@contextmanager
def _pauses_told(pause: Callable[[], Pause | None]) -> Iterator[None]:
    """Say, where there is no bar, what holds everything back."""
    ended = threading.Event()

    def watch() -> None:
        shown = 0
        while not ended.wait(0.2):
            now = pause()
            if now is not None and now.seconds_left > 1 and now.number > shown:
                shown = now.number
                reason = now.reason.capitalize()
                show_note(f"{reason}: waiting {words.clock(now.seconds_left)}.")

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()


class _LogOnStandardError(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        show_note(printable(record.getMessage()))


@contextmanager
def log_shown() -> Iterator[None]:
    """Print the library's warnings while a block lasts: they say why a call takes so long."""
    logger = logging.getLogger("firecrawl_interact")
    handler = _LogOnStandardError(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def show_error(message: str) -> None:
    """Print an error on standard error, wrapped at words if that is a terminal."""
    text = f"Error: {printable(message)}"
    if sys.stderr.isatty():
        columns = get_terminal_size().columns
        text = fill(text, columns, break_long_words=False, break_on_hyphens=False)
    show_note(text)


def show_note(text: str) -> None:
    """Print on standard error. If it cannot be written, there is nobody to tell."""
    # Not by click, which would keep to a stream that a bar replaces for a while.
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        discard_output(_STANDARD_ERROR)


def discard_output(stream: int) -> None:
    """Drop all that is still to be written there, or Python would fail over it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream)


def write_at_once(text: str) -> None:
    """Write to standard error from a signal's handler, which may have come amid a `print`."""
    with suppress(OSError):
        os.write(_STANDARD_ERROR, text.encode("ascii", "backslashreplace"))
