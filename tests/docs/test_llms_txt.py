"""llms.txt says what each page is about, and leads to its text."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
CONF = """
import sys
sys.path.append({docs!r})
project = "a library"
extensions = ["llms_txt", "myst_parser"]
"""
PAGES = {
    "index.md": "# A library\n\nIt does one\nthing. It does it *well*.\n\nMore.\n\n"
    "```{toctree}\n:caption: Start\n:hidden:\n\nfirst\n```\n\n"
    "```{toctree}\n:caption: Later\n:hidden:\n\nchanges\n```\n",
    "first.md": "# First steps\n\n```python\nimport it\n```\n\nYou need an id.\n",
    "changes.md": "```{include} log.txt\n```\n",
    "log.txt": "# Changes\n\nNothing yet.\n",
}


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """The pages of a small library."""
    (tmp_path / "conf.py").write_text(CONF.format(docs=str(DOCS)))
    for name, text in PAGES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def build(docs: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "--quiet", "--builder", "html", ".", "site"]
    return subprocess.run(command, cwd=docs, check=False, capture_output=True, text=True)


def test_it_names_every_page_under_its_heading_in_the_menu(docs: Path) -> None:
    done = build(docs)
    assert done.returncode == 0, done.stderr
    assert (docs / "site" / "llms.txt").read_text() == (
        "# a library\n\n> It does one thing. It does it well.\n\n"
        "## Start\n\n- [First steps](_sources/first.md.txt): You need an id.\n\n"
        "## Later\n\n- [Changes](changes.html): Nothing yet.\n"
    )


def test_its_links_hold(docs: Path) -> None:
    build(docs)
    assert broken_links(docs / "site") == []


def broken_links(site: Path) -> list[str]:
    links = re.findall(r"\]\((.+?)\)", (site / "llms.txt").read_text())
    assert links
    return [link for link in links if not (site / link).is_file()]


def test_a_page_that_does_not_say_what_it_is_about_ends_the_build(docs: Path) -> None:
    (docs / "first.md").write_text("# First steps\n")
    done = build(docs)
    assert done.returncode != 0
    assert "first: no paragraph says what the page is about" in done.stderr


def test_the_documentation_writes_it(tmp_path: Path) -> None:
    copy = shutil.copytree(DOCS, tmp_path / "docs", ignore=shutil.ignore_patterns("_build"))
    shutil.copy(DOCS.parent / "CHANGELOG.md", tmp_path)
    done = build(copy)
    assert done.returncode == 0, done.stderr
    assert (copy / "site" / "llms.txt").read_text().startswith("# firecrawl-interact\n\n> ")
    assert broken_links(copy / "site") == []
