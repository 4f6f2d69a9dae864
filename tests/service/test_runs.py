"""Runs over real sockets and in real time, while the service is restarted."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from firecrawl_interact import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    AsyncioTransport,
    DeleteManySessions,
    DeleteSession,
    DeletionReceipt,
    FakeService,
    LoopbackService,
    Outcome,
    Urllib3Transport,
)

pytestmark = pytest.mark.enable_socket


def blocking(api_url: str, session_ids: list[str]) -> list[Outcome]:
    with Urllib3Transport(api_url, pool_size=64) as transport:
        delete_session = DeleteSession(transport, "fc-test")
        return list(DeleteManySessions(delete_session, concurrency=64)(session_ids))


async def awaited(api_url: str, session_ids: list[str]) -> list[Outcome]:
    async with AsyncioTransport(api_url, pool_size=64) as transport:
        delete_session = AsyncDeleteSession(transport, "fc-test")
        deletions = AsyncDeleteManySessions(delete_session, concurrency=64)(session_ids)
        return [outcome async for outcome in deletions]


@pytest.mark.parametrize(
    "run", [blocking, lambda *given: asyncio.run(awaited(*given))], ids=["blocking", "awaited"]
)
def test_a_restart_costs_a_run_no_session(run: Callable[[str, list[str]], list[Outcome]]) -> None:
    service = FakeService(latency=0.02)
    session_ids = [service.open_session() for _ in range(300)]
    with ThreadPoolExecutor(1) as thread:
        with LoopbackService(service) as loopback:
            port = urlsplit(loopback.api_url).port or 0
            outcomes = thread.submit(run, loopback.api_url, session_ids)
            while len(service.requests) < 100:
                assert not outcomes.done()
        threading.Event().wait(0.5)
        with LoopbackService(service, port):
            receipts = [isinstance(outcome, DeletionReceipt) for outcome in outcomes.result(60)]
    assert (receipts, service.sessions_left_open) == ([True] * 300, [])
