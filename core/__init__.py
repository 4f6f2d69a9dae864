"""The pure core: one use case, its port, its outcomes. No socket, clock or environment."""

from typing import TYPE_CHECKING

from .arguments import HasId
from .conversation import Conversation, Failed, Send, Step, Wait, converse
from .delete_many_sessions import (
    AsyncDeleteManySessions,
    AsyncSessionIds,
    DeleteManySessions,
    SessionIds,
)
from .delete_session import AsyncDeleteSession, DeleteSession
from .deletions import Deletions
from .errors import (
    BadRequestError,
    DeleteSessionError,
    FirecrawlInteractError,
    ForbiddenError,
    InvalidSessionIdError,
    NotDeletedError,
    NothingOpenedError,
    NotTriedError,
    Outcome,
    PaymentRequiredError,
    RateLimitError,
    ResponseError,
    RunEndedError,
    ServiceUnavailableError,
    SessionNotFoundError,
    UnauthorizedError,
    UnexpectedResponseError,
    UnreachableError,
)
from .headers import InvalidApiKeyError, RequestHeaders, request_headers
from .journal import Journal, JournalError, Recorder
from .opening import AsyncOpening, Opening
from .receipt import DeletionReceipt, SessionFate
from .retry import RetryPolicy
from .scheduler import Pause
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
from .wire import checked_session_id

if TYPE_CHECKING:
    from .async_deletions import AsyncDeletions

__all__ = [
    "MAX_BODY_BYTES",
    "AsyncDeleteManySessions",
    "AsyncDeleteSession",
    "AsyncDeletions",
    "AsyncOpening",
    "AsyncSessionIds",
    "AsyncTransport",
    "BadRequestError",
    "BadResponseError",
    "ConnectFailedError",
    "ConnectionLostError",
    "Conversation",
    "DeleteManySessions",
    "DeleteSession",
    "DeleteSessionError",
    "DeletionReceipt",
    "Deletions",
    "Failed",
    "FirecrawlInteractError",
    "ForbiddenError",
    "HasId",
    "InvalidApiKeyError",
    "InvalidSessionIdError",
    "Journal",
    "JournalError",
    "NotDeletedError",
    "NotTriedError",
    "NothingOpenedError",
    "Opening",
    "Outcome",
    "Pause",
    "PaymentRequiredError",
    "RateLimitError",
    "Recorder",
    "Request",
    "RequestHeaders",
    "Response",
    "ResponseError",
    "RetryPolicy",
    "RunEndedError",
    "Send",
    "ServiceUnavailableError",
    "SessionFate",
    "SessionIds",
    "SessionNotFoundError",
    "Step",
    "TimedOutError",
    "Transport",
    "TransportError",
    "UnauthorizedError",
    "UnexpectedResponseError",
    "UnreachableError",
    "Wait",
    "checked_session_id",
    "converse",
    "request_headers",
]


if not TYPE_CHECKING:  # A type checker would take any name for one of ours.

    def __getattr__(name: str) -> object:
        if name.endswith(("Journal", "Transport")):  # not one of ours
            # An AttributeError would be shown without its words.
            raise ImportError(f"{name}: transports and journals are in firecrawl_interact.adapters")
        if name != "AsyncDeletions":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from .async_deletions import AsyncDeletions  # noqa: PLC0415 - it brings asyncio

        globals()[name] = AsyncDeletions
        return AsyncDeletions


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
