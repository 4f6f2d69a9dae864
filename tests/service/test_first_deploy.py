"""What people meet on the first day and at the first deploy, with the whole library."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from firecrawl_interact import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    AsyncInMemoryTransport,
    AsyncioTransport,
    DeleteManySessions,
    DeleteSession,
    FakeService,
    Fault,
    FileJournal,
    InMemoryTransport,
    LoopbackService,
    LostResponse,
    NoConnection,
    Reply,
)

# An outage of 20 seconds: a service is restarted, or deployed

OUTAGES: dict[str, Fault] = {
    "refused connections": NoConnection(),
    "lost responses": LostResponse(),
    "a gateway's page": Reply(502, b"<html>"),
    "Firecrawl's 503": Reply(503, json={"success": False, "error": "Hangar is unavailable."}),
}


def call(delete_session: DeleteSession, session_id: str) -> None:
    delete_session(session_id)


def block(delete_session: DeleteSession, session_id: str) -> None:
    with delete_session.on_exit(session_id):
        pass


def run_of_one(delete_session: DeleteSession, session_id: str) -> None:
    list(DeleteManySessions(delete_session)([session_id]))


async def call_awaited(delete_session: AsyncDeleteSession, session_id: str) -> None:
    await delete_session(session_id)


async def block_awaited(delete_session: AsyncDeleteSession, session_id: str) -> None:
    async with delete_session.on_exit(session_id):
        pass


async def run_of_one_awaited(delete_session: AsyncDeleteSession, session_id: str) -> None:
    assert [_ async for _ in AsyncDeleteManySessions(delete_session)([session_id])]


@pytest.mark.parametrize("fault", OUTAGES.values(), ids=OUTAGES)
@pytest.mark.parametrize("delete", [call, block, run_of_one])
def test_an_outage_of_20_seconds_costs_no_session(
    delete: Callable[[DeleteSession, str], None], fault: Fault
) -> None:
    service = FakeService()
    session_id = service.open_session()
    service.outage(20, fault)
    delete(DeleteSession(InMemoryTransport(service), "fc-test"), session_id)
    assert service.sessions_left_open == []


@pytest.mark.parametrize("fault", OUTAGES.values(), ids=OUTAGES)
@pytest.mark.parametrize("delete", [call_awaited, block_awaited, run_of_one_awaited])
def test_an_outage_of_20_seconds_costs_no_awaited_session(
    delete: Callable[[AsyncDeleteSession, str], Awaitable[None]], fault: Fault
) -> None:
    async def main() -> None:
        await delete(AsyncDeleteSession(AsyncInMemoryTransport(service), "fc-test"), session_id)

    service = FakeService()
    session_id = service.open_session()
    service.outage(20, fault)
    asyncio.run(main())
    assert service.sessions_left_open == []


# Threads that are not there


@pytest.mark.enable_socket
def test_a_full_pool_of_asyncio_s_threads_delays_neither_names_nor_journals(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        loop, is_over = asyncio.get_running_loop(), threading.Event()
        loop.set_default_executor(ThreadPoolExecutor(1))
        blocked = loop.run_in_executor(None, is_over.wait, 10)
        journal = FileJournal(tmp_path)
        async with AsyncDeleteSession(transport, "fc-test", journal=journal) as delete_session:
            await block_awaited(delete_session, session_id)
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


def test_a_program_may_delete_in_asyncio_at_its_exit(tmp_path: Path) -> None:
    command = [sys.executable, "-c", AT_EXIT, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("gone\n", "")
