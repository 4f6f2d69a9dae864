"""The pages stay short, and the README says how large the library is."""

import re

from .pages import DOCS, ROOT, text_of

OF_THE_ROOT = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]


def test_there_are_at_most_18_pages_beside_the_reference() -> None:
    assert len(set(DOCS) - {"docs/reference.md"}) <= 18


def test_all_pages_have_at_most_20_000_words() -> None:
    counts = {page: len(text_of(page).split()) for page in [*DOCS, *OF_THE_ROOT]}
    assert sum(counts.values()) <= 20_000, counts


def test_the_readme_says_how_many_lines_there_are_to_read() -> None:
    [said] = re.findall(
        r"About ([\d,]+) lines \(`wc -l` of `core` and `adapters`", text_of("README.md")
    )
    files = [path for folder in ("core", "adapters") for path in (ROOT / folder).rglob("*.py")]
    read = [path for path in files if not {"cli", "conformance"} & set(path.parts)]
    lines = sum(path.read_bytes().count(b"\n") for path in read)
    assert abs(int(said.replace(",", "")) - lines) <= lines / 20, f"it has {lines}"
