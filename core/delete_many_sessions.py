"""The use cases of many sessions. `deletions` and `async_deletions` have the runs they begin."""

import inspect
import uuid
import warnings
from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING, ClassVar, Generic, TypeAlias

from .arguments import check_count, check_seconds
from .delete_session import AsyncDeleteSession, DeleteSession
from .deletions import Deletions
from .run import DeleteSessionT

if TYPE_CHECKING:
    from .async_deletions import AsyncDeletions

SessionIds: TypeAlias = Iterable[str | uuid.UUID]
"""The ids of many sessions."""
AsyncSessionIds: TypeAlias = AsyncIterable[str | uuid.UUID]
"""The ids of many sessions, awaited one by one."""


class _ManySessions(Generic[DeleteSessionT]):
    """What the two use cases have in common: all but the runs that they begin."""

    _kind: ClassVar[type]

    def __init__(
        self,
        delete_session: DeleteSessionT,
        *,
        concurrency: int = 8,
        shutdown_timeout: float | None = None,
    ) -> None:
        if not isinstance(delete_session, self._kind):
            found = type(delete_session).__name__
            raise TypeError(f"delete_session must be of type {self._kind.__name__}, not {found}")
        check_count("concurrency", concurrency)
        if shutdown_timeout is not None:
            check_seconds("shutdown_timeout", shutdown_timeout, may_be_zero=True)
        self.delete_session: DeleteSessionT = delete_session  #: destroys one
        self.concurrency: int = concurrency  #: the most requests in flight at a time
        self.shutdown_timeout: float | None = shutdown_timeout  #: in seconds

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.delete_session!r}, concurrency={self.concurrency})"


class DeleteManySessions(_ManySessions[DeleteSession]):
    """Destroys many sessions, several at a time.

    A rate limit or an outage pauses the whole run, and from then on it costs no session an attempt.
    A session that fails while others succeed has its own attempts. Memory does not grow with the
    number of ids.

    Args:
        delete_session: destroys one. Its transport, key and policy are used.
        concurrency: the most requests in flight at a time.
        shutdown_timeout: the most seconds to wait for requests in flight when a run is left
            early. None: until the attempts end.

    Raises:
        TypeError, ValueError: an argument that cannot work.
    """

    _kind = DeleteSession

    def __call__(self, session_ids: SessionIds) -> Deletions:
        """Prepare to destroy the sessions. It begins when the first outcome is asked for.

        Args:
            session_ids: read in the caller's own thread, where outcomes are asked for. A slow
                iterator delays outcomes, but no deadline runs. It must not wait for an outcome.

        Returns:
            An iterator and context manager: see `Deletions`.

        Raises:
            TypeError: `session_ids` is no iterable of ids.

        Warns:
            RuntimeWarning: `session_ids` is a generator that has ended.
        """
        _check_ids(session_ids, Iterable)
        ids = iter(session_ids)
        return Deletions(ids, self.delete_session, self.concurrency, self.shutdown_timeout)


class AsyncDeleteManySessions(_ManySessions[AsyncDeleteSession]):
    """`DeleteManySessions` on the running asyncio event loop, with its arguments and errors."""

    _kind = AsyncDeleteSession

    def __call__(self, session_ids: SessionIds | AsyncSessionIds) -> "AsyncDeletions":
        """Prepare to destroy the sessions, as `DeleteManySessions` does, with its errors.

        Args:
            session_ids: an iterable is read on the event loop, and must not block it.

        Returns:
            An asynchronous iterator and context manager: see `AsyncDeletions`.
        """
        _check_ids(session_ids, Iterable, AsyncIterable)
        from .async_deletions import AsyncDeletions  # noqa: PLC0415 - it brings asyncio

        ids = aiter(session_ids) if isinstance(session_ids, AsyncIterable) else iter(session_ids)
        return AsyncDeletions(ids, self.delete_session, self.concurrency, self.shutdown_timeout)


def _check_ids(session_ids: object, *kinds: type) -> None:
    if isinstance(session_ids, str | bytes) or not isinstance(session_ids, kinds):
        advice = "for one session call DeleteSession"
        if isinstance(session_ids, AsyncIterable):
            advice = "AsyncDeleteManySessions takes that"
        kind = type(session_ids).__name__
        raise TypeError(f"session_ids must be an iterable of ids, not {kind}; {advice}")
    # A generator can be read once. Whoever goes on with the rest of one may find it at its end,
    # so that this is no error.
    has_ended = inspect.isgenerator(session_ids) and session_ids.gi_frame is None
    if has_ended or (inspect.isasyncgen(session_ids) and session_ids.ag_frame is None):
        what = "session_ids is a generator that has ended: its ids were taken before"
        warnings.warn(f"{what}. Make another one, or pass a list.", RuntimeWarning, stacklevel=3)
