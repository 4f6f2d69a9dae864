"""Deletes Firecrawl Interact sessions, and reports whether each is gone and what it cost.

A program imports every name from here. The ports and `Call`, for a transport, a journal or a driver
of your own, are in `firecrawl_interact.core`.

Each name is imported when it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `__all__` says which of these names are public here.
    from firecrawl_interact.adapters import *
    from firecrawl_interact.core import *

__all__ = [
    "AsyncDeleteManySessions",
    "AsyncDeleteSession",
    "AsyncDeletions",
    "AsyncInMemoryTransport",
    "AsyncSessionScope",
    "AsyncSystemTime",
    "AsyncioTransport",
    "BadRequestError",
    "DeleteManySessions",
    "DeleteSession",
    "DeleteSessionError",
    "DeletionReceipt",
    "Deletions",
    "FakeService",
    "FakeServiceError",
    "Fault",
    "FileJournal",
    "FirecrawlInteractError",
    "ForbiddenError",
    "InMemoryJournal",
    "InMemoryTransport",
    "InvalidApiKeyError",
    "InvalidSessionIdError",
    "JournalError",
    "LoopbackService",
    "LostResponse",
    "NoConnection",
    "NoResponse",
    "NotDeletedError",
    "NotTriedError",
    "NothingOpenedError",
    "Outcome",
    "Pause",
    "PaymentRequiredError",
    "PostgresJournal",
    "RateLimitError",
    "Reply",
    "ResponseError",
    "RetryPolicy",
    "RunEndedError",
    "ServiceUnavailableError",
    "SessionFate",
    "SessionNotFoundError",
    "SessionScope",
    "SystemTime",
    "UnauthorizedError",
    "UnexpectedResponseError",
    "UnreachableError",
    "Urllib3Transport",
    "async_delete_session_from_environment",
    "delete_session_from_environment",
]

if not TYPE_CHECKING:  # A type checker would take any name for one of ours.

    def __getattr__(name: str) -> object:
        for home in ("core", "adapters"):
            module = import_module(f"firecrawl_interact.{home}")
            if name == home:
                return module
            if name in module.__all__:
                if name not in __all__:
                    where = f"it is in {module.__name__!r}"
                    raise ImportError(f"cannot import name {name!r} from {__name__!r}: {where}")
                value = globals()[name] = getattr(module, name)
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return ["adapters", "core", *__all__]
