"""The service where the documentation says it is: https://api.firecrawl.dev, played on loopback.

A reader's example runs as it is written. The environment leads it through a proxy on 127.0.0.1,
which ends the tunnel itself, under a certificate for that name, and asks a `FakeService`.
"""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from firecrawl_interact.adapters import FakeService, InMemoryTransport
from firecrawl_interact.core import Request

HOST = "api.firecrawl.dev"
UNSET = ("FIRECRAWL_API_URL", "NO_PROXY", "SSL_CERT_DIR", "https_proxy", "no_proxy")


class Proxy(ThreadingHTTPServer):
    """A proxy that knows one host, and is that host."""

    daemon_threads = False  # Closing it waits for the connections to end.

    def __init__(self, certificate: trustme.LeafCert, service: FakeService) -> None:
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(self.tls)
        self.transport = InMemoryTransport(service)


class Tunnel(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10  # seconds for a client that leaves its connection open
    server: Proxy

    def do_CONNECT(self) -> None:
        if self.path != f"{HOST}:443":
            self.send_error(502)
            return
        self.send_response(200)
        self.end_headers()
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def do_DELETE(self) -> None:
        if not isinstance(self.connection, ssl.SSLSocket):  # Outside of the tunnel.
            self.send_error(400)
            return
        request = Request(self.command, self.path, dict(self.headers.items()))
        response = self.server.transport.send(request, timeout=10)
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def firecrawl(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeService]:
    """The service behind https://api.firecrawl.dev, as this test's environment sees it."""
    service = FakeService(api_keys=["fc-..."])
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with Proxy(authority.issue_cert(HOST), service) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.02,))
        thread.start()
        for name in UNSET:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("FIRECRAWL_API_KEY", "fc-...")
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_port}")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        try:
            yield service
        finally:
            proxy.shutdown()
            thread.join()
