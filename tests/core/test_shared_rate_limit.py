"""Runs and calls that share a limit of ten requests a minute, at random times."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable

from firecrawl_interact import core

from ..simulation import virtual_time
from ..simulation.limiters import FixedWindow
from .scripted_transport import DESTROYED, response
from .side_by_side import AsyncFunctionTransport, listed

LATENCY = 0.2  # seconds


def limited(seed: int) -> core.AsyncDeleteSession:
    """Return a use case over a service that names the wait in whole seconds."""

    async def respond(_: str) -> core.Response:
        wait = math.ceil(limiter.request(virtual_time.now()))
        await asyncio.sleep(LATENCY)
        return response(429, {"retry_after_seconds": wait}) if wait else DESTROYED

    limiter, numbers = FixedWindow(10), random.Random(seed)  # noqa: S311 - the same each time
    return core.AsyncDeleteSession(
        AsyncFunctionTransport(respond), "fc-test", random=numbers.random
    )


async def call(delete_session: core.AsyncDeleteSession, session_id: str) -> bool:
    try:
        await delete_session(session_id)
    except core.RateLimitError:
        return False
    return True


async def run(delete_session: core.AsyncDeleteSession, session_id: str) -> bool:
    [outcome] = await listed(delete_session.many([session_id]))
    return isinstance(outcome, core.DeletionReceipt)


async def is_served_beside_a_run(seed: int) -> bool:
    delete_session = limited(seed)
    beside = asyncio.create_task(listed(delete_session.many(map(str, range(60)))))
    await asyncio.sleep(random.Random(seed).uniform(0, 120))  # noqa: S311 - as above
    is_served = await call(delete_session, "alone")
    beside.cancel()
    await asyncio.wait([beside])
    return is_served


async def count_served(
    delete: Callable[[core.AsyncDeleteSession, str], Awaitable[bool]], seed: int
) -> int:
    """Let 20 workers delete 120 sessions, and return how many of these they have deleted."""

    async def work() -> list[bool]:
        return [await delete(delete_session, session_id) for session_id in session_ids]

    delete_session, session_ids = limited(seed), iter(map(str, range(120)))
    return sum(map(sum, await asyncio.gather(*(work() for _ in range(20)))))


def test_a_call_beside_a_run() -> None:
    refused = [seed for seed in range(60) if not virtual_time.run(is_served_beside_a_run(seed))]
    assert len(refused) <= 6


def test_runs_of_one_id_are_served_as_often_as_calls() -> None:
    by_calls, by_runs = (
        sum(virtual_time.run(count_served(delete, seed)) for seed in range(6))
        for delete in (call, run)
    )
    assert by_runs >= 0.95 * by_calls
