"""Destroy sessions at a high concurrency, in a process that may open few files.

Arguments: the service's address, and `blocking` or `awaited`. Ids come on standard input. The
number of receipts is printed; the log goes to standard error.
"""

import asyncio
import logging
import resource
import sys
from collections.abc import Iterable

from firecrawl_interact.adapters import AsyncioTransport, Urllib3Transport
from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    DeleteManySessions,
    DeleteSession,
    DeletionReceipt,
    Outcome,
)

DESCRIPTORS = 40


def blocking(api_url: str, session_ids: Iterable[str], *, concurrency: int) -> list[Outcome]:
    with Urllib3Transport(api_url, pool_size=concurrency) as transport:
        delete_session = DeleteSession(transport, "fc-test")
        return list(DeleteManySessions(delete_session, concurrency=concurrency)(session_ids))


def awaited(api_url: str, session_ids: Iterable[str], *, concurrency: int) -> list[Outcome]:
    async def collect() -> list[Outcome]:
        async with AsyncioTransport(api_url, pool_size=concurrency) as transport:
            delete_session = AsyncDeleteSession(transport, "fc-test")
            delete_many = AsyncDeleteManySessions(delete_session, concurrency=concurrency)
            return [outcome async for outcome in delete_many(session_ids)]

    return asyncio.run(collect())


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, most))
    way = {"blocking": blocking, "awaited": awaited}[sys.argv[2]]
    outcomes = way(sys.argv[1], sys.stdin.read().split(), concurrency=64)
    print(sum(isinstance(outcome, DeletionReceipt) for outcome in outcomes))
