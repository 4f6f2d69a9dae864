"""Runs of many sessions whose transport is a function, on real threads or a virtual event loop."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import Any, TypeAlias

import pytest

from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    AsyncTransport,
    DeleteManySessions,
    DeleteSession,
    Outcome,
    Request,
    Response,
    Transport,
)

from . import virtual_time
from .scripted_transport import DESTROYED, AsyncScriptedTransport

KEY = "fc-test"


def unchecked(value: object) -> Any:
    """Pass what a type checker would not let pass, as programs without one do."""
    return value


def id_of(request: Request) -> str:
    return request.path.removeprefix("/v2/interact/")


async def listed(outcomes: Iterable[Outcome] | AsyncIterable[Outcome]) -> list[Outcome]:
    if isinstance(outcomes, Iterable):
        return list(outcomes)
    return [outcome async for outcome in outcomes]


class FunctionTransport:
    """Lets a function give the response for each id, on a clock that only waits move."""

    def __init__(self, respond: Callable[[str], Response] = lambda _: DESTROYED) -> None:
        self.sent: list[str] = []
        self.responded: list[str] = []
        self.now = 0.0
        self._respond = respond

    def send(self, request: Request, timeout: float) -> Response:
        self.sent.append(id_of(request))
        response = self._respond(id_of(request))
        self.responded.append(id_of(request))
        return response

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


async def at_once(session_id: str) -> Response:
    return DESTROYED


def after(seconds: float, **of_others: float) -> Callable[[str], Awaitable[Response]]:
    async def respond(session_id: str) -> Response:
        await asyncio.sleep(of_others.get(session_id, seconds))
        return DESTROYED

    return respond


class AsyncFunctionTransport:
    """The same, on the running event loop's clock."""

    def __init__(self, respond: Callable[[str], Awaitable[Response]] = at_once) -> None:
        self.sent: list[str] = []
        self.responded: list[str] = []
        self._respond = respond

    async def send(self, request: Request, timeout: float) -> Response:
        self.sent.append(id_of(request))
        response = await self._respond(id_of(request))
        self.responded.append(id_of(request))
        return response

    def monotonic(self) -> float:
        return virtual_time.now()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def many(transport: Transport, *, concurrency: int = 8) -> DeleteManySessions:
    delete_session = DeleteSession(transport, KEY, random=lambda: 0.5)
    return DeleteManySessions(delete_session, concurrency=concurrency)


def many_awaited(transport: AsyncTransport, *, concurrency: int = 8) -> AsyncDeleteManySessions:
    delete_session = AsyncDeleteSession(transport, KEY, random=lambda: 0.5)
    return AsyncDeleteManySessions(delete_session, concurrency=concurrency)


def many_as_if_awaited(transport: Transport) -> AsyncDeleteManySessions:
    return many_awaited(AsyncScriptedTransport(transport))


DeleteMany: TypeAlias = Callable[[Transport], DeleteManySessions | AsyncDeleteManySessions]

both_kinds = pytest.mark.parametrize(
    "delete_many", [many, many_as_if_awaited], ids=["blocking", "awaited"]
)
