"""The port: what the use case asks of the outside world, and the contract of its failures.

A transport is bound to one origin; the core knows paths only, so a key never reaches another
host. A failed `send` is one of four kinds, the library's own exception its cause: nothing reached
the service (`ConnectFailedError`), or it may have acted (the other three).
"""

import re
from collections.abc import Mapping
from typing import ClassVar, Protocol

import msgspec

MAX_BODY_BYTES = 1024 * 1024  #: of a response; a larger one is a `BadResponseError`


class Request(msgspec.Struct, frozen=True):
    """One HTTP request; `path` is percent-encoded and goes out as it is. Its repr hides the key."""

    method: str
    path: str
    headers: Mapping[str, str]

    def __rich_repr__(self) -> list[tuple[str, object]]:
        shown = {
            name: re.sub(r"^(\S+ )?.*", r"\1***", value)
            if name.lower() == "authorization"
            else value
            for name, value in self.headers.items()
        }
        return [("method", self.method), ("path", self.path), ("headers", shown)]

    def __repr__(self) -> str:
        return f"Request({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


class Response(msgspec.Struct, frozen=True):
    """One whole HTTP response; header names in lower case, lines of one name joined by commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Safe to share among threads, to pickle, and to use after a fork."""

    def send(self, request: Request, timeout: float) -> Response:
        """Send one request and return its response, within `timeout` seconds.

        No retry, redirect, decoding or cookie. A status is data. Raises a `TransportError` of
        one kind; cancellation and `KeyboardInterrupt` pass, nothing else does.
        """

    def monotonic(self) -> float:
        """Return the time, in seconds, on a clock that never goes back."""

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""


class AsyncTransport(Protocol):
    """The same for coroutines. A cancelled `send` never uses its connection again."""

    async def send(self, request: Request, timeout: float) -> Response: ...  # noqa: D102
    def monotonic(self) -> float: ...  # noqa: D102
    async def sleep(self, seconds: float) -> None: ...  # noqa: D102


class TransportError(Exception):
    """The attempt failed: one of the four kinds below, never this class itself."""

    sent: ClassVar[bool] = True  #: whether the service may have acted

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message)
        self.transient = transient  #: whether a retry can help


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
