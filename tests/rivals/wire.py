"""The network and the clock of this process, replaced: HTTP libraries run on them unchanged.

A socket that connects reaches an `EventfulService`, which meets each DELETE with the next event.
Whoever waits, for bytes or for a pause to end, moves the clock instead. curl alone meets that
service over real sockets of this machine, before they are replaced.
"""

import asyncio
import io
import re
import socket
import subprocess
import threading
import time
from enum import Enum
from typing import Any

import anyio

from firecrawl_interact.core.transport import (
    ConnectionLostError,
    Response,
    TimedOutError,
    TransportError,
)

from ..proof.events import A_RESPONSE, SESSION_ID, EventfulService

URL = "http://127.0.0.1:9"  # Nothing listens there: a socket that is not replaced would be refused.


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
        """Let time pass. None: for ever."""
        if seconds is None:
            raise HangsError
        self.now += seconds


WORLD = World()


def replace_network_and_clock() -> None:
    """From here on, every socket of this process that connects reaches the service of `WORLD`."""
    time.sleep = WORLD.wait  # type: ignore[assignment]  # None is refused by `wait` alone
    time.monotonic = time.time = time.perf_counter = lambda: WORLD.now
    socket.socket = _Socket  # type: ignore[misc]  # a subclass in place of the class

    async def connect(*args: object, **options: object) -> _Stream:
        return _Stream()

    async def sleep(seconds: float) -> None:
        WORLD.wait(seconds)

    anyio.connect_tcp = connect  # type: ignore[assignment]  # all that httpx asks of it
    asyncio.sleep = sleep  # type: ignore[assignment]  # all that firecrawl-py asks of it


def what_comes(request: bytes, service: EventfulService) -> bytes | None:
    """Return all that comes back for a request. None: nothing, and the connection stays open."""
    if request.startswith(b"DELETE /v2/"):
        return _bytes_of(service.meet())
    assert request.split(b" ", 2)[1] == b"/sign-in", request
    service.requests += 1
    return _bytes_of(Response(200, {"content-type": "text/html"}, b"<html>Sign in</html>"))


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
            return b"" if comes.stale else b"HTTP/1.1 2"
        case _ if "MiB" in str(comes):
            return _bytes_of(Response(200, {"content-type": "text/html"}, bytes(2 * 1024 * 1024)))
    return b"\x15\x03\x01\x00\x02\x02\x46"  # an alert of TLS


class _Socket(socket.socket):
    """A real socket until it connects, which it does in name alone."""

    def connect(self, address: object) -> None:
        if WORLD.service.refuses:
            WORLD.service.meet()
            WORLD.wait(A_RESPONSE)
            raise ConnectionRefusedError("refused")
        self._request = b""
        self._limit: float | None = None
        self._incoming: io.BytesIO | None = None

    def settimeout(self, value: float | None) -> None:
        self._limit = value

    def sendall(self, data: Any, flags: int = 0) -> None:  # Any: as in `socket`
        self._request += bytes(data)
        if self._request.endswith(b"\r\n\r\n"):
            found = what_comes(self._request, WORLD.service)
            if found is not None:
                WORLD.wait(A_RESPONSE)
                self._incoming = io.BytesIO(found)

    def send(self, data: Any, flags: int = 0) -> int:  # Any: as in `socket`
        self.sendall(data)
        return len(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        if self._incoming is None:
            WORLD.wait(self._limit)
            raise TimeoutError("timed out")
        return self._incoming.read(size)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:  # Any: as in `socket`
        data = self.recv(nbytes or len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Stream:
    """The same socket, as anyio hands a connection to httpx."""

    def __init__(self) -> None:
        self._raw_socket = socket.create_connection(("127.0.0.1", 9))

    async def send(self, item: bytes) -> None:
        self._raw_socket.sendall(item)

    async def receive(self, max_bytes: int) -> bytes:
        return self._raw_socket.recv(max_bytes)

    def extra(self, attribute: object, default: object) -> object:
        return default  # no TLS

    async def aclose(self) -> None:
        self._raw_socket.close()


# curl as the service's own page shows it, with `--fail`

_STILL_WAITING = 5  # real seconds, after which curl, which has no timeout, is taken to hang
_CURL = ["curl", "--noproxy", "*", "--silent", "--show-error", "--fail", "--request", "DELETE"]


def curl_version() -> str:
    """Return the version of this machine's curl. FileNotFoundError: it has none."""
    done = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True)  # noqa: S607
    return done.stdout.split()[1]


def delete_with_curl() -> Ends:
    """Let curl meet the service of `WORLD`."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v2/interact/{SESSION_ID}"
        if WORLD.service.refuses:
            WORLD.service.meet()
            server.close()
        else:
            threading.Thread(target=_serve_one, args=(server, WORLD.service), daemon=True).start()
        WORLD.wait(A_RESPONSE)
        command = [*_CURL, "--header", "Authorization: Bearer fc-test", url]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_STILL_WAITING, check=False
            )
        except subprocess.TimeoutExpired:
            return Ends.HANGS
    if done.returncode == 0:
        return Ends.GONE
    return Ends.PERHAPS_GONE if re.search("error: (404|410)", done.stderr) else Ends.ERROR


def _serve_one(server: socket.socket, service: EventfulService) -> None:
    connection, _ = server.accept()
    with connection:
        found = what_comes(connection.recv(65536), service)
        connection.sendall(found or b"")
        if found is None:
            connection.recv(1)  # It comes to an end when curl is ended.
