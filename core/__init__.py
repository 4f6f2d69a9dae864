"""The pure core: one use case, its port, its outcomes. No socket, clock or environment."""

from importlib import import_module
from typing import TYPE_CHECKING

from .delete_session import AsyncDeleteSession, DeleteSession
from .errors import (
    BadRequestError,
    DeleteSessionError,
    ForbiddenError,
    InvalidApiKeyError,
    InvalidSessionIdError,
    NotDeletedError,
    OutageError,
    Outcome,
    PaymentRequiredError,
    RateLimitError,
    ResponseError,
    ServiceUnavailableError,
    SessionNotFoundError,
    UnauthorizedError,
    UnexpectedResponseError,
    UnreachableError,
)
from .journal import Journal, JournalError, LeftAlone, Recorder
from .on_exit import AsyncDeleteOnExit, DeleteOnExit
from .receipt import DeletionReceipt, SessionFate
from .retry import RetryPolicy
from .session_ids import AsyncSessionIds, SessionIds, checked_session_id
from .transport import (
    MAX_BODY_BYTES,
    AsyncTransport,
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    Request,
    Response,
    TimedOutError,
    Transport,
    TransportError,
)

if TYPE_CHECKING:
    from .async_deletions import AsyncDeletions
    from .delete_many_sessions import AsyncDeleteManySessions, DeleteManySessions
    from .deletions import Deletions
    from .pacing import Pause

__all__ = [
    "MAX_BODY_BYTES",
    "AsyncDeleteManySessions",
    "AsyncDeleteOnExit",
    "AsyncDeleteSession",
    "AsyncDeletions",
    "AsyncSessionIds",
    "AsyncTransport",
    "BadRequestError",
    "BadResponseError",
    "ConnectFailedError",
    "ConnectionLostError",
    "DeleteManySessions",
    "DeleteOnExit",
    "DeleteSession",
    "DeleteSessionError",
    "DeletionReceipt",
    "Deletions",
    "ForbiddenError",
    "InvalidApiKeyError",
    "InvalidSessionIdError",
    "Journal",
    "JournalError",
    "LeftAlone",
    "NotDeletedError",
    "OutageError",
    "Outcome",
    "Pause",
    "PaymentRequiredError",
    "RateLimitError",
    "Recorder",
    "Request",
    "Response",
    "ResponseError",
    "RetryPolicy",
    "ServiceUnavailableError",
    "SessionFate",
    "SessionIds",
    "SessionNotFoundError",
    "TimedOutError",
    "Transport",
    "TransportError",
    "UnauthorizedError",
    "UnexpectedResponseError",
    "UnreachableError",
    "checked_session_id",
]

_MODULES_OF_RUNS = {
    "AsyncDeleteManySessions": "delete_many_sessions",
    "AsyncDeletions": "async_deletions",
    "DeleteManySessions": "delete_many_sessions",
    "Deletions": "deletions",
    "Pause": "pacing",
}
"""They are imported when their names are asked for: a program with one session needs none."""


if not TYPE_CHECKING:  # A type checker would take any name for one of ours.

    def __getattr__(name: str) -> object:
        if name not in _MODULES_OF_RUNS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{_MODULES_OF_RUNS[name]}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
