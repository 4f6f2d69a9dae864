"""What the pages hand to cron, systemd, a container, Kubernetes and Lambda, run as these do."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from firecrawl_interact.adapters import FakeService, FileJournal

from ..postgres import PASSWORD, Postgres, ShortLease
from .pages import blocks, text_of

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.skipif(sys.platform == "win32", reason="they are for Linux"),
]

COMMAND, PROCESS = text_of("docs/command.md"), text_of("docs/when-the-process-dies.md")
[LAMBDA] = [code for code in blocks(PROCESS, "python") if "def sweep(event" in code]


def found(pattern: str, page: str) -> str:
    [words] = re.findall(pattern, page, re.MULTILINE)
    return str(words)


def words_of(text: str) -> str:
    """Return what a JSON list of words is in a shell; Kubernetes writes a variable as $(NAME)."""
    words = " ".join(f'"{word}"' for word in json.loads(text))
    return re.sub(r"\$\((\w+)\)", r"$\1", words)


CRON = found(r"^\d+ \d+ \* \* \* (.+)$", COMMAND)
SERVICE = found(r"^ExecStart=(.+ delete .+)$", COMMAND)
CONTAINER = words_of(found("^CMD (.+)$", PROCESS))
BEFORE_THE_START = found(r"^ExecStartPre=-(/.+)\nExecStart=/", PROCESS)  # "-": it may fail
CRON_JOB = words_of(found("^ +command: (.+)$", PROCESS))


@pytest.fixture
def place(service: FakeService, tmp_path: Path) -> Path:
    """The folders that the pages name, in one: a program, a list of ids, and an orphan."""
    (tmp_path / "bin").symlink_to(Path(sys.executable).parent)
    (tmp_path / "my-app").write_text("#!/bin/sh\necho the program runs\n", encoding="utf-8")
    (tmp_path / "my-app").chmod(0o755)
    key = found("^FIRECRAWL_API_KEY=.+$", COMMAND).replace("fc-...", "fc-test")
    api_url = os.environ["FIRECRAWL_API_URL"]
    (tmp_path / "key.env").write_text(f"{key}\nFIRECRAWL_API_URL={api_url}\n", encoding="utf-8")
    (tmp_path / "ids.txt").write_text(session_id := service.open_session(), encoding="utf-8")
    with FileJournal(tmp_path / "open-sessions", service=api_url) as journal:
        journal.opened(session_id)
    return tmp_path


def run(command: str, place: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as it is started there: with no terminal, no home and few variables."""
    for folder in ("/opt/cleanup", "/opt/my-app", "/var/lib/my-app"):
        command = command.replace(folder, str(place))
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=place,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        start_new_session=True,
    )


def variables_of(place: Path) -> dict[str, str]:
    lines = (place / "key.env").read_text(encoding="utf-8").split()
    path = os.pathsep.join([str(place), str(place / "bin"), "/usr/bin:/bin"])
    return {"PATH": path, **dict(line.split("=", 1) for line in lines)}


def test_the_line_for_cron_deletes_and_prints_nothing(service: FakeService, place: Path) -> None:
    done = run(CRON, place)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert service.sessions_left_open == []


def test_the_line_for_cron_says_what_failed(place: Path) -> None:
    with (place / "key.env").open("a", encoding="utf-8") as file:
        file.write("FIRECRAWL_API_KEY=fc-wrong\n")
    done = run(CRON, place)
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 1)
    assert "Check the API key." in done.stderr
    assert "1 may still be billing." in done.stderr


@pytest.mark.parametrize(
    ("command", "prints"),
    [
        pytest.param(SERVICE, " gone deleted ", id="systemd's service"),
        pytest.param(BEFORE_THE_START, " gone deleted ", id="a unit before the program starts"),
        pytest.param(CONTAINER, "the program runs\n", id="a container that becomes the program"),
    ],
)
def test_it_destroys_what_is_left_and_asks_for_nothing_when_it_is_started_again(
    service: FakeService, place: Path, command: str, prints: str
) -> None:
    done = run(command, place, **variables_of(place))
    assert done.returncode == 0
    assert prints in done.stdout
    assert service.sessions_left_open == []
    run(command, place, **variables_of(place))
    assert len(service.requests) == 1


def test_the_program_of_a_container_starts_even_if_the_sweep_fails(place: Path) -> None:
    done = run(CONTAINER, place, **variables_of(place) | {"FIRECRAWL_API_KEY": "fc-wrong"})
    assert "Check the API key." in done.stderr
    assert done.stdout.endswith("the program runs\n")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="it is not installed")
def test_the_units_are_ones_that_systemd_takes(place: Path) -> None:
    units = re.findall(r"^```\n(\[Unit\]\n.*?)^```$", COMMAND, re.MULTILINE | re.DOTALL)
    for kind, text in zip(("service", "timer"), units, strict=True):
        unit = text.replace("/opt/cleanup", str(place))
        (place / f"firecrawl-cleanup.{kind}").write_text(unit, encoding="utf-8")
    done = run("systemd-analyze verify --man=no ./firecrawl-cleanup.*", place)
    assert "firecrawl-cleanup" not in done.stderr


@pytest.fixture
def fleet(service: FakeService, postgres: Postgres) -> str:
    """A database in which a process of another host has left a session; its URL."""
    postgres.execute("DELETE FROM firecrawl_interact_open_sessions")  # what other tests have left
    with ShortLease(postgres.url, service=os.environ["FIRECRAWL_API_URL"]) as journal:
        journal.opened(service.open_session())
    return postgres.url


def test_the_cron_job_sweeps_the_database(service: FakeService, tmp_path: Path, fleet: str) -> None:
    done = run(
        CRON_JOB,
        tmp_path,
        PATH=str(Path(sys.executable).parent),
        PGPASSWORD=PASSWORD,
        FIRECRAWL_INTERACT_JOURNAL=fleet.replace(f":{PASSWORD}", ""),
        **{name: os.environ[name] for name in ("FIRECRAWL_API_KEY", "FIRECRAWL_API_URL")},
    )
    assert " gone deleted " in done.stdout
    assert (done.returncode, service.sessions_left_open) == (0, [])


def test_the_cron_job_may_take_as_long_as_a_sweep_through_an_outage() -> None:
    assert int(found(r"^ +activeDeadlineSeconds: (\d+)$", PROCESS)) > 90 + 240
    assert "concurrencyPolicy: Forbid" in PROCESS


def test_the_lambda_function_sweeps_the_database(
    service: FakeService, fleet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRECRAWL_INTERACT_JOURNAL", fleet)
    namespace: dict[str, object] = {}
    exec(LAMBDA, namespace)  # noqa: S102 - the page's
    sweep = namespace["sweep"]
    assert callable(sweep)
    assert sweep({}, None) == {"swept": 1, "left": 0}
    assert service.sessions_left_open == []
