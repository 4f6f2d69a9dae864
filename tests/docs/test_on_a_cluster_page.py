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

from .pages import blocks, text_of

TEXT = text_of("docs/on-a-cluster.md")
DASK, TASKS = blocks(TEXT, "python")
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
    local = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None)
    with local, Client(local) as client:
        assert cluster.destroy_on(client, sys.argv[1:], 2) == []
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


@pytest.mark.enable_socket
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
