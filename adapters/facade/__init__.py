"""Deletes Firecrawl Interact sessions, and reports whether each is gone and what it cost.

A program imports every name from here, and so does a transport of your own. What a journal or a
driver of your own needs besides is in `firecrawl_interact.core`.

Each name is imported when it is used.
"""

import contextlib
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `__all__` says which of these names are public here.
    from firecrawl_interact.adapters import *
    from firecrawl_interact.core import *
    from firecrawl_interact.core import Request as Request
    from firecrawl_interact.core import Response as Response

    __version__: str

__all__ = [
    "AsyncDeleteManySessions",
    "AsyncDeleteSession",
    "AsyncDeletions",
    "AsyncHttpxTransport",
    "AsyncInMemoryTransport",
    "AsyncSessionScope",
    "AsyncSystemTime",
    "AsyncTransport",
    "AsyncioTransport",
    "BadRequestError",
    "BadResponseError",
    "ConnectFailedError",
    "ConnectionLostError",
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
    "HttpxTransport",
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
    "TimedOutError",
    "Transport",
    "TransportError",
    "UnauthorizedError",
    "UnexpectedResponseError",
    "UnreachableError",
    "Urllib3Transport",
    "async_delete_session_from_environment",
    "delete_session_from_environment",
]
# FastAPI and others have these names, too, and `import *` would replace theirs.
_NOT_BY_STAR = ["Request", "Response"]

if not TYPE_CHECKING:  # A type checker would take any name for one of ours.

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib import metadata  # noqa: PLC0415 - it takes 20 ms

            with contextlib.suppress(metadata.PackageNotFoundError):  # A frozen program has none.
                return metadata.version("firecrawl-interact")
        where = ""
        for home in ("core", "adapters"):
            module = import_module(f"firecrawl_interact.{home}")
            if name == home:
                return module
            if name in module.__all__ and name in {*__all__, *_NOT_BY_STAR}:
                value = globals()[name] = getattr(module, name)
                return value
            if name in module.__all__:
                where = f". It is in {module.__name__!r}"
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{where}")


def __dir__() -> list[str]:
    return ["__version__", "adapters", "core", *__all__, *_NOT_BY_STAR]
