"""How the command writes: notes on standard error, and a bar below all that a terminal shows.

Standard output has the outcomes and nothing else. All the rest goes to standard error.
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from textwrap import wrap
from threading import Event, Thread
from typing import TextIO

from firecrawl_interact.core.log import printable

_BAR_WIDTH = 20
_MOST_ROWS = 6  # of the bar and what it says
_SECONDS_BETWEEN_BARS = 0.25
_ERASE_BELOW = "\r\x1b[J"  # from where the cursor is: at the beginning of the bar, if there is one
_ROW_UP = "\x1b[A"


def utc_time(shape: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    """Return the time of day in UTC, as RFC 3339 writes it."""
    return time.strftime(shape, time.gmtime())


def is_screen(stream: TextIO) -> bool:
    """Say whether a stream goes to a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def show_note(text: str) -> None:
    """Print on standard error, with the time. If it cannot be written, it is lost."""
    now = utc_time("%H:%M:%SZ") if sys.stderr.isatty() else utc_time()
    show(f"{now} {printable(text)}\n")


def show(text: str) -> None:
    """Write on standard error, in place of the bar if it is there.

    Nothing is buffered: a signal's handler may print amid a print, and so may the bar's thread.
    """
    stream = sys.stderr
    text = f"{_ERASE_BELOW if is_screen(stream) else ''}{text}"
    with suppress(OSError):
        os.write(stream.fileno(), text.encode(stream.encoding, "backslashreplace"))


class Bar:
    """The last rows of a terminal: what happens now. In a `with` block, a thread draws them."""

    def __init__(self, progress: Callable[[], tuple[str, float]], *, is_shown: bool) -> None:
        self._is_shown = is_shown
        self._progress = progress  # what to say, and which part is done, from 0 to 1
        self._drawn = ""
        self._has_ended = Event()
        self._thread = Thread(target=self._draw_until_end, daemon=True)

    def __enter__(self) -> None:
        if self._is_shown:
            self._draw()  # at once, so that it is below the first line
            self._thread.start()

    def __exit__(self, *exception: object) -> None:
        if self._is_shown:
            self._has_ended.set()
            self._thread.join()  # What is shown next takes its place.

    def place_above(self, line: str) -> str:
        """Return what to write for a line of standard output, in one piece: the bar stays below."""
        return f"{_ERASE_BELOW}{line}\n{self._drawn}" if is_screen(sys.stdout) else f"{line}\n"

    def _draw_until_end(self) -> None:
        while not self._has_ended.wait(_SECONDS_BETWEEN_BARS):
            self._draw()

    def _draw(self) -> None:
        self._drawn = _rows(*self._progress())
        show(self._drawn)


def _rows(said: str, done: float) -> str:
    """Return the rows of the bar. The cursor is at their beginning then."""
    columns = 0
    with suppress(OSError):  # The terminal may have been closed.
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    # In the last column, the cursor may go to the next row.
    room = max(_BAR_WIDTH, (columns or 80) - 1)
    if not said.isascii():
        room //= 2  # A character of Japanese, for instance, takes two columns.
    text = f"{said} {'#' * int(done * _BAR_WIDTH):-<{_BAR_WIDTH}}"
    rows = wrap(text, room)[:_MOST_ROWS]
    return "\n".join(rows) + _ROW_UP * (len(rows) - 1) + "\r"
