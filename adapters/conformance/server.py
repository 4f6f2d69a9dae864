"""A service on a raw socket, whose connections meet faults or are served well."""

import contextlib
import json
import select
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, Self, TypeAlias

import pytest

PATIENCE = 4.0  # Seconds until the server ends a connection that met a fault: no transport hangs.
_LONGEST_IDLE = 60.0  # Seconds until it ends another one: the machine may be busy.
_SECONDS_PER_DRIP = 0.08
_SEND_BUFFER_BYTES = 64 * 1024  # What the kernel buffers counts as read by the transport.


class SeenRequest(NamedTuple):
    """A whole request that reached the server, and the number of its connection, from 1."""

    connection: int
    target: str
    head: str

    def values(self, name: str) -> list[str]:
        """Return every value of a header, as it was sent."""
        lines = [line.partition(":") for line in self.head.split("\r\n")[1:]]
        return [value.strip(" ") for header, _, value in lines if header.lower() == name.lower()]


def good_response(path: str, *, headers: str = "") -> bytes:
    """Return a response that names the path, so that each call can recognise its own."""
    body = json.dumps({"success": True, "path": path})
    return (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        f"{headers}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode("latin-1")


class Connection:
    """One accepted connection, which a fault controls. Its end is an `EOFError` or `OSError`."""

    def __init__(self, server: "FaultServer", sock: socket.socket, number: int) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = number
        self.bytes_sent: int = 0
        self._server = server
        self.sock = sock
        self._received = b""

    def read_request(self) -> str:
        """Read one whole request, and return its target."""
        while b"\r\n\r\n" not in self._received:
            if not (data := self.sock.recv(65536)):
                raise EOFError
            self._received += data
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        target = head.decode("latin-1").split(" ")[1]
        self._server.requests.append(SeenRequest(self.number, target, head.decode("latin-1")))
        return target

    def wait_for_bytes(self) -> None:
        """Wait until the client has sent something, and leave it unread."""
        select.select([self.sock], [], [], PATIENCE)

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.sock.sendall(data)
        self.bytes_sent += len(data)

    def drip(self, data: bytes) -> None:
        """Send a byte at a time, with a pause before it, until `PATIENCE` is over."""
        end = time.monotonic() + PATIENCE
        for byte in data:
            if time.monotonic() > end:
                return
            self.pause(_SECONDS_PER_DRIP)
            self.send(bytes([byte]))

    def flood(self, piece: bytes, *, size: float = float("inf")) -> None:
        """Send the same piece until `size` bytes are out, or `PATIENCE` is over."""
        end = time.monotonic() + PATIENCE
        while size > 0 and time.monotonic() < end:
            self.send(piece)
            size -= len(piece)

    def pause(self, seconds: float) -> None:
        """Wait, unless the server stops."""
        self._server.stopping.wait(seconds)

    def close(self) -> None:
        """Close the connection in order, over TLS with a close_notify."""
        if isinstance(self.sock, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                self.sock.settimeout(0)  # It does not wait for that of the client.
                self.sock.unwrap()
        with contextlib.suppress(OSError):  # Windows tells of a reset here.
            self.sock.close()

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


FaultFunction: TypeAlias = Callable[[Connection], None]
"""What happens on a connection. If that leaves it open, it is served well afterwards."""


class FaultServer:
    """A server on this machine whose first connections meet one fault each.

    Args:
        faults: what happens on the first connections. The others are served well.
        tls: the context of a server that speaks TLS.
        in_handshake: whether the faults replace the TLS handshake.
        listening: False refuses all connections until `listen` is called.
        host: the address on which it listens.
    """

    def __init__(
        self,
        *faults: FaultFunction,
        tls: ssl.SSLContext | None = None,
        in_handshake: bool = False,
        listening: bool = True,
        host: str = "127.0.0.1",
    ) -> None:
        self.stopping: threading.Event = threading.Event()
        self.fault_is_over: threading.Event = threading.Event()
        self.requests: list[SeenRequest] = []  #: the whole ones so far, in order
        self._faults, self._tls, self._in_handshake = faults, tls, in_handshake
        self._connections: list[Connection] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._listener.bind((host, 0))
        self.port: int = self._listener.getsockname()[1]
        self.authority: str = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.api_url: str = f"http{'s' if tls else ''}://{self.authority}"
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        if listening:
            self.listen()

    @property
    def connections(self) -> int:
        """How many connections were accepted so far."""
        return len(self._connections)

    @property
    def bytes_sent(self) -> int:
        """How many bytes went out so far, of TLS their content."""
        return sum(connection.bytes_sent for connection in self._connections)

    def open_connections(self) -> int:
        """Count the connections that the client has not closed, as soon as that can be told."""
        end = time.monotonic() + 1
        while any(thread.is_alive() for thread in self._threads) and time.monotonic() < end:
            time.sleep(0.005)
        return sum(thread.is_alive() for thread in self._threads)

    @contextlib.contextmanager
    def full_backlog(self) -> Iterator[None]:
        """Make a connect hang: the queue of connections that are not accepted yet is full."""
        self._listener.listen(0)
        with contextlib.ExitStack() as waiting:
            try:
                for _ in range(8):
                    sock = waiting.enter_context(socket.socket())
                    sock.settimeout(0.1)
                    sock.connect(self._listener.getsockname())
            except OSError:
                yield
            else:
                pytest.skip("a server whose backlog is full can be connected to, here")

    def listen(self) -> None:
        """Accept connections from now on."""
        self._listener.listen(128)
        self._acceptor.start()

    def __exit__(self, *exception: object) -> None:
        """End all connections and threads."""
        self.stopping.set()
        if self._acceptor.is_alive():
            with socket.create_connection(self._listener.getsockname()[:2], _LONGEST_IDLE):
                self._acceptor.join()
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):  # It may be closed already.
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
                if sys.platform == "win32":  # There, only a close wakes the thread that reads.
                    socket.close(connection.sock.detach())
        for thread in self._threads:
            thread.join()

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
        fault = dict(enumerate(self._faults, 1)).get(connection.number)
        try:
            # On Windows, the server may have closed the socket already.
            connection.sock.settimeout(PATIENCE if fault else _LONGEST_IDLE)
            try:
                if self._tls and not (fault and self._in_handshake):
                    connection.sock = self._tls.wrap_socket(connection.sock, server_side=True)
                if fault:
                    fault(connection)
            finally:
                self.fault_is_over.set()
            while not (fault and self._in_handshake):
                connection.send(good_response(connection.read_request()))
        except (EOFError, OSError):
            pass  # The connection ended, as connections do.
        finally:
            connection.close()
