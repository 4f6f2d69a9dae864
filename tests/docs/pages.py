"""What a reader sees of the documentation: its pages, their sections, and the code in them."""

import os
import re
import subprocess
import sys
from pathlib import Path

from sybil import Document
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

from firecrawl_interact import FakeService

ROOT = Path(__file__).parents[2]
DOCS = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
PAGES = ["README.md", *DOCS]

QUICK_PYTEST = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
NOBODY_KNOWS = "00000000-0000-4000-8000-000000000000"


def text_of(page: str) -> str:
    """Return what a page says."""
    return (ROOT / page).read_text(encoding="utf-8")


def found(pattern: str, text: str) -> str:
    """Return what stands at the one place that matches."""
    [words] = re.findall(pattern, text, re.MULTILINE)
    return str(words)


def blocks(text: str, language: str) -> list[str]:
    """Return the code of a text that a reader sees."""
    regions = FencedCodeBlockLexer(language)(Document(text, "page"))
    return [str(region.lexemes["source"]) for region in regions]


def sections(page: str) -> list[tuple[str, str]]:
    """Return the title and the text of each section of a page, its beginning included."""
    beginning, *rest = re.split(r"^## (.+)$", text_of(page), flags=re.MULTILINE)
    return [("the beginning", beginning), *zip(rest[::2], rest[1::2], strict=True)]


def commands_of(text: str) -> list[str]:
    """Return what a reader types into a terminal."""
    return re.findall(r"^\$ (.+)$", text, re.MULTILINE)


def open_sessions_of(page: str, service: FakeService) -> None:
    """Open the sessions that a page names. They are 754 seconds old then."""
    for session_id in dict.fromkeys(_ID.findall(text_of(page))):
        if session_id != NOBODY_KNOWS:
            service.open_session(session_id, ttl=3600)
    service.advance(754)


def run_python(code: str, folder: Path) -> str:
    """Run code as a reader's file, in a process of its own, and return what it prints.

    If it defines tests, pytest runs it.
    """
    has_tests = re.search(r"^(?:(?:async )?def test_|class Test)", code, re.MULTILINE)
    file = folder / ("test_page.py" if has_tests else "page.py")
    file.write_text(code, encoding="utf-8")
    runner = ["-m", "pytest", "-q", "-p", "pytest_asyncio.plugin"] if has_tests else ["-W", "error"]
    if "adapters.conformance" in code:  # The suite waits for what must not come.
        runner += ["-p", "xdist", "-n", "6"]
    return run([sys.executable, *runner, file.name], folder)


def run(command: list[str], folder: Path) -> str:
    """Run a command where nothing of this project is at hand but what is installed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        check=False,
        cwd=folder,
        input="yes\n",  # whatever a program asks before it destroys something
        env={**os.environ, "PATH": path, "HOME": str(folder), **QUICK_PYTEST},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
