"""The service in memory, for tests, and what can be made to go wrong with it."""

from .faults import (
    DrippedResponse,
    FakeServiceError,
    LostResponse,
    NoConnection,
    NoResponse,
    Reply,
)
from .service import FakeService, TimedResponse

__all__ = [
    "DrippedResponse",
    "FakeService",
    "FakeServiceError",
    "LostResponse",
    "NoConnection",
    "NoResponse",
    "Reply",
    "TimedResponse",
]
