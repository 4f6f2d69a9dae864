"""How the command writes: lines that fit into a terminal, and a bar below them.

Standard output has the outcomes and nothing else. All the rest goes to standard error.
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from shutil import get_terminal_size
from textwrap import TextWrapper
from threading import Event, Thread
from typing import BinaryIO, TextIO

from firecrawl_interact.core.headers import printable

_BAR_WIDTH = 20
_MOST_ROWS = 3  # of the bar and what it says
_SECONDS_BETWEEN_BARS = 0.25
_ERASE_BELOW = "\r\x1b[J"  # from where the cursor is: at the beginning of the bar, if there is one
_ROW_UP = "\x1b[A"
_KEPT_BLANK = "\xa0"  # no row ends at it


def utc_time(shape: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    """Return the time of day in UTC, as RFC 3339 writes it."""
    return time.strftime(shape, time.gmtime())


def is_screen(stream: TextIO) -> bool:
    """Say whether a stream goes to a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def fit(text: str, stream: TextIO) -> str:
    """Wrap a line at blanks if it goes to a terminal that is narrower. JSON stays as it is."""
    columns = _columns_of(stream)
    if not stream.isatty() or len(text) <= columns or text.startswith("{"):
        return text
    return TextWrapper(
        columns, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    ).fill(text)


def _columns_of(stream: TextIO) -> int:
    columns = 0
    with suppress(OSError):  # It may be no terminal.
        columns = os.get_terminal_size(stream.fileno()).columns
    return columns or get_terminal_size().columns


def show_note(text: str) -> None:
    """Print on standard error, with the time but for JSON. If it cannot be written, it is lost."""
    stream = sys.stderr
    if not text.startswith("{"):
        text = f"{utc_time('%H:%M:%SZ') if stream.isatty() else utc_time()} {text}"
    _write(f"{fit(printable(text), stream)}\n")


def discard_output(stream: TextIO | BinaryIO) -> None:
    """Drop all that is still to be written there, or Python would fail on it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _write(text: str) -> None:
    """Write on standard error, in place of the bar if it is there.

    Nothing is buffered: a signal's handler may print amid a print, and so may the bar's thread.
    """
    stream = sys.stderr
    text = f"{_ERASE_BELOW if is_screen(stream) else ''}{text}"
    with suppress(OSError):
        os.write(stream.fileno(), text.encode(stream.encoding, "backslashreplace"))


class Bar:
    """The last rows of a terminal, which say what happens. In a `with` block, a thread draws them.

    Args:
        progress: gives what to say, in pieces, and which part is done, from 0 to 1. A row ends
            within a piece only if that is longer than a row.
        is_shown: whether there is a terminal for it, and a wish.
    """

    def __init__(self, progress: Callable[[], tuple[list[str], float]], *, is_shown: bool) -> None:
        self.is_shown: bool = is_shown
        self._progress = progress
        self._drawn = ""
        self._has_ended = Event()
        self._thread = Thread(target=self._draw_until_end, daemon=True)

    def __enter__(self) -> None:
        if self.is_shown:
            self._draw()  # at once, so that it is below the first line
            self._thread.start()

    def __exit__(self, *exception: object) -> None:
        if self.is_shown:
            self._has_ended.set()
            self._thread.join()
            self._drawn = ""
            _write("")

    def place_above(self, line: str) -> str:
        """Return what to write for a line of standard output, in one piece: the bar stays below."""
        return f"{_ERASE_BELOW}{line}\n{self._drawn}" if is_screen(sys.stdout) else f"{line}\n"

    def _draw_until_end(self) -> None:
        while not self._has_ended.wait(_SECONDS_BETWEEN_BARS):
            self._draw()

    def _draw(self) -> None:
        self._drawn = _rows(*self._progress())
        _write(self._drawn)


def _rows(pieces: list[str], done: float) -> str:
    """Return the rows of the bar. The cursor is at their beginning then."""
    from rich.cells import cell_len, set_cell_size  # noqa: PLC0415 - --help is quick

    # In the last column, the cursor may go to the next row.
    room = max(_BAR_WIDTH, _columns_of(sys.stderr) - 1)
    said = " ".join(
        piece.replace(" ", _KEPT_BLANK) if cell_len(piece) <= room else piece for piece in pieces
    )
    filled = "━" * int(done * _BAR_WIDTH)
    bar = f"{said} {filled:─<{_BAR_WIDTH}}"
    if cell_len(bar) <= room and "utf" in sys.stderr.encoding.lower():
        said = bar
    wrapper = TextWrapper(room, break_on_hyphens=False, max_lines=_MOST_ROWS, placeholder="...")
    rows = [row.replace(_KEPT_BLANK, " ") for row in wrapper.wrap(said)]
    shown = [set_cell_size(row, min(room, cell_len(row))) for row in rows]
    return "\n".join(shown) + _ROW_UP * (len(shown) - 1) + "\r"
