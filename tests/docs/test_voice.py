"""Pages, docstrings and messages keep to VOICE.md, as far as a pattern can tell."""

import pytest

from .pages import PAGES, ROOT, text_of
from .voice import faults_of_module, faults_of_page

ENGLISH = ["CONTRIBUTING.md", "SECURITY.md", *(page for page in PAGES if page != "README.ja.md")]
MODULES = [
    str(path.relative_to(ROOT))
    for folder in ("core", "adapters")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


@pytest.mark.parametrize("page", ENGLISH)
def test_a_page_keeps_to_the_voice(page: str) -> None:
    assert faults_of_page(text_of(page)) == []


@pytest.mark.skip(reason="docstrings and messages do not follow yet")
@pytest.mark.parametrize("module", MODULES)
def test_docstrings_and_messages_keep_to_the_voice(module: str) -> None:
    assert faults_of_module(text_of(module)) == []
