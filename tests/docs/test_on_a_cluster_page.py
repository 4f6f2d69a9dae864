"""The page's modules with real workers, of which one is killed while it deletes sessions."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from math import ceil
from pathlib import Path

import pytest

from firecrawl_interact.adapters import FakeService, NoResponse

from .pages import blocks, run, text_of

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for children in /proc"),
]

TEXT = text_of("docs/on-a-cluster.md")
DASK, TASKS = blocks(TEXT, "python")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "queue").mkdir()
    (tmp_path / "tasks.py").write_text(TASKS, encoding="utf-8")
    return tmp_path


@pytest.fixture
def worker(service: FakeService, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--concurrency", "1"]
    with (folder / "log").open("wb") as log:
        worker = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        yield worker
    finally:
        for process in (worker.pid, *children(worker)):
            os.kill(process, signal.SIGKILL)
        worker.wait()


def children(worker: subprocess.Popen[bytes]) -> list[int]:
    path = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
    return [int(number) for number in path.read_text(encoding="ascii").split()]


def wait_until(condition: Callable[[], bool], folder: Path) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, (folder / "log").read_text(encoding="utf-8")
        time.sleep(0.05)


def destroy_all(session_ids: list[str], folder: Path) -> None:
    code = f"from tasks import destroy_all; destroy_all.delay({session_ids!r})"
    run([sys.executable, "-c", code], folder)


def test_a_killed_child_of_celery_loses_no_session(
    service: FakeService, worker: subprocess.Popen[bytes], folder: Path
) -> None:
    session_ids = [service.open_session() for _ in range(3)]
    service.queue(NoResponse())  # so that the child waits while it is killed
    destroy_all(session_ids, folder)
    wait_until(lambda: len(service.requests) >= 1, folder)
    [child] = children(worker)

    os.kill(child, signal.SIGKILL)

    wait_until(lambda: not service.sessions_left_open, folder)


# Prints the process of the worker, and then what is left of the sessions.
KILLED = """
import os, signal, sys, threading, time
from dask.distributed import Client, LocalCluster
from firecrawl_interact.adapters import delete_session_from_environment
import cluster

if __name__ == "__main__":
    local = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None)
    with local, Client(local) as client:
        [process] = client.run(os.getpid).values()
        print(process, flush=True)
        print(cluster.destroy_on(client, sys.argv[1:], 2), flush=True)
"""


def test_a_killed_worker_of_dask_loses_no_session(service: FakeService, folder: Path) -> None:
    session_ids = [service.open_session() for _ in range(4)]
    service.queue(NoResponse())  # so that the worker waits while it is killed
    (folder / "cluster.py").write_text(DASK, encoding="utf-8")
    (folder / "killed.py").write_text(KILLED, encoding="utf-8")
    command = [sys.executable, "killed.py", *session_ids]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=log, env=environment
        ) as client,
    ):
        assert client.stdout is not None
        worker = int(client.stdout.readline())
        wait_until(lambda: len(service.requests) >= 1, folder)

        os.kill(worker, signal.SIGKILL)

        left = client.stdout.readline()
        assert client.wait(60) == 0
    assert left == b"[]\n"
    assert service.sessions_left_open == []


# The numbers of the page are what its rules give.

SECONDS = (1, 5, 70)
CPU_SECONDS = 0.0005
LARGEST_PLAN = 25_000


def test_the_table_is_littles_law() -> None:
    rows = re.findall(r"^\| ([0-9].+) \|$", TEXT, re.MULTILINE)
    expected = []
    for times in (1, 10, 50, 500, 1_000, 2_500):
        rate = 10 * times
        in_flight = [ceil(rate / 60 * seconds) for seconds in SECONDS]
        share = rate / 60 * CPU_SECONDS
        shown = f"{share:.2%}" if share < 0.001 else f"{share:.1%}"
        numbers = " | ".join(f"{number:,}" for number in (rate, *in_flight))
        expected.append(f"{numbers} | {shown.replace('%', ' %')}")
    assert rows == expected


def test_the_text_draws_the_conclusion_from_the_same_numbers() -> None:
    a_minute = 60 / CPU_SECONDS
    assert f"{1 / CPU_SECONDS:,.0f} deletes a second, which is {a_minute:,.0f} a minute" in TEXT
    assert 4.5 < a_minute / LARGEST_PLAN < 5  # "almost five times"
