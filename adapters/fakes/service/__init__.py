"""A fake of the service for tests, and its faults."""

from .service import FakeService, TimedResponse

__all__ = ["FakeService", "TimedResponse"]
