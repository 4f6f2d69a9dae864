"""A service on a raw socket, whose connections meet faults or are served well."""

import contextlib
import json
import os
import select
import socket
import ssl
import struct
import threading
import time
import unittest
from collections.abc import Callable, Iterator
from typing import Self, TypeAlias

import msgspec

PATIENCE = 2.5
"""Seconds until the server ends a connection, so that no transport hangs for ever."""

_SECONDS_PER_DRIP = 0.04
_SEND_BUFFER_BYTES = 64 * 1024  # What the kernel buffers counts as read by the transport.


class SeenRequest(msgspec.Struct, frozen=True):
    """A whole request that reached the server."""

    connection: int
    """The number of its connection, from 1."""
    head: str

    @property
    def target(self) -> str:
        """The path, as it was sent."""
        return self.head.split(" ")[1]

    def values(self, name: str) -> list[str]:
        """Every value of a header, as it was sent."""
        lines = [line.partition(":") for line in self.head.split("\r\n")[1:]]
        return [value.strip(" ") for header, _, value in lines if header.lower() == name.lower()]


def good_response(path: str, *, headers: str = "") -> bytes:
    """Return a response that names the path, so that each call can recognise its own.

    Args:
        path: the target of the request.
        headers: more header lines, each with its CRLF.
    """
    body = json.dumps({"success": True, "path": path})
    return (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        f"{headers}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode("latin-1")


class Connection:
    """One accepted connection, which a fault controls."""

    def __init__(self, server: "FaultServer", sock: socket.socket, number: int) -> None:
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = number
        self.bytes_sent: int = 0
        self._server = server
        self._sock = sock
        self._received = b""

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Make the handshake, as a server."""
        self._sock = context.wrap_socket(self._sock, server_side=True)

    def read_request(self) -> str:
        """Read one whole request, and return its target.

        Raises:
            EOFError: the client closed the connection instead.
        """
        while b"\r\n\r\n" not in self._received:
            self._received += self.receive()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        seen = SeenRequest(self.number, head.decode("latin-1"))
        self._server.requests.append(seen)
        return seen.target

    def receive(self) -> bytes:
        """Read what the client has sent.

        Raises:
            EOFError: the client closed the connection instead.
        """
        if data := self._sock.recv(65536):
            return data
        raise EOFError

    def wait_for_bytes(self) -> None:
        """Wait until the client has sent something, and leave it unread."""
        select.select([self], [], [], PATIENCE)

    def fileno(self) -> int:
        """Return the number that `select` waits on."""
        return self._sock.fileno()

    def wait_for_close(self) -> None:
        """Wait until the client closes the connection, whatever it sends before."""
        while self._sock.recv(65536):
            pass

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._sock.sendall(data)
        self.bytes_sent += len(data)

    def drip(self, data: bytes, *, at_once: int = 1) -> None:
        """Send a few bytes at a time, with a pause before them, until `PATIENCE` is over."""
        end = time.monotonic() + PATIENCE
        for start in range(0, len(data), at_once):
            if time.monotonic() > end:
                return
            self.pause(_SECONDS_PER_DRIP)
            self.send(data[start : start + at_once])

    def flood(self, piece: bytes, *, size: float = float("inf")) -> None:
        """Send the same piece until `size` bytes are out, or `PATIENCE` is over."""
        end = time.monotonic() + PATIENCE
        while size > 0 and time.monotonic() < end:
            self.send(piece)
            size -= len(piece)

    def pause(self, seconds: float) -> None:
        """Wait, unless the server stops."""
        self._server.stopping.wait(seconds)

    def respond(self, path: str) -> None:
        """Send a good response to the request for this path."""
        self.send(good_response(path))

    def close(self) -> None:
        """Close the connection in order, over TLS with a close_notify."""
        if isinstance(self._sock, ssl.SSLSocket):
            with contextlib.suppress(
                OSError, ValueError
            ):  # It does not wait for that of the client.
                self._sock.settimeout(0)
                self._sock.unwrap()
        self._sock.close()

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._sock.close()

    def abort(self) -> None:
        """Interrupt what another thread does with the connection."""
        with contextlib.suppress(OSError):  # It may be closed already.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)


FaultFunction: TypeAlias = Callable[[Connection], None]
"""What happens on a connection. If that leaves it open, it is served well afterwards."""


class FaultServer:
    """A server on this machine whose first connections meet one fault each.

    Args:
        faults: what happens on the first connection, on the second, and so on.
        afterwards: what happens on all other connections.
            Where either is None, the connection is served well.
        tls: the context of a server that speaks TLS.
        in_handshake: whether the faults replace the TLS handshake.
        listening: False refuses all connections until `listen` is called.
        host: the address, of IPv4 or IPv6.
    """

    def __init__(
        self,
        *faults: FaultFunction | None,
        afterwards: FaultFunction | None = None,
        tls: ssl.SSLContext | None = None,
        in_handshake: bool = False,
        listening: bool = True,
        host: str = "127.0.0.1",
    ) -> None:
        self.stopping: threading.Event = threading.Event()
        self.fault_is_over: threading.Event = threading.Event()
        self.requests: list[SeenRequest] = []  #: the whole ones so far, in order
        self._faults = faults
        self._afterwards = afterwards
        self._tls = tls
        self._in_handshake = in_handshake
        self._connections: list[Connection] = []
        self._threads: list[threading.Thread] = []
        self._errors: list[Exception] = []
        self._host = host
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(self._family)
        self._listener.bind((host, 0))
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        if listening:
            self.listen()

    @property
    def authority(self) -> str:
        """Address and port."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self.port}"

    @property
    def port(self) -> int:
        """The port, which the system chose."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def api_url(self) -> str:
        """The address of the service."""
        return f"http{'s' if self._tls else ''}://{self.authority}"

    @property
    def connections(self) -> int:
        """How many connections were accepted so far."""
        return len(self._connections)

    @property
    def bytes_sent(self) -> int:
        """How many bytes went out so far, of TLS their content."""
        return sum(connection.bytes_sent for connection in self._connections)

    def open_connections(self) -> int:
        """Count the connections that the client has not closed, a moment later."""
        end = time.monotonic() + 0.5
        while any(thread.is_alive() for thread in self._threads) and time.monotonic() < end:
            time.sleep(0.005)
        return sum(thread.is_alive() for thread in self._threads)

    @contextlib.contextmanager
    def full_backlog(self) -> Iterator[None]:
        """Make a connect hang: the queue of connections that are not accepted yet is full.

        Raises:
            unittest.SkipTest: this system has no such limit.
        """
        self._listener.listen(0)
        with contextlib.ExitStack() as waiting:
            try:
                for _ in range(8):
                    sock = waiting.enter_context(socket.socket(self._family))
                    sock.settimeout(0.1)
                    sock.connect(self._listener.getsockname())
            except OSError:
                yield
            else:
                raise unittest.SkipTest("a server whose backlog is full can be connected to, here")

    def listen(self) -> None:
        """Accept connections from now on."""
        self._listener.listen(128)
        self._acceptor.start()

    def stop(self, *exception: object) -> None:
        """End all connections and threads, and raise the error of a fault, if there is one."""
        self.stopping.set()
        if self._acceptor.is_alive():
            with socket.socket(self._family) as wake:
                wake.settimeout(PATIENCE)
                wake.connect(self._listener.getsockname())
                self._acceptor.join()
        self._listener.close()
        for connection in self._connections:
            connection.abort()
        for thread in self._threads:
            thread.join()
        for error in self._errors:
            raise error

    __exit__ = stop

    def __enter__(self) -> Self:
        return self

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self.stopping.is_set():
                sock.close()
                return
            connection = Connection(self, sock, len(self._connections) + 1)
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: Connection) -> None:
        place = connection.number - 1
        fault = self._faults[place] if place < len(self._faults) else self._afterwards
        try:
            try:
                if fault and self._in_handshake:
                    fault(connection)
                    return
                if self._tls:
                    connection.start_tls(self._tls)
                if fault:
                    fault(connection)
            finally:
                if connection.number == 1:
                    self.fault_is_over.set()
            while True:
                connection.respond(connection.read_request())
        except (EOFError, OSError):
            pass  # The connection ended, as connections do.
        except Exception as error:
            self._errors.append(error)
        finally:
            connection.close()
