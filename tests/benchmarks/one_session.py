"""What one delete costs: beside the bare libraries over a kept connection, and the core alone."""

import asyncio
import json
import ssl
import time
from urllib.parse import urlsplit

import aiohttp
import urllib3
from measure import Figure, median_ratio, service, service_over_tls

from firecrawl_interact.adapters import AsyncioTransport, Urllib3Transport
from firecrawl_interact.core import AsyncDeleteSession, DeleteSession, Request, Response

HEADERS = {"Authorization": "Bearer fc-test"}
CALLS = 1000


def over_urllib3() -> Figure:
    with service() as (api_url, [session_id]):
        address = urlsplit(api_url)
        pool = urllib3.HTTPConnectionPool(address.hostname or "", address.port)
        path = f"/v2/interact/{session_id}"

        def bare() -> None:
            for _ in range(CALLS):
                response = pool.urlopen(
                    "DELETE", path, headers=HEADERS, redirect=False, retries=False
                )
                json.loads(response.data)

        with Urllib3Transport(api_url) as transport:
            delete_session = DeleteSession(transport, "fc-test")

            def ours() -> None:
                for _ in range(CALLS):
                    delete_session(session_id)

            ratio = median_ratio(ours, bare)
        pool.close()
    return Figure("CPU of a delete, to bare urllib3", ratio, 1.0)


async def _over_asyncio(
    api_url: str, session_id: str, ssl_context: ssl.SSLContext | None = None
) -> float:
    """Return the least CPU time of our rounds to the least of bare aiohttp's."""
    url = f"{api_url}/v2/interact/{session_id}"
    connector = aiohttp.TCPConnector(ssl=ssl_context or True)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        AsyncioTransport(api_url, ssl_context=ssl_context) as transport,
    ):
        delete_session = AsyncDeleteSession(transport, "fc-test")

        async def bare() -> float:
            began = time.process_time()
            for _ in range(CALLS):
                async with session.delete(url, headers=HEADERS) as response:
                    json.loads(await response.read())
            return time.process_time() - began

        async def ours() -> float:
            began = time.process_time()
            for _ in range(CALLS):
                await delete_session(session_id)
            return time.process_time() - began

        await bare(), await ours()
        rounds = [(await bare(), await ours()) for _ in range(15)]
    return min(own for _, own in rounds) / min(spent for spent, _ in rounds)


def over_asyncio() -> list[Figure]:
    with service() as (api_url, [session_id]):
        plain = asyncio.run(_over_asyncio(api_url, session_id))
    with service_over_tls() as (api_url, [session_id], context):
        over_tls = asyncio.run(_over_asyncio(api_url, session_id, context))
    return [
        Figure("CPU of an awaited delete, to bare aiohttp", plain, 0.7),
        Figure("the same over TLS", over_tls, 0.7),
    ]


class Stub:
    """Responds at once, so that the core is all that is measured."""

    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)
    response = Response(
        200,
        {"content-type": "application/json"},
        b'{"success":true,"sessionDurationMs":39095.00002861023,"creditsBilled":2,'
        b'"status":"stopped"}',
    )

    def send(self, request: Request, timeout: float) -> Response:
        return self.response


def core_alone() -> Figure:
    delete_session = DeleteSession(Stub(), "fc-test")
    best = float("inf")
    for _ in range(20):
        began = time.perf_counter()
        for _ in range(5000):
            delete_session("550e8400-e29b-41d4-a716-446655440000")
        best = min(best, (time.perf_counter() - began) / 5000)
    return Figure("the core alone, a delete", best * 1e6, 8, "µs")
