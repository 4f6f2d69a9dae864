"""The page's modules with real workers, of which one is killed while it deletes sessions."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
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


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=log
        )


def wait_until(condition: Callable[[], bool], folder: Path) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, (folder / "log").read_text(encoding="utf-8")
        time.sleep(0.05)


def test_a_killed_child_of_celery_loses_no_session(service: FakeService, tmp_path: Path) -> None:
    (tmp_path / "queue").mkdir()
    (tmp_path / "tasks.py").write_text(TASKS, encoding="utf-8")
    session_ids = [service.open_session() for _ in range(3)]
    service.queue(NoResponse())  # so that the child waits while it is killed
    code = f"from tasks import destroy_all; destroy_all.delay({session_ids!r})"
    run([sys.executable, "-c", code], tmp_path)
    with start(tmp_path, "-m", "celery", "-A", "tasks", "worker", "--concurrency", "1") as worker:
        children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
        try:
            wait_until(lambda: len(service.requests) >= 1, tmp_path)
            os.kill(int(children.read_text(encoding="ascii")), signal.SIGKILL)
            wait_until(lambda: not service.sessions_left_open, tmp_path)
        finally:
            for process in (str(worker.pid), *children.read_text(encoding="ascii").split()):
                os.kill(int(process), signal.SIGKILL)


# Prints the process of the worker, and then what is left of the sessions.
WATCHED = """
import os, sys
import cluster
from dask.distributed import Client, LocalCluster

if __name__ == "__main__":
    local = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None)
    with local, Client(local) as client:
        print(*client.run(os.getpid).values(), flush=True)
        print(cluster.destroy_on(client, sys.argv[1:], 2), flush=True)
"""


def test_a_killed_worker_of_dask_loses_no_session(
    service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_ids = [service.open_session() for _ in range(4)]
    service.queue(NoResponse())  # so that the worker waits while it is killed
    (tmp_path / "cluster.py").write_text(DASK, encoding="utf-8")
    (tmp_path / "watched.py").write_text(WATCHED, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with start(tmp_path, "watched.py", *session_ids) as client:
        assert client.stdout is not None
        worker = int(client.stdout.readline())
        wait_until(lambda: len(service.requests) >= 1, tmp_path)
        os.kill(worker, signal.SIGKILL)
        assert client.stdout.readline() == b"[]\n"
        assert client.wait(60) == 0
    assert service.sessions_left_open == []


def test_the_numbers_follow_from_littles_law_and_the_time_of_a_delete() -> None:
    cpu_seconds = 0.0005
    expected = []
    for rate in (10, 100, 500, 5_000, 10_000, 25_000):
        in_flight = [ceil(rate / 60 * seconds) for seconds in (1, 5, 70)]
        share = rate / 60 * cpu_seconds
        shown = f"{share:.2%}" if share < 0.001 else f"{share:.1%}"
        numbers = " | ".join(f"{number:,}" for number in (rate, *in_flight))
        expected.append(f"{numbers} | {shown.replace('%', ' %')}")
    assert re.findall(r"^\| ([0-9].+) \|$", TEXT, re.MULTILINE) == expected
    assert f"{1 / cpu_seconds:,.0f} deletes a second, which is {60 / cpu_seconds:,.0f}" in TEXT
    assert 4.5 < 60 / cpu_seconds / 25_000 < 5  # "almost five times the largest plan"
