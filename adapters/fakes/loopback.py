"""A `FakeService` behind a real HTTP/1.1 socket on 127.0.0.1, for any client."""

import asyncio
import io
import os
import socket
import struct
import sys
import threading
import warnings
from email.utils import formatdate
from http.client import parse_headers
from http.client import responses as REASONS  # noqa: N812 - it is a constant
from typing import Self

from firecrawl_interact.core.transport import Request, Response

from .service import FakeService
from .service.faults import SILENT, DrippedResponse, FakeServiceError, LostResponse, NoConnection

_LONGEST_IDLE = 5
"""Seconds after which the service closes an idle connection."""
# Close with a reset: linger for 0 s. Windows has two shorts here, other systems two ints.
_RESET = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class LoopbackService:
    """Serve a `FakeService` on 127.0.0.1 while a `with` block lasts.

    The service's clock runs with the system's meanwhile, so its waits and its latency are real.
    The end of the block ends every connection, also those that wait for a response. The service
    closes a connection that is idle for 5 seconds, as the real one does.

    Three faults look different here than in memory. A `NoConnection` is a reset instead of the
    response, since the client has connected already. A `LostResponse` on a reused connection looks
    like a stale one. `DrippedResponse` drips the status line and the headers too.

    Args:
        service: the service. It can be used in memory at the same time.
        port: where it listens; 0: the system chooses a free port.
    """

    _server: "_Server | None" = None

    def __init__(self, service: FakeService, port: int = 0) -> None:
        self._service = service
        self._port = port

    def __repr__(self) -> str:
        place = "not running" if self._server is None else f"at {self.api_url}"
        return f"<LoopbackService {place}: {self._service!r}>"

    @property
    def api_url(self) -> str:
        """Its address, such as `http://127.0.0.1:49152`.

        Raises:
            FakeServiceError: outside of the `with` block.
        """
        if self._server is None:
            raise FakeServiceError("this service does not run: use it in a `with` block")
        return f"http://127.0.0.1:{self._server.port}"

    def __enter__(self) -> Self:
        """Start to serve.

        Raises:
            FakeServiceError: it runs already.
            OSError: the port is not free.
        """
        if self._server is not None:
            raise FakeServiceError("this service runs already: make another LoopbackService")
        self._server = _Server(self._service, self._port)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._server is not None:
            self._server.end()
            self._server = None

    def __del__(self) -> None:
        if self._server is not None:
            message = f"{self!r} was left running: use `with`"
            warnings.warn(message, RuntimeWarning, stacklevel=2, source=self)
            if not sys.is_finalizing():  # Its thread runs no more then: nobody may wait for it.
                self._server.end()


class _Server(threading.Thread):
    """An event loop in a thread, which serves until `end`."""

    def __init__(self, service: FakeService, port: int) -> None:
        # A daemon: a service that is left running keeps no process from ending.
        super().__init__(daemon=True)
        self._service = service
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.SelectorEventLoop()
        self._ending = asyncio.Event()
        service.clock.follow_system(1)
        self.start()

    def end(self) -> None:
        """Accept no more connections, and end those that are open."""
        self._loop.call_soon_threadsafe(self._ending.set)
        self.join()
        self._service.clock.follow_system(-1)

    def run(self) -> None:
        """Serve. The runner cancels the tasks of all connections at the end."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._serve_client, sock=self._socket)
        await self._ending.wait()
        self._loop.remove_reader(self._socket)
        await asyncio.sleep(0.01)  # What was accepted a moment ago needs some turns to have a task.
        server.close()

    async def _serve_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while await self._respond(reader, writer):
                pass
        except (OSError, EOFError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # It was idle, disconnected, or sends no HTTP; or the service ends.
        finally:
            writer.close()

    async def _respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Respond to the next request. Return whether another one may follow."""
        async with asyncio.timeout(_LONGEST_IDLE):
            head = await reader.readexactly(1)
            if head.isalpha():  # TLS is not: its client must hear at once that this is HTTP.
                head += await reader.readuntil(b"\r\n\r\n")
        line, _, lines = head.partition(b"\r\n")
        fields = parse_headers(io.BytesIO(lines))
        words, length = line.decode("latin-1").split(" "), fields.get("content-length", "0")
        if len(words) != 3 or not length.isdecimal() or "transfer-encoding" in fields:
            writer.write(_BAD_REQUEST)
            return False
        body = await reader.readexactly(int(length))
        request = Request(words[0], words[1], dict(fields.items()))
        response, fault = self._service.respond(request, body)
        if isinstance(fault, NoConnection):
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
            return False
        if isinstance(fault, SILENT):
            await reader.read()  # until the client disconnects
            return False
        await asyncio.sleep(self._service.latency)
        if isinstance(fault, LostResponse):
            return False
        written = _written(response)
        if isinstance(fault, DrippedResponse):
            for byte in written:
                writer.write(bytes([byte]))
                await asyncio.sleep(fault.seconds_per_byte)
        else:
            writer.write(written)
        return fields.get("connection", "").lower() != "close"


def _written(response: Response) -> bytes:
    """Return a response as it goes over the wire."""
    length = str(len(response.body))
    headers = {"date": formatdate(usegmt=True), **response.headers, "content-length": length}
    lines = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, '')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + response.body
