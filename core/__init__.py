"""The pure core: one use case, its port, its outcomes. No socket, clock or environment."""

from .delete_many_sessions import (
    AsyncDeleteManySessions,
    AsyncDeletions,
    DeleteManySessions,
    Deletions,
)
from .delete_session import AsyncDeleteSession, DeleteSession
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
from .on_exit import AsyncDeleteOnExit, DeleteOnExit
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
    "AsyncDeleteOnExit",
    "AsyncDeleteSession",
    "AsyncDeletions",
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
