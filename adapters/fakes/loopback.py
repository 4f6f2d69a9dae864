"""A `FakeService` behind a real HTTP/1.1 socket on 127.0.0.1, for any client."""

import contextlib
import os
import socket
import socketserver
import struct
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Self
from weakref import WeakSet

from firecrawl_interact.core.transport import Request

from .service import FakeService, TimedResponse
from .service.faults import FakeServiceError, LostResponse, NoConnection, NoResponse

# Close with a reset: linger for 0 s. Windows has two shorts here, other systems two ints.
_RESET = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class LoopbackService:
    """Serve a `FakeService` on 127.0.0.1 while a `with` block lasts.

    The service's clock runs with the system's meanwhile, so its waits and its latency are real.
    The end of the block ends every connection, also those that wait for a response.

    Three faults look different here than in memory. A `NoConnection` is a reset instead of the
    response, since the client has connected already. A `LostResponse` on a reused connection looks
    like a stale one. `DrippedResponse` drips the status line and the headers too.

    Args:
        service: the service. It can be used in memory at the same time.
        port: where it listens; 0: the system chooses a free port.
    """

    def __init__(self, service: FakeService, port: int = 0) -> None:
        self._service = service
        self._port = port
        self._server: _Server | None = None
        self._ending = contextlib.ExitStack()

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
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """Start to serve.

        Raises:
            FakeServiceError: it runs already.
            OSError: the port is not free.
        """
        if self._server is not None:
            raise FakeServiceError("this service runs already: make another LoopbackService")
        with contextlib.ExitStack() as starting:
            starting.enter_context(self._service.clock.system_time())
            server = starting.enter_context(_Server(self._service, self._port))
            server.serving.start()
            starting.callback(server.end)
            self._server, self._ending = server, starting.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server = None
        self._ending.close()


class _Server(socketserver.ThreadingTCPServer):
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, service: FakeService, port: int) -> None:
        self.service = service
        self.ending = threading.Event()
        self._connections: WeakSet[socket.socket] = WeakSet()
        serve = partial(self.serve_forever, poll_interval=0.02)  # seconds, until it sees its end
        self.serving = threading.Thread(target=serve, daemon=True)
        super().__init__(("127.0.0.1", port), _Handler)

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def handle_error(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        # A client may disconnect at any time; anything else is an error of the fake.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def end(self) -> None:
        """Accept no more connections, and end those that are open."""
        self.ending.set()
        self.shutdown()
        self.serving.join()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    connection: socket.socket
    server: _Server

    def _handle(self) -> None:
        if not self._drop_body():
            return
        service, ending = self.server.service, self.server.ending
        result = service.respond(Request(self.command, self.path, dict(self.headers.items())))
        if isinstance(result, NoConnection):
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.connection.close()  # The server would shut it down in order first.
        elif isinstance(result, NoResponse):
            self.close_connection = True
            while self.connection.recv(65536):
                pass
        elif ending.wait(service.latency) or isinstance(result, LostResponse):
            self.close_connection = True
        else:
            self._deliver(result)

    # The names that http.server looks for.
    do_CONNECT = do_DELETE = do_GET = do_HEAD = do_OPTIONS = _handle  # noqa: N815
    do_PATCH = do_POST = do_PUT = do_TRACE = _handle  # noqa: N815

    def _drop_body(self) -> bool:
        length = self.headers.get("content-length", "0")
        if "transfer-encoding" in self.headers or not length.isdecimal():
            self.send_error(411)
            return False
        left = int(length)
        while left and (piece := self.rfile.read(min(left, 65536))):
            left -= len(piece)
        return not left

    def _deliver(self, timed: TimedResponse) -> None:
        response = timed.response
        headers = {"date": self.date_time_string(), **response.headers}
        if response.status not in (204, 304):
            headers["content-length"] = str(len(response.body))
        if self.close_connection:
            headers["connection"] = "close"
        reason = self.responses.get(response.status, ("", ""))[0]
        lines = [f"HTTP/1.1 {response.status} {reason}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        whole = "\r\n".join([*lines, "", ""]).encode("latin-1")
        if self.command != "HEAD":
            whole += response.body
        size = 1 if timed.seconds_per_byte else len(whole)
        for start in range(0, len(whole), size):
            self.wfile.write(whole[start : start + size])
            if timed.seconds_per_byte and self.server.ending.wait(timed.seconds_per_byte):
                self.close_connection = True
                return

    def log_message(self, *_: object) -> None:
        """Log nothing: the requests are in `FakeService.requests`."""
