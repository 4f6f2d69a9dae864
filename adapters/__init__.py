"""Everything that touches the world. Each adapter is imported when its name is asked for."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .asyncio import AsyncioTransport
    from .environment import (
        AsyncEnvironmentDeleteSession,
        EnvironmentDeleteSession,
        async_delete_session_from_environment,
        delete_session_from_environment,
    )
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
    from .journal import FileJournal
    from .loopback import LoopbackService
    from .system_time import AsyncSystemTime, SystemTime
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
    "RateLimit",
    "Reply",
    "SystemTime",
    "Urllib3Transport",
    "async_delete_session_from_environment",
    "delete_session_from_environment",
]

_MODULES = {
    "asyncio": ["AsyncioTransport"],
    "environment": [
        "AsyncEnvironmentDeleteSession",
        "EnvironmentDeleteSession",
        "async_delete_session_from_environment",
        "delete_session_from_environment",
    ],
    "fake_service": [
        "DrippedResponse",
        "FakeService",
        "FakeServiceError",
        "Fault",
        "LostResponse",
        "NoConnection",
        "NoResponse",
        "RateLimit",
        "Reply",
    ],
    "in_memory": ["AsyncInMemoryTransport", "InMemoryJournal", "InMemoryTransport"],
    "journal": ["FileJournal"],
    "loopback": ["LoopbackService"],
    "system_time": ["AsyncSystemTime", "SystemTime"],
    "urllib3": ["Urllib3Transport"],
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


if not TYPE_CHECKING:  # A type checker would take any name for one of ours.

    def __getattr__(name: str) -> object:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
