"""Runs over real sockets and in real time, while the service is restarted."""

import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from firecrawl_interact.adapters import FakeService, LoopbackService

pytestmark = pytest.mark.enable_socket


def start(service: FakeService, api_url: str, way: str) -> subprocess.Popen[str]:
    """Start a run over 300 sessions."""
    script = Path(__file__).with_name("run_in_a_process.py")
    session_ids = [service.open_session() for _ in range(300)]
    command = [sys.executable, str(script), api_url, way, *session_ids]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("way", ["blocking", "awaited"])
def test_a_restart_costs_a_run_no_session(way: str) -> None:
    service = FakeService(latency=0.02)
    with LoopbackService(service) as loopback:
        api_url = loopback.api_url
        run = start(service, api_url, way)
        while len(service.requests) < 100:
            assert run.poll() is None
    threading.Event().wait(0.5)
    with LoopbackService(service, urlsplit(api_url).port or 0):
        out, _ = run.communicate(timeout=60)
    assert (out, service.sessions_left_open) == ("300\n", [])
