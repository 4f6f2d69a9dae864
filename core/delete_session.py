"""The use case: destroy one session, over any transport."""

import logging
import os
import uuid
from collections.abc import Awaitable, Callable, Generator, Mapping
from functools import partial
from operator import attrgetter
from typing import Any, Generic, TypeVar, overload

import msgspec

from .arguments import check_methods
from .conversation import Conversation, Send, Step, Wait, converse
from .errors import DeleteSessionError, Outcome, SessionNotFoundError, UnexpectedResponseError
from .headers import RequestHeaders, request_headers
from .journal import Recorder
from .on_exit import AsyncDeleteOnExit, DeleteOnExit
from .opening import AsyncOpening, OnExitT, Opening
from .receipt import DeletionReceipt, SessionFate
from .retry import RetryPolicy, checked_retry
from .shielding import in_thread
from .transport import AsyncTransport, Response, Transport, TransportError
from .wire import checked_session_id

logger: logging.Logger = logging.getLogger("firecrawl_interact")
logger.addHandler(logging.NullHandler())  # Silent until the application says otherwise.

T = TypeVar("T")
TransportT = TypeVar("TransportT", Transport, AsyncTransport)


def _random() -> float:
    return int.from_bytes(os.urandom(7)) / 2**56


class _DeleteSession(Generic[TransportT, OnExitT]):
    """What the two use cases share: everything but how they wait."""

    _awaits: bool
    _takes: str  # which transports
    _on_exit: type[OnExitT]
    __call__: Callable[..., Any]  # It gives a receipt, or a coroutine that does.

    def __init__(  # noqa: PLR0913 - each is something that users must be able to say
        self,
        transport: TransportT,
        api_key: str | None,
        *,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - immutable
        headers: Mapping[str, str] | None = None,
        journal: Recorder | None = None,
        random: Callable[[], float] = _random,
    ) -> None:
        try:
            #: of every request
            self.headers: RequestHeaders = request_headers(api_key, headers)
        finally:
            del api_key, headers  # The traceback of an error shows this frame.
        self.transport: TransportT = transport  #: carries the requests
        self.retry = retry  #: how many attempts a call makes, and when
        self.journal = journal  #: remembers which sessions are open; None: nothing does
        self.random = random  #: gives a number from 0 to 1, to spread retries out
        verbs = {"send": self._awaits, "monotonic": False, "sleep": self._awaits}
        check_methods("transport", transport, verbs, self._takes)
        checked_retry(retry)
        if journal is not None:
            verbs = dict.fromkeys(("opened", "gone"), False)
            check_methods("journal", journal, verbs, "Take a FileJournal, or write one.")
        if not callable(random):
            raise TypeError(f"random must be a function, not {random!r}")

    def on_exit(
        self,
        session_id: str | uuid.UUID,
        *,
        missing_ok: bool = False,
        retry: RetryPolicy | None = None,
    ) -> OnExitT:
        """Destroy a session when a `with` block (`async with`) ends, however it ends.

        Args:
            session_id: the id that the service gave when the session was opened.
            missing_ok: whether a session that is gone already is a success, not a
                `SessionNotFoundError`. There is no receipt for it.
            retry: the policy of this delete alone. None: the one that the use case has.

        Returns:
            A context manager; its `receipt` is there after the block.

        Raises:
            InvalidSessionIdError: at once, before the block: the id cannot be sent.
        """
        session_id = checked_session_id(session_id)
        delete = partial(self, session_id, retry=self._policy(retry))
        return self._on_exit(session_id, delete, journal=self.journal, missing_ok=missing_ok)

    def _conversation(self, session_id: str | uuid.UUID, retry: RetryPolicy | None) -> Conversation:
        return converse(
            session_id,
            headers=self.headers,
            retry=self._policy(retry),
            monotonic=self.transport.monotonic,
            random=self.random,
        )

    def _preflight(self) -> Generator[Step, Response | bool | None, None]:
        """Ask once for a session that never existed: the service knows no such session."""
        octets = bytes(int(self.random() * 255) for _ in range(16))
        session_id = uuid.UUID(bytes=octets, version=4)
        once = msgspec.structs.replace(self.retry, max_attempts=1)
        try:
            yield from self._conversation(session_id, once)
        except SessionNotFoundError:
            return
        reason = "HTTP 200: it confirms to have deleted a session that never existed"
        raise UnexpectedResponseError(reason, session_id=str(session_id), attempts=1, status=200)

    def _policy(self, retry: RetryPolicy | None) -> RetryPolicy:
        return self.retry if retry is None else checked_retry(retry)

    def _record_gone(self, outcome: Outcome) -> None:
        if self.journal is None or outcome.session_fate is not SessionFate.GONE:
            return
        try:
            self.journal.gone(outcome.session_id)
        except Exception as error:
            text = "session %a is gone, but the journal may still hold it: %s"
            logger.warning(text, outcome.session_id, error)

    def __repr__(self) -> str:
        key = "'***'" if "Authorization" in self.headers else None
        shown = f"{self.transport!r}, api_key={key}, retry={self.retry!r}"
        if names := self.headers.own_names:
            shown += f", headers={dict.fromkeys(names, '***')}"
        if self.journal is not None:
            shown += f", journal={self.journal!r}"
        return f"{type(self).__name__}({shown})"


class DeleteSession(_DeleteSession[Transport, DeleteOnExit]):
    """Destroys Interact sessions, and says afterwards what became of them.

    Safe to share among threads if its transport is, and to pickle likewise (the pickle holds
    the key). Retrying is safe: the service bills a session once.

    Args:
        transport: carries the requests, for instance a `Urllib3Transport`.
        api_key: the service's key; None for a self-hosted service without sign-in.
        retry: how many attempts a call makes, how long each may take, and how far apart they are.
        headers: sent with every request, besides those of the library and of the transport,
            which cannot be set. No repr shows their values.
        journal: remembers which sessions are open, in case this process is killed: a
            `FileJournal` as a rule. `on_exit` and `opening` record a session in it. Every way to
            delete lets it forget one that is gone.
        random: gives a number from 0 to 1, to spread retries out.

    Raises:
        InvalidApiKeyError: the key cannot be sent.
        TypeError: an argument is of the wrong type. For a transport that must be awaited, take
            `AsyncDeleteSession`.
        ValueError: a header cannot be sent, or is not for users to set.
    """

    _awaits = False
    _takes = "Take Urllib3Transport(). AsyncDeleteSession takes those that are awaited."
    _on_exit = DeleteOnExit

    def __call__(
        self, session_id: str | uuid.UUID, *, retry: RetryPolicy | None = None
    ) -> DeletionReceipt:
        """Destroy one session.

        Args:
            session_id: the id that the service gave when the session was opened.
            retry: the policy of this call alone. None: the one that the use case has.

        Returns:
            The receipt: the session is gone, and what it cost.

        Raises:
            InvalidSessionIdError: the id cannot be sent. Nothing was sent.
            UnreachableError: no response came.
            ResponseError: a response came, and it is not a receipt. Its subclasses say which.

        Every error's `session_fate` says what is known about the session.
        """
        try:
            receipt = self._drive(self._conversation(session_id, retry))
        except DeleteSessionError as error:
            self.record_gone(error)
            raise
        self.record_gone(receipt)
        return receipt

    def _drive(self, conversation: Generator[Step, Response | bool | None, T]) -> T:
        try:
            step = next(conversation)
            while True:
                if isinstance(step, Send):
                    try:
                        response = self.transport.send(step.request, step.timeout)
                    except TransportError as failure:
                        step = conversation.throw(failure)
                    else:
                        step = conversation.send(response)
                else:
                    if isinstance(step, Wait):
                        self.transport.sleep(step.seconds)
                    del step  # A failure's error, whose traceback holds this frame: a cycle.
                    step = next(conversation)
        except StopIteration as end:
            result: T = end.value
            return result

    def check(self) -> None:
        """Find out whether address, route, key and its right to delete are good.

        It asks once to delete a session that does not exist, a random UUID. That counts for the
        rate limit. If all is good, the service says that it knows no such session.

        Raises:
            DeleteSessionError: as a call with one attempt. An address that confirms to have
                deleted what never existed is an `UnexpectedResponseError`.
        """
        self._drive(self._preflight())

    def record_gone(self, outcome: Outcome) -> None:
        """Let the journal forget a session that is gone. The driver of `converse` calls it."""
        self._record_gone(outcome)

    def opening(
        self,
        open_session: Callable[[], T],
        *,
        id_of: Callable[[T], str | uuid.UUID] = attrgetter("id"),
        missing_ok: bool = False,
        retry: RetryPolicy | None = None,
    ) -> Opening[T]:
        """Open a session for a `with` block, and destroy it when the block ends.

        It is in the journal before anything else runs. If the block cannot begin, it is destroyed.

        Args:
            open_session: opens the session, such as `lambda: firecrawl.browser(ttl=300)`.
            id_of: gives the session's id from what `open_session` returned.
            missing_ok: as `on_exit` has it.
            retry: as `on_exit` has it.

        Returns:
            A context manager that gives what was opened; its `receipt` is there after the block.
        """
        retry = self._policy(retry)
        on_exit = partial(self.on_exit, missing_ok=missing_ok, retry=retry)
        return Opening(open_session, id_of, on_exit, retry.attempt_timeout)


class AsyncDeleteSession(_DeleteSession[AsyncTransport, AsyncDeleteOnExit]):
    """The same as `DeleteSession`, awaited, over an asynchronous transport.

    Args:
        transport: carries the requests, for instance an `AsyncioTransport`. Its `send` and
            `sleep` are coroutine functions.
        api_key, retry, headers, journal, random: as `DeleteSession` has them. The journal is not
            awaited: under asyncio it is called in a thread.

    Raises:
        InvalidApiKeyError, TypeError, ValueError: as `DeleteSession` does. For a transport that
            blocks, take that one.
    """

    _awaits = True
    _takes = "Take AsyncioTransport(). DeleteSession takes those that block."
    _on_exit = AsyncDeleteOnExit

    async def __call__(
        self, session_id: str | uuid.UUID, *, retry: RetryPolicy | None = None
    ) -> DeletionReceipt:
        """Destroy one session. Cancelling the call makes its fate unknown: the request is cut."""
        try:
            receipt = await self._drive(self._conversation(session_id, retry))
        except DeleteSessionError as error:
            await self.record_gone(error)
            raise
        await self.record_gone(receipt)
        return receipt

    async def _drive(self, conversation: Generator[Step, Response | bool | None, T]) -> T:
        try:
            step = next(conversation)
            while True:
                if isinstance(step, Send):
                    try:
                        response = await self.transport.send(step.request, step.timeout)
                    except TransportError as failure:
                        step = conversation.throw(failure)
                    else:
                        step = conversation.send(response)
                else:
                    if isinstance(step, Wait):
                        await self.transport.sleep(step.seconds)
                    del step  # As above.
                    step = next(conversation)
        except StopIteration as end:
            result: T = end.value
            return result

    async def check(self) -> None:
        """As `DeleteSession.check`."""
        await self._drive(self._preflight())

    async def record_gone(self, outcome: Outcome) -> None:
        """As `DeleteSession.record_gone`, in a thread. It is waited for, at most 5 s."""
        if self.journal is not None:
            await in_thread(self._record_gone, outcome, timeout=5)

    @overload
    def opening(
        self,
        open_session: Callable[[], Awaitable[T]],
        *,
        id_of: Callable[[T], str | uuid.UUID] = ...,
        missing_ok: bool = ...,
        retry: RetryPolicy | None = ...,
    ) -> AsyncOpening[T]: ...
    @overload
    def opening(
        self,
        open_session: Callable[[], T],
        *,
        id_of: Callable[[T], str | uuid.UUID] = ...,
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
        retry = self._policy(retry)
        on_exit = partial(self.on_exit, missing_ok=missing_ok, retry=retry)
        return AsyncOpening(open_session, id_of, on_exit, retry.attempt_timeout)
