"""A program with blocks in tasks of their own, over a transport that takes its time."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from firecrawl_interact.core import (
    AsyncDeleteSession,
    AsyncOpening,
    Outcome,
    Request,
    Response,
    RetryPolicy,
)

from .blocks import Browser
from .scripted_transport import API_KEY, DESTROYED, UNAVAILABLE
from .side_by_side import id_of

ONCE = RetryPolicy(max_attempts=1, attempt_timeout=20, deadline=100)


async def turns(count: float) -> None:
    """Wait for so many turns of the event loop."""
    for _ in range(int(count)):
        await asyncio.sleep(0)


class Program:
    """It is its own transport, and notes which requests are under way when that is closed.

    Args:
        wait: waits for seconds, or for turns of the event loop.
        latency: how long a request takes.
        fails: how many requests a service refuses that is away.
    """

    def __init__(
        self,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
        *,
        latency: float = 10,
        fails: float = 0,
        retry: RetryPolicy = ONCE,
    ) -> None:
        self.wait, self._latency, self._fails = wait, latency, fails
        self.is_closed = False
        self.under_way: set[str] = set()
        self.cut: set[str] = set()  # what was under way when it was closed
        self.open: set[str] = set()
        self.sent: Counter[str] = Counter()
        self.told: list[Outcome] = []
        self.blocks: list[AsyncOpening[Any]] = []  # Any: whatever is opened
        self.delete_session = AsyncDeleteSession(
            self, API_KEY, retry=retry, on_outcome=self.told.append
        )

    async def send(self, request: Request, timeout: float) -> Response:
        self.sent[id_of(request)] += 1
        self.under_way.add(id_of(request))
        try:
            await self.wait(self._latency)
        finally:
            self.under_way.discard(id_of(request))
        if sum(self.sent.values()) <= self._fails:
            return UNAVAILABLE
        self.open.discard(id_of(request))
        return DESTROYED

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await self.wait(seconds)

    async def aclose(self) -> None:
        self.is_closed = True
        self.cut = set(self.under_way)

    async def hold(self, works_for: float, *, opens_after: float | None = None) -> None:
        """Hold a session in a block, which opens it unless it is open."""
        session_id = f"session-{len(self.blocks)}"

        async def open_session() -> Browser:
            await self.wait(opens_after or 0)
            self.open.add(session_id)
            return Browser(session_id)

        if opens_after is None:
            self.open.add(session_id)
            block: AsyncOpening[Any] = self.delete_session.on_exit(session_id)  # Any: as above
        else:
            block = self.delete_session.opening(open_session)
        self.blocks.append(block)
        async with block:
            await self.wait(works_for)
