"""Runs over real sockets: the service is restarted meanwhile, or the process can open few files."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from socket import SO_ACCEPTCONN, SOL_SOCKET
from urllib.parse import urlsplit

import pytest

from firecrawl_interact.adapters import FakeService, LoopbackService, Urllib3Transport
from firecrawl_interact.core import DeleteSession, DeletionReceipt, Outcome

from . import few_descriptors

pytestmark = pytest.mark.enable_socket

SECONDS_AWAY = 0.5


@pytest.mark.parametrize("run", [few_descriptors.blocking, few_descriptors.awaited])
def test_a_restart_costs_a_run_of_64_at_a_time_no_session(
    run: Callable[..., list[Outcome]],
) -> None:
    service = FakeService(latency=0.02)
    session_ids = [service.open_session() for _ in range(300)]
    with ThreadPoolExecutor(1) as thread:
        with LoopbackService(service) as loopback:
            api_url = loopback.api_url
            running = thread.submit(run, api_url, session_ids, concurrency=64)
            while len(service.requests) < 100:
                pass
        threading.Event().wait(SECONDS_AWAY)
        with LoopbackService(service, urlsplit(api_url).port or 0):
            outcomes = running.result()
    assert sorted(outcome.session_id for outcome in outcomes) == sorted(session_ids)
    assert {type(outcome) for outcome in outcomes} == {DeletionReceipt}
    assert service.sessions_left_open == []


@pytest.mark.parametrize("way", ["blocking", "awaited"])
def test_a_run_without_file_descriptors_costs_no_session_and_says_so_once(way: str) -> None:
    service = FakeService(latency=0.1)
    session_ids = [service.open_session() for _ in range(150)]
    with LoopbackService(service) as loopback:
        done = subprocess.run(
            [sys.executable, few_descriptors.__file__, loopback.api_url, way],
            input="\n".join(session_ids),
            capture_output=True,
            check=True,
            text=True,
            timeout=60,
        )
    assert done.stdout == "150\n"
    assert service.sessions_left_open == []
    assert done.stderr.count("no file descriptor or thread left") == 1


def listening(port: int) -> socket.socket:
    """Return another descriptor of the socket that listens, as a forked child has for a moment."""
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):
            found = socket.socket(fileno=os.dup(int(name)))
            if found.getsockname()[1] == port and found.getsockopt(SOL_SOCKET, SO_ACCEPTCONN):
                return found
            found.close()
    raise LookupError(port)


def test_an_outage_begins_and_ends_although_a_child_holds_the_socket() -> None:
    service = FakeService()
    session_id = service.open_session()
    with LoopbackService(service) as loopback, listening(urlsplit(loopback.api_url).port or 0):
        service.outage(SECONDS_AWAY)
        with Urllib3Transport(loopback.api_url) as transport:
            assert DeleteSession(transport, "fc-test")(session_id).attempts > 1
