"""The file that only type checkers read leaves out no public name."""

import re
from pathlib import Path

import pytest

import firecrawl_interact.adapters
import firecrawl_interact.core

TEXT = Path(__file__).with_name("public_names.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", [*firecrawl_interact.core.__all__, *firecrawl_interact.adapters.__all__]
)
def test_every_public_name_is_used_as_a_user_would(name: str) -> None:
    assert len(re.findall(rf"\b{name}\b", TEXT)) >= 2  # imported, and used
