"""Everything that does I/O.

What brings asyncio, urllib3, fcntl, a server or an extra is imported when its name is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .fakes.in_memory import AsyncInMemoryTransport, InMemoryTransport
from .fakes.service import FakeService
from .fakes.service.faults import (
    DrippedResponse,
    FakeServiceError,
    Fault,
    HeldResponse,
    LostResponse,
    NoConnection,
    NoResponse,
    Reply,
)
from .journals.base import LeftAlone
from .journals.in_memory import InMemoryJournal
from .system_time import AsyncSystemTime, SystemTime

if TYPE_CHECKING:
    from .asyncio.transport import AsyncioTransport
    from .environment import (
        async_delete_session_from_environment,
        delete_session_from_environment,
    )
    from .fakes.loopback import LoopbackService
    from .journals.file import FileJournal
    from .journals.postgres import PostgresJournal
    from .urllib3.transport import Urllib3Transport

__all__ = [
    "AsyncInMemoryTransport",
    "AsyncSystemTime",
    "AsyncioTransport",
    "DrippedResponse",
    "FakeService",
    "FakeServiceError",
    "Fault",
    "FileJournal",
    "HeldResponse",
    "InMemoryJournal",
    "InMemoryTransport",
    "LeftAlone",
    "LoopbackService",
    "LostResponse",
    "NoConnection",
    "NoResponse",
    "PostgresJournal",
    "Reply",
    "SystemTime",
    "Urllib3Transport",
    "async_delete_session_from_environment",
    "delete_session_from_environment",
]

if not TYPE_CHECKING:  # A type checker would take any name for one of ours.
    _MODULES = {
        "AsyncioTransport": "asyncio.transport",
        "FileJournal": "journals.file",
        "LoopbackService": "fakes.loopback",
        "PostgresJournal": "journals.postgres",
        "Urllib3Transport": "urllib3.transport",
        "async_delete_session_from_environment": "environment",
        "delete_session_from_environment": "environment",
    }

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            if name in import_module("firecrawl_interact.core").__all__:
                # An AttributeError would be shown without its words.
                raise ImportError(f"{name} is in firecrawl_interact.core: import it from there")
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f".{_MODULES[name]}", __name__), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
