"""What many sessions cost: time, CPU, memory, requests."""

import asyncio
import json
import math
import resource
import time
import tracemalloc
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import fmean
from urllib.parse import urlsplit

import aiohttp
import urllib3
from measure import Figure, service
from one_session import HEADERS, Stub

from firecrawl_interact.adapters import (
    AsyncioTransport,
    FakeService,
    InMemoryTransport,
    Urllib3Transport,
)
from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    DeleteManySessions,
    DeleteSession,
    Response,
)

SESSIONS = 1000
CONCURRENCY = 32
LATENCY = 0.25
IDEAL = math.ceil(SESSIONS / CONCURRENCY) * LATENCY
"""Seconds: so many rounds of so long, with nothing between them."""


def _exhaust(outcomes: Iterable[object]) -> None:
    deque(outcomes, maxlen=0)


def over_urllib3() -> list[Figure]:
    with service(sessions=SESSIONS, latency=LATENCY) as (api_url, session_ids):
        address = urlsplit(api_url)
        pool = urllib3.HTTPConnectionPool(address.hostname or "", address.port, maxsize=CONCURRENCY)

        def bare_delete(session_id: str) -> object:
            path = f"/v2/interact/{session_id}"
            response = pool.urlopen("DELETE", path, headers=HEADERS, redirect=False, retries=False)
            return json.loads(response.data)

        def bare() -> None:
            with ThreadPoolExecutor(CONCURRENCY) as executor:
                _exhaust(executor.map(bare_delete, session_ids))

        with Urllib3Transport(api_url) as transport:
            delete_session = DeleteSession(transport, "fc-test")
            delete_many = DeleteManySessions(delete_session, concurrency=CONCURRENCY)

            def ours() -> None:
                _exhaust(delete_many(session_ids))

            ratios = []
            walls = []
            for _ in range(3):
                began = time.process_time()
                bare()
                spent = time.process_time() - began
                began, clock = time.process_time(), time.perf_counter()
                ours()
                walls.append(time.perf_counter() - clock)
                ratios.append((time.process_time() - began) / spent)
    return [
        Figure("1,000 sessions of 0.25 s, 32 at a time, to the ideal", min(walls) / IDEAL, 1.05),
        Figure("their CPU, to urllib3 in a thread pool", sorted(ratios)[1], 1.3),
    ]


async def _over_asyncio() -> list[Figure]:
    with service(sessions=SESSIONS, latency=LATENCY) as (api_url, session_ids):
        connector = aiohttp.TCPConnector(limit=CONCURRENCY)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            AsyncioTransport(api_url) as transport,
        ):
            delete_session = AsyncDeleteSession(transport, "fc-test")
            delete_many = AsyncDeleteManySessions(delete_session, concurrency=CONCURRENCY)

            async def bare_delete(session_id: str) -> object:
                url = f"{api_url}/v2/interact/{session_id}"
                async with session.delete(url, headers=HEADERS) as response:
                    return json.loads(await response.read())

            bare, own, walls = [], [], []
            for _ in range(5):
                began = time.process_time()
                await asyncio.gather(*(bare_delete(session_id) for session_id in session_ids))
                bare.append(time.process_time() - began)
                began, clock = time.process_time(), time.perf_counter()
                async for _outcome in delete_many(session_ids):
                    pass
                walls.append(time.perf_counter() - clock)
                own.append(time.process_time() - began)
    return [
        Figure("the same, awaited, to the ideal", min(walls) / IDEAL, 1.05),
        Figure("their CPU, to bare aiohttp", min(own) / min(bare), 0.9),
    ]


def over_asyncio() -> list[Figure]:
    return asyncio.run(_over_asyncio())


def _each_id(session_ids: Sequence[str]) -> float:
    """Return the CPU seconds for each of the ids, over a transport that responds at once."""
    delete_many = DeleteManySessions(DeleteSession(Stub(), "fc-test"))
    began = time.process_time()
    _exhaust(delete_many(session_ids))
    return (time.process_time() - began) / len(session_ids)


def a_million_ids() -> list[Figure]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    delete_many = DeleteManySessions(DeleteSession(Stub(), "fc-test"))
    _exhaust(delete_many(map(str, range(1_000_000))))
    added = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    # They are a list: what the kernel spends on a thread that reads ids differs from run to run.
    session_ids = list(map(str, range(1_000_000)))
    # As many ids before as after, so that a change of the machine's speed shows in both.
    small = [_each_id(session_ids[:10_000]) for _ in range(25)]
    large = _each_id(session_ids)
    small += [_each_id(session_ids[:10_000]) for _ in range(25)]
    return [
        Figure("an id in a run of 1,000,000, to one in a run of 10,000", large / fmean(small), 1.2),
        Figure("peak memory that 1,000,000 ids add", added / 2**10, 10, "MiB"),
    ]


class _NotFound(Stub):
    response = Response(
        404,
        {"content-type": "application/json"},
        b'{"success":false,"error":"Session not found."}',
    )


def kept_errors() -> list[Figure]:
    delete_many = DeleteManySessions(DeleteSession(_NotFound(), "fc-test"))
    session_ids = list(map(str, range(20_000)))
    tracemalloc.start()
    errors = list(delete_many(session_ids))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    each = kept / len(errors) / 2**10
    return [Figure("memory of an error that a run gave, and that is kept", each, 1, "KiB")]


def rate_limit() -> list[Figure]:
    fake = FakeService(rate_limit=10)
    session_ids = [fake.open_session() for _ in range(100)]
    began = fake.monotonic()
    delete_many = DeleteManySessions(DeleteSession(InMemoryTransport(fake), "fc-test"))
    _exhaust(delete_many(session_ids))
    spent = fake.monotonic() - began
    return [
        Figure("100 sessions at 10 a minute, to the shortest time", spent / 540, 1.05),
        Figure("their requests", len(fake.requests), 150, "requests"),
    ]
