"""Runs of many sessions whose transport is a function, on real threads or a virtual event loop."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeAlias

import pytest

from firecrawl_interact import core

from ..simulation import virtual_time
from .scripted_transport import DESTROYED, AsyncScriptedTransport

KEY = "fc-test"


def id_of(request: core.Request) -> str:
    return request.path.removeprefix("/v2/interact/")


async def listed(
    outcomes: Iterable[core.Outcome] | AsyncIterable[core.Outcome],
) -> list[core.Outcome]:
    if isinstance(outcomes, Iterable):
        return list(outcomes)
    return [outcome async for outcome in outcomes]


class FunctionTransport:
    """Lets a function give the response for each id, on a clock that only waits move."""

    def __init__(self, respond: Callable[[str], core.Response] = lambda _: DESTROYED) -> None:
        self.sent: list[str] = []
        self.now = 0.0
        self._respond = respond

    def send(self, request: core.Request, timeout: float) -> core.Response:
        self.sent.append(id_of(request))
        return self._respond(id_of(request))

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def after(seconds: float, **of_others: float) -> Callable[[str], Awaitable[core.Response]]:
    async def respond(session_id: str) -> core.Response:
        await asyncio.sleep(of_others.get(session_id, seconds))
        return DESTROYED

    return respond


at_once = after(0)


class AsyncFunctionTransport:
    """The same, on the running event loop's clock."""

    def __init__(self, respond: Callable[[str], Awaitable[core.Response]] = at_once) -> None:
        self._respond = respond

    async def send(self, request: core.Request, timeout: float) -> core.Response:
        return await self._respond(id_of(request))

    def monotonic(self) -> float:
        return virtual_time.now()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def many(
    transport: core.Transport, *, concurrency: int = 8, **options: Any
) -> Callable[..., core.Deletions]:  # Any: as `DeleteSession` has them
    delete_session = core.DeleteSession(transport, KEY, random=lambda: 0.5, **options)
    return partial(delete_session.many, concurrency=concurrency)


def many_awaited(
    transport: core.AsyncTransport, *, concurrency: int = 8, **options: Any
) -> Callable[..., core.AsyncDeletions]:  # Any: as `AsyncDeleteSession` has them
    delete_session = core.AsyncDeleteSession(transport, KEY, random=lambda: 0.5, **options)
    return partial(delete_session.many, concurrency=concurrency)


def many_as_if_awaited(
    transport: core.Transport, **options: Any
) -> Callable[..., core.AsyncDeletions]:  # Any: as above
    return many_awaited(AsyncScriptedTransport(transport), **options)


DeleteMany: TypeAlias = Callable[..., Callable[..., core.Deletions | core.AsyncDeletions]]

both_kinds = pytest.mark.parametrize(
    "delete_many", [many, many_as_if_awaited], ids=["blocking", "awaited"]
)
