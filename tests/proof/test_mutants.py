"""The page counts the mutants, and those that no test notices. `make mutants` finds them."""

from .figures import NoteFigure
from .mutants import all_mutants, known_survivors


def test_the_page_counts_the_mutants(note_figure: NoteFigure) -> None:
    note_figure("mutants", len(all_mutants()))
    note_figure("mutants that no test notices, each with its reason", len(known_survivors()))
