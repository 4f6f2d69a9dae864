"""The page counts the mutants, and those that no test notices. `make mutants` finds them."""

from .figures import check_figure
from .mutants import all_mutants, known_survivors


def test_the_page_counts_the_mutants() -> None:
    check_figure("mutants", len(all_mutants()))
    check_figure("mutants that no test notices, each with its reason", len(known_survivors()))
