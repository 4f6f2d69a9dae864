"""The README works from its top, answers who must decide, and is readable on a package index."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from firecrawl_interact.adapters import FakeService, InMemoryTransport
from firecrawl_interact.core import DeleteSession

from .pages import ROOT, blocks, open_sessions_of, run, text_of

HERE = "https://github.com/firecrawl-interact/firecrawl-interact"
READMES = ["README.md", "README.ja.md"]
TEXT = text_of("README.md")
FIRST_SCREEN = TEXT.partition("## Set it up")[0]
PROJECT = tomllib.loads(text_of("pyproject.toml"))["project"]

# What the walk does not do again: a clone, an installation, and what make runs. They look around.
STAND_INS = """
clean() { test -z "$FIRECRAWL_API_URL" && test "$(ls -A | tr '\\n' ' ')" = ".venv "; }
git() { mkdir firecrawl-interact; }
pip() { test "$VIRTUAL_ENV" = "$PWD/.venv"; }
make() { clean && test -x .venv/bin/python && echo "make $*"; }
"""


@pytest.mark.parametrize("readme", READMES)
def test_every_link_is_absolute_and_leads_to_a_file_that_there_is(readme: str) -> None:
    links = re.findall(r"(?<=\]\()[^)]+", text_of(readme))
    assert links
    for link in links:
        assert link.startswith("https://")
        if link.startswith(HERE):
            _, found, path = link.removeprefix(HERE).partition("/main/")
            assert found
            assert (ROOT / path).exists(), link


@pytest.mark.enable_socket
def test_its_commands_in_their_order_leave_nothing_behind(
    firecrawl: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_sessions_of("README.md", firecrawl)
    temporary, empty = tmp_path / "temporary", tmp_path / "empty"
    temporary.mkdir()
    empty.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    lines = "".join(blocks(TEXT, "console")).splitlines()
    commands = "\n".join(line.removeprefix("$ ") for line in lines)

    printed = run(["/bin/sh", "-ec", f"{STAND_INS}\n{commands}\nclean"], empty)

    assert "3 of 3 sessions gone" in printed
    assert "make demo\nmake test\n" in printed
    assert printed.count(" gone deleted ") == 4


def test_make_touches_no_environment_that_a_reader_made() -> None:
    command = ["make", "--dry-run", "--always-make", "demo", "test", "check", "docs", "clean"]
    # What the make above this test was told is not told to this one.
    mine = {name: told for name, told in os.environ.items() if not re.match("MAKE|VENV", name)}
    done = subprocess.run(command, cwd=ROOT, env=mine, check=True, capture_output=True, text=True)
    assert "--clear .make\n" in done.stdout
    assert ".venv" not in done.stdout


@pytest.mark.parametrize(
    "answer",
    [
        "600 seconds by default, an hour at most",
        "the free plan has two",
        "Was it ever run against the live service? | **No.**",
        "on a package index? | No",
        "macOS and Windows are expected to work, but nobody has tested them",
        "Why not `firecrawl.delete_browser(id)`?",
        f"Read [core/conversation.py]({HERE}/blob/main/core/conversation.py) first",
        "Unofficial",
    ],
)
def test_the_first_screen_answers_who_must_decide(answer: str) -> None:
    assert answer in FIRST_SCREEN
    assert len(FIRST_SCREEN.splitlines()) <= 40


@pytest.mark.parametrize("seconds", [600, 3600])
@pytest.mark.parametrize("prompt_used", [False, True])
def test_what_a_lost_session_costs_is_what_the_service_bills(
    seconds: int, prompt_used: bool
) -> None:
    service = FakeService(["fc-test"])
    session_id = service.open_session(prompt_used=prompt_used)
    service.sleep(seconds)
    billed = DeleteSession(InMemoryTransport(service), "fc-test")(session_id).credits_billed
    cost = re.search(
        r"is (\d+) credits in ten minutes and (\d+) in an hour, or (\d+) and (\d+)", FIRST_SCREEN
    )
    assert cost
    assert int(cost[1 + prompt_used * 2 + (seconds == 3600)]) == billed


def test_the_pythons_and_systems_it_names_are_those_of_the_classifiers() -> None:
    named = re.search(r"The tests run on (\w+) with Python ([\d., and]+)\. On", FIRST_SCREEN)
    assert named
    pythons = re.findall(r":: Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    systems = re.findall(r"Operating System :: .*?(\w+)$", "\n".join(PROJECT["classifiers"]), re.M)
    assert ([named[1]], re.findall(r"3\.\d+", named[2])) == (systems, pythons)


def test_the_size_it_names_is_that_of_the_library() -> None:
    named = re.search(r"About ([\d,]+) lines", FIRST_SCREEN)
    assert named
    files = [path for room in ("core", "adapters") for path in (ROOT / room).rglob("*.py")]
    library = [path for path in files if not {"cli", "conformance"} & set(path.parts)]
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in library)
    assert abs(int(named[1].replace(",", "")) - lines) <= 500, f"it has {lines}"


def test_the_worst_rows_beside_firecrawl_py_are_rows_of_its_page() -> None:
    page = text_of("docs/with-firecrawl-py.md")
    rows = re.findall(r"^\|.*\|$", FIRST_SCREEN.partition("| | `firecrawl.delete")[2], re.MULTILINE)
    assert len(rows[1:]) == 3
    assert set(rows) <= set(page.splitlines())
    version = re.search(r"firecrawl-py \d+\.\d+\.\d+", FIRST_SCREEN)
    assert version
    assert version[0] in page
