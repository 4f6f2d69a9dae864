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
from .pages import blocks, found, text_of

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.skipif(sys.platform == "win32", reason="they are for Linux"),
]

COMMAND, PROCESS = text_of("docs/command.md"), text_of("docs/when-the-process-dies.md")
[LAMBDA] = [code for code in blocks(PROCESS, "python") if "def sweep(event" in code]


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
    (tmp_path / "ids.txt").write_text(session_id := service.open_session(), encoding="utf-8")
    with FileJournal(
        tmp_path / "open-sessions", service=os.environ["FIRECRAWL_API_URL"]
    ) as journal:
        journal.opened(session_id)
    return tmp_path


def start(command: str, place: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as it is started there: with no terminal, no home and few variables."""
    for folder in ("/opt/cleanup", "/opt/my-app", "/var/lib/my-app"):
        command = command.replace(folder, str(place))
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=place,
        env={"PATH": f"{place}:{place}/bin:/usr/bin:/bin", "LC_ALL": "C", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        start_new_session=True,
    )


def give(key: str, place: Path) -> dict[str, str]:
    """Write the file of variables that the pages name, and return them."""
    shown = found("^FIRECRAWL_API_KEY=.+$", COMMAND).replace("fc-...", key)
    lines = [shown, f"FIRECRAWL_API_URL={os.environ['FIRECRAWL_API_URL']}"]
    (place / "key.env").write_text("\n".join(lines), encoding="utf-8")
    return dict(line.split("=", 1) for line in lines)


def test_the_line_for_cron_prints_nothing_unless_it_failed(
    service: FakeService, place: Path
) -> None:
    give("fc-wrong", place)
    failed = start(CRON, place)
    assert (failed.returncode, len(failed.stdout.splitlines())) == (1, 1)
    assert "Check the API key." in failed.stderr
    assert "1 may still be billing." in failed.stderr
    give("fc-test", place)
    done = start(CRON, place)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert service.sessions_left_open == []


@pytest.mark.parametrize(
    ("command", "at_last"),
    [
        pytest.param(SERVICE, "", id="systemd's service"),
        pytest.param(BEFORE_THE_START, "", id="a unit before the program starts"),
        pytest.param(CONTAINER, "the program runs\n", id="a container that becomes the program"),
    ],
)
def test_it_says_what_failed_destroys_what_is_left_and_then_asks_for_nothing(
    service: FakeService, place: Path, command: str, at_last: str
) -> None:
    keys = ("fc-wrong", "fc-test", "fc-test")
    failed, done, again = (start(command, place, **give(key, place)) for key in keys)
    assert "Check the API key." in failed.stderr
    assert " gone deleted " in done.stdout
    assert (done.returncode, again.returncode, service.sessions_left_open) == (0, 0, [])
    assert len(service.requests) == 2
    assert all(one.stdout.endswith(at_last) for one in (failed, done, again))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="it is not installed")
def test_the_units_are_ones_that_systemd_takes(place: Path) -> None:
    units = re.findall(r"^```\n(\[Unit\]\n.*?)^```$", COMMAND, re.MULTILINE | re.DOTALL)
    for kind, text in zip(("service", "timer"), units, strict=True):
        unit = text.replace("/opt/cleanup", str(place))
        (place / f"firecrawl-cleanup.{kind}").write_text(unit, encoding="utf-8")
    done = start("systemd-analyze verify --man=no ./firecrawl-cleanup.*", place)
    assert "firecrawl-cleanup" not in done.stderr


@pytest.fixture
def fleet(service: FakeService, postgres: Postgres) -> str:
    """A database in which a process of another host has left a session; its URL."""
    postgres.execute("DELETE FROM firecrawl_interact_open_sessions")  # what other tests have left
    with ShortLease(postgres.url, service=os.environ["FIRECRAWL_API_URL"]) as journal:
        journal.opened(service.open_session())
    return postgres.url


def test_the_cron_job_sweeps_the_database(service: FakeService, tmp_path: Path, fleet: str) -> None:
    variables = {name: os.environ[name] for name in ("FIRECRAWL_API_KEY", "FIRECRAWL_API_URL")}
    variables |= {"PATH": str(Path(sys.executable).parent), "PGPASSWORD": PASSWORD}
    variables["FIRECRAWL_INTERACT_JOURNAL"] = fleet.replace(f":{PASSWORD}", "")
    done = start(CRON_JOB, tmp_path, **variables)
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
    assert callable(sweep := namespace["sweep"])
    assert sweep({}, None) == {"swept": 1, "left": 0}
    assert service.sessions_left_open == []
