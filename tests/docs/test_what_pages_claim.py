"""What single pages say, beyond what their examples show when they run."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from firecrawl_interact.adapters import FakeService
from firecrawl_interact.adapters.cli.commands import command
from firecrawl_interact.adapters.conformance import CASES
from firecrawl_interact.core import TransportError

from ..cli.transcripts import transcripts
from .pages import blocks, open_sessions_of, run, run_python, sections, text_of

# FastAPI and notebooks

NOTEBOOKS = "docs/fastapi-and-notebooks.md"
[APPLICATION] = blocks(dict(sections(NOTEBOOKS))["In FastAPI"], "python")
[CELL] = blocks(text_of(NOTEBOOKS), "ipython")
CLIENT = """
from fastapi.testclient import TestClient

with TestClient(app) as client:
    for _ in range(2):
        response = client.delete("/sessions/session-1")
        print(response.status_code, response.text)
    response = client.delete("/sessions/session-2")
    print(response.status_code, response.text)
"""


@pytest.mark.enable_socket
def test_a_client_of_the_application_learns_the_fate(
    firecrawl: FakeService, tmp_path: Path
) -> None:
    firecrawl.open_session("session-1")
    gone, again, unknown = run_python(APPLICATION + CLIENT, tmp_path).splitlines()
    assert gone == again == '200 {"session_fate":"gone","credits_billed":2}'
    assert unknown.startswith('404 {"detail":{"session_fate":"gone","advice":')
    assert firecrawl.sessions_left_open == []


@pytest.mark.enable_socket
def test_a_cell_of_a_notebook_may_await(firecrawl: FakeService, tmp_path: Path) -> None:
    open_sessions_of(NOTEBOOKS, firecrawl)
    (tmp_path / "cell.ipy").write_text(f"{CELL}\nprint(receipt.session_fate)\n", encoding="utf-8")
    options = ["--no-banner", "--colors=NoColor", "--InteractiveShell.xmode=Plain"]
    printed = run([sys.executable, "-m", "IPython", *options, "cell.ipy"], tmp_path)
    assert printed.splitlines()[-1] == "SessionFate.GONE"


# When a block ends

[HANDLER] = blocks(dict(sections("docs/when-a-block-ends.md"))["Ctrl-C and SIGTERM"], "python")
BLOCK = """
import time

from firecrawl_interact.adapters import delete_session_from_environment

with delete_session_from_environment() as delete_session:
    with delete_session.on_exit("session-1"):
        print("open", flush=True)
        time.sleep(60)
"""


@pytest.mark.enable_socket
@pytest.mark.parametrize("handler", [HANDLER, ""], ids=["with the handler", "without it"])
def test_sigterm_ends_the_block_if_the_handler_is_set(
    handler: str, service: FakeService, tmp_path: Path
) -> None:
    service.open_session("session-1")
    code = [sys.executable, "-c", handler + BLOCK]
    with subprocess.Popen(code, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=60)
    assert status == (128 + signal.SIGTERM if handler else -signal.SIGTERM)
    assert service.is_open("session-1") is not bool(handler)


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


def of_the_help(pattern: str, heading: str) -> list[str]:
    """Find what stands below a heading of the help of `delete`."""
    paragraph = HELP["delete"].partition(f"{heading}:\n")[2].partition("\n\n")[0]
    return re.findall(pattern, paragraph, re.MULTILINE)


def test_the_options_are_those_of_the_help() -> None:
    assert re.findall(r"--[a-z-]+", " ".join(first_column("Options"))) == OPTIONS["delete"]


def test_a_sweep_has_the_options_of_delete_but_for_where_ids_come_from() -> None:
    assert {*OPTIONS["sweep"]} == {*OPTIONS["delete"]} - {"--from"} | {"--dry-run", "--service"}
    assert "`--dry-run`" in COMMAND["What dead processes left"]


def test_the_exit_statuses_are_those_of_the_help() -> None:
    assert first_column("Exit status") == of_the_help(r"^ +(\d+) ", "Exit status")


def test_the_keys_are_those_of_the_help_and_of_an_outcome() -> None:
    keys = of_the_help(r"\w+", "The keys of --json, null where there is none")
    printed = next(line for step in STEPS for line in step.out if line.endswith('_status": null}'))
    assert first_column("JSON") == keys == list(json.loads(printed))


@pytest.mark.parametrize("title", ["In scripts", "Completion"])
def test_each_recipe_is_typed_in_a_transcript(title: str) -> None:
    shown = re.findall(r"^```\n(.*?)^```$", COMMAND[title], re.MULTILINE | re.DOTALL)
    recipes = "".join(shown).replace('eval "$(', "").replace(')"', "").splitlines()
    assert len(recipes) == 3
    for recipe in recipes:
        typed = recipe.replace("firecrawl-interact delete", "delete")
        assert any(step.text.startswith(typed) for step in STEPS), recipe
