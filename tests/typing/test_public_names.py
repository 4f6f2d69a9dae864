"""The file that only type checkers read leaves out no public name."""

import re
from pathlib import Path

from firecrawl_interact import adapters, core

TEXT = Path(__file__).with_name("public_names.py").read_text(encoding="utf-8")


def test_every_public_name_is_used_as_a_user_would() -> None:
    public = {
        f"{package.__name__}.{name}" for package in (core, adapters) for name in package.__all__
    }
    used = {f"firecrawl_interact.{name}" for name in re.findall(r"\b(?:core|adapters)\.\w+", TEXT)}
    assert public <= used
