"""The page says what the proof checks."""

import re

import pytest

from . import claims, claims_of_runs
from .figures import PAGE


@pytest.mark.parametrize(
    ("title", "checked"),
    [("What is claimed", claims.CLAIMS), ("Whole runs", claims_of_runs.CLAIMS)],
)
def test_the_page_makes_the_claims_that_are_checked_and_no_others(
    title: str, checked: dict[str, str]
) -> None:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")
    section, _, _ = rest.partition("\n## ")
    assert re.findall(r"^- (.+)$", section, re.MULTILINE) == list(checked.values())
