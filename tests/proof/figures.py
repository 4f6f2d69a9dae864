"""The page "Why believe it": what it claims, and its figures, which the runs write."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

NoteFigure: TypeAlias = Callable[[str, int], None]
"""Prints a figure that a run has counted, and holds the page to it."""

PAGE = Path(__file__).parents[2] / "docs" / "why-believe-it.md"


def claims_of(title: str, words: Mapping[str, str]) -> dict[str, str]:
    """Return the claims of a section of the page, which are those that are checked and no others.

    Args:
        title: of the section.
        words: some of each claim, by its name, in the order of the page.
    """
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    claims = re.findall(r"^- (.+)$", section, re.MULTILINE)
    for claim, some in zip(claims, words.values(), strict=True):
        assert some in claim, f"the page claims, and nobody checks: {claim}"
    return dict(zip(words, claims, strict=True))
