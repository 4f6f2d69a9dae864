"""How the command writes: lines that fit into a terminal, and a bar below them.

Standard output has the outcomes and nothing else. All the rest goes to standard error.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from shutil import get_terminal_size
from textwrap import TextWrapper
from typing import TextIO

from firecrawl_interact.core.headers import printable

_BAR_WIDTH = 20


def is_screen(stream: TextIO) -> bool:
    """Say whether a stream goes to a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def fit(text: str, stream: TextIO) -> str:
    """Wrap a line at blanks if it goes to a terminal that is narrower. JSON stays as it is."""
    columns = get_terminal_size().columns
    if not stream.isatty() or len(text) <= columns or text.startswith("{"):
        return text
    return TextWrapper(
        columns, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    ).fill(text)


def erase_bar(stream: TextIO) -> str:
    """Return what to write before a line: the bar may stand in the row where it will be."""
    return "\r\x1b[2K" if is_screen(stream) else ""


def show_note(text: str) -> None:
    """Print on standard error. If that cannot be written, the text is lost."""
    stream = sys.stderr
    line = f"{erase_bar(stream)}{fit(printable(text), stream)}\n"
    with suppress(OSError):  # Nothing is buffered: a signal's handler may print amid a print.
        os.write(stream.fileno(), line.encode(stream.encoding, "backslashreplace"))


def discard_output(stream: TextIO) -> None:
    """Drop all that is still to be written there, or Python would fail on it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def bar(progress: Callable[[], tuple[str, float]]) -> Iterator[None]:
    """Show a bar while a block lasts, with what is said and which part is done, from 0 to 1."""
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.live import Live  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415 - slow to import

    def line() -> Text:
        said, done = progress()
        filled = int(done * _BAR_WIDTH)
        rest = ("━" * (_BAR_WIDTH - filled), "bright_black")
        text = Text.assemble(f"{said} ", ("━" * filled, "green"), rest)
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
