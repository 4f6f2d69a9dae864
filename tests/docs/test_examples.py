"""Every example of the documentation runs as a reader copies it, with nothing that is not shown.

A section stands by itself. What is too long for a page is a file in docs/examples, with its tests.
"""

import re
from pathlib import Path

import pytest

from firecrawl_interact import FakeService

from .pages import PAGES, blocks, commands_of, open_sessions_of, run, run_python, sections, text_of

INVISIBLE = re.compile(r"invisible-code|<!--[^>]*```")
LANGUAGE = re.compile(r"^ *(?:```+|~~~+)([^`\n]+)$", re.MULTILINE)
RUN = {"python", "console"}
SHOWN = {"dockerfile", "ini", "text", "yaml"}
FILES = ["measuring_transport", "requests_transport", "sqlite_journal", "trio_driver"]
WIDEST = 88
SETS_UP = re.compile(r"make |cd |pip install |python3? -m venv|\. \.venv|git clone")

PYTHON = {
    (page, "\n\n".join(code)): f"{page}: {title}"
    for page in PAGES
    for title, text in sections(page)
    if (code := blocks(text, "python"))
}
COMMANDS = {
    (page, text): f"{page}: {commands_of(text)[-1]}"
    for page in PAGES
    for text in blocks(text_of(page), "console")
    if not all(SETS_UP.match(typed) for typed in commands_of(text))
}


@pytest.mark.enable_socket
@pytest.mark.parametrize("name", FILES)
def test_a_file_beside_the_pages_passes_its_own_tests(name: str, tmp_path: Path) -> None:
    run_python(text_of(f"docs/examples/{name}.py"), tmp_path)


@pytest.mark.enable_socket
@pytest.mark.parametrize(("page", "code"), PYTHON, ids=PYTHON.values())
def test_the_python_of_a_section_runs(
    page: str, code: str, firecrawl: FakeService, tmp_path: Path
) -> None:
    open_sessions_of(page, firecrawl)
    run_python(code, tmp_path)
    text = text_of(page)
    assert not [left for left in firecrawl.sessions_left_open if left not in text], "opened by it"


@pytest.mark.enable_socket
@pytest.mark.parametrize(("page", "text"), COMMANDS, ids=COMMANDS.values())
def test_a_command_prints_what_the_page_shows(
    page: str, text: str, firecrawl: FakeService, tmp_path: Path
) -> None:
    open_sessions_of(page, firecrawl)
    printed = run(["/bin/sh", "-ec", "\n".join(commands_of(text))], tmp_path).splitlines()
    shown = [line for line in text.splitlines() if not line.startswith("$ ")]
    assert not shown or printed == shown


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_no_code_that_is_not_seen_or_not_looked_after(page: str) -> None:
    assert not INVISIBLE.search(text_of(page))
    languages = {language.strip() for language in LANGUAGE.findall(text_of(page))}
    directives = {name for name in languages if re.match(r"\{(?!code)", name)}
    assert languages - directives <= RUN | SHOWN


@pytest.mark.parametrize("page", PAGES)
def test_no_code_is_wider_than_a_page_shows(page: str) -> None:
    languages = {language.strip() for language in LANGUAGE.findall(text_of(page))}
    lines = [
        line
        for name in languages
        for code in blocks(text_of(page), name)
        for line in code.splitlines()
    ]
    assert [line for line in lines if len(line) > WIDEST] == []
