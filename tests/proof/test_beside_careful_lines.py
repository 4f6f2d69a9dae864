"""Runs, blocks and journals leave no session where the twenty careful lines leave some."""

import os
import re

import pytest

from ..rivals.runs import play_all, table
from .figures import PAGE

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="FileJournal is for POSIX systems"),
]

THAT_VARY = re.compile(r"( \| \d+ → \d+){2} \|$", re.MULTILINE)
"""The two last cells of a row: requests and seconds."""


def test_the_page_shows_what_both_leave_and_what_nobody_knows() -> None:
    shown = PAGE.read_text(encoding="utf-8").partition("<!-- rivals: runs -->")[2].partition("<!--")
    played = table(play_all())
    assert THAT_VARY.sub("", shown[0].strip()) == THAT_VARY.sub("", played), (
        "the page is out of date: run make rivals"
    )
