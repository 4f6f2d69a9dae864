"""The asynchronous transport: a protocol of asyncio's, without any HTTP library."""

from .transport import AsyncioTransport

__all__ = ["AsyncioTransport"]
