"""Everything that touches the world. Each adapter is imported when its name is asked for."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .aiohttp import AiohttpTransport
    from .environment import delete_session_from_environment
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
    from .in_memory import AsyncInMemoryTransport, InMemoryTransport
    from .loopback import LoopbackService
    from .system_time import AsyncSystemTime, SystemTime
    from .urllib3 import Urllib3Transport

__all__ = [
    "AiohttpTransport",
    "AsyncInMemoryTransport",
    "AsyncSystemTime",
    "DrippedResponse",
    "FakeService",
    "FakeServiceError",
    "Fault",
    "InMemoryTransport",
    "LoopbackService",
    "LostResponse",
    "NoConnection",
    "NoResponse",
    "RateLimit",
    "Reply",
    "SystemTime",
    "Urllib3Transport",
    "delete_session_from_environment",
]

_MODULES = {
    "aiohttp": ["AiohttpTransport"],
    "environment": ["delete_session_from_environment"],
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
    "in_memory": ["AsyncInMemoryTransport", "InMemoryTransport"],
    "loopback": ["LoopbackService"],
    "system_time": ["AsyncSystemTime", "SystemTime"],
    "urllib3": ["Urllib3Transport"],
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    except ModuleNotFoundError as error:
        if name == "AiohttpTransport" and error.name == "aiohttp":
            raise ImportError(
                f'{name} needs aiohttp: pip install "firecrawl-interact[aiohttp]"'
            ) from error
        raise


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
