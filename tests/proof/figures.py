"""The page "Why believe it", whose figures the runs write."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

NoteFigure: TypeAlias = Callable[[str, int], None]
"""Prints a figure that a run has counted, and holds the page to it."""

PAGE = Path(__file__).parents[2] / "docs" / "why-believe-it.md"
