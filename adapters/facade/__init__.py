"""Deletes Firecrawl Interact sessions, and reports whether each is gone and what it cost.

A program imports every name from here, and so does a transport or a journal of your own. What a
driver of your own needs besides is in `firecrawl_interact.core`.

Each name is imported when it is used.
"""

import contextlib as _contextlib
import typing as _typing

if _typing.TYPE_CHECKING:  # `as` says that a name is public here.
    from firecrawl_interact.adapters import (
        AsyncHttpxTransport as AsyncHttpxTransport,
        AsyncInMemoryTransport as AsyncInMemoryTransport,
        AsyncioTransport as AsyncioTransport,
        AsyncSystemTime as AsyncSystemTime,
        FakeService as FakeService,
        FakeServiceError as FakeServiceError,
        Fault as Fault,
        FileJournal as FileJournal,
        HttpxTransport as HttpxTransport,
        InMemoryJournal as InMemoryJournal,
        InMemoryTransport as InMemoryTransport,
        LoopbackService as LoopbackService,
        LostResponse as LostResponse,
        NoConnection as NoConnection,
        NoResponse as NoResponse,
        PostgresJournal as PostgresJournal,
        Reply as Reply,
        SystemTime as SystemTime,
        Urllib3Transport as Urllib3Transport,
        async_delete_session_for as async_delete_session_for,
        async_delete_session_from_environment as async_delete_session_from_environment,
        delete_session_for as delete_session_for,
        delete_session_from_environment as delete_session_from_environment,
    )
    from firecrawl_interact.core import (
        AsyncDeleteSession as AsyncDeleteSession,
        AsyncDeletions as AsyncDeletions,
        AsyncOpeningScope as AsyncOpeningScope,
        AsyncSessionScope as AsyncSessionScope,
        AsyncTransport as AsyncTransport,
        BadRequestError as BadRequestError,
        BadResponseError as BadResponseError,
        ConnectFailedError as ConnectFailedError,
        ConnectionLostError as ConnectionLostError,
        DeleteSession as DeleteSession,
        DeleteSessionError as DeleteSessionError,
        DeletionReceipt as DeletionReceipt,
        Deletions as Deletions,
        FirecrawlInteractError as FirecrawlInteractError,
        ForbiddenError as ForbiddenError,
        InvalidApiKeyError as InvalidApiKeyError,
        InvalidSessionIdError as InvalidSessionIdError,
        Journal as Journal,
        JournalError as JournalError,
        NotDeletedError as NotDeletedError,
        NothingOpenedError as NothingOpenedError,
        NotTriedError as NotTriedError,
        OpeningScope as OpeningScope,
        Outcome as Outcome,
        Pause as Pause,
        PaymentRequiredError as PaymentRequiredError,
        RateLimitError as RateLimitError,
        Recorder as Recorder,
        Request as Request,
        Response as Response,
        ResponseError as ResponseError,
        RetryPolicy as RetryPolicy,
        RunEndedError as RunEndedError,
        ServiceUnavailableError as ServiceUnavailableError,
        SessionFate as SessionFate,
        SessionNotFoundError as SessionNotFoundError,
        SessionScope as SessionScope,
        TimedOutError as TimedOutError,
        Transport as Transport,
        TransportError as TransportError,
        UnauthorizedError as UnauthorizedError,
        UnexpectedResponseError as UnexpectedResponseError,
        UnreachableError as UnreachableError,
    )

    __version__: str
    __all__: list[str]
else:  # A type checker would take any name for one of ours.
    from firecrawl_interact.core.lazy_exports import lazy_exports as _lazy_exports

    _EXPORTS = {
        "firecrawl_interact.adapters": [
            "AsyncioTransport",
            "async_delete_session_for",
            "async_delete_session_from_environment",
            "delete_session_for",
            "delete_session_from_environment",
            "AsyncInMemoryTransport",
            "InMemoryTransport",
            "LoopbackService",
            "FakeService",
            "FakeServiceError",
            "Fault",
            "LostResponse",
            "NoConnection",
            "NoResponse",
            "Reply",
            "AsyncHttpxTransport",
            "HttpxTransport",
            "FileJournal",
            "InMemoryJournal",
            "PostgresJournal",
            "AsyncSystemTime",
            "SystemTime",
            "Urllib3Transport",
        ],
        "firecrawl_interact.core": [
            "AsyncDeleteSession",
            "DeleteSession",
            "BadRequestError",
            "DeleteSessionError",
            "FirecrawlInteractError",
            "ForbiddenError",
            "InvalidSessionIdError",
            "NotDeletedError",
            "NothingOpenedError",
            "NotTriedError",
            "Outcome",
            "PaymentRequiredError",
            "RateLimitError",
            "ResponseError",
            "RunEndedError",
            "ServiceUnavailableError",
            "SessionNotFoundError",
            "UnauthorizedError",
            "UnexpectedResponseError",
            "UnreachableError",
            "InvalidApiKeyError",
            "Journal",
            "JournalError",
            "Recorder",
            "DeletionReceipt",
            "SessionFate",
            "RetryPolicy",
            "AsyncDeletions",
            "Deletions",
            "Pause",
            "AsyncOpeningScope",
            "AsyncSessionScope",
            "OpeningScope",
            "SessionScope",
            "AsyncTransport",
            "BadResponseError",
            "ConnectFailedError",
            "ConnectionLostError",
            "Request",
            "Response",
            "TimedOutError",
            "Transport",
            "TransportError",
        ],
    }

    _get_export, __dir__ = _lazy_exports(__name__, _EXPORTS)
    # FastAPI and others have these two, and `import *` would replace theirs.
    __all__ = [name for name in __dir__() if name not in {"Request", "Response"}]

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib import metadata  # noqa: PLC0415 - it takes 20 ms

            with _contextlib.suppress(metadata.PackageNotFoundError):  # A frozen program has none.
                return metadata.version("firecrawl-interact")
        return _get_export(name)
