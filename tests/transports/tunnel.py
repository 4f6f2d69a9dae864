"""A proxy that carries bytes."""

import socket
import threading

from firecrawl_interact.adapters.conformance.server import Connection

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"


class Tunnel:
    """Accepts a CONNECT and carries bytes, once `is_slow` a byte at a time."""

    def __init__(self) -> None:
        self.is_slow = threading.Event()

    def __call__(self, connection: Connection) -> None:
        host, port = connection.read_request().rsplit(":", 1)
        with socket.create_connection((host, int(port)), 10) as service:
            connection.send(ESTABLISHED)
            back = threading.Thread(target=self._carry_back, args=(service, connection))
            back.start()
            try:
                while True:
                    service.sendall(connection.receive())
            finally:
                service.shutdown(socket.SHUT_RDWR)
                back.join()

    def _carry_back(self, service: socket.socket, connection: Connection) -> None:
        try:
            while data := service.recv(65536):
                if self.is_slow.is_set():
                    connection.drip(data)
                else:
                    connection.send(data)
        except OSError:
            pass  # The client has left.
        connection.abort()
