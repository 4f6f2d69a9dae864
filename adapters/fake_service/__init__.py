"""The service in memory, for tests, and what can be made to go wrong with it."""

from .faults import (
    DrippedResponse,
    FakeServiceError,
    Fault,
    LostResponse,
    NoConnection,
    NoResponse,
    Reply,
)
from .rate_limit import RateLimit
from .service import FakeService, TimedResponse

__all__ = [
    "DrippedResponse",
    "FakeService",
    "FakeServiceError",
    "Fault",
    "LostResponse",
    "NoConnection",
    "NoResponse",
    "RateLimit",
    "Reply",
    "TimedResponse",
]
