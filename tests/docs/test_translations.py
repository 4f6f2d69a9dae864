"""The Japanese texts are complete: the code, the sections and the tables of the English ones."""

import re

import pytest

from .pages import blocks, sections, text_of

JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")
NAMED = re.compile(r"`[^`\n]+`|(?<=\]\()[^)]+")  # code, and where links lead to
MENU = re.compile(r"```\{toctree\}.*?```", re.DOTALL)

pairs = pytest.mark.parametrize(
    ("english", "japanese"),
    [
        ("README.md", "README.ja.md"),
        ("docs/index.md", "docs/ja.md"),
        ("docs/outcomes.md", "docs/outcomes.ja.md"),
        ("docs/command.md", "docs/command.ja.md"),
    ],
)


@pairs
def test_the_code_is_the_same(english: str, japanese: str) -> None:
    for language in ("python", "console"):
        assert blocks(text_of(japanese), language) == blocks(text_of(english), language)


@pairs
def test_each_section_has_its_translation_which_names_the_same(english: str, japanese: str) -> None:
    for (_, ours), (title, theirs) in zip(sections(english), sections(japanese), strict=True):
        assert title == "the beginning" or JAPANESE.search(title)
        named = set(NAMED.findall(theirs.replace("/ja/", "/").replace(".ja.md", ".md")))
        missing = set(NAMED.findall(MENU.sub("", ours))) - named
        assert not {name for name in missing if not name.endswith("ja.md")}, title


@pairs
def test_each_table_has_the_same_rows(english: str, japanese: str) -> None:
    rows = [len(re.findall(r"^\|", text_of(page), re.MULTILINE)) for page in (english, japanese)]
    assert rows[0] == rows[1]
