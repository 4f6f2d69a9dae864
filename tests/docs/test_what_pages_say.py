"""What pages say beyond their examples: it is so, it can be found, and it is translated."""

import json
import os
import re
import tomllib
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner

from firecrawl_interact.adapters import FakeService, InMemoryTransport
from firecrawl_interact.adapters.cli.commands import command
from firecrawl_interact.adapters.conformance import CASES
from firecrawl_interact.core import DeleteSession, TransportError

from ..cli.transcripts import transcripts
from ..core import test_ways_to_end
from . import figures, troubleshooting
from .pages import PAGES, ROOT, blocks, commands_of, found, open_sessions_of, run, sections, text_of

# The README, which must be readable on a package index

TEXT = text_of("README.md")
FIRST_SCREEN = TEXT.partition("## Try it")[0]
ANSWERS = [
    "600 seconds by default, an hour at most",
    "the free plan has two",
    "Was it ever run against the live service? | **No.**",
    "on a package index? | No",
    "macOS and Windows are expected to work, but nobody has tested them",
    "Why not `firecrawl.delete_browser(id)`?",
    "Read [core/conversation.py](core/conversation.py) first",
    "Unofficial",
]
# What the walk does not do again: an installation, and what make runs. They look around.
STAND_INS = """
clean() { test -z "$FIRECRAWL_API_URL" && test "$(ls -A | tr '\\n' ' ')" = ".venv "; }
pip() { test "$VIRTUAL_ENV" = "$PWD/.venv"; }
make() { test -z "$(ls -A)" && echo "make $*"; }
mkdir clone
cd clone
"""


@pytest.mark.parametrize("page", ["README.md", "README.ja.md", "SECURITY.md", "CONTRIBUTING.md"])
def test_every_link_leads_to_a_file_of_the_clone_or_to_somebody_else(page: str) -> None:
    links = re.findall(r"(?<=\]\()[^)#]+", text_of(page))
    assert links
    for link in links:
        assert link.startswith("https://") or (ROOT / link).exists(), link


def test_no_page_names_a_repository_of_its_own() -> None:
    texts = [text_of(page) for page in (*PAGES, "SECURITY.md", "CONTRIBUTING.md", "pyproject.toml")]
    assert "github.com/firecrawl-interact" not in "".join(texts)


ROW = re.compile(r"^ *(\|.*\|) *$", re.MULTILINE)
CODE_OR_ESCAPED = re.compile(r"`[^`]*`|\\\|")


@pytest.mark.parametrize("file", [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], ids=str)
def test_each_row_of_a_table_has_the_cells_of_its_head(file: Path) -> None:
    text = re.sub(
        r"^```.*?^```", "", file.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    for paragraph in re.split(r"\n(?! *\|)", text):
        rows = [CODE_OR_ESCAPED.sub("", row) for row in ROW.findall(paragraph)]
        assert len({row.count("|") for row in rows}) <= 1, rows


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


def test_each_variable_that_a_page_names_is_one_that_the_library_reads() -> None:
    named = set(re.findall(r"\bFIRECRAWL_[A-Z_]+", "".join(map(text_of, PAGES))))
    code = "".join(path.read_text("utf-8") for path in (ROOT / "adapters").rglob("*.py"))
    assert named
    assert [name for name in named if name not in code] == []


def test_what_a_lost_session_costs_is_what_the_service_bills() -> None:
    words = r"(\d+) credits in ten minutes and (\d+) in an hour, or (\d+) and (\d+)"
    service, billed = FakeService(["fc-test"]), []
    for prompt_used, seconds in product([False, True], [600, 3600]):
        session_id = service.open_session(prompt_used=prompt_used, ttl=3600)
        service.advance(seconds)
        receipt = DeleteSession(InMemoryTransport(service), "fc-test")(session_id)
        billed.append(str(receipt.credits_billed))
    assert re.findall(words, FIRST_SCREEN) == [tuple(billed)]


def test_the_pythons_the_system_and_the_size_that_it_names_are_so() -> None:
    [(system, pythons)] = re.findall(r"tests run on (\w+) with Python ([\d., and]+)\.", TEXT)
    classifiers = "\n".join(tomllib.loads(text_of("pyproject.toml"))["project"]["classifiers"])
    assert found(r"Operating System :: .*?(\w+)$", classifiers) == system
    assert re.findall(r":: Python :: (3\.\d+)", classifiers) == re.findall(r"3\.\d+", pythons)
    rule = (
        r"About ([\d,]+) lines \(`wc -l` of every `.py` file in `(\w+)` and `(\w+)`,"
        r" without the folders `(\w+)` and `(\w+)`\)"
    )
    [(named, *folders, one, another)] = re.findall(rule, FIRST_SCREEN)
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    library = [path for path in files if not {one, another} & set(path.parts)]
    lines = sum(path.read_bytes().count(b"\n") for path in library)
    assert abs(int(named.replace(",", "")) - lines) <= 100, f"it has {lines}"


def test_the_three_worst_rows_beside_firecrawl_py_are_rows_of_its_page() -> None:
    page = text_of("docs/with-firecrawl-py.md")
    _, *rows = FIRST_SCREEN.partition("| | `firecrawl.delete")[2].strip().splitlines()
    assert len(rows) == 4
    assert set(rows) <= set(page.splitlines())
    assert found(r"firecrawl-py \d+\.\d+\.\d+", FIRST_SCREEN) in page


def test_no_figure_of_a_page_was_changed_or_lost() -> None:
    assert figures.figures() == figures.LIST.read_text("utf-8"), (
        "does what the figure follows from say the same? Then run python -m tests.docs.figures"
    )


# The Japanese texts: the code, the sections and the tables of the English ones

JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")
NAMED = re.compile(r"`[^`\n]+`|(?<=\]\()[^)]+")  # code, and where links lead to
MENU = re.compile(r"```\{toctree\}.*?```", re.DOTALL)

pairs = pytest.mark.parametrize(
    ("english", "japanese"),
    [
        ("README.md", "README.ja.md"),
        ("docs/index.md", "docs/ja.md"),
        ("docs/getting-started.md", "docs/getting-started.ja.md"),
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
        assert not {name for name in missing if not name.endswith("ja.md") and name[0] != "#"}, (
            title
        )


@pairs
def test_each_table_has_the_same_rows(english: str, japanese: str) -> None:
    rows = [len(re.findall(r"^\|", text_of(page), re.MULTILINE)) for page in (english, japanese)]
    assert rows[0] == rows[1]


# Troubleshooting


def test_the_page_has_the_words_of_each_error_as_they_are_now() -> None:
    assert troubleshooting.page() == text_of("docs/troubleshooting.md"), (
        "the page is out of date: run python -m tests.docs.troubleshooting"
    )


# What a transport promises

PROMISES = text_of("docs/transport-promises.md")


def test_the_page_lists_each_promise_of_the_kit_once() -> None:
    section = dict(sections("docs/transport-promises.md"))["The promises"]
    promises = re.findall(r"^- (.+)$", section, re.MULTILINE)
    assert sorted(promises) == sorted({case.promise for case in CASES})


def test_the_page_says_of_each_failure_whether_the_service_may_have_acted() -> None:
    rows = re.findall(r"^\| .+ \| `(\w+Error)`.* \| .+ \| (.+) \|$", PROMISES, re.MULTILINE)
    sent = {(kind.__name__, kind.sent) for kind in TransportError.__subclasses__()}
    assert {(kind, effect != "Nothing.") for kind, effect in rows} == sent


# The command

COMMAND = dict(sections("docs/command.md"))
STEPS = [step for _, steps in transcripts() for step in steps if step.is_typed]
HELP = {name: CliRunner().invoke(command, [name, "--help"]).output for name in ("delete", "sweep")}
OPTIONS = {name: re.findall(r"^  (?:-\w, )?(--[a-z-]+)", HELP[name], re.MULTILINE) for name in HELP}


def first_column(title: str) -> list[str]:
    return re.findall(r"^\| `(.+?)` \|", COMMAND[title], re.MULTILINE)


def test_the_options_statuses_and_keys_are_those_of_the_help_and_of_an_outcome() -> None:
    assert re.findall(r"--[a-z-]+", " ".join(first_column("Options"))) == OPTIONS["delete"]
    _, _, statuses = HELP["delete"].partition("Exit status: ")
    assert first_column("Exit status") == re.findall(r"(\d+),", statuses)
    printed = next(
        line for step in STEPS for line in step.out if line.endswith('"ended_at": "..."}')
    )
    assert first_column("JSON") == list(json.loads(printed))


def test_a_sweep_has_the_options_of_delete_but_for_where_ids_come_from() -> None:
    assert {*OPTIONS["sweep"]} == {*OPTIONS["delete"]} - {"--from"} | {"--dry-run", "--service"}
    assert "`--dry-run`" in COMMAND["What dead processes left"]


def test_each_recipe_is_typed_in_a_transcript() -> None:
    recipes = blocks(COMMAND["In scripts"] + COMMAND["Completion"], "")
    typed = re.sub(r'eval "\$\((.*)\)"', r"\1", "".join(recipes))
    assert len(lines := typed.replace("firecrawl-interact delete", "delete").splitlines()) == 6
    assert not [line for line in lines if not any(step.text.startswith(line) for step in STEPS)]


# When a block ends


def test_the_table_of_ways_to_end_has_as_many_cells_as_the_page_says() -> None:
    page = text_of("docs/when-a-block-ends.md")
    [(ways, cells)] = re.findall(r"play (\d+) ways to end by three .*\n.* (\d+) cells", page)
    blocking, awaited = test_ways_to_end.BLOCKING_WAYS, test_ways_to_end.AWAITED_WAYS
    assert int(ways) == len(blocking) + len(awaited)
    assert len(test_ways_to_end.BLOCKING_USES) == len(test_ways_to_end.AWAITED_USES) == 3
    assert int(cells) == int(ways) * 3 * 2
