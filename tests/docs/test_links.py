"""Every link of the files that a reader of the clone begins with leads to somewhere.

Those of the pages are followed by Sphinx: `make docs` fails if one leads nowhere.
"""

import re

import pytest

from .pages import ROOT, text_of


@pytest.mark.parametrize("page", ["README.md", "SECURITY.md", "CONTRIBUTING.md"])
def test_every_link_leads_to_a_file_of_the_clone_or_to_somebody_else(page: str) -> None:
    links = re.findall(r"(?<=\]\()[^)#]+", text_of(page))
    assert links
    for link in links:
        assert link.startswith("https://") or (ROOT / link).exists(), link
