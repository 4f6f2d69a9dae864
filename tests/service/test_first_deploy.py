"""What people meet on the first day and at the first deploy, with the whole library."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from firecrawl_interact import (
    AsyncDeleteSession,
    AsyncInMemoryTransport,
    AsyncioTransport,
    DeleteSession,
    DeletionReceipt,
    FakeService,
    Fault,
    FileJournal,
    InMemoryTransport,
    LoopbackService,
    LostResponse,
    NoConnection,
    Outcome,
    Reply,
    Urllib3Transport,
)

from ..core.scripted_transport import ended, play
from ..core.side_by_side import DeleteMany, listed, many, many_awaited

# An outage of 20 seconds: a service is restarted, or deployed

OUTAGES: dict[str, Fault] = {
    "refused connections": NoConnection(),
    "lost responses": LostResponse(),
    "a gateway's page": Reply(502, b"<html>"),
    "Firecrawl's 503": Reply(503, json={"success": False, "error": "Hangar is unavailable."}),
}


@pytest.mark.parametrize("fault", OUTAGES.values(), ids=OUTAGES)
@pytest.mark.parametrize("what", ["call", "block", "run"])
@pytest.mark.parametrize(
    ("use_case", "transport"),
    [(DeleteSession, InMemoryTransport), (AsyncDeleteSession, AsyncInMemoryTransport)],
    ids=["blocking", "awaited"],
)
def test_an_outage_of_20_seconds_costs_no_session(
    use_case: Any, transport: Callable[[FakeService], object], what: str, fault: Fault
) -> None:
    service = FakeService()
    session_id = service.open_session()
    service.outage(20, fault)
    delete_session = use_case(transport(service), "fc-test", random=lambda: 0.5)
    match what:
        case "call":
            ended(delete_session(session_id))
        case "block":
            play(delete_session.on_exit(session_id), list)
        case "run":
            asyncio.run(listed(delete_session.many([session_id])))
    assert service.sessions_left_open == []


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    ("delete_many", "kind"),
    [(many, Urllib3Transport), (many_awaited, AsyncioTransport)],
    ids=["blocking", "awaited"],
)
def test_a_restart_costs_a_run_no_session(delete_many: DeleteMany, kind: Any) -> None:
    async def delete_all(api_url: str) -> list[Outcome]:
        transport = kind(api_url, pool_size=64)
        outcomes = await listed(delete_many(transport, concurrency=64)(session_ids))
        await transport.aclose() if kind is AsyncioTransport else transport.close()
        return outcomes

    service = FakeService(["fc-test"], latency=0.02)
    session_ids = [service.open_session() for _ in range(300)]
    with ThreadPoolExecutor(1) as thread:
        with LoopbackService(service) as loopback:
            port = urlsplit(loopback.api_url).port or 0
            outcomes = thread.submit(asyncio.run, delete_all(loopback.api_url))
            while len(service.requests) < 100:
                assert not outcomes.done()
        threading.Event().wait(0.5)
        with LoopbackService(service, port):
            receipts = [isinstance(outcome, DeletionReceipt) for outcome in outcomes.result(60)]
    assert (receipts, service.sessions_left_open) == ([True] * 300, [])


# Threads that are not there


@pytest.mark.enable_socket
def test_a_full_thread_pool_of_asyncio_delays_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        loop, is_over = asyncio.get_running_loop(), threading.Event()
        loop.set_default_executor(ThreadPoolExecutor(1))
        blocked = loop.run_in_executor(None, is_over.wait, 10)
        use_case = AsyncDeleteSession(transport, "fc-test", journal=FileJournal(tmp_path))
        async with use_case as delete_session, delete_session.on_exit(session_id):
            pass
        assert not blocked.done()
        is_over.set()
        await blocked

    service = FakeService()
    session_id = service.open_session()
    with LoopbackService(service) as loopback:
        transport = AsyncioTransport(loopback.api_url.replace("127.0.0.1", "localhost"))
        asyncio.run(main())
    assert service.sessions_left_open == []


AT_EXIT = """
import asyncio, atexit, sys
from firecrawl_interact import *

async def clean_up():
    journal = FileJournal(sys.argv[1])
    async with AsyncDeleteSession(AsyncInMemoryTransport(service), "fc-test", journal=journal) as d:
        print((await d(session_id)).session_fate)

service = FakeService()
session_id = service.open_session()
atexit.register(lambda: asyncio.run(clean_up()))
"""


LATE = """
from firecrawl_interact import DeleteSession, FakeService, InMemoryTransport

service = FakeService()
session_ids = [service.open_session() for _ in range(2)]
delete_session = DeleteSession(InMemoryTransport(service), "fc-test", on_outcome=print)

class Browser:
    def __del__(self, delete_session=delete_session):
        delete_session(session_ids[0])

def use():
    with delete_session.on_exit(session_ids[1]):
        yield

browser, used = Browser(), use()
next(used)
"""


def test_a_global_may_delete_its_session_when_python_ends() -> None:
    command = [sys.executable, "-c", LATE]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.stdout.count("DeletionReceipt("), ended.stderr) == (2, "")


@pytest.mark.skipif(
    (3, 12) <= sys.version_info < (3, 12, 3), reason="Python 3.12.0 to 3.12.2 starts no thread then"
)
def test_a_program_may_delete_in_asyncio_at_its_exit(tmp_path: Path) -> None:
    command = [sys.executable, "-c", AT_EXIT, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("gone\n", "")
