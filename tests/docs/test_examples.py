"""Every example of the documentation runs: its Python as it stands, its commands in a shell."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from firecrawl_interact.adapters import FakeService

pytestmark = pytest.mark.enable_socket

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^ *(?:```+|~~~+)([^`\n]+)$", re.MULTILINE)
NOT_CODE = re.compile(r"\{(?!code)")  # a directive that places text or a picture
SETS_UP = re.compile(r"make |pip install ")  # what a continuous build runs anyway


def run_commands(example: Example) -> None:
    """Run a terminal's text: what follows `$` in one shell, and compare what it prints."""
    lines: list[str] = str(example.parsed).splitlines()
    commands = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    if all(SETS_UP.match(command) for command in commands):
        return
    here = Path(sys.executable).parent
    done = subprocess.run(
        ["/bin/sh", "-c", "\n".join(commands)],
        check=False,
        env={**os.environ, "PATH": f"{here}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == [line for line in lines if not line.startswith("$ ")]


SYBIL = Sybil([PythonCodeBlockParser(), CodeBlockParser("console", run_commands)])


@pytest.mark.parametrize("document_name", DOCUMENTS)
def test_every_example_runs(document_name: str, firecrawl: FakeService) -> None:
    firecrawl.open_session("550e8400-e29b-41d4-a716-446655440000")
    document = SYBIL.parse(ROOT / document_name)
    document.namespace["firecrawl"] = firecrawl
    for example in document.examples():
        example.evaluate()
    for name, value in list(document.namespace.items()):
        if name.startswith("test_"):
            value()


@pytest.mark.parametrize("document_name", DOCUMENTS)
def test_no_example_is_in_a_language_that_does_not_run(document_name: str) -> None:
    text = (ROOT / document_name).read_text(encoding="utf-8")
    languages = {language.strip() for language in FENCE.findall(text)}
    assert {name for name in languages if not NOT_CODE.match(name)} <= {"python", "console"}
