"""The README can be read where the repository is not: on a package index."""

import re

import pytest

from .pages import ROOT, text_of

HERE = "https://github.com/firecrawl-interact/firecrawl-interact"
READMES = ["README.md", "README.ja.md"]


@pytest.mark.parametrize("readme", READMES)
def test_every_link_is_absolute_and_leads_to_a_file_that_there_is(readme: str) -> None:
    links = re.findall(r"(?<=\]\()[^)]+", text_of(readme))
    assert links
    for link in links:
        assert link.startswith("https://")
        if link.startswith(HERE):
            _, found, path = link.removeprefix(HERE).partition("/main/")
            assert found
            assert (ROOT / path).exists(), link
