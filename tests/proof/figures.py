"""The figures on the page "Why believe it", which the runs write."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

NoteFigure: TypeAlias = Callable[[str, object], None]
"""Prints a figure that a run has counted, and holds the page to it."""

PAGE = Path(__file__).parents[2] / "docs" / "why-believe-it.md"


def check_figure(what: str, figure: str) -> None:
    """Hold the page to a figure that a run has counted; `make proof-figures` writes it there.

    Args:
        what: the words before it, in a row of one of the page's tables.
        figure: as the page shows it.
    """
    lines = PAGE.read_text(encoding="utf-8").splitlines(keepends=True)
    [place] = [number for number, line in enumerate(lines) if line.startswith(f"| {what} | ")]
    row = f"| {what} | {figure} |\n"
    if "PROOF_FIGURES" in os.environ:
        lines[place] = row
        PAGE.write_text("".join(lines), encoding="utf-8")
    else:
        assert lines[place] == row, "the page is out of date: run make proof-figures"
