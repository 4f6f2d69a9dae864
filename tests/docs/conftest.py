"""The service where the documentation says it is: https://api.firecrawl.dev, played on loopback.

A reader's example runs as it is written. The environment leads it through a proxy on 127.0.0.1,
which ends the tunnel itself, under a certificate for that name, and asks a `FakeService`.
"""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from firecrawl_interact.adapters import FakeService, InMemoryTransport, Reply
from firecrawl_interact.adapters.conformance.scenarios import reply_bytes
from firecrawl_interact.adapters.conformance.server import Connection, FaultServer
from firecrawl_interact.core import Request

HOST = "api.firecrawl.dev"
UNSET = ("FIRECRAWL_API_URL", "NO_PROXY", "SSL_CERT_DIR", "https_proxy", "no_proxy")


class Proxy(FaultServer):
    """A proxy that knows one host, and is that host."""

    def __init__(self, certificate: trustme.LeafCert, service: FakeService) -> None:
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(self.tls)
        self.transport = InMemoryTransport(service)
        super().__init__(afterwards=self.carry)

    def carry(self, connection: Connection) -> None:
        assert connection.read_request() == f"{HOST}:443"
        connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        connection.start_tls(self.tls)
        while True:
            path = connection.read_request()
            [*_, seen] = (one for one in self.requests if one.connection == connection.number)
            headers = {"Authorization": "".join(seen.values("authorization"))}
            response = self.transport.send(Request("DELETE", path, headers), timeout=10)
            reply = Reply(response.status, response.body, response.headers)
            connection.send(reply_bytes(reply))


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
        for name in UNSET:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("FIRECRAWL_API_KEY", "fc-...")
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        yield service
