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
EXCEPTIONS = {
    "adapters/cli/commands.py": "Exit status: 0",  # a list, as the command's help prints it
}


@pytest.mark.parametrize("page", ENGLISH)
def test_a_page_keeps_to_the_voice(page: str) -> None:
    assert faults_of_page(text_of(page)) == []


@pytest.mark.parametrize("module", MODULES)
def test_docstrings_and_messages_keep_to_the_voice(module: str) -> None:
    faults = faults_of_module(text_of(module))
    excepted = EXCEPTIONS.get(module)
    assert [fault for fault in faults if not (excepted and fault.startswith(excepted))] == []
