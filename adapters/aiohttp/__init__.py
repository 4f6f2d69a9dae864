"""The asynchronous transport: aiohttp, kept strict. It comes with the extra `aiohttp`."""

from .transport import AiohttpTransport

__all__ = ["AiohttpTransport"]
