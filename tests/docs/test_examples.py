"""Every example of the documentation runs as a reader copies it, with nothing that is not shown."""

import re
from pathlib import Path

import pytest

from firecrawl_interact.adapters import FakeService

from .pages import PAGES, blocks, open_sessions_of, run_commands, run_python, sections, text_of

pytestmark = pytest.mark.enable_socket

INVISIBLE = re.compile("<!--(?! rivals: )|invisible-code")  # the tables between marks are written
LANGUAGE = re.compile(r"^ *(?:```+|~~~+)([^`\n]+)$", re.MULTILINE)
NOT_CODE = re.compile(r"\{(?!code)")  # a directive that places text or a picture
RUN = {"python", "console", "ipython"}
SHOWN = {"dockerfile", "ini", "text", "yaml"}
SETS_UP = re.compile(r"make |cd |pip install |python3? -m venv|\. \.venv|git clone")

RUN_ELSEWHERE = {  # from their tops, case by case
    "docs/write-your-own-journal.md",
    "docs/write-your-own-transport.md",
}
WITH_PYTHON = [
    page for page in PAGES if page not in RUN_ELSEWHERE and blocks(text_of(page), "python")
]
SECTIONS = [
    pytest.param(page, "\n\n".join(found), id=f"{page}: {title}")
    for page in WITH_PYTHON
    if len(all_of_it := sections(page)) > 1
    for title, text in all_of_it
    if (found := blocks(text, "python"))
]
COMMANDS = [
    pytest.param(page, text, id=f"{page}-{number}")
    for page in PAGES
    for number, text in enumerate(blocks(text_of(page), "console"))
    if not all(SETS_UP.match(line[2:]) for line in text.splitlines() if line.startswith("$ "))
]


@pytest.mark.parametrize("page", WITH_PYTHON)
def test_the_python_of_a_page_runs_from_its_top(
    page: str, firecrawl: FakeService, tmp_path: Path
) -> None:
    open_sessions_of(page, firecrawl)
    run_python("\n\n".join(blocks(text_of(page), "python")), tmp_path)
    text = text_of(page)
    assert not [left for left in firecrawl.sessions_left_open if left not in text], "opened by it"


@pytest.mark.parametrize(("page", "code"), SECTIONS)
def test_the_python_of_a_section_runs_by_itself(
    page: str, code: str, firecrawl: FakeService, tmp_path: Path
) -> None:
    open_sessions_of(page, firecrawl)
    run_python(code, tmp_path)


@pytest.mark.parametrize(("page", "text"), COMMANDS)
def test_a_command_prints_what_the_page_shows(
    page: str, text: str, firecrawl: FakeService, tmp_path: Path
) -> None:
    open_sessions_of(page, firecrawl)
    printed, shown = run_commands(text, tmp_path)
    assert not shown or printed == shown


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_no_code_that_a_reader_does_not_see(page: str) -> None:
    assert not INVISIBLE.search(text_of(page))


@pytest.mark.parametrize("page", PAGES)
def test_no_example_is_in_a_language_that_is_not_looked_after(page: str) -> None:
    languages = {language.strip() for language in LANGUAGE.findall(text_of(page))}
    assert {name for name in languages if not NOT_CODE.match(name)} <= RUN | SHOWN
