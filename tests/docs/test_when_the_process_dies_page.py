"""The page's container and unit sweep what a killed process left, and then start the program."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from firecrawl_interact.adapters import FakeService

from ..postgres import Postgres, ShortLease
from .pages import blocks, text_of

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.skipif(sys.platform == "win32", reason="a FileJournal needs Linux or macOS"),
]

TEXT = text_of("docs/when-the-process-dies.md")
[CONTAINER] = blocks(TEXT, "dockerfile")
[UNIT] = blocks(TEXT, "ini")
[CRON_JOB] = blocks(TEXT, "yaml")
[LAMBDA] = [code for code in blocks(TEXT, "python") if "def sweep(event" in code]
RECORD = """
import os
import sys
from firecrawl_interact.adapters import FileJournal

directory, api_url, session_id = sys.argv[1:]
FileJournal(directory, service=api_url).opened(session_id)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def directory(service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the directory in which a killed process recorded a session, beside a program."""
    program = tmp_path / "my-app"
    program.write_text("#!/bin/sh\necho the program runs\n", encoding="utf-8")
    program.chmod(0o755)
    here = Path(sys.executable).parent
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), str(here), os.environ["PATH"]]))
    directory = tmp_path / "open-sessions"
    arguments = [str(directory), os.environ["FIRECRAWL_API_URL"], service.open_session()]
    subprocess.run([sys.executable, "-c", RECORD, *arguments], check=False, timeout=60)
    return directory


def run(command: list[str], directory: Path) -> str:
    words = [word.replace("/var/lib/my-app/open-sessions", str(directory)) for word in command]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, timeout=60)
    return done.stdout


def test_the_container_sweeps_and_then_becomes_the_program(
    service: FakeService, directory: Path
) -> None:
    found = re.search(r"^CMD (.+)$", CONTAINER, re.MULTILINE)
    assert found is not None
    assert run(json.loads(found[1]), directory).endswith("the program runs\n")
    assert service.sessions_left_open == []


def test_the_unit_sweeps_before_the_program_starts(service: FakeService, directory: Path) -> None:
    lines = dict(line.split("=", 1) for line in UNIT.splitlines() if "=" in line)
    assert list(lines)[-2:] == ["ExecStartPre", "ExecStart"]
    command = lines["ExecStartPre"].removeprefix("-/opt/my-app/bin/").split()
    assert " gone deleted " in run(command, directory)
    assert service.sessions_left_open == []


def test_the_program_starts_even_if_a_sweep_fails() -> None:
    lines = dict(line.split("=", 1) for line in UNIT.splitlines() if "=" in line)
    assert lines["ExecStartPre"].startswith("-/")
    assert "; exec my-app" in CONTAINER


@pytest.fixture
def left_in_a_fleet(
    service: FakeService, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let a process of another host leave a session in the database that the environment names."""
    monkeypatch.setenv("FIRECRAWL_INTERACT_JOURNAL", postgres.url)
    with ShortLease(postgres.url, service=os.environ["FIRECRAWL_API_URL"]) as journal:
        journal.opened(service.open_session())


@pytest.mark.usefixtures("left_in_a_fleet")
def test_the_cron_job_sweeps_the_database(
    service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = re.search(r"^ +command: (.+)$", CRON_JOB, re.MULTILINE)
    assert found is not None
    monkeypatch.setenv(
        "PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    )
    # Kubernetes puts a variable in the place of $(NAME).
    words = [
        os.path.expandvars(re.sub(r"\$\((\w+)\)", r"$\1", word)) for word in json.loads(found[1])
    ]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, timeout=60)
    assert " gone deleted " in done.stdout
    assert service.sessions_left_open == []


def test_the_cron_job_may_take_as_long_as_a_sweep_through_an_outage() -> None:
    found = re.search(r"^ +activeDeadlineSeconds: (\d+)$", CRON_JOB, re.MULTILINE)
    assert found is not None
    assert int(found[1]) > 90 + 240
    assert "concurrencyPolicy: Forbid" in CRON_JOB


@pytest.mark.usefixtures("left_in_a_fleet")
def test_the_lambda_function_sweeps_the_database(service: FakeService) -> None:
    namespace: dict[str, object] = {}
    exec(LAMBDA, namespace)  # noqa: S102 - the page's
    sweep = namespace["sweep"]
    assert callable(sweep)
    assert sweep({}, None) == {"swept": 1, "left": 0}
    assert service.sessions_left_open == []
