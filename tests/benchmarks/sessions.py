"""What one delete costs, and what many cost: time, CPU, memory, requests."""

import asyncio
import json
import math
import ssl
import time
import tracemalloc
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import fmean, median
from typing import TypeAlias

import aiohttp
import urllib3
from measure import Figure, Spent, in_turns, peak_memory, spent
from service import service, service_over_tls

from firecrawl_interact import adapters, core

HEADERS = {"Authorization": "Bearer fc-test"}
CALLS = SESSIONS = 1000
CONCURRENCY = 32
LATENCY = 0.25
IDEAL = math.ceil(SESSIONS / CONCURRENCY) * LATENCY
"""Seconds: so many rounds of so long, with nothing between them."""
BILLED = (
    b'{"success":true,"sessionDurationMs":39095.00002861023,"creditsBilled":2,"status":"stopped"}'
)

Pair: TypeAlias = tuple[Callable[[], object], Callable[[], object]]
"""What deletes some sessions with this library, and with the bare one."""


class Stub:
    """Responds at once, so that the core is all that is measured."""

    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)

    def __init__(self, status: int = 200, body: bytes = BILLED) -> None:
        self._response = core.Response(status, {"content-type": "application/json"}, body)

    def send(self, request: core.Request, timeout: float) -> core.Response:
        return self._response


def _exhaust(outcomes: Iterable[object]) -> None:
    deque(outcomes, maxlen=0)


@contextmanager
def _blocking(api_url: str, ids: Sequence[str], *, many: bool) -> Iterator[Pair]:
    """Give what deletes one by one, or many at a time; and the same for urllib3."""

    def bare(session_id: str) -> object:
        path = f"/v2/interact/{session_id}"
        response = pool.urlopen("DELETE", path, headers=HEADERS, redirect=False, retries=False)
        return json.loads(response.data)

    with (
        urllib3.connection_from_url(api_url, maxsize=CONCURRENCY) as pool,
        ThreadPoolExecutor(CONCURRENCY) as executor,
        adapters.Urllib3Transport(api_url) as transport,
    ):
        delete = core.DeleteSession(transport, "fc-test")
        delete_many = core.DeleteManySessions(delete, concurrency=CONCURRENCY)
        if many:
            yield lambda: _exhaust(delete_many(ids)), lambda: _exhaust(executor.map(bare, ids))
        else:
            yield lambda: _exhaust(map(delete, ids)), lambda: _exhaust(map(bare, ids))


@contextmanager
def _awaited(
    api_url: str, ids: Sequence[str], *, many: bool, ssl_context: ssl.SSLContext | None = None
) -> Iterator[Pair]:
    """Give the same for what is awaited, and for aiohttp."""

    async def bare(session_id: str) -> None:
        url = f"{api_url}/v2/interact/{session_id}"
        async with session.delete(url, headers=HEADERS) as response:
            json.loads(await response.read())

    async def one_by_one(delete: Callable[[str], Awaitable[object]]) -> None:
        for session_id in ids:
            await delete(session_id)

    async def run_of_many() -> None:
        async for _ in core.AsyncDeleteManySessions(delete, concurrency=CONCURRENCY)(ids):
            pass

    async def bare_many() -> None:
        await asyncio.gather(*map(bare, ids))

    async def connect() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=CONCURRENCY, ssl=ssl_context or True)
        return aiohttp.ClientSession(connector=connector)

    with asyncio.Runner() as runner:
        session = runner.run(connect())
        transport = adapters.AsyncioTransport(api_url, ssl_context=ssl_context)
        delete = core.AsyncDeleteSession(transport, "fc-test")
        if many:
            yield lambda: runner.run(run_of_many()), lambda: runner.run(bare_many())
        else:
            yield lambda: runner.run(one_by_one(delete)), lambda: runner.run(one_by_one(bare))
        runner.run(session.close())
        runner.run(transport.aclose())


def _median_ratio(own: list[Spent], others: list[Spent]) -> float:
    return median(ours.cpu / bare.cpu for ours, bare in zip(own, others, strict=True))


def _ratio_of_fastest(own: list[Spent], others: list[Spent]) -> float:
    return min(own).cpu / min(others).cpu


def _to_the_ideal(what: str, own: list[Spent]) -> Figure:
    return Figure(f"{what}, to the ideal", min(one.wall for one in own) / IDEAL, 1.05)


def one_over_urllib3() -> Iterator[Figure]:
    with service(1) as (api_url, ids), _blocking(api_url, ids * CALLS, many=False) as pair:
        yield Figure("CPU of a delete, to bare urllib3", _median_ratio(*in_turns(*pair)), 1.0)


def one_over_asyncio() -> Iterator[Figure]:
    with service(1) as (api_url, ids), _awaited(api_url, ids * CALLS, many=False) as pair:
        ratio = _ratio_of_fastest(*in_turns(*pair))
    yield Figure("CPU of an awaited delete, to bare aiohttp", ratio, 0.7)
    with (
        service_over_tls() as (api_url, ids, context),
        _awaited(api_url, ids * CALLS, many=False, ssl_context=context) as pair,
    ):
        ratio = _ratio_of_fastest(*in_turns(*pair))
    yield Figure("the same over TLS", ratio, 0.7)


def core_alone() -> Iterator[Figure]:
    delete_session = core.DeleteSession(Stub(), "fc-test")
    ids = ["550e8400-e29b-41d4-a716-446655440000"] * 5000
    best = min(spent(lambda: _exhaust(map(delete_session, ids))).wall for _ in range(20))
    yield Figure("the core alone, a delete", best / len(ids) * 1e6, 8, "µs")


def many_over_urllib3() -> Iterator[Figure]:
    with service(SESSIONS, LATENCY) as (api_url, ids), _blocking(api_url, ids, many=True) as pair:
        own, others = in_turns(*pair, rounds=3)
    yield _to_the_ideal("1,000 sessions of 0.25 s, 32 at a time", own)
    yield Figure("their CPU, to urllib3 in a thread pool", _median_ratio(own, others), 1.3)


def many_over_asyncio() -> Iterator[Figure]:
    with service(SESSIONS, LATENCY) as (api_url, ids), _awaited(api_url, ids, many=True) as pair:
        own, others = in_turns(*pair, rounds=5)
    yield _to_the_ideal("the same, awaited", own)
    yield Figure("their CPU, to bare aiohttp", _ratio_of_fastest(own, others), 0.9)


def a_million_ids() -> Iterator[Figure]:
    delete_many = core.DeleteManySessions(core.DeleteSession(Stub(), "fc-test"))
    before = peak_memory()
    _exhaust(delete_many(map(str, range(1_000_000))))
    added = peak_memory() - before
    # They are a list: what the kernel spends on a thread that reads ids differs from run to run.
    ids = list(map(str, range(1_000_000)))

    def each_of(count: int) -> float:
        return spent(lambda: _exhaust(delete_many(ids[:count]))).cpu / count

    # As many ids before as after, so that a change of the machine's speed shows in both.
    small = [each_of(10_000) for _ in range(25)]
    large = each_of(1_000_000)
    small += [each_of(10_000) for _ in range(25)]
    ratio = large / fmean(small)
    yield Figure("an id in a run of 1,000,000, to one in a run of 10,000", ratio, 1.2)
    yield Figure("peak memory that 1,000,000 ids add", added, 10, "MiB")


def kept_errors() -> Iterator[Figure]:
    not_found = Stub(404, b'{"success":false,"error":"Session not found."}')
    delete_many = core.DeleteManySessions(core.DeleteSession(not_found, "fc-test"))
    ids = list(map(str, range(20_000)))
    tracemalloc.start()
    errors = list(delete_many(ids))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    each = kept / len(errors) / 2**10
    yield Figure("memory of an error that a run gave, and that is kept", each, 1, "KiB")


def rate_limit() -> Iterator[Figure]:
    fake = adapters.FakeService(rate_limit=10)
    ids = [fake.open_session() for _ in range(100)]
    began = fake.monotonic()
    _exhaust(
        core.DeleteManySessions(core.DeleteSession(adapters.InMemoryTransport(fake), "fc-test"))(
            ids
        )
    )
    taken = fake.monotonic() - began
    yield Figure("100 sessions at 10 a minute, to the shortest time", taken / 540, 1.05)
    yield Figure("their requests", len(fake.requests), 150, "requests")
