"""What the pages hand to others to run: web servers, notebooks, clusters, cron, systemd, pods.

Each runs as these run it, with a service on this machine.
"""

import contextlib
import importlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from firecrawl_interact.adapters import FakeService, FileJournal, NoResponse

from ..postgres import PASSWORD, Postgres, ShortLease
from .pages import blocks, found, open_sessions_of, run, run_python, sections, text_of

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.skipif(sys.platform == "win32", reason="they are for Linux"),
]

# FastAPI and notebooks

NOTEBOOKS = "docs/fastapi-and-notebooks.md"
[APPLICATION] = blocks(dict(sections(NOTEBOOKS))["In FastAPI"], "python")
[CELL] = blocks(text_of(NOTEBOOKS), "ipython")
CLIENT = """
from fastapi.testclient import TestClient

with TestClient(app) as client:
    for session_id in ("session-1", "550e8400-e29b-41d4-a716-446655440000"):
        response = client.delete(f"/sessions/{session_id}")
        print(response.status_code, response.text)
"""


def test_a_client_of_the_application_learns_the_fate(
    firecrawl: FakeService, tmp_path: Path
) -> None:
    firecrawl.open_session("session-1")
    gone, unknown = run_python(APPLICATION + CLIENT, tmp_path).splitlines()
    assert gone == '200 {"session_fate":"gone","credits_billed":2}'
    assert unknown.startswith('404 {"detail":{"session_fate":"gone","advice":')
    assert firecrawl.sessions_left_open == []


HANDLERS = """
import asyncio
from types import SimpleNamespace

@app.get("/hold/{session_id}")
async def hold(
    session_id: str, delete_session: Annotated[AsyncDeleteSession, Depends(get_delete_session)]
) -> None:
    async with delete_session.on_exit(session_id):
        print("holds", session_id, flush=True)
        await asyncio.sleep(3600)

@app.get("/open/{session_id}")
async def open_slowly(
    session_id: str, delete_session: Annotated[AsyncDeleteSession, Depends(get_delete_session)]
) -> None:
    async def open_session() -> SimpleNamespace:
        print("opens", session_id, flush=True)
        await asyncio.sleep(2)
        return SimpleNamespace(id=session_id)

    async with delete_session.opening(open_session):
        await asyncio.sleep(3600)
"""


def test_uvicorn_ends_its_handlers_and_their_sessions_when_it_is_told_to_end(
    service: FakeService, tmp_path: Path
) -> None:
    """It cancels handlers after a second, and goes on to the lifespan without waiting for them."""
    service.latency = 1
    ids = [f"session-{number}" for number in range(6)]
    for session_id in ids:
        service.open_session(session_id)
    (tmp_path / "app.py").write_text(APPLICATION + HANDLERS, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-m", "uvicorn", "app:app", "--fd", str(listener.fileno())]
        command += ["--timeout-graceful-shutdown", "1", "--log-level", "warning"]
        uvicorn = subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, pass_fds=[listener.fileno()]
        )
        with uvicorn, contextlib.ExitStack() as clients:
            assert uvicorn.stdout is not None
            for number, session_id in enumerate(ids):
                client = clients.enter_context(socket.create_connection(listener.getsockname()))
                path = f"/{'open' if number % 2 else 'hold'}/{session_id}"
                client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                assert uvicorn.stdout.readline().split()[1] == session_id
            uvicorn.send_signal(signal.SIGTERM)
            uvicorn.wait(timeout=60)
    assert service.sessions_left_open == []
    assert len(service.requests) == len(ids)


def test_a_cell_of_a_notebook_may_await(firecrawl: FakeService, tmp_path: Path) -> None:
    open_sessions_of(NOTEBOOKS, firecrawl)
    (tmp_path / "cell.ipy").write_text(f"{CELL}\nprint(receipt.session_fate)\n", encoding="utf-8")
    options = ["--no-banner", "--colors=NoColor", "--InteractiveShell.xmode=Plain"]
    printed = run([sys.executable, "-m", "IPython", *options, "cell.ipy"], tmp_path)
    assert printed.splitlines()[-1] == "gone"


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


# A cluster: one of its workers is killed while it deletes sessions

DASK, TASKS = blocks(text_of("docs/on-a-cluster.md"), "python")
WORKS_WITH_CELERY = """
import sys
from tasks import app, destroy_all

destroy_all.delay(sys.argv[1:])
app.worker_main(["worker", "--concurrency", "1"])
"""
WORKS_WITH_DASK = """
import sys, time
import cluster
from dask.distributed import Client, LocalCluster

if __name__ == "__main__":
    local = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0")
    with local, Client(local) as client:
        may_run, credits_billed = cluster.destroy_on(client, sys.argv[1:], 2)
        assert may_run == []
        print("done", flush=True)
"""


def children_of(pid: int) -> list[int]:
    files = Path(f"/proc/{pid}/task").glob("*/children")  # one for each thread that starts some
    return [int(child) for file in files for child in file.read_text(encoding="ascii").split()]


def wait_until(condition: Callable[[], bool], log: Path) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, log.read_text(encoding="utf-8")
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for children in /proc")
@pytest.mark.parametrize(
    ("program", "at_last"),
    [(WORKS_WITH_CELERY, ""), (WORKS_WITH_DASK, "done\n")],
    ids=["Celery", "Dask"],
)
def test_a_killed_worker_loses_no_session(
    program: str, at_last: str, service: FakeService, tmp_path: Path
) -> None:
    for name, code in [("tasks", TASKS), ("cluster", DASK), ("program", program)]:
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    (tmp_path / "queue").mkdir()
    session_ids = [service.open_session() for _ in range(4)]
    service.queue(NoResponse())  # so that the worker waits while it is killed
    log = tmp_path / "log"
    command = [sys.executable, "program.py", *session_ids]
    with (
        log.open("wb") as file,
        subprocess.Popen(command, cwd=tmp_path, stdout=file, stderr=file) as process,
    ):
        try:
            wait_until(lambda: len(service.requests) >= 1, log)
            for worker in children_of(process.pid):
                os.kill(worker, signal.SIGKILL)
            wait_until(lambda: not service.sessions_left_open, log)
            wait_until(lambda: at_last in log.read_text(encoding="utf-8"), log)
        finally:
            for left in (process.pid, *children_of(process.pid)):
                os.kill(left, signal.SIGKILL)


def test_two_runs_over_one_list_report_its_bill_once(service: FakeService) -> None:
    namespace: dict[str, object] = {"__name__": "cluster"}
    exec(DASK, namespace)  # noqa: S102 - the page's
    assert callable(destroy_all := namespace["destroy_all"])
    session_ids = [service.open_session() for _ in range(3)]
    assert destroy_all(session_ids) == ([], 6)
    assert destroy_all(session_ids) == ([], 0)


# cron, systemd, a container, Kubernetes and Lambda

COMMAND, PROCESS = text_of("docs/command.md"), text_of("docs/when-the-process-dies.md")
[LAMBDA] = [code for code in blocks(PROCESS, "python") if "def sweep(event" in code]


def words_of(text: str) -> str:
    """Return what a JSON list of words is in a shell; Kubernetes writes a variable as $(NAME)."""
    words = " ".join(f'"{word}"' for word in json.loads(text))
    return re.sub(r"\$\((\w+)\)", r"$\1", words)


CRON = found(r"^\d+ \d+ \* \* \* (.+)$", COMMAND)
SERVICE = found(r"^ExecStart=(.+ delete .+)$", COMMAND)
ON_FAILURE = found("^OnFailure=(.+)$", COMMAND)
MAIL = found("^ExecStart=(/bin/sh -c .+)$", COMMAND)
[METRICS] = re.findall(r"^```\n(#!/bin/sh\n.*?)^```$", COMMAND, re.MULTILINE | re.DOTALL)
CONTAINER = words_of(found("^CMD (.+)$", PROCESS))
BEFORE_THE_START = found(r"^ExecStartPre=-(/.+)\nExecStart=/", PROCESS)  # "-": it may fail
CRON_JOB = words_of(found("^ +command: (.+)$", PROCESS))
DIRECTORY = found("^ENV FIRECRAWL_INTERACT_JOURNAL=(.+)$", PROCESS)
UNIT = found(r"^(\[Service\]\nUser=my-app\n[^`]+)", PROCESS)


@pytest.fixture
def place(service: FakeService, tmp_path: Path) -> Path:
    """The folders that the pages name, in one: a program, a list of ids, and an orphan."""
    (tmp_path / "bin").symlink_to(Path(sys.executable).parent)
    (tmp_path / "my-app").write_text("#!/bin/sh\necho the program runs\n", encoding="utf-8")
    (tmp_path / "my-app").chmod(0o755)
    (tmp_path / "ids.txt").write_text(session_id := service.open_session(), encoding="utf-8")
    directory, api_url = tmp_path / "open-sessions", os.environ["FIRECRAWL_API_URL"]
    with FileJournal(directory, service=api_url) as journal:
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
    directory = DIRECTORY.replace("/var/lib/my-app", str(place))
    lines = [
        shown,
        f"FIRECRAWL_API_URL={os.environ['FIRECRAWL_API_URL']}",
        f"FIRECRAWL_INTERACT_JOURNAL={directory}",
    ]
    (place / "key.env").write_text("\n".join(lines), encoding="utf-8")
    return dict(line.split("=", 1) for line in lines)


def test_the_line_for_cron_prints_nothing_unless_it_failed(
    service: FakeService, place: Path
) -> None:
    give("fc-wrong", place)
    failed = start(CRON, place)
    assert (failed.returncode, len(failed.stdout.splitlines())) == (1, 1)
    assert "Check the API key." in failed.stderr
    assert "1 may still be billing (1 failed)." in failed.stderr
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
    names = ("firecrawl-cleanup.service", "firecrawl-cleanup.timer", ON_FAILURE)
    for name, text in zip(names, units, strict=True):
        unit = text.replace("/opt/cleanup", str(place))
        if name == "firecrawl-cleanup.service":
            unit = unit.replace("[Unit]\n", f"[Unit]\nOnFailure={ON_FAILURE}\n")
        (place / name).write_text(unit, encoding="utf-8")
    assert f"Environment=FIRECRAWL_INTERACT_JOURNAL={DIRECTORY}\n" in UNIT
    unit = UNIT.replace("/opt/my-app", str(place)).replace(f"{place}/bin/my-app", "/bin/true")
    (place / "my-app.service").write_text(unit.replace("=my-app", "=root", 1), encoding="utf-8")
    done = start("systemd-analyze verify --man=no ./firecrawl-cleanup*.* ./my-app.service", place)
    assert "firecrawl-cleanup" not in done.stderr
    assert "my-app.service" not in done.stderr


def test_a_night_that_failed_is_mailed(place: Path) -> None:
    for program in ("journalctl", "mail"):
        (place / program).write_text('#!/bin/sh\necho "$0 $*"; test "$1" = -s && cat\n', "utf-8")
        (place / program).chmod(0o755)
    done = start(MAIL, place)
    assert done.stdout.splitlines() == [
        f"{place}/mail -s Firecrawl sessions may be left root",
        f"{place}/journalctl --unit firecrawl-cleanup --lines 30 --no-pager",
    ]


@pytest.mark.skipif(shutil.which("jq") is None, reason="it is not installed")
def test_the_script_writes_metrics_that_say_when_and_keeps_the_exit_status(
    service: FakeService, place: Path
) -> None:
    script = METRICS.replace("/var/lib/node_exporter", str(place))
    metrics = place / "firecrawl.prom"
    began = int(time.time())
    for key, status, numbers in (("fc-wrong", 1, (0, 1, 0)), ("fc-test", 0, (1, 0, 2))):
        assert start(script, place, **give(key, place)).returncode == status
        *sums, ended = written = metrics.read_text("utf-8").splitlines()
        names = ("sessions_gone", "sessions_may_still_be_billing", "credits_billed")
        assert sums == [f"firecrawl_{one} {sum_}" for one, sum_ in zip(names, numbers, strict=True)]
        assert int(ended.removeprefix("firecrawl_cleanup_ended_at_seconds ")) >= began
    (place / "ids.txt").write_text('"a"', encoding="utf-8")
    assert start(script, place, **give("fc-test", place)).returncode == 2
    assert metrics.read_text("utf-8").splitlines() == written


def test_the_rights_on_the_page_are_enough(postgres: Postgres) -> None:
    url, role = postgres.new_database(), f"role_{uuid.uuid4().hex}"
    grant = found("^GRANT .+;$", PROCESS).replace("my_app", role)
    postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    postgres.execute(ShortLease.TABLE, url=url)
    postgres.execute(grant, url=url)
    for session_id in ("one", "two"):
        with ShortLease(url.replace("//tester:", f"//{role}:")) as journal:
            journal.opened(session_id)
            assert journal.left_alone().living == 0
            for orphan in journal.adopt_orphans():
                journal.gone(orphan)
            assert journal.orphans() == []


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
    [text] = [code for code in blocks(PROCESS, "yaml") if "CronJob" in code]
    spec = importlib.import_module("yaml").safe_load(text)["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    job = spec["jobTemplate"]["spec"]
    assert job["activeDeadlineSeconds"] > 90 + 240
    assert job["backoffLimit"] == 0
    assert job["template"]["spec"]["restartPolicy"] == "Never"


def test_the_lambda_function_sweeps_the_database(
    service: FakeService, fleet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRECRAWL_INTERACT_JOURNAL", fleet)
    namespace: dict[str, object] = {}
    exec(LAMBDA, namespace)  # noqa: S102 - the page's
    assert callable(sweep := namespace["sweep"])
    assert sweep({}, None) == {"swept": 1, "left": 0}
    assert service.sessions_left_open == []
