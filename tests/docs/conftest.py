"""The service where the documentation says it is: https://api.firecrawl.dev, played on loopback.

A reader's example runs as it is written. The environment leads it through a proxy on 127.0.0.1,
which ends the tunnel itself, under a certificate for that name, and asks a `FakeService`. A scrape
and the list of sessions are played here.
"""

import json
import ssl
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from firecrawl_interact import FakeService, LoopbackService, NoResponse, Reply
from firecrawl_interact.core import Request, Response

HOST = "api.firecrawl.dev"
SCRAPE_ID = "0199a7c4-5d1e-7b60-9f3a-2c8e4d6b1a58"
"""Of the first scrape. Later ones have random ids."""
UNSET = ("FIRECRAWL_API_URL", "NO_PROXY", "SSL_CERT_DIR", "https_proxy", "no_proxy")


class Handler(BaseHTTPRequestHandler):
    """One connection: a proxy that knows one host, and is that host."""

    protocol_version = "HTTP/1.1"
    server: "Proxy"

    def do_CONNECT(self) -> None:
        assert self.path == f"{HOST}:443"
        self.send_response_only(200)
        self.end_headers()
        self.close_connection = False  # The tunnel stands, also for a CONNECT of HTTP/1.0.
        self.request = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.setup()

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def handle_request(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/v2/scrape":
            scraped = {"markdown": "", "metadata": {"scrapeId": self.server.new_scrape_id()}}
            content = json.dumps({"success": True, "data": scraped}).encode()
            self.deliver(Response(200, {}, content))
            return
        if self.path.startswith("/v2/browser?"):
            self.deliver(Response(200, {}, sessions_of(self.server.service)))
            return
        request = Request(self.command, self.path, dict(self.headers.items()))
        response, fault = self.server.service.respond(request, body)
        if fault is None or isinstance(fault, Reply):
            self.deliver(response)
        else:
            if isinstance(fault, NoResponse):
                self.rfile.read(1)  # until the client leaves
            self.close_connection = True

    do_DELETE = do_GET = do_POST = handle_request  # noqa: N815 - the names that are looked for

    def deliver(self, response: Response) -> None:
        self.send_response_only(response.status)
        for name, value in {**response.headers, "content-length": len(response.body)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(response.body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def sessions_of(service: FakeService) -> bytes:
    """Return the list of open sessions, as the service would."""
    about = dict.fromkeys(("cdpUrl", "liveViewUrl", "createdAt", "lastActivity"), "")
    sessions = [
        {"id": session_id, "status": "active", "streamWebView": False, **about}
        for session_id in service.sessions_left_open
    ]
    return json.dumps({"success": True, "sessions": sessions}).encode()


class Proxy(ThreadingHTTPServer):
    """The proxy, and the host behind it."""

    daemon_threads = True

    def __init__(self, certificate: trustme.LeafCert, service: FakeService) -> None:
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(self.tls)
        self.service = service
        self._scrape_ids = iter([SCRAPE_ID])
        super().__init__(("127.0.0.1", 0), Handler)

    def new_scrape_id(self) -> str:
        return next(self._scrape_ids, str(uuid.uuid4()))


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeService]:
    """A service on this machine, to which the environment leads."""
    service = FakeService(["fc-test"])
    with LoopbackService(service) as loopback:
        monkeypatch.setenv("FIRECRAWL_API_URL", loopback.api_url)
        monkeypatch.setenv("FIRECRAWL_API_KEY", "fc-test")
        yield service


@pytest.fixture
def firecrawl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeService]:
    """The service behind https://api.firecrawl.dev, as this test's environment sees it."""
    service, authority = FakeService(["fc-..."]), trustme.CA()
    authorities = str(tmp_path / "authorities.pem")
    authority.cert_pem.write_to_path(authorities)
    with Proxy(authority.issue_cert(HOST), service) as proxy:
        serving = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
        serving.start()
        for name in UNSET:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("FIRECRAWL_API_KEY", "fc-...")
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_address[1]}")
        monkeypatch.setenv("SSL_CERT_FILE", authorities)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", authorities)  # for the official client
        yield service
        proxy.shutdown()
        serving.join()
