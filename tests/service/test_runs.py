"""Runs over real sockets: the service is restarted meanwhile, or the process can open few files."""

import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from firecrawl_interact.adapters import FakeService, LoopbackService

pytestmark = pytest.mark.enable_socket

blocking_and_awaited = pytest.mark.parametrize("way", ["blocking", "awaited"])


def start(service: FakeService, api_url: str, way: str, files: int) -> subprocess.Popen[str]:
    """Start a run over 300 sessions, in a process that may open so many files."""
    script = Path(__file__).with_name("run_with_few_files.py")
    session_ids = [service.open_session() for _ in range(300)]
    command = [sys.executable, str(script), api_url, way, str(files), *session_ids]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)


def end(run: subprocess.Popen[str], service: FakeService) -> str:
    """Wait until a run has destroyed all sessions, and return what it logged."""
    out, err = run.communicate(timeout=60)
    assert (out, service.sessions_left_open) == ("300\n", [])
    return err


@blocking_and_awaited
def test_a_restart_costs_a_run_no_session(way: str) -> None:
    service = FakeService(latency=0.02)
    with LoopbackService(service) as loopback:
        api_url = loopback.api_url
        run = start(service, api_url, way, files=500)
        while len(service.requests) < 100:
            assert run.poll() is None
    threading.Event().wait(0.5)
    with LoopbackService(service, urlsplit(api_url).port or 0):
        end(run, service)


@blocking_and_awaited
def test_a_run_without_file_descriptors_costs_no_session_and_says_so_once(way: str) -> None:
    service = FakeService(latency=0.1)
    with LoopbackService(service) as loopback:
        logged = end(start(service, loopback.api_url, way, files=40), service)
    assert logged.count("no file descriptor or thread left") == 1
