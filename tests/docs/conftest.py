"""The service where the documentation says it is: https://api.firecrawl.dev, played on loopback.

A reader's example runs as it is written. The environment leads it through a proxy on 127.0.0.1,
which ends the tunnel itself, under a certificate for that name, and asks a `FakeService`. What
opens a session is played here, as far as the official client's calls need it.
"""

import fcntl
import json
import os
import re
import ssl
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from firecrawl_interact.adapters import FakeService, InMemoryTransport, LoopbackService
from firecrawl_interact.core import Request, Response, TransportError

from .pages import ROOT

SCRAPE = re.compile(r"/v2/scrape/([^/]+)/interact")
HOST = "api.firecrawl.dev"
UNSET = ("FIRECRAWL_API_URL", "NO_PROXY", "SENTRY_DSN", "SSL_CERT_DIR", "https_proxy", "no_proxy")


class Handler(BaseHTTPRequestHandler):
    """One connection: a proxy that knows one host, and is that host."""

    protocol_version = "HTTP/1.1"
    server: "Proxy"

    def do_CONNECT(self) -> None:
        assert self.path == f"{HOST}:443"
        self.send_response_only(200)
        self.end_headers()
        self.close_connection = False  # The tunnel stands, also for a CONNECT of HTTP/1.0.
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb")

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def do_DELETE(self) -> None:
        scrape = SCRAPE.fullmatch(self.path)
        path = f"/v2/interact/{self.server.sessions[scrape[1]]}" if scrape else self.path
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            self.deliver(self.server.transport.send(Request("DELETE", path, headers), timeout=10))
        except TransportError:  # a fault
            self.close_connection = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        content: dict[str, object] = {"success": True}
        if scrape := SCRAPE.fullmatch(self.path):
            content["sessionId"] = self.server.service.open_session(prompt_used=True)
            self.server.sessions[scrape[1]] = content["sessionId"]
            content["output"] = "done"
        elif self.path == "/v2/scrape":
            content["data"] = {"markdown": "", "metadata": {"scrapeId": str(uuid.uuid4())}}
        elif self.path in {"/v2/browser", "/v2/interact"}:
            content["id"] = self.server.service.open_session()
            content["cdpUrl"] = f"wss://{HOST}/{content['id']}"
        self.deliver(Response(200, {}, json.dumps(content).encode()))

    def deliver(self, response: Response) -> None:
        self.send_response_only(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


class Proxy(ThreadingHTTPServer):
    """The proxy, and the host behind it."""

    daemon_threads = True

    def __init__(self, certificate: trustme.LeafCert, service: FakeService) -> None:
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(self.tls)
        self.service = service
        self.sessions: dict[str, object] = {}  # that belong to a scrape, by its id
        self.transport = InMemoryTransport(service)
        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeService]:
    """A service on this machine, to which the environment leads."""
    service = FakeService(["fc-test"])
    with LoopbackService(service) as loopback:
        monkeypatch.setenv("FIRECRAWL_API_URL", loopback.api_url)
        monkeypatch.setenv("FIRECRAWL_API_KEY", "fc-test")
        yield service


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def firecrawl(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeService]:
    """The service behind https://api.firecrawl.dev, as this test's environment sees it."""
    service = FakeService(api_keys=["fc-..."])
    authorities = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(authorities))
    with Proxy(authority.issue_cert(HOST), service) as proxy:
        serving = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
        serving.start()
        for name in UNSET:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("FIRECRAWL_API_KEY", "fc-...")
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_address[1]}")
        monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authorities))  # for the official client
        yield service
        proxy.shutdown()
        serving.join()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages, built by the first worker that needs them."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "site"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            options = ["--quiet", "--fail-on-warning", "--builder", "html"]
            folders = [str(ROOT / "docs"), str(unfinished)]
            command = [sys.executable, "-m", "sphinx", *options, *folders]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            assert (done.returncode, done.stdout + done.stderr) == (0, "")
            unfinished.rename(folder)
    return folder
