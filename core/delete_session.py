"""The use case: destroy one session, over any transport."""

import uuid
from collections.abc import Callable
from typing import Generic, TypeVar

from . import wire
from .conversation import Conversation, Wait, converse
from .errors import DeleteSessionError, InvalidApiKeyError
from .on_exit import AsyncDeleteOnExit, DeleteOnExit
from .receipt import DeletionReceipt
from .retry import RetryPolicy
from .transport import AsyncTransport, Transport, TransportError

_TransportT = TypeVar("_TransportT", Transport, AsyncTransport)


def _random() -> float:
    from random import random  # noqa: PLC0415 - most calls make no retry, and it is slow to import

    return random()  # noqa: S311 - it spreads retries out, and keeps no secret


class _DeleteSession(Generic[_TransportT]):
    """What the two use cases share: everything but how they wait."""

    def __init__(
        self,
        transport: _TransportT,
        api_key: str | None,
        *,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - immutable
        random: Callable[[], float] = _random,
    ) -> None:
        self.transport: _TransportT = transport  #: carries the requests
        self.retry = retry  #: how many attempts a call makes, how long and how far apart
        self.random = random  #: gives a number from 0 to 1, to spread retries out
        self._headers = wire.headers(None)
        problem = wire.api_key_problem(api_key)
        if problem is None:
            self._headers = wire.headers(api_key)
        del api_key  # A traceback can show the locals of its frames.
        if problem is not None:
            raise InvalidApiKeyError(problem)
        if not isinstance(retry, RetryPolicy):
            raise TypeError(f"retry must be a RetryPolicy, not {type(retry).__name__}")

    def __repr__(self) -> str:
        key = "'***'" if "Authorization" in self._headers else None
        return f"{type(self).__name__}({self.transport!r}, api_key={key}, retry={self.retry!r})"

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
        return converse(
            session_id,
            headers=self._headers,
            retry=self.retry if retry is None else retry,
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
        random: gives a number from 0 to 1, to spread retries out.

    Raises:
        InvalidApiKeyError: the key cannot be sent.
    """

    def __call__(self, session_id: str | uuid.UUID) -> DeletionReceipt:
        """Destroy one session.

        Returns:
            The receipt: the session is gone, and what it cost.

        Raises:
            InvalidSessionIdError: the id cannot be sent. Nothing was sent.
            UnreachableError: no response came.
            ResponseError: a response came, and it is not a receipt. Its subclasses say which.

        Every error's `session_fate` says what is known about the session.
        """
        session_id = wire.checked_session_id(session_id)
        conversation = self.converse(session_id, monotonic=self.transport.monotonic)
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
            return receipt

    def on_exit(self, session_id: str | uuid.UUID) -> DeleteOnExit:
        """Destroy a session when a `with` block ends, however it ends.

        Returns:
            A context manager; its `receipt` is there after the block.

        Raises:
            InvalidSessionIdError: at once, before the block: the id cannot be sent.
        """
        return DeleteOnExit(wire.checked_session_id(session_id), self)


class AsyncDeleteSession(_DeleteSession[AsyncTransport]):
    """The same as `DeleteSession`, awaited, over an asynchronous transport."""

    async def __call__(self, session_id: str | uuid.UUID) -> DeletionReceipt:
        """Destroy one session, as `DeleteSession` does.

        Cancelling the call cancels the request: the session's fate is then unknown.
        """
        session_id = wire.checked_session_id(session_id)
        conversation = self.converse(session_id, monotonic=self.transport.monotonic)
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
            return receipt

    def on_exit(self, session_id: str | uuid.UUID) -> AsyncDeleteOnExit:
        """As `DeleteSession.on_exit`, for `async with`."""
        return AsyncDeleteOnExit(wire.checked_session_id(session_id), self)
