"""The page of the command agrees with `--help`, and its recipes do what it says they do."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import click
import pytest

from firecrawl_interact.adapters import FakeService, LoopbackService
from firecrawl_interact.adapters.cli.commands import command

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.skipif(sys.platform == "win32", reason="its recipes are for a Unix shell"),
]

TEXT = (Path(__file__).parents[2] / "docs/command.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"\n\n```\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
BIN = Path(sys.executable).parent
KEY = "fc-0123456789abcdef"
MISSING = "00000000-0000-4000-8000-000000000000"
needs_jq = pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
Shell: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def first_column(title: str) -> list[str]:
    return re.findall(r"^\| (`.+?`) \|", section(title), re.MULTILINE)


def block(beginning: str) -> str:
    [found] = [text for text in BLOCKS if text.startswith(beginning)]
    return str(found)


def help_of(name: str) -> str:
    with click.Context(command, **command.context_settings) as context:
        found = command.get_command(context, name)
        assert found is not None
        with click.Context(found, info_name=name, parent=context) as inner:
            return found.get_help(inner)


# The page and the help


def test_the_options_are_those_of_the_help() -> None:
    of_the_help = re.findall(r"^  (?:-\w, )?(--[a-z-]+)", help_of("delete"), re.MULTILINE)
    of_the_page = re.findall(r"--[a-z-]+", " ".join(first_column("Options")))
    assert of_the_page == of_the_help


def test_a_sweep_has_the_options_of_delete_but_for_where_ids_come_from() -> None:
    options = {
        name: set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", help_of(name), re.MULTILINE))
        for name in ("delete", "sweep")
    }
    assert options["sweep"] == options["delete"] - {"--from"} | {"--dry-run", "--service"}
    assert "`--dry-run`" in section("What dead processes left")


def test_the_exit_statuses_are_those_of_the_help() -> None:
    _, _, rest = help_of("delete").partition("Exit status:\n")
    of_the_help = re.findall(r"^ +(\d+) ", rest.partition("\n\n")[0], re.MULTILINE)
    assert [status.strip("`") for status in first_column("Exit status")] == of_the_help


def test_the_keys_are_those_of_the_help_and_of_an_outcome(shell: Shell) -> None:
    _, _, rest = help_of("delete").partition("The keys of --json, null where there is none:\n")
    of_the_help = re.findall(r"\w+", rest.partition("\n\n")[0])
    of_the_page = [key.strip("`") for key in first_column("JSON")]
    printed = list(json.loads(shell(f"firecrawl-interact delete --json {MISSING}").stdout))
    assert of_the_page == of_the_help == printed


# Recipes


@pytest.fixture
def service() -> FakeService:
    return FakeService([KEY, "fc-other"])


@pytest.fixture
def session_ids(service: FakeService, tmp_path: Path) -> list[str]:
    """Three sessions, in a list of ids and in a list as JSON."""
    session_ids = [service.open_session() for _ in range(3)]
    (tmp_path / "ids.txt").write_text("\n".join(session_ids) + "\n", encoding="utf-8")
    sessions = json.dumps([{"id": session_id} for session_id in session_ids])
    (tmp_path / "sessions.json").write_text(sessions, encoding="utf-8")
    return session_ids


@pytest.fixture
def api_url(service: FakeService) -> Iterator[str]:
    with LoopbackService(service) as loopback:
        yield loopback.api_url


@pytest.fixture
def shell(api_url: str, tmp_path: Path) -> Shell:
    def run(script: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        own = {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "FIRECRAWL_API_URL": api_url,
            "FIRECRAWL_API_KEY": KEY,
        }
        return subprocess.run(
            ["/bin/sh", "-c", script],
            cwd=tmp_path,
            env=variables or own,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            start_new_session=True,  # no terminal
        )

    return run


@needs_jq
def test_jq_hands_over_the_ids_of_a_list(
    service: FakeService, session_ids: list[str], shell: Shell
) -> None:
    done = shell(block("jq -r '.[].id'"))
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 3
    assert service.sessions_left_open == []


@needs_jq
def test_without_r_jq_hands_over_nothing_that_is_sent(
    service: FakeService, session_ids: list[str], shell: Shell
) -> None:
    done = shell(block("jq -r '.[].id'").replace("jq -r", "jq"))
    assert done.returncode == 2
    assert "use jq -r" in done.stderr
    assert service.sessions_left_open == session_ids


recipes_for_what_is_left = pytest.mark.parametrize(
    "beginning",
    [
        pytest.param("firecrawl-interact delete --from ids.txt --json | jq", marks=needs_jq),
        "firecrawl-interact delete --from ids.txt | awk",
    ],
)


@recipes_for_what_is_left
def test_the_output_names_what_may_still_be_billing(
    service: FakeService, session_ids: list[str], shell: Shell, tmp_path: Path, beginning: str
) -> None:
    left = service.open_session(api_key="fc-other")
    with (tmp_path / "ids.txt").open("a", encoding="utf-8") as file:
        file.write(f"{left}\n{MISSING}\n")
    assert shell(block(beginning)).stdout.split() == [left]


@recipes_for_what_is_left
def test_after_a_wrong_key_the_output_names_them_all_also_those_that_were_not_tried(
    shell: Shell, tmp_path: Path, beginning: str
) -> None:
    ids = [str(number) for number in range(40)]
    (tmp_path / "ids.txt").write_text("\n".join(ids), encoding="utf-8")
    done = shell(f"export FIRECRAWL_API_KEY=fc-wrong\n{block(beginning)}")
    assert sorted(done.stdout.split()) == sorted(ids)


@pytest.fixture
def place(tmp_path: Path, api_url: str) -> Path:
    """The folder that the recipes of cron and systemd call /opt/cleanup."""
    (tmp_path / "bin").symlink_to(BIN)
    key_file = block("FIRECRAWL_API_KEY=").replace("fc-...", KEY)
    content = f"{key_file}FIRECRAWL_API_URL={api_url}\n"
    (tmp_path / "key.env").write_text(content, encoding="utf-8")
    return tmp_path


def test_the_line_for_cron_works_in_crons_environment(
    service: FakeService, session_ids: list[str], shell: Shell, place: Path
) -> None:
    match = re.fullmatch(r"\d+ \d+ \* \* \* (.+)\n", block("17 3 * * *"))
    assert match is not None
    line = match[1].replace("/opt/cleanup", str(place))
    done = shell(line, PATH="/usr/bin:/bin", LC_ALL="C", SHELL="/bin/sh")  # no HOME, no terminal
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert service.sessions_left_open == []


def test_the_line_for_cron_says_what_failed(
    service: FakeService, session_ids: list[str], shell: Shell, place: Path
) -> None:
    line = block("17 3 * * *").removeprefix("17 3 * * * ").replace("/opt/cleanup", str(place))
    with (place / "key.env").open("a", encoding="utf-8") as file:
        file.write("FIRECRAWL_API_KEY=fc-wrong\n")
    done = shell(line, PATH="/usr/bin:/bin", LC_ALL="C", SHELL="/bin/sh")
    assert done.returncode == 1
    assert "Check the API key." in done.stderr
    assert "3 may still be billing." in done.stderr
    assert len(done.stdout.splitlines()) == 3


def unit(beginning: str, place: Path) -> str:
    return block(f"[Unit]\nDescription={beginning}").replace("/opt/cleanup", str(place))


def test_the_service_of_systemd_deletes_and_goes_on_where_it_was(
    service: FakeService, session_ids: list[str], shell: Shell, place: Path
) -> None:
    text = unit("Destroy Firecrawl sessions that", place)
    settings = dict(re.findall(r"^(\w+)=(.+)$", text, re.MULTILINE))
    lines = Path(settings["EnvironmentFile"]).read_text(encoding="utf-8").split()
    variables = dict(line.split("=", 1) for line in lines) | {"PATH": "/usr/bin:/bin"}
    assert [shell(settings["ExecStart"], **variables).returncode for _ in range(2)] == [0, 0]
    assert service.sessions_left_open == []
    assert len(service.requests) == 3


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="it is not installed")
def test_the_units_are_ones_that_systemd_takes(shell: Shell, place: Path) -> None:
    names = {"service": "Destroy Firecrawl sessions that", "timer": "Destroy Firecrawl sessions e"}
    for kind, beginning in names.items():
        path = place / f"firecrawl-cleanup.{kind}"
        path.write_text(unit(beginning, place), encoding="utf-8")
    done = shell("systemd-analyze verify --man=no ./firecrawl-cleanup.*", PATH=os.environ["PATH"])
    assert [line for line in done.stderr.splitlines() if "firecrawl-cleanup" in line] == []


# Completion


def test_each_shell_named_gets_its_completion(shell: Shell) -> None:
    shells = re.findall(r"_FIRECRAWL_INTERACT_COMPLETE=(\w+)_source", section("Completion"))
    assert shells == ["bash", "zsh", "fish"]
    for name in shells:
        done = shell(
            "firecrawl-interact",
            PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}",
            _FIRECRAWL_INTERACT_COMPLETE=f"{name}_source",
        )
        assert "_firecrawl_interact_completion" in done.stdout


def test_what_is_completed_is_the_commands_own(shell: Shell) -> None:
    done = shell(
        "firecrawl-interact",
        PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}",
        COMP_WORDS="firecrawl-interact delete --mis",
        COMP_CWORD="2",
        _FIRECRAWL_INTERACT_COMPLETE="bash_complete",
    )
    assert done.stdout == "plain,--missing-ok\n"
