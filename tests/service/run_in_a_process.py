"""Destroy sessions, 64 at a time.

Arguments: the service's address, `blocking` or `awaited`, and the ids. The number of receipts is
printed; the log goes to standard error.
"""

import asyncio
import logging
import sys

from firecrawl_interact.adapters import AsyncioTransport, Urllib3Transport
from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    DeleteManySessions,
    DeleteSession,
    DeletionReceipt,
    Outcome,
)

_, API_URL, WAY, *SESSION_IDS = sys.argv


def blocking() -> list[Outcome]:
    with Urllib3Transport(API_URL, pool_size=64) as transport:
        delete_session = DeleteSession(transport, "fc-test")
        return list(DeleteManySessions(delete_session, concurrency=64)(SESSION_IDS))


async def awaited() -> list[Outcome]:
    async with AsyncioTransport(API_URL, pool_size=64) as transport:
        delete_session = AsyncDeleteSession(transport, "fc-test")
        deletions = AsyncDeleteManySessions(delete_session, concurrency=64)(SESSION_IDS)
        return [outcome async for outcome in deletions]


logging.basicConfig(level=logging.WARNING)
outcomes = blocking() if WAY == "blocking" else asyncio.run(awaited())
print(sum(isinstance(outcome, DeletionReceipt) for outcome in outcomes))
