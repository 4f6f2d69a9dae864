"""A program with awaited blocks in tasks, and a service that takes its time."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import count
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
        response: of each request.
        retry: the policy of its blocks.
    """

    def __init__(
        self,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
        *,
        latency: float = 10,
        response: core.Response = DESTROYED,
        retry: core.RetryPolicy = POLICY,
        **options: Any,  # as `AsyncDeleteSession` has them
    ) -> None:
        self._wait, self._latency, self._response, self._retry = wait, latency, response, retry
        self.is_closed = False
        self.under_way: set[str] = set()
        self.cut: set[str] = set()  # what was under way when it was closed
        self.open: set[str] = set()
        self.sent: Counter[str] = Counter()
        self.told: list[core.Outcome] = []
        self._numbers = count()
        self.delete_session = core.AsyncDeleteSession(
            self, API_KEY, on_outcome=self.told.append, **options
        )

    @property
    def came(self) -> tuple[set[str], int, list[core.SessionFate]]:
        """Which sessions are open, how many requests were sent, and what was told."""
        return self.open, self.sent.total(), [outcome.session_fate for outcome in self.told]

    async def send(self, request: core.Request, timeout: float) -> core.Response:
        self.sent[id_of(request)] += 1
        self.under_way.add(id_of(request))
        try:
            await self._wait(self._latency)
        finally:
            self.under_way.discard(id_of(request))
        if self._response is DESTROYED:
            self.open.discard(id_of(request))
        return self._response

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await self._wait(seconds)

    async def aclose(self) -> None:
        self.is_closed = True
        self.cut = set(self.under_way)

    async def hold(self, works_for: float, *, opens_after: float | None = None) -> None:
        """Hold a session in a block, which opens it unless it is open."""
        session_id = f"session-{next(self._numbers)}"

        async def open_session() -> str:
            await self._wait(opens_after or 0)
            self.open.add(session_id)
            return session_id

        block: core.AsyncSessionScope | core.AsyncOpeningScope[str]
        if opens_after is None:
            self.open.add(session_id)
            block = self.delete_session.on_exit(session_id, retry=self._retry)
        else:
            block = self.delete_session.opening(open_session, retry=self._retry)
        async with block:
            await self._wait(works_for)
