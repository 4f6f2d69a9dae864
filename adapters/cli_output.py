"""What the command prints: outcomes as JSON lines, plain lines or a table, and its notes.

Each way of printing is a context manager that gives a function, called with every outcome as
it comes and with whether it is fine. Nothing that others wrote reaches a terminal unescaped.
"""

import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING, TypeAlias

import click
import msgspec

from firecrawl_interact.core import (
    DeleteSessionError,
    DeletionReceipt,
    SessionFate,
    SessionNotFoundError,
)

if TYPE_CHECKING:
    from rich.table import Table

Outcome: TypeAlias = DeletionReceipt | DeleteSessionError
Show: TypeAlias = Callable[[Outcome, bool], None]

TABLE_WIDTH = 80
"""In columns. What is narrower would cut the words."""

_STYLES = {
    "destroyed": "green",
    "destroyed, had crashed": "green",
    "not found": "yellow",
    "untouched": "red",
    "unknown": "bold red",
}


@contextmanager
def json_lines() -> Iterator[Show]:
    """Print every outcome as one line of JSON."""

    def show(outcome: Outcome, fine: bool) -> None:
        # Unlike msgspec's, this takes half a surrogate pair, and writes ASCII alone.
        click.echo(json.dumps(_fields(outcome)))

    yield show


@contextmanager
def plain_lines() -> Iterator[Show]:
    """Print a line for every session on standard output, or an error on the other."""

    def show(outcome: Outcome, fine: bool) -> None:
        if not fine:
            show_error(str(outcome))
            return
        cells = [_what_happened(outcome)]
        if isinstance(outcome, DeletionReceipt):
            duration, credits_billed = _bill(outcome, unknown="unknown")
            cells += [f"duration {duration}", f"credits {credits_billed}"]
        cells.append(f"attempts {outcome.attempts}")
        click.echo(f"{_shown(outcome.session_id)} {', '.join(cells)}")

    yield show


@contextmanager
def table(total: int) -> Iterator[Show]:
    """Print a row for every session as it comes, and the errors below the table."""
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.progress import (  # noqa: PLC0415 - slow to import
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    if isinstance(sys.stdout, TextIOWrapper):  # A service may say what a terminal cannot show.
        sys.stdout.reconfigure(errors="backslashreplace")
    console = Console()
    errors: list[str] = []
    headed = False

    def show(outcome: Outcome, fine: bool) -> None:
        nonlocal headed
        console.print(_row(outcome, show_header=not headed))
        headed = True
        progress.advance(task)
        if not fine:
            errors.append(str(outcome))

    try:
        with Progress(
            SpinnerColumn("line"),  # the default one is not ASCII
            TextColumn("Deleting"),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=sys.stderr.isatty(),
        ) as progress:
            task = progress.add_task("", total=total)
            yield show
    finally:
        for error in errors:
            click.echo(err=True)
            show_error(error)


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
    happened = _what_happened(outcome)
    duration, credits_billed = _bill(outcome, unknown="-")
    row.add_row(
        # As `Text`: in a plain string, [brackets] would be markup.
        Text(_shown(outcome.session_id)),
        Text(happened, style=_STYLES[happened]),
        duration,
        credits_billed,
        str(outcome.attempts),
    )
    return row


class _LogOnStandardError(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        # A StreamHandler, or click, would keep to a stream that a table replaces for a while.
        print(_printable(record.getMessage()), file=sys.stderr)


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
    message = _printable(message)
    if not sys.stderr.isatty():
        click.echo(f"Error: {message}", err=True)
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415 - slow to import

    Console(stderr=True).print(Text.assemble(("Error: ", "bold red"), message))


def show_unfinished(reason: str, session_ids: Sequence[str]) -> None:
    """Say what an early end leaves open: the first of these ids was being deleted."""
    lines = ["", reason]  # below the ^C that a terminal shows
    if session_ids:
        lines += ["May or may not be deleted:", f"  {_shown(session_ids[0])}"]
    if session_ids[1:]:
        lines += ["Not tried:", *(f"  {_shown(session_id)}" for session_id in session_ids[1:])]
    if session_ids:
        lines.append("Deleting a session again is safe: it is billed once.")
    click.echo("\n".join(lines), err=True)


def _printable(text: str) -> str:
    """Escape what would act on a terminal, or cannot be printed."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )


def _shown(session_id: str | None) -> str:
    session_id = session_id or ""
    if len(session_id) > 256:  # longer than any that can be sent
        session_id = f"{session_id[:253]}..."
    plain = session_id.isascii() and session_id.isprintable() and session_id
    return session_id if plain else ascii(session_id)


def _what_happened(outcome: Outcome) -> str:
    if isinstance(outcome, DeletionReceipt):
        return "destroyed, had crashed" if outcome.status == "failed" else "destroyed"
    if isinstance(outcome, SessionNotFoundError):
        return "not found"
    return "untouched" if outcome.session_fate is SessionFate.UNTOUCHED else "unknown"


def _bill(outcome: Outcome, unknown: str) -> tuple[str, str]:
    if not isinstance(outcome, DeletionReceipt):
        return unknown, unknown
    duration, credits_billed = outcome.session_duration_ms, outcome.credits_billed
    return (
        unknown if duration is None else _duration(duration),
        unknown if credits_billed is None else str(credits_billed),
    )


def _duration(milliseconds: int) -> str:
    seconds = milliseconds // 1000
    if not 0 <= seconds < 1_000_000:  # no session lives for so long, but a service may say so
        return f"{milliseconds}ms"
    if seconds < 60:
        return f"{milliseconds / 1000:.1f}s"
    if seconds < 3600:
        return f"{seconds // 60}m {seconds % 60:02}s"
    return f"{seconds // 3600}h {seconds % 3600 // 60:02}m"


def _fields(outcome: Outcome) -> dict[str, object]:
    fate = {"session_id": outcome.session_id, "session_fate": outcome.session_fate.value}
    if isinstance(outcome, DeletionReceipt):
        return fate | msgspec.structs.asdict(outcome)
    return {
        **fate,
        "error": type(outcome).__name__,
        "message": str(outcome),
        "transient": outcome.transient,
        "attempts": outcome.attempts,
        # What only an answer has.
        **{
            name: getattr(outcome, name, None)
            for name in ("status", "code", "request_id", "retry_after")
        },
    }
