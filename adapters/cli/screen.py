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
_SECONDS_BETWEEN_BARS = 0.25
_ERASE_ROW = "\r\x1b[2K"
_HIDE_CURSOR = "\x1b[?25l"
_SHOW_CURSOR = "\x1b[?25h"


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
    text = f"{_ERASE_ROW if is_screen(stream) else ''}{text}"
    with suppress(OSError):
        os.write(stream.fileno(), text.encode(stream.encoding, "backslashreplace"))


class Bar:
    """The last row of a terminal, which says what happens. In a `with` block, a thread draws it.

    Args:
        progress: gives what to say, and which part is done, from 0 to 1.
    """

    def __init__(self, progress: Callable[[], tuple[str, float]]) -> None:
        self._progress = progress
        self._row = ""  # what stands there now
        self._has_ended = Event()
        self._thread = Thread(target=self._draw_until_end, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        self._has_ended.set()
        self._thread.join()
        self._row = ""
        _write(_SHOW_CURSOR)

    def place_above(self, line: str) -> str:
        """Return what to write for a line of standard output, in one piece: the bar stays below."""
        return f"{_ERASE_ROW}{line}\n{self._row}" if is_screen(sys.stdout) else f"{line}\n"

    def _draw_until_end(self) -> None:
        from rich.cells import cell_len, set_cell_size  # noqa: PLC0415 - --help is quick

        is_over = False
        while not is_over:
            said, done = self._progress()
            room = _columns_of(sys.stderr) - 2  # for the ^C that a terminal shows
            filled = "━" * int(done * _BAR_WIDTH)
            bar = f"{said} {filled:─<{_BAR_WIDTH}}"
            has_room = cell_len(bar) <= room and "utf" in sys.stderr.encoding.lower()
            self._row = bar if has_room else set_cell_size(said, min(room, cell_len(said)))
            _write(_HIDE_CURSOR + self._row)
            is_over = self._has_ended.wait(_SECONDS_BETWEEN_BARS)
