"""Runs over real sockets and in real time, while the service is restarted."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest

from firecrawl_interact import (
    AsyncioTransport,
    DeletionReceipt,
    FakeService,
    LoopbackService,
    Outcome,
    Urllib3Transport,
)

from ..core.side_by_side import DeleteMany, listed, many, many_awaited


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
        Event().wait(0.5)
        with LoopbackService(service, port):
            receipts = [isinstance(outcome, DeletionReceipt) for outcome in outcomes.result(60)]
    assert (receipts, service.sessions_left_open) == ([True] * 300, [])
