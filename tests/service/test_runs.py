"""Runs over real sockets and in real time: the service is restarted, or the consumer is slow."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from firecrawl_interact.adapters import (
    AsyncioTransport,
    FakeService,
    LoopbackService,
    Reply,
    Urllib3Transport,
)
from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    AsyncDeletions,
    DeleteManySessions,
    DeleteSession,
    Deletions,
    Outcome,
    RetryPolicy,
    SessionFate,
)

pytestmark = pytest.mark.enable_socket

DEADLINE = 2.0
"""Seconds."""

blocking_and_awaited = pytest.mark.parametrize("way", ["blocking", "awaited"])


def start(service: FakeService, api_url: str, way: str) -> subprocess.Popen[str]:
    """Start a run over 300 sessions."""
    script = Path(__file__).with_name("run_in_a_process.py")
    session_ids = [service.open_session() for _ in range(300)]
    command = [sys.executable, str(script), api_url, way, *session_ids]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)


@blocking_and_awaited
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


async def take_slowly(deletions: Deletions | AsyncDeletions) -> list[Outcome]:
    """Take the outcomes of a run, each of them for as long as a fifth of the deadline."""
    outcomes = []
    if isinstance(deletions, Deletions):
        for outcome in deletions:
            outcomes.append(outcome)
            threading.Event().wait(DEADLINE / 5)
    else:
        async for outcome in deletions:
            outcomes.append(outcome)
            await asyncio.sleep(DEADLINE / 5)
    return outcomes


@pytest.mark.slow
@blocking_and_awaited
def test_a_consumer_that_is_slow_costs_no_session_its_deadline_in_real_time(way: str) -> None:
    service = FakeService()
    session_ids = [service.open_session() for _ in range(12)]
    for session_id in session_ids:
        service.queue(Reply(503), session_id=session_id)
    retry = RetryPolicy(deadline=DEADLINE)

    async def main(api_url: str) -> list[Outcome]:
        if way == "blocking":
            with DeleteSession(Urllib3Transport(api_url), "fc-test", retry=retry) as delete_session:
                return await take_slowly(DeleteManySessions(delete_session)(session_ids))
        transport = AsyncioTransport(api_url)
        async with AsyncDeleteSession(transport, "fc-test", retry=retry) as delete_session:
            return await take_slowly(AsyncDeleteManySessions(delete_session)(session_ids))

    with LoopbackService(service) as loopback:
        outcomes = asyncio.run(main(loopback.api_url))
    assert {outcome.session_fate for outcome in outcomes} == {SessionFate.GONE}
    assert service.sessions_left_open == []
