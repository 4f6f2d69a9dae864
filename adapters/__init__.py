"""Everything that does I/O. A module is imported when one of its names is first used."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .asyncio.transport import AsyncioTransport
    from .environment import (
        AsyncEnvironmentDeleteSession,
        EnvironmentDeleteSession,
        async_delete_session_from_environment,
        delete_session_from_environment,
    )
    from .fake_service import FakeService
    from .fake_service.faults import (
        DrippedResponse,
        FakeServiceError,
        Fault,
        LostResponse,
        NoConnection,
        NoResponse,
        Reply,
    )
    from .fake_service.rate_limit import RateLimit
    from .file_journal import FileJournal
    from .in_memory import AsyncInMemoryTransport, InMemoryJournal, InMemoryTransport
    from .loopback import LoopbackService
    from .owned_journal import LeftAlone
    from .postgres_journal import PostgresJournal
    from .system_time import AsyncSystemTime, SystemTime
    from .urllib3.transport import Urllib3Transport

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
    "LeftAlone",
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
    _MODULES = {
        "AsyncInMemoryTransport": "in_memory",
        "AsyncSystemTime": "system_time",
        "AsyncioTransport": "asyncio.transport",
        "FakeService": "fake_service",
        "FileJournal": "file_journal",
        "InMemoryJournal": "in_memory",
        "InMemoryTransport": "in_memory",
        "LeftAlone": "owned_journal",
        "LoopbackService": "loopback",
        "PostgresJournal": "postgres_journal",
        "RateLimit": "fake_service.rate_limit",
        "SystemTime": "system_time",
        "Urllib3Transport": "urllib3.transport",
    } | dict.fromkeys([name for name in __all__ if "nvironment" in name], "environment")

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = import_module(f".{_MODULES.get(name, 'fake_service.faults')}", __name__)
        value = globals()[name] = getattr(module, name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
