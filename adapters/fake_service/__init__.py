"""A fake of the service for tests, and its faults."""

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
