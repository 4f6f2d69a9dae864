"""The network and the clock of this process, replaced: HTTP libraries run on them unchanged.

A socket that connects reaches an `EventfulService`, which meets each DELETE with the next event.
Whoever waits, for bytes or for a pause to end, moves the clock instead.
"""

import asyncio
import io
import selectors
import socket
import time
from collections.abc import Callable
from enum import Enum
from typing import Any, NoReturn

from firecrawl_interact.core.transport import (
    ConnectionLostError,
    Response,
    TimedOutError,
    TransportError,
)

from ..proof.events import A_RESPONSE, EventfulService

URL = "http://127.0.0.1:9"  # Nothing listens there: a socket that is not replaced would be refused.
_SIGN_IN = Response(200, {"content-type": "text/html"}, b"<html>Sign in</html>")


class HangsError(BaseException):
    """Somebody waits without a limit, and nothing will come."""


class Ends(Enum):
    """How a call ends, and what two readers make of it: a cautious one, and the usual one."""

    GONE = "gone", "gone"
    NOT_GONE = "not gone", "not gone"
    UNKNOWN = "unknown", "unknown"
    PERHAPS_GONE = "unknown", "gone"  # not found; or it returned, and reports no success
    ERROR = "unknown", "not gone"
    HANGS = "hangs", "hangs"


class World:
    """The one clock of this process, and the service that its sockets reach."""

    def __init__(self) -> None:
        self.now = 0.0
        self.service = EventfulService([])

    def wait(self, seconds: float | None) -> None:
        if seconds is None:
            raise HangsError
        self.now += max(seconds, 0)

    def fail(self, error: OSError) -> NoReturn:
        self.now += A_RESPONSE
        raise error


WORLD = World()


def replace_network_and_clock() -> None:
    """From here on, every socket of this process that connects reaches the service of `WORLD`."""
    time.sleep = WORLD.wait
    time.monotonic = time.time = time.perf_counter = lambda: WORLD.now
    socket.socket = _Socket  # type: ignore[misc]  # a subclass in place of the class


def what_comes(request: bytes, service: EventfulService) -> tuple[bytes | None, bool]:
    """Return the bytes that answer a request, None for silence, and whether a reset follows."""
    target = request.split(b" ", 2)[1]
    is_the_delete = request.startswith(b"DELETE /v2/")
    assert is_the_delete or target == b"/sign-in", request
    if not is_the_delete:
        service.requests += 1
    comes = service.meet() if is_the_delete else _SIGN_IN
    return _bytes_of(comes), isinstance(comes, ConnectionLostError) and not comes.stale


def _bytes_of(comes: Response | TransportError) -> bytes | None:
    match comes:
        case Response(status, headers, body):
            lines = [f"HTTP/1.1 {status} Status", "connection: close"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            lines += [] if status == 204 else [f"content-length: {len(body)}"]
            return "\r\n".join([*lines, "", ""]).encode() + body
        case TimedOutError():
            return None
        case ConnectionLostError():
            return b"" if comes.stale else b"HTTP/1.1 200 OK\r\ncontent-le"
    if "MiB" in str(comes):
        return _bytes_of(Response(200, {"content-type": "text/html"}, bytes(2 * 1024 * 1024)))
    return b"\x15\x03\x01\x00\x02\x02\x46"  # an alert of TLS


class _Socket(socket.socket):
    """A real socket until it connects, which it does in name alone."""

    def connect(self, address: object) -> None:
        if WORLD.service.refuses:
            WORLD.service.meet()
            WORLD.fail(ConnectionRefusedError("refused"))
        self._request = b""
        self._incoming: io.BytesIO | None = None
        self._ends_in_reset = False
        self._limit: float | None = None

    def settimeout(self, value: float | None) -> None:
        self._limit = value

    def sendall(self, data: Any, flags: int = 0) -> None:  # Any: as in `socket`
        self._request += bytes(data)
        if self._request.endswith(b"\r\n\r\n"):
            found, self._ends_in_reset = what_comes(self._request, WORLD.service)
            self._incoming = None if found is None else io.BytesIO(found)
            if found is not None:
                WORLD.wait(A_RESPONSE)

    def send(self, data: Any, flags: int = 0) -> int:  # Any: as in `socket`
        self.sendall(data)
        return len(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        if self._incoming is None:
            WORLD.wait(self._limit)
            raise TimeoutError("timed out")
        data = self._incoming.read(size)
        if not data and self._ends_in_reset:
            raise ConnectionResetError("reset")
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:  # Any: as in `socket`
        data = self.recv(nbytes or len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Selector(selectors.SelectSelector):
    """Waits for nothing: it moves the clock to what is due next."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            WORLD.wait(timeout)
        return ready


class EventLoop(asyncio.SelectorEventLoop):
    """An event loop whose connections reach the same service."""

    def __init__(self) -> None:
        super().__init__(_Selector())

    async def create_connection(  # type: ignore[override]  # all that anyio asks of it
        self, protocol_factory: Callable[[], asyncio.Protocol], *args: object, **options: object
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        if WORLD.service.refuses:
            WORLD.service.meet()
            await asyncio.sleep(A_RESPONSE)
            raise ConnectionRefusedError("refused")
        protocol = protocol_factory()
        transport = _Transport(self, protocol)
        protocol.connection_made(transport)
        return transport, protocol


class _Transport(asyncio.Transport):
    def __init__(self, loop: EventLoop, protocol: asyncio.Protocol) -> None:
        super().__init__({"socket": socket.socket()})
        self._loop, self._protocol = loop, protocol
        self._request, self._is_closing = b"", False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._request += bytes(data)
        if self._request.endswith(b"\r\n\r\n"):
            found, ends_in_reset = what_comes(self._request, WORLD.service)
            if found is not None:
                self._loop.call_later(A_RESPONSE, self._deliver, found, ends_in_reset)

    def _deliver(self, found: bytes, ends_in_reset: bool) -> None:  # noqa: FBT001 - called back
        if found:
            self._protocol.data_received(found)
        if ends_in_reset or not self._protocol.eof_received():
            self.close()
            self._protocol.connection_lost(ConnectionResetError("reset") if ends_in_reset else None)

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self.get_extra_info("socket").close()

    abort = close

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass  # Everything is written at once.

    def pause_reading(self) -> None:
        pass  # All bytes come at once.

    resume_reading = pause_reading
