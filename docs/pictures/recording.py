"""Play the demo on a terminal of 60 columns, and draw what it shows into docs/pictures/demo.svg.

`python -m docs.pictures.recording`, with the command on the PATH. Each row is pale until the time
when the terminal showed it. A reader who prefers no motion sees the end.
"""

import os
import pty
import re
import sys
import termios
import time
from html import escape
from itertools import groupby, pairwise
from pathlib import Path

from .svg import Picture

HERE = Path(__file__).parent
COLUMNS, HEIGHT, MARGIN = 60, 16, 10  # of a row and around all, in pixels
COLORS = {"1": "bold", "38;5;28": "green", "38;5;130": "amber", "38;5;196": "red"}
STYLE = """
text { font: 11px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: var(--ink) }
.bold { font-weight: 600 }
.green { fill: var(--green) }
.amber { fill: var(--amber) }
.red { fill: var(--red) }
.old { visibility: hidden }
@keyframes wait { from { opacity: 0.6 } }
@keyframes show { from, to { visibility: visible } }
@keyframes hide { from, to { visibility: hidden } }
@media (prefers-reduced-motion: no-preference) {
  text { animation: wait 1ms var(--at) both, hide var(--for) var(--from) }
  text.old { animation: show var(--for) var(--at) }
}
"""

Row = list[tuple[str, str]]  # characters, each with its colour


class Recording:
    """What a terminal shows: the versions of each row, each with the second when it appeared."""

    def __init__(self) -> None:
        self.versions: list[list[tuple[float, Row]]] = []
        self._screen: list[Row] = [[]]
        self._column = 0
        self._color = ""

    def show(self, text: str, now: float) -> None:
        """Act on what a program sends to its terminal."""
        for piece in re.findall(r"\x1b\[[\d;?]*[A-Za-z]|[^\x1b]", text):
            if piece == "\n":
                self._screen.append([])
            elif piece in {"\r", "\x1b[G"}:
                self._column = 0
            elif piece == "\x1b[2K":
                self._screen[-1] = []
            elif piece.startswith("\x1b"):
                self._color = COLORS.get(piece[2:-1], "")
            else:
                self._screen[-1][self._column : self._column + 1] = [(piece, self._color)]
                self._column += 1
        self.versions += [[] for _ in self._screen[len(self.versions) :]]
        for row, versions in zip(self._screen, self.versions, strict=True):
            if row and (not versions or versions[-1][1] != row):
                versions.append((now, row.copy()))


def play() -> Recording:
    """Play the demo on a terminal."""
    recording, began = Recording(), time.monotonic()

    def read(terminal: int) -> bytes:
        termios.tcsetwinsize(terminal, (60, COLUMNS))
        sent = os.read(terminal, 65536)
        recording.show(sent.decode(), time.monotonic() - began)
        return sent

    os.environ |= {"TERM": "xterm-256color", "NO_COLOR": "", "COLUMNS": str(COLUMNS)}
    if pty.spawn([sys.executable, str(HERE.parent / "examples" / "demo.py")], read):
        sys.exit("the demo has failed")
    return recording


def draw(rows: list[list[tuple[float, Row]]]) -> Picture:
    """Draw the rows."""
    text = " ".join("".join(letter for letter, _ in row[-1][1]).strip() for row in rows if row)
    picture = Picture("demo", "The demo on a terminal", text, len(rows) * HEIGHT + MARGIN, STYLE)
    for number, row in enumerate(rows, 1):
        # What is there for less than a quarter of a second is not seen.
        seen = [one for one, after in pairwise(row) if after[0] - one[0] > 0.25] + row[-1:]
        for (at, shown), until in zip(seen, [*(at for at, _ in seen[1:]), None], strict=False):
            lasts = at - seen[0][0] if until is None else until - at
            times = f"--at: {at:.2f}s; --from: {seen[0][0]:.2f}s; --for: {lasts:.2f}s"
            spans = [
                f'<tspan class="{color}">{escape("".join(letter for letter, _ in letters))}</tspan>'
                for color, letters in groupby(shown, key=lambda character: character[1])
            ]
            picture.parts.append(
                f'<text x="{MARGIN}" y="{number * HEIGHT + 1}" xml:space="preserve" style="{times}"'
                f' class="{"old" if until else ""}">{"".join(spans)}</text>'
            )
    return picture


if __name__ == "__main__":
    (HERE / "demo.svg").write_text(str(draw(play().versions)), encoding="utf-8")
