"""Everything that touches the world. Each adapter is imported when its name is asked for."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .aiohttp import AiohttpTransport
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
    from .file_journal import FileJournal
    from .in_memory import AsyncInMemoryTransport, InMemoryJournal, InMemoryTransport
    from .loopback import LoopbackService
    from .postgres_journal import PostgresJournal
    from .system_time import AsyncSystemTime, SystemTime
    from .urllib3 import Urllib3Transport

__all__ = [
    "AiohttpTransport",
    "AsyncEnvironmentDeleteSession",
    "AsyncInMemoryTransport",
    "AsyncSystemTime",
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

_MODULES = {
    "aiohttp": ["AiohttpTransport"],
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
    "file_journal": ["FileJournal"],
    "in_memory": ["AsyncInMemoryTransport", "InMemoryJournal", "InMemoryTransport"],
    "loopback": ["LoopbackService"],
    "postgres_journal": ["PostgresJournal"],
    "system_time": ["AsyncSystemTime", "SystemTime"],
    "urllib3": ["Urllib3Transport"],
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def _class_that_needs(extra: str, name: str) -> type:
    """Return a stand-in for a class whose extra is not installed. Making an instance says so."""
    message = f'{name} needs {extra}: pip install "firecrawl-interact[{extra}]"'

    def raise_import_error(*_: object, **__: object) -> None:
        raise ImportError(message)

    members = {"__doc__": message, "__module__": __name__, "__init__": raise_import_error}
    return type(name, (), members)


if not TYPE_CHECKING:  # A type checker would take any name for one of ours.

    def __getattr__(name: str) -> object:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
        except ModuleNotFoundError as error:
            if name != "AiohttpTransport" or error.name != "aiohttp":
                raise
            value = _class_that_needs("aiohttp", name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
