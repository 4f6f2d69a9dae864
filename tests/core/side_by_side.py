"""Runs of many sessions, in both ways, and what is watched of them."""

import asyncio
import threading
import uuid
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
)
from typing import Any, NamedTuple, ParamSpec, Protocol, TypeVar

import pytest

from firecrawl_interact.adapters import (
    AsyncInMemoryTransport,
    FakeService,
    InMemoryTransport,
)
from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    DeleteManySessions,
    DeleteSession,
    DeleteSessionError,
    DeletionReceipt,
    Request,
    Response,
    RetryPolicy,
    SessionFate,
)

from . import virtual_time
from .scripted_transport import DESTROYED

KEY = "fc-test"
GONE, UNTOUCHED, UNKNOWN = SessionFate.GONE, SessionFate.UNTOUCHED, SessionFate.UNKNOWN
Outcome = DeletionReceipt | DeleteSessionError
SessionIds = Iterable[str | uuid.UUID]

_P = ParamSpec("_P")
_T = TypeVar("_T")


def unchecked(value: object) -> Any:
    """Pass what a type checker would not let pass, as programs without one do."""
    return value


def id_of(request: Request) -> str:
    return request.path.removeprefix("/v2/interact/")


# Over the fake service, in both ways


class Result(NamedTuple):
    outcomes: list[Outcome]

    @property
    def receipts(self) -> list[DeletionReceipt]:
        return [outcome for outcome in self.outcomes if isinstance(outcome, DeletionReceipt)]

    @property
    def errors(self) -> list[DeleteSessionError]:
        return [outcome for outcome in self.outcomes if isinstance(outcome, DeleteSessionError)]


class DeleteMany(Protocol):
    """One run to its end, in one of the two ways."""

    def __call__(
        self,
        service: FakeService,
        session_ids: SessionIds,
        *,
        concurrency: int = ...,
        retry: RetryPolicy = ...,
    ) -> Result: ...


def delete_many_blocking(
    service: FakeService,
    session_ids: SessionIds,
    *,
    concurrency: int = 8,
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - immutable
) -> Result:
    transport = InMemoryTransport(service)
    delete_session = DeleteSession(transport, KEY, retry=retry, random=lambda: 0.5)
    return Result(list(DeleteManySessions(delete_session, concurrency=concurrency)(session_ids)))


def delete_many_awaited(
    service: FakeService,
    session_ids: SessionIds,
    *,
    concurrency: int = 8,
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - immutable
) -> Result:
    transport = AsyncInMemoryTransport(service)
    delete_session = AsyncDeleteSession(transport, KEY, retry=retry, random=lambda: 0.5)
    delete_many_sessions = AsyncDeleteManySessions(delete_session, concurrency=concurrency)
    return Result(virtual_time.run(listed(delete_many_sessions(session_ids))))


both_ways = pytest.mark.parametrize(
    "delete_many", [delete_many_blocking, delete_many_awaited], ids=["blocking", "awaited"]
)


async def listed(outcomes: AsyncIterable[Outcome]) -> list[Outcome]:
    return [outcome async for outcome in outcomes]


def open_sessions(service: FakeService, count: int) -> list[str]:
    return [service.open_session() for _ in range(count)]


# Over functions, to steer each attempt


class FunctionTransport:
    """Lets a function give the response for each id, on a clock that only waits move."""

    def __init__(
        self,
        respond: Callable[[str], Response] = lambda _: DESTROYED,
        on_sleep: Callable[[], object] = lambda: None,
    ) -> None:
        self.sent: list[str] = []
        self.sleeps: list[float] = []
        self.now = 0.0
        self._respond = respond
        self._on_sleep = on_sleep

    def send(self, request: Request, timeout: float) -> Response:
        self.sent.append(id_of(request))
        return self._respond(id_of(request))

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds
        self._on_sleep()


async def at_once(session_id: str) -> Response:
    return DESTROYED


class AsyncFunctionTransport:
    """Lets a coroutine give the response for each id, on the clock of the event loop."""

    def __init__(
        self,
        respond: Callable[[str], Awaitable[Response]] = at_once,
        on_sleep: Callable[[], object] = lambda: None,
    ) -> None:
        self.sent: list[str] = []
        self.ended: list[str] = []
        self.looks_at_the_clock = 0
        self._respond = respond
        self._on_sleep = on_sleep

    async def send(self, request: Request, timeout: float) -> Response:
        self.sent.append(id_of(request))
        response = await self._respond(id_of(request))
        self.ended.append(id_of(request))
        return response

    def monotonic(self) -> float:
        self.looks_at_the_clock += 1
        return virtual_time.now()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._on_sleep()


def many(transport: FunctionTransport, *, concurrency: int = 8) -> DeleteManySessions:
    delete_session = DeleteSession(transport, KEY, random=lambda: 0.5)
    return DeleteManySessions(delete_session, concurrency=concurrency)


def many_awaited(
    transport: AsyncFunctionTransport, *, concurrency: int = 8
) -> AsyncDeleteManySessions:
    delete_session = AsyncDeleteSession(transport, KEY, random=lambda: 0.5)
    return AsyncDeleteManySessions(delete_session, concurrency=concurrency)


class Ids:
    """Ids without an end: "0", "1", and so on. Counts those that were taken."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[str]:
        while True:
            self.taken += 1
            yield str(self.taken - 1)

    async def __aiter__(self) -> AsyncGenerator[str]:
        for session_id in iter(self):
            yield session_id


def after(seconds: float, response: Response = DESTROYED) -> Callable[[str], Awaitable[Response]]:
    async def respond(session_id: str) -> Response:
        await asyncio.sleep(seconds)
        return response

    return respond


def library_threads() -> list[threading.Thread]:
    """The threads of runs, but for those that are about to end."""
    threads = [
        thread for thread in threading.enumerate() if thread.name.startswith("firecrawl_interact")
    ]
    for thread in threads:
        thread.join(timeout=5)
    return [thread for thread in threads if thread.is_alive()]
