"""Everything that touches the world.

What brings urllib3, asyncio, fcntl, an extra or an HTTP server is imported when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .fake_service import (
    DrippedResponse,
    FakeService,
    FakeServiceError,
    Fault,
    LostResponse,
    NoConnection,
    NoResponse,
    RateLimit,
    Reply,
)
from .in_memory import AsyncInMemoryTransport, InMemoryJournal, InMemoryTransport
from .system_time import AsyncSystemTime, SystemTime

if TYPE_CHECKING:
    from .asyncio import AsyncioTransport
    from .environment import (
        AsyncEnvironmentDeleteSession,
        EnvironmentDeleteSession,
        async_delete_session_from_environment,
        delete_session_from_environment,
    )
    from .file_journal import FileJournal
    from .loopback import LoopbackService
    from .postgres_journal import PostgresJournal
    from .urllib3 import Urllib3Transport

__all__ = [
    "AsyncEnvironmentDeleteSession",
    "AsyncInMemoryTransport",
    "AsyncSystemTime",
    "AsyncioTransport",
    "DrippedResponse",
    "EnvironmentDeleteSession",
    "FakeService",
    "FakeServiceError",
    "Fault",
    "FileJournal",
    "InMemoryJournal",
    "InMemoryTransport",
    "LoopbackService",
    "LostResponse",
    "NoConnection",
    "NoResponse",
    "PostgresJournal",
    "RateLimit",
    "Reply",
    "SystemTime",
    "Urllib3Transport",
    "async_delete_session_from_environment",
    "delete_session_from_environment",
]

if not TYPE_CHECKING:  # A type checker would take any name for one of ours.

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        modules = {"AsyncioTransport": "asyncio", "FileJournal": "file_journal"}
        modules |= {"LoopbackService": "loopback", "Urllib3Transport": "urllib3"}
        modules |= {"PostgresJournal": "postgres_journal"}
        module = import_module(f".{modules.get(name, 'environment')}", __name__)
        value = globals()[name] = getattr(module, name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
