"""A program with awaited blocks in tasks, and a service that takes its time."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from firecrawl_interact import core

from .scripted_transport import API_KEY, DESTROYED
from .side_by_side import id_of

POLICY = core.RetryPolicy(max_attempts=1, attempt_timeout=20)


async def turns(count: float) -> None:
    """Wait for so many turns of the event loop."""
    for _ in range(int(count)):
        await asyncio.sleep(0)


class Program:
    """It is its own transport, and notes which requests are under way when that is closed.

    Args:
        wait: waits for seconds, or for turns of the event loop.
        latency: how long a request takes.
        responds: with what, by the number of the request from 0.
    """

    def __init__(
        self,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
        *,
        latency: float = 10,
        responds: Callable[[int], core.Response] = lambda number: DESTROYED,
        **options: Any,  # as `AsyncDeleteSession` has them
    ) -> None:
        self._wait, self._latency, self._responds = wait, latency, responds
        self.is_closed = False
        self.under_way: set[str] = set()
        self.cut: set[str] = set()  # what was under way when it was closed
        self.open: set[str] = set()
        self.sent: Counter[str] = Counter()
        self.told: list[core.Outcome] = []
        self.blocks: list[core.AsyncOpening[Any]] = []  # Any: whatever is opened
        self.delete_session = core.AsyncDeleteSession(
            self, API_KEY, **{"retry": POLICY, "on_outcome": self.told.append, **options}
        )

    async def send(self, request: core.Request, timeout: float) -> core.Response:
        response = self._responds(self.sent.total())
        self.sent[id_of(request)] += 1
        self.under_way.add(id_of(request))
        try:
            await self._wait(self._latency)
        finally:
            self.under_way.discard(id_of(request))
        if response is DESTROYED:
            self.open.discard(id_of(request))
        return response

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await self._wait(seconds)

    async def aclose(self) -> None:
        self.is_closed = True
        self.cut = set(self.under_way)

    async def hold(self, works_for: float, *, opens_after: float | None = None) -> None:
        """Hold a session in a block, which opens it unless it is open."""
        session_id = f"session-{len(self.blocks)}"

        async def open_session() -> str:
            await self._wait(opens_after or 0)
            self.open.add(session_id)
            return session_id

        if opens_after is None:
            self.open.add(session_id)
            block: core.AsyncOpening[Any] = self.delete_session.on_exit(session_id)  # Any: as above
        else:
            block = self.delete_session.opening(open_session)
        self.blocks.append(block)
        async with block:
            await self._wait(works_for)
