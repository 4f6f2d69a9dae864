"""The use case for asyncio. It brings no asyncio until a `DeleteSession` of this kind is made."""

import uuid
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import Any, Self, TypeVar, overload

from msgspec import UNSET, UnsetType

from .. import core
from .arguments import check_run
from .delete_session import BaseDeleteSession, id_and_missing_ok
from .driver import Runtime
from .receipt import DeletionReceipt
from .retry import RetryPolicy
from .session_id import chosen_session_id
from .session_scope import AsyncOpeningScope, AsyncSessionScope, id_of_opened
from .transport import AsyncTransport

T = TypeVar("T")


class AsyncDeleteSession(BaseDeleteSession[AsyncTransport]):
    """`DeleteSession` for asyncio: the same, awaited, over an asynchronous transport.

    The other arguments and the errors are those of `DeleteSession`. It calls the journal in a
    thread. `on_outcome` is an ordinary function.

    Args:
        transport: carries the requests, for instance an `AsyncioTransport`. Its `send` and
            `sleep` are coroutine functions.
    """

    _advice = "Pass AsyncioTransport(), AsyncInMemoryTransport() in tests, or take DeleteSession."

    @staticmethod
    def _new_runtime() -> Runtime:
        from .asyncio_runtime import AsyncioRuntime  # noqa: PLC0415 - it brings asyncio

        return AsyncioRuntime()

    @overload
    async def __call__(
        self, session_id: str | uuid.UUID, *, retry: RetryPolicy | None = ...
    ) -> DeletionReceipt: ...
    @overload
    async def __call__(
        self, *, scrape_id: str | uuid.UUID, retry: RetryPolicy | None = ...
    ) -> DeletionReceipt: ...
    async def __call__(
        self,
        session_id: str | uuid.UUID | UnsetType = UNSET,
        *,
        scrape_id: str | uuid.UUID | UnsetType = UNSET,
        retry: RetryPolicy | None = None,
    ) -> DeletionReceipt:
        """Delete one session. A cancellation cuts the request, and leaves the fate unknown."""
        return await self._driver.call(chosen_session_id(session_id, scrape_id), retry)

    async def check(self) -> None:
        """`DeleteSession.check`, awaited."""
        await self._driver.check()

    @overload
    def on_exit(
        self,
        session_id: str | uuid.UUID,
        *,
        missing_ok: bool = ...,
        retry: RetryPolicy | None = ...,
    ) -> AsyncSessionScope: ...
    @overload
    def on_exit(
        self, *, scrape_id: str | uuid.UUID, retry: RetryPolicy | None = ...
    ) -> AsyncSessionScope: ...
    def on_exit(
        self,
        session_id: str | uuid.UUID | UnsetType = UNSET,
        *,
        scrape_id: str | uuid.UUID | UnsetType = UNSET,
        missing_ok: bool | UnsetType = UNSET,
        retry: RetryPolicy | None = None,
    ) -> AsyncSessionScope:
        """`DeleteSession.on_exit`, for `async with`."""
        id_, is_ok = id_and_missing_ok(session_id, scrape_id, missing_ok)
        return AsyncSessionScope(self._driver, id_, missing_ok=is_ok, retry=retry)

    @overload
    def opening(
        self,
        open_session: Callable[[], Awaitable[T]],
        *,
        id_of: Callable[[T], str | uuid.UUID] = ...,
        missing_ok: bool = ...,
        retry: RetryPolicy | None = ...,
    ) -> AsyncOpeningScope[T]: ...
    @overload
    def opening(
        self,
        open_session: Callable[[], T],
        *,
        id_of: Callable[[T], str | uuid.UUID] = ...,
        missing_ok: bool = ...,
        retry: RetryPolicy | None = ...,
    ) -> AsyncOpeningScope[T]: ...
    def opening(
        self,
        open_session: Callable[[], Any],  # Any: awaited or not, as the overloads say
        *,
        id_of: Callable[[Any], str | uuid.UUID] = id_of_opened,
        missing_ok: bool = False,
        retry: RetryPolicy | None = None,
    ) -> AsyncOpeningScope[Any]:
        """`DeleteSession.opening`, for `async with`. `open_session` may be awaited or not.

        No cancellation reaches the opener. A cancelled block waits for it for at most
        `attempt_timeout` seconds, deletes the session that it opened, and is cancelled then.
        """
        scope = AsyncOpeningScope[Any]
        return scope(self._driver, open_session, id_of, missing_ok=missing_ok, retry=retry)

    @overload
    def many(
        self,
        session_ids: Iterable[str | uuid.UUID] | AsyncIterable[str | uuid.UUID],
        *,
        concurrency: int = ...,
        shutdown_timeout: float | None = ...,
    ) -> "core.AsyncDeletions": ...
    @overload
    def many(
        self,
        *,
        scrape_ids: Iterable[str | uuid.UUID] | AsyncIterable[str | uuid.UUID],
        concurrency: int = ...,
        shutdown_timeout: float | None = ...,
    ) -> "core.AsyncDeletions": ...
    def many(
        self,
        session_ids: Iterable[str | uuid.UUID] | AsyncIterable[str | uuid.UUID] | UnsetType = UNSET,
        *,
        scrape_ids: Iterable[str | uuid.UUID] | AsyncIterable[str | uuid.UUID] | UnsetType = UNSET,
        concurrency: int = 8,
        shutdown_timeout: float | None = None,
    ) -> "core.AsyncDeletions":
        """`DeleteSession.many`, awaited. An asynchronous iterable is read in a task of its own.

        An ordinary iterator is read on the event loop, and must not block it.
        """
        check_run(session_ids, scrape_ids, concurrency, shutdown_timeout, is_awaited=True)
        ids: Any = session_ids if scrape_ids is UNSET else scrape_ids  # Any: one is an iterable
        from .runs.async_deletions import AsyncDeletions  # noqa: PLC0415 - as above

        return AsyncDeletions(
            self._driver,
            ids,
            of_scrapes=scrape_ids is not UNSET,
            concurrency=concurrency,
            shutdown_timeout=shutdown_timeout,
        )

    async def aclose(self) -> None:
        """Delete the sessions of the blocks that are still open. Then close transport and journal.

        It waits for the openers and deletes of this event loop, and gives blocks that have just
        been cancelled a second to end. Then it deletes what is still open, in parallel. The blocks
        themselves send nothing more for a session that is gone. A cancellation does not stop this.
        """
        # In a new runtime: the driver's own would wait for this task for ever.
        await self._new_runtime().shield(self._driver.close())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()
