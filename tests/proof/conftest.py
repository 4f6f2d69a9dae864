"""What several parts of the proof need."""

import logging
import os
from collections.abc import Callable

import pytest

from .figures import PAGE, NoteFigure


@pytest.fixture(autouse=True)
def quiet_log(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody reads a million retries, and each would cost more than the call."""
    caplog.set_level(logging.CRITICAL, logger="firecrawl_interact")


@pytest.fixture
def note_figure(record_property: Callable[[str, object], None]) -> NoteFigure:
    """Print a figure, and hold the page to it; `make proof-figures` writes it there.

    The words before it begin a row of one of the page's tables.
    """

    def note(what: str, figure: int) -> None:
        record_property(what, f"{figure:,}")
        lines = PAGE.read_text(encoding="utf-8").splitlines(keepends=True)
        [place] = [number for number, line in enumerate(lines) if line.startswith(f"| {what} | ")]
        row = f"| {what} | {figure:,} |\n"
        if "PROOF_FIGURES" in os.environ:
            lines[place] = row
            PAGE.write_text("".join(lines), encoding="utf-8")
        else:
            assert lines[place] == row, "the page is out of date: run make proof-figures"

    return note
