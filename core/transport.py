"""The port: what the use case asks of the outside world, and the contract of its failures.

A transport is bound to one origin; the core knows paths only, so a key never reaches another
host. It does not retry, redirect, decode or keep cookies, and a status is data to it. A failed
`send` is one of the four kinds below, with the library's own exception as its cause.
"""

from collections.abc import Mapping
from typing import ClassVar, Protocol

import msgspec

MAX_BODY_BYTES = 1024 * 1024  #: of a response; a larger one is a `BadResponseError`


class _Message(msgspec.Struct, frozen=True):
    """What crosses the port. Its repr shows no secret."""

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [(name, _without_secrets(getattr(self, name))) for name in self.__struct_fields__]

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({fields})"


def _without_secrets(part: object) -> object:
    if isinstance(part, bytes):
        return f"<{len(part)} bytes>"
    return dict.fromkeys(part, "***") if isinstance(part, Mapping) else part


class Request(_Message, frozen=True):
    """One HTTP request; `path` goes out as it is. Its repr hides what may be a secret."""

    method: str
    path: str
    headers: Mapping[str, str]


class Response(_Message, frozen=True):
    """One whole HTTP response; header names in lower case, lines of one name joined by commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Safe to share among threads, to pickle, and to use after a fork."""

    def send(self, request: Request, timeout: float, /) -> Response:
        """Send one request, once, and return its response as it is, within `timeout` seconds.

        Raises a `TransportError` of one kind; cancellation and `KeyboardInterrupt` pass. After
        them the connection is never used again.
        """

    def monotonic(self) -> float:
        """Return the time, in seconds, on a clock that never goes back."""

    def sleep(self, seconds: float, /) -> None:
        """Wait for so many seconds."""


class AsyncTransport(Protocol):
    """The same; send and sleep are coroutine functions: a wrapping transport writes `async def`."""

    async def send(self, request: Request, timeout: float, /) -> Response: ...  # noqa: D102
    def monotonic(self) -> float: ...  # noqa: D102
    async def sleep(self, seconds: float, /) -> None: ...  # noqa: D102


class TransportError(Exception):
    """The attempt failed: one of the four kinds below, never this class itself."""

    sent: ClassVar[bool] = True  #: whether the service may have acted

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message)
        #: whether a retry can help where nothing was sent; where something was, it always tells
        self.transient = transient


class ConnectFailedError(TransportError):
    """No connection (name, network, proxy, TLS, or closed): nothing reached the service."""

    sent = False


class TimedOutError(TransportError):
    """No whole response within the time given: the service may have acted."""


class ConnectionLostError(TransportError):
    """The connection ended before the whole response came: the service may have acted."""

    def __init__(self, message: str, *, transient: bool = True, stale: bool = False) -> None:
        super().__init__(message, transient=transient)
        self.stale = stale  #: a kept connection ended before the first byte of this response


class BadResponseError(TransportError):
    """What came is not an HTTP response, or it is too large: the service may have acted."""
