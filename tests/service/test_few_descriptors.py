"""A run whose process cannot open as many connections as its concurrency asks."""

import subprocess
import sys
from pathlib import Path

import pytest

from firecrawl_interact.adapters import FakeService, LoopbackService

pytestmark = pytest.mark.enable_socket

SCRIPT = Path(__file__).with_name("few_descriptors.py")


@pytest.mark.parametrize("way", ["blocking", "awaited"])
def test_a_run_without_file_descriptors_costs_no_session_and_says_so_once(way: str) -> None:
    service = FakeService(latency=0.1)
    session_ids = [service.open_session() for _ in range(150)]
    with LoopbackService(service) as loopback:
        done = subprocess.run(
            [sys.executable, SCRIPT, loopback.api_url, way],
            input="\n".join(session_ids),
            capture_output=True,
            check=True,
            text=True,
            timeout=60,
        )
    assert done.stdout == "150\n"
    assert service.sessions_left_open == []
    assert done.stderr.count("no file descriptor or thread left") == 1
