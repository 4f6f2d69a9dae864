"""The use case: destroy one session, over any transport."""

import logging
import uuid
from collections.abc import Awaitable, Callable
from operator import attrgetter
from typing import Any, Self, TypeVar, overload

from .arguments import HasId
from .log import log
from .opening import AsyncOpening, Opening
from .receipt import DeletionReceipt
from .retry import RetryPolicy
from .shielding import Shield, ends_in_thread, finish, loop_or_thread, raise_last
from .transport import AsyncTransport, Transport
from .use_case import JOURNAL_WAIT, Delete, UseCase

T = TypeVar("T")
HasIdT = TypeVar("HasIdT", bound=HasId)


# The type argument of a block is what `with` gives. For `on_exit` that is the block.
class DeleteSession(UseCase[Transport, "Opening[Opening[Any]]"]):
    """Destroys Interact sessions, and says afterwards what became of them.

    `with` closes the transport and the journal that it was given, if these can be closed. Whoever
    shares one of them among use cases leaves the `with` to that one. Safe to share among threads
    if its transport is, and to pickle likewise (the pickle holds the key).

    Args:
        transport: carries the requests, for instance a `Urllib3Transport`.
        api_key: the service's key; None for a self-hosted service without sign-in.
        retry: how many attempts a call makes, how long each may take, and how far apart they are.
            None: the default of each.
        headers: sent with every request, besides those of the library and of the transport,
            which cannot be set. No repr shows their values, and no error those of 8 characters or
            more, which a server may send back.
        journal: remembers which sessions are open, in case this process is killed: a
            `FileJournal` as a rule. `on_exit` and `opening` record a session in it. Every way to
            delete lets it forget one that is gone.
        on_outcome: is called once with each outcome, in the caller's thread or task: of a call
            before it returns or raises, of a block, and of a run when it hands the outcome out or
            is left. Of a block that was never left it comes where Python frees the block. An
            interrupted delete is an `UnreachableError` whose fate is unknown. What this raises
            is logged, and changes nothing.
        random: gives a number from 0 to 1, to spread retries out.

    Raises:
        InvalidApiKeyError: the key cannot be sent.
        TypeError: an argument is of the wrong type. For a transport that must be awaited, take
            `AsyncDeleteSession`.
        ValueError: a header cannot be sent, or is not for users to set.
    """

    awaits = False
    _transport_advice = "Take Urllib3Transport(). AsyncDeleteSession takes those that are awaited."
    _block = Opening

    def __call__(
        self, session_id: str | uuid.UUID, *, retry: RetryPolicy | None = None
    ) -> DeletionReceipt:
        """Destroy one session.

        Args:
            session_id: the id that the service gave when the session was opened; or `scrape:` and
                the id of a scrape, for the session of that.
            retry: the policy of this call alone. None: the one that the use case has.

        Returns:
            The receipt: the session is gone, and what it cost.

        Raises:
            InvalidSessionIdError: the id cannot be sent. Nothing was sent.
            UnreachableError: no response came.
            ResponseError: a response came, and it is not a receipt. Its subclasses say which.

        Every error's `session_fate` says what is known about the session.
        """
        return finish(lambda: self._call(Delete(session_id, self.policy(retry))))

    def check(self) -> None:
        """Find out whether address, route, key and its right to delete are good.

        It asks once to delete a session that does not exist, a random UUID. That counts for the
        rate limit. If all is good, the service says that it knows no such session.

        Raises:
            DeleteSessionError: as a call with one attempt. An address that confirms to have
                deleted what never existed is an `UnexpectedResponseError`.
        """
        finish(self._check)

    @overload
    def opening(
        self,
        open_session: Callable[[], HasIdT],
        *,
        missing_ok: bool = ...,
        retry: RetryPolicy | None = ...,
    ) -> Opening[HasIdT]: ...
    @overload
    def opening(
        self,
        open_session: Callable[[], T],
        *,
        id_of: Callable[[T], str | uuid.UUID],
        missing_ok: bool = ...,
        retry: RetryPolicy | None = ...,
    ) -> Opening[T]: ...
    def opening(
        self,
        open_session: Callable[[], Any],  # Any: see the overloads
        *,
        id_of: Callable[[Any], str | uuid.UUID] = attrgetter("id"),
        missing_ok: bool = False,
        retry: RetryPolicy | None = None,
    ) -> Opening[Any]:
        """Open a session for a `with` block, and destroy it when the block ends.

        It is in the journal before anything else runs. If the block cannot begin, it is destroyed.

        Args:
            open_session: opens the session, such as `lambda: firecrawl.browser(ttl=300)`.
            id_of: gives the session's id from what `open_session` returned.
            missing_ok: as `on_exit` has it.
            retry: as `on_exit` has it.

        Returns:
            A context manager that gives what was opened; its `receipt` and its `outcome` are there
            after the block.
        """
        return Opening(self, open_session, id_of, missing_ok=missing_ok, retry=retry)

    def close(self) -> None:
        """Close transport and journal, if they can be closed. No block begins any more.

        A block that is open in another thread fails at its end, and says so.
        """
        self.is_closed = True
        try:
            getattr(self.transport, "close", lambda: None)()
        finally:
            getattr(self.journal, "close", lambda: None)()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class AsyncDeleteSession(UseCase[AsyncTransport, "AsyncOpening[AsyncOpening[Any]]"]):
    """The same as `DeleteSession`, awaited, over an asynchronous transport.

    Args:
        transport: carries the requests, for instance an `AsyncioTransport`. Its `send` and
            `sleep` are coroutine functions.
        api_key, retry, headers, journal, on_outcome, random: as `DeleteSession` has them. The
            journal is not awaited: under asyncio it is called in a thread.

    Raises:
        InvalidApiKeyError, TypeError, ValueError: as `DeleteSession` does. For a transport that
            blocks, take that one.
    """

    awaits = True
    _transport_advice = "Take AsyncioTransport(). DeleteSession takes those that block."
    _block = AsyncOpening

    async def __call__(
        self, session_id: str | uuid.UUID, *, retry: RetryPolicy | None = None
    ) -> DeletionReceipt:
        """Destroy one session. Cancelling the call makes its fate unknown: the request is cut."""
        return await self._call(Delete(session_id, self.policy(retry)))

    async def check(self) -> None:
        """As `DeleteSession.check`."""
        await self._check()

    @overload
    def opening(
        self,
        open_session: Callable[[], Awaitable[HasIdT] | HasIdT],
        *,
        missing_ok: bool = ...,
        retry: RetryPolicy | None = ...,
    ) -> AsyncOpening[HasIdT]: ...
    @overload
    def opening(
        self,
        open_session: Callable[[], Awaitable[T]],
        *,
        id_of: Callable[[T], str | uuid.UUID],
        missing_ok: bool = ...,
        retry: RetryPolicy | None = ...,
    ) -> AsyncOpening[T]: ...
    @overload
    def opening(
        self,
        open_session: Callable[[], T],
        *,
        id_of: Callable[[T], str | uuid.UUID],
        missing_ok: bool = ...,
        retry: RetryPolicy | None = ...,
    ) -> AsyncOpening[T]: ...
    def opening(
        self,
        open_session: Callable[[], Any],  # Any: see the overloads
        *,
        id_of: Callable[[Any], str | uuid.UUID] = attrgetter("id"),
        missing_ok: bool = False,
        retry: RetryPolicy | None = None,
    ) -> AsyncOpening[Any]:
        """As `DeleteSession.opening`, for `async with`. `open_session` may be awaited or not.

        Under asyncio no cancellation of the block reaches it: the block waits for it for at most
        `attempt_timeout` seconds, destroys the session that came, and then is cancelled.
        """
        return AsyncOpening(self, open_session, id_of, missing_ok=missing_ok, retry=retry)

    async def aclose(self) -> None:
        """Destroy the sessions of this event loop's open blocks; close transport and journal.

        The transport is closed by its `aclose`, if it has one, and the journal by its `close`. A
        block finds the outcome at its end, and no block begins any more: an opener has at most
        `attempt_timeout` seconds more. A block of another event loop fails at its end, and says so.
        If this is cancelled, it goes on, at most for the deadline of the policy, and is cancelled
        afterwards. Under trio it waits for no opener and no delete that goes on in another task:
        close it around the nursery of such tasks.

        Raises:
            RuntimeError: an opener calls it, in its own task of asyncio. Nothing was closed.
        """
        if any(block.runs_caller() for block in list(self.blocks)):
            text = "aclose() was called by the opener of a block, and would wait for that to end"
            raise RuntimeError(f"{text}: call it outside of the block")
        self.is_closed = True
        interruptions: list[BaseException] = []
        here = loop_or_thread()
        ours = [block for block in list(self.blocks) if block.loop_or_thread == here]
        for block in ours:  # side by side
            block.start_delete()
        for block in ours:
            await block.finish_delete(interruptions)
        raise_last(await Shield().run(self._close, interruptions), *interruptions)

    async def _close(self) -> None:
        try:
            if hasattr(self.transport, "aclose"):
                await self.transport.aclose()
        finally:
            close_journal = getattr(self.journal, "close", lambda: None)
            if not await ends_in_thread(close_journal, timeout=JOURNAL_WAIT):
                text = "the journal takes more than %g s to close: nobody waits for it any more"
                log(logging.WARNING, text, JOURNAL_WAIT)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()
