"""Everything that touches the world. Each adapter is imported when its class is asked for."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .fake_service import FakeService
    from .in_memory import AsyncInMemoryTransport, InMemoryTransport
    from .loopback import LoopbackService
    from .system_time import AsyncSystemTime, SystemTime
    from .urllib3 import Urllib3Transport

_MODULES = {
    "AsyncInMemoryTransport": "in_memory",
    "AsyncSystemTime": "system_time",
    "FakeService": "fake_service",
    "InMemoryTransport": "in_memory",
    "LoopbackService": "loopback",
    "SystemTime": "system_time",
    "Urllib3Transport": "urllib3",
}

__all__ = [
    "AsyncInMemoryTransport",
    "AsyncSystemTime",
    "FakeService",
    "InMemoryTransport",
    "LoopbackService",
    "SystemTime",
    "Urllib3Transport",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
