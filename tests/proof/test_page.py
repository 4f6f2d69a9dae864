"""The page says what the proof checks."""

import re

from .claims import CLAIMS
from .figures import PAGE


def test_the_page_makes_the_claims_that_are_checked_and_no_others() -> None:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition("\n## What is claimed\n")
    section, _, _ = rest.partition("\n## ")
    assert re.findall(r"^- (.+)$", section, re.MULTILINE) == list(CLAIMS.values())
