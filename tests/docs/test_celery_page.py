"""The page's module in a real worker, whose child is killed while it deletes a session."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firecrawl_interact.adapters import FakeService, NoResponse, Reply

from .pages import blocks, run, text_of

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for children in /proc"),
]

TASKS, *_ = blocks(text_of("docs/celery.md"), "python")


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


def destroy(session_id: str, folder: Path) -> None:
    code = f"from tasks import destroy; destroy.delay({session_id!r})"
    run([sys.executable, "-c", code], folder)


def test_a_killed_child_loses_no_session(
    service: FakeService, worker: subprocess.Popen[bytes], folder: Path
) -> None:
    session_id = service.open_session()
    service.queue(NoResponse())  # so that the child waits while it is killed
    destroy(session_id, folder)
    wait_until(lambda: len(service.requests) == 1, folder)
    [child] = children(worker)

    os.kill(child, signal.SIGKILL)

    wait_until(lambda: not service.is_open(session_id), folder)


@pytest.mark.usefixtures("worker")
def test_an_error_that_needs_a_person_fails_the_task_once(
    service: FakeService, folder: Path
) -> None:
    session_id = service.open_session()
    service.queue(Reply(403, json={"success": False, "error": "Forbidden."}))
    destroy(session_id, folder)
    wait_until(lambda: "ForbiddenError" in (folder / "log").read_text(encoding="utf-8"), folder)
    assert service.is_open(session_id)
