"""The use case: destroy one session, over any transport."""

import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar, Generic, TypeVar

from .arguments import check_transport
from .asyncio_tasks import in_thread
from .conversation import Conversation, Wait, converse
from .errors import DeleteSessionError, Outcome
from .journal import Recorder, check_journal, record_gone
from .on_exit import AsyncDeleteOnExit, DeleteOnExit
from .receipt import DeletionReceipt
from .request_headers import LIBRARY_HEADERS, Problem, request_headers
from .retry import RetryPolicy
from .session_ids import checked_session_id
from .transport import AsyncTransport, Transport, TransportError

_TransportT = TypeVar("_TransportT", Transport, AsyncTransport)


def _random() -> float:
    from random import random  # noqa: PLC0415 - most calls make no retry, and it is slow to import

    return random()  # noqa: S311 - it spreads retries out, and keeps no secret


class _DeleteSession(Generic[_TransportT]):
    """What the two use cases share: everything but how they wait."""

    _awaits: ClassVar[bool]
    _headers: Mapping[str, str]  # of every request; they hold the key

    def _set_up(
        self,
        transport: _TransportT,
        problem: Problem | None,
        retry: RetryPolicy,
        journal: Recorder | None,
        random: Callable[[], float],
    ) -> None:
        self.transport: _TransportT = transport  #: carries the requests
        self.retry = retry  #: how many attempts a call makes, how long and how far apart
        self.journal = journal  #: remembers which sessions are open; None: nothing does
        self.random = random  #: gives a number from 0 to 1, to spread retries out
        check_transport(transport, awaits=self._awaits)
        if problem is not None:
            raise problem
        _check_retry(retry)
        if journal is not None:
            check_journal(journal)
        if not callable(random):
            raise TypeError(f"random must be a function, not {random!r}")

    def __repr__(self) -> str:
        key = "'***'" if "Authorization" in self._headers else None
        shown = f"{self.transport!r}, api_key={key}, retry={self.retry!r}"
        if own := {name: "***" for name in self._headers if name not in LIBRARY_HEADERS}:
            shown += f", headers={own}"
        if self.journal is not None:
            shown += f", journal={self.journal!r}"
        return f"{type(self).__name__}({shown})"

    def converse(
        self,
        session_id: str,
        *,
        monotonic: Callable[[], float],
        hold_back: Callable[[DeleteSessionError, bool], bool] = lambda error, is_last: False,
        retry: RetryPolicy | None = None,
    ) -> Conversation:
        """Begin the conversation that destroys one session, for whoever drives it.

        Args:
            session_id: an id that has been checked.
            monotonic: gives the time in seconds, on a clock that never goes back.
            hold_back: as for `conversation.converse`.
            retry: the policy of this conversation alone. None: the use case's own.
        """
        if retry is None:
            retry = self.retry
        else:
            _check_retry(retry)
        return converse(
            session_id,
            headers=self._headers,
            retry=retry,
            monotonic=monotonic,
            random=self.random,
            hold_back=hold_back,
        )


class DeleteSession(_DeleteSession[Transport]):
    """Destroys Interact sessions, and says afterwards what became of them.

    Safe to share among threads if its transport is, and to pickle likewise (the pickle holds
    the key). Retrying is safe: the service bills a session once.

    Args:
        transport: carries the requests, for instance a `Urllib3Transport`.
        api_key: the service's key; None for a self-hosted service without sign-in.
        retry: how many attempts a call makes, how long each may take, and how far apart they are.
        headers: sent with every request, besides those of the library and of the transport,
            which cannot be set. No repr and no log line shows their values.
        journal: remembers which sessions are open, in case this process is killed: a
            `FileJournal` as a rule. `on_exit` records a session in it. Every way to delete lets it
            forget a session that is gone.
        random: gives a number from 0 to 1, to spread retries out.

    Raises:
        InvalidApiKeyError: the key cannot be sent.
        TypeError: an argument is of the wrong type. For a transport that must be awaited, take
            `AsyncDeleteSession`.
        ValueError: a header cannot be sent, or is not for users to set.
    """

    _awaits = False

    def __init__(  # noqa: PLR0913 - each is something that users must be able to say
        self,
        transport: Transport,
        api_key: str | None,
        *,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - immutable
        headers: Mapping[str, str] | None = None,
        journal: Recorder | None = None,
        random: Callable[[], float] = _random,
    ) -> None:
        self._headers, problem = request_headers(api_key, headers)
        del api_key, headers  # A traceback can show the locals of its frames.
        self._set_up(transport, problem, retry, journal, random)

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
        session_id = checked_session_id(session_id)
        conversation = self.converse(session_id, monotonic=self.transport.monotonic, retry=retry)
        try:
            step = next(conversation)
            while True:
                if isinstance(step, Wait):
                    self.transport.sleep(step.seconds)
                    step = next(conversation)
                    continue
                try:
                    step = conversation.send(self.transport.send(step.request, step.timeout))
                except TransportError as failure:
                    step = conversation.throw(failure)
        except StopIteration as end:
            receipt: DeletionReceipt = end.value
            self.record_gone(receipt)
            return receipt
        except DeleteSessionError as error:
            self.record_gone(error)
            raise

    def record_gone(self, outcome: Outcome) -> None:
        """Let the journal forget a session that is gone. Called by whoever drives `converse`."""
        if self.journal is not None:
            record_gone(self.journal, outcome)

    def on_exit(
        self,
        session_id: str | uuid.UUID,
        *,
        missing_ok: bool = False,
        retry: RetryPolicy | None = None,
    ) -> DeleteOnExit:
        """Destroy a session when a `with` block ends, however it ends.

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
        if retry is not None:
            _check_retry(retry)
        delete = partial(self, session_id, retry=retry)
        return DeleteOnExit(session_id, delete, journal=self.journal, missing_ok=missing_ok)


class AsyncDeleteSession(_DeleteSession[AsyncTransport]):
    """The same as `DeleteSession`, awaited, over an asynchronous transport.

    Args:
        transport: carries the requests, for instance an `AiohttpTransport`. Its `send` and
            `sleep` are coroutine functions.
        api_key: as `DeleteSession` has it.
        retry: as `DeleteSession` has it.
        headers: as `DeleteSession` has them.
        journal: as `DeleteSession` has it. It is not awaited: under asyncio it is called in a
            thread.
        random: as `DeleteSession` has it.

    Raises:
        InvalidApiKeyError: the key cannot be sent.
        TypeError: an argument is of the wrong type. For a transport that blocks, take
            `DeleteSession`.
        ValueError: a header cannot be sent, or is not for users to set.
    """

    _awaits = True

    def __init__(  # noqa: PLR0913 - each is something that users must be able to say
        self,
        transport: AsyncTransport,
        api_key: str | None,
        *,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - immutable
        headers: Mapping[str, str] | None = None,
        journal: Recorder | None = None,
        random: Callable[[], float] = _random,
    ) -> None:
        self._headers, problem = request_headers(api_key, headers)
        del api_key, headers  # A traceback can show the locals of its frames.
        self._set_up(transport, problem, retry, journal, random)

    async def __call__(
        self, session_id: str | uuid.UUID, *, retry: RetryPolicy | None = None
    ) -> DeletionReceipt:
        """Destroy one session, as `DeleteSession` does.

        Cancelling the call cancels the request: the session's fate is then unknown.
        """
        session_id = checked_session_id(session_id)
        conversation = self.converse(session_id, monotonic=self.transport.monotonic, retry=retry)
        try:
            step = next(conversation)
            while True:
                if isinstance(step, Wait):
                    await self.transport.sleep(step.seconds)
                    step = next(conversation)
                    continue
                try:
                    step = conversation.send(await self.transport.send(step.request, step.timeout))
                except TransportError as failure:
                    step = conversation.throw(failure)
        except StopIteration as end:
            receipt: DeletionReceipt = end.value
            await self.record_gone(receipt)
            return receipt
        except DeleteSessionError as error:
            await self.record_gone(error)
            raise

    async def record_gone(self, outcome: Outcome) -> None:
        """As `DeleteSession.record_gone`, in a thread. It is waited for, at most 5 s."""
        if self.journal is not None:
            await in_thread(record_gone, self.journal, outcome, timeout=5)

    def on_exit(
        self,
        session_id: str | uuid.UUID,
        *,
        missing_ok: bool = False,
        retry: RetryPolicy | None = None,
    ) -> AsyncDeleteOnExit:
        """As `DeleteSession.on_exit`, for `async with`."""
        session_id = checked_session_id(session_id)
        if retry is not None:
            _check_retry(retry)
        delete = partial(self, session_id, retry=retry)
        return AsyncDeleteOnExit(session_id, delete, journal=self.journal, missing_ok=missing_ok)


def _check_retry(retry: object) -> None:
    if not isinstance(retry, RetryPolicy):
        raise TypeError(f"retry must be a RetryPolicy, not {type(retry).__name__}")
