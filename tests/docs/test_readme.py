"""The README works from its top, answers who must decide, and is readable on a package index."""

import os
import re
import tomllib
from itertools import product
from pathlib import Path

import pytest

from firecrawl_interact.adapters import FakeService, InMemoryTransport
from firecrawl_interact.core import DeleteSession

from .pages import ROOT, blocks, commands_of, found, open_sessions_of, run, text_of

HERE = "https://github.com/firecrawl-interact/firecrawl-interact"
TEXT = text_of("README.md")
FIRST_SCREEN = TEXT.partition("## Set it up")[0]
ANSWERS = [
    "600 seconds by default, an hour at most",
    "the free plan has two",
    "Was it ever run against the live service? | **No.**",
    "on a package index? | No",
    "macOS and Windows are expected to work, but nobody has tested them",
    "Why not `firecrawl.delete_browser(id)`?",
    f"Read [core/conversation.py]({HERE}/blob/main/core/conversation.py) first",
    "Unofficial",
]
# What the walk does not do again: a clone, an installation, and what make runs. They look around.
STAND_INS = """
clean() { test -z "$FIRECRAWL_API_URL" && test "$(ls -A | tr '\\n' ' ')" = ".venv "; }
git() { mkdir firecrawl-interact; }
pip() { test "$VIRTUAL_ENV" = "$PWD/.venv"; }
make() { clean && test -x .venv/bin/python && echo "make $*"; }
"""


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_every_link_is_absolute_and_leads_to_a_file_that_there_is(readme: str) -> None:
    links = re.findall(r"(?<=\]\()[^)]+", text_of(readme))
    assert links
    for link in links:
        assert link.startswith("https://")
        if link.startswith(HERE):
            assert (ROOT / found("/main/(.+)", link)).exists(), link


@pytest.mark.enable_socket
def test_its_commands_in_their_order_leave_nothing_behind(
    firecrawl: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_sessions_of("README.md", firecrawl)
    for name in ("temporary", "empty"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    commands = [STAND_INS, *commands_of("".join(blocks(TEXT, "console"))), "clean"]
    printed = run(["/bin/sh", "-ec", "\n".join(commands)], tmp_path / "empty")
    assert "3 of 3 sessions gone" in printed
    assert "make demo\nmake test\n" in printed
    assert printed.count(" gone deleted ") == 4


def test_make_touches_no_environment_that_a_reader_made(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("MAKE", "VENV")):  # what the make above this test was told
            monkeypatch.delenv(name)
    targets = ["demo", "test", "check", "docs", "clean"]
    printed = run(["make", "--dry-run", "--always-make", *targets], ROOT)
    assert "--clear .make\n" in printed
    assert ".venv" not in printed


def test_the_first_screen_answers_who_must_decide() -> None:
    assert not [answer for answer in ANSWERS if answer not in FIRST_SCREEN]
    assert len(FIRST_SCREEN.splitlines()) <= 40


def test_what_a_lost_session_costs_is_what_the_service_bills() -> None:
    words = r"(\d+) credits in ten minutes and (\d+) in an hour, or (\d+) and (\d+)"
    service, billed = FakeService(["fc-test"]), []
    for prompt_used, seconds in product([False, True], [600, 3600]):
        session_id = service.open_session(prompt_used=prompt_used)
        service.sleep(seconds)
        receipt = DeleteSession(InMemoryTransport(service), "fc-test")(session_id)
        billed.append(str(receipt.credits_billed))
    assert re.findall(words, FIRST_SCREEN) == [tuple(billed)]


def test_the_pythons_and_systems_it_names_are_those_of_the_classifiers() -> None:
    [(system, pythons)] = re.findall(r"tests run on (\w+) with Python ([\d., and]+)\.", TEXT)
    classifiers = "\n".join(tomllib.loads(text_of("pyproject.toml"))["project"]["classifiers"])
    assert found(r"Operating System :: .*?(\w+)$", classifiers) == system
    assert re.findall(r":: Python :: (3\.\d+)", classifiers) == re.findall(r"3\.\d+", pythons)


def test_the_size_it_names_is_that_of_the_library() -> None:
    files = [path for room in ("core", "adapters") for path in (ROOT / room).rglob("*.py")]
    library = [path for path in files if not {"cli", "conformance"} & set(path.parts)]
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in library)
    named = found(r"About ([\d,]+) lines", FIRST_SCREEN)
    assert abs(int(named.replace(",", "")) - lines) <= 500, f"it has {lines}"


def test_the_worst_rows_beside_firecrawl_py_are_rows_of_its_page() -> None:
    page = text_of("docs/with-firecrawl-py.md")
    rows = re.findall(r"^\|.*\|$", FIRST_SCREEN.partition("| | `firecrawl.delete")[2], re.MULTILINE)
    assert len(rows[1:]) == 3
    assert set(rows) <= set(page.splitlines())
    assert found(r"firecrawl-py \d+\.\d+\.\d+", FIRST_SCREEN) in page
