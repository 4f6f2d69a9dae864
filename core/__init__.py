"""The pure core: one use case, its port, its outcomes. No socket, clock or environment."""

from .delete_many_sessions import (
    AsyncDeleteManySessions,
    AsyncDeletions,
    DeleteManySessions,
    Deletions,
)
from .delete_session import AsyncDeleteSession, DeleteSession
from .ending import AsyncEnding, Ending
from .errors import (
    BadRequestError,
    DeleteSessionError,
    ForbiddenError,
    InvalidApiKeyError,
    InvalidSessionIdError,
    NotDeletedError,
    PaymentRequiredError,
    RateLimitError,
    ResponseError,
    ServiceUnavailableError,
    SessionNotFoundError,
    UnauthorizedError,
    UnexpectedResponseError,
    UnreachableError,
)
from .receipt import DeletionReceipt, SessionFate
from .retry import RetryPolicy
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

__all__ = [
    "MAX_BODY_BYTES",
    "AsyncDeleteManySessions",
    "AsyncDeleteSession",
    "AsyncDeletions",
    "AsyncEnding",
    "AsyncTransport",
    "BadRequestError",
    "BadResponseError",
    "ConnectFailedError",
    "ConnectionLostError",
    "DeleteManySessions",
    "DeleteSession",
    "DeleteSessionError",
    "DeletionReceipt",
    "Deletions",
    "Ending",
    "ForbiddenError",
    "InvalidApiKeyError",
    "InvalidSessionIdError",
    "NotDeletedError",
    "PaymentRequiredError",
    "RateLimitError",
    "Request",
    "Response",
    "ResponseError",
    "RetryPolicy",
    "ServiceUnavailableError",
    "SessionFate",
    "SessionNotFoundError",
    "TimedOutError",
    "Transport",
    "TransportError",
    "UnauthorizedError",
    "UnexpectedResponseError",
    "UnreachableError",
]
