"""A `FakeService` behind a real HTTP/1.1 socket on 127.0.0.1, for any client."""

import contextlib
import os
import socket
import socketserver
import struct
import sys
import threading
import warnings
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any, Self
from weakref import WeakKeyDictionary

from firecrawl_interact.core.transport import Request, Response

from .service import FakeService
from .service.faults import (
    UNHANDLED,
    DrippedResponse,
    FakeServiceError,
    LostResponse,
    NoConnection,
)

# Close with a reset: linger for 0 s. Windows has two shorts here, other systems two ints.
_RESET = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)

_LARGEST_BODY = 10 * 1024 * 1024  # bytes, as the service takes them


class LoopbackService:
    """Serve a `FakeService` on 127.0.0.1 while a `with` block lasts.

    The service's clock runs with the system's meanwhile, so its waits and its latency are real.
    The end of the block ends every connection, also those that wait for a response. The service
    closes a connection that is idle for 5 seconds, as the real one does.

    Four faults look different here than in memory. A `NoConnection` is a reset instead of the
    response, since the client has connected already. A `LostResponse` on a reused connection looks
    like a stale one. `DrippedResponse` drips the status line and the headers too. Any timeout ends
    a `HeldResponse`, as it does a `NoResponse`.

    Args:
        service: the service. It can be used in memory at the same time.
        port: where it listens; 0: the system chooses a free port.
    """

    _server: "_Server | None" = None

    def __init__(self, service: FakeService, port: int = 0) -> None:
        if not isinstance(service, FakeService):
            raise TypeError(f"service must be a FakeService, not {type(service).__name__}")
        if type(port) is not int or not 0 <= port <= 65535:
            raise FakeServiceError(f"port must be an int from 0 to 65535, not {port!r}")
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
        return f"http://127.0.0.1:{self._server.server_address[1]}"

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
            if not sys.is_finalizing():  # Its threads run no more then: nobody may wait for them.
                self._server.end()


class _Server(socketserver.ThreadingTCPServer):
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, service: FakeService, port: int) -> None:
        self.service = service
        self.ending = threading.Event()
        self._connections: WeakKeyDictionary[threading.Thread, Any] = WeakKeyDictionary()
        serve = partial(self.serve_forever, poll_interval=0.02)  # seconds, until it sees its end
        self._serving = threading.Thread(target=serve, daemon=True)
        super().__init__(("127.0.0.1", port), _Handler)
        service.clock.follow_system(1)

    def server_activate(self) -> None:
        super().server_activate()
        self._serving.start()  # If this fails, the caller closes the socket.

    def process_request(self, request: Any, client_address: Any) -> None:  # Any: as in typeshed
        # A daemon: a service that is left running keeps no process from ending.
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._connections[thread] = request
        thread.start()

    def handle_error(self, *_: object) -> None:
        # A client may disconnect at any time; anything else is an error of the fake.
        if not isinstance(sys.exception(), OSError):
            sys.excepthook(*sys.exc_info())

    def end(self) -> None:
        """Accept no more connections, and end those that are open.

        The child of a fork closes its copy of the socket: its parent goes on to serve.
        """
        if not self._serving.is_alive():
            self.server_close()
            return
        self.ending.set()
        self.shutdown()
        self.server_close()
        for thread, connection in list(self._connections.items()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()
        self.service.clock.follow_system(-1)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5  # seconds that a connection may be idle
    connection: socket.socket
    server: _Server

    def _handle(self) -> None:
        length = self.headers.get("content-length", "0")
        if "transfer-encoding" in self.headers or not length.isdecimal():
            self.send_error(411)
            return
        if len(length) > 8 or int(length) > _LARGEST_BODY:
            self.send_error(413)
            return
        body = self.rfile.read(int(length))
        service, ending = self.server.service, self.server.ending
        request = Request(self.command, self.path, dict(self.headers.items()))
        response, fault = service.respond(request, body)
        if isinstance(fault, NoConnection):
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.connection.close()  # The server would shut it down in order first.
        elif isinstance(fault, UNHANDLED):
            self.close_connection = True
            self.connection.settimeout(None)
            while self.connection.recv(65536):
                pass
        elif ending.wait(service.latency) or isinstance(fault, LostResponse):
            self.close_connection = True
        else:
            self._send(response, fault)

    # The names that http.server looks for.
    do_DELETE = do_GET = do_PATCH = do_POST = do_PUT = _handle  # noqa: N815

    def _send(self, response: Response, fault: object) -> None:
        headers = {"date": self.date_time_string(), **response.headers}
        headers["content-length"] = str(len(response.body))
        reason = self.responses.get(response.status, ("", ""))[0]
        lines = [f"HTTP/1.1 {response.status} {reason}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        whole = "\r\n".join([*lines, "", ""]).encode("latin-1") + response.body
        if not isinstance(fault, DrippedResponse):
            self.wfile.write(whole)
            return
        for byte in whole:
            self.wfile.write(bytes([byte]))
            if self.server.ending.wait(fault.seconds_per_byte):
                self.close_connection = True
                return

    def log_message(self, *_: object) -> None:
        """Log nothing: the requests are in `FakeService.requests`."""
