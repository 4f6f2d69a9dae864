"""An error says what was wrong, so that somebody can mend it, and whether a retry can help."""

import contextlib
import socket
import ssl
import threading
from pathlib import Path

import pytest
import trustme

from firecrawl_interact.adapters.conformance import certificates
from firecrawl_interact.adapters.conformance.server import Connection, FaultServer
from firecrawl_interact.core import ConnectFailedError, ConnectionLostError

from .driven import OpenTransport, failure

pytestmark = pytest.mark.enable_socket


def test_a_client_certificate_that_is_missing(open_transport: OpenTransport) -> None:
    """TLS 1.3 lets a client send its request before the server has looked for one (RFC 8446, 2)."""

    def refuses() -> None:
        sock, _ = listener.accept()
        with (
            sock.dup() as kept_open,
            contextlib.suppress(ConnectionResetError),
        ):  # A close would reset the connection, and lose the reason.
            with contextlib.suppress(ssl.SSLError):
                tls.wrap_socket(sock, server_side=True)
            while kept_open.recv(65536):
                pass

    authority = trustme.CA()
    tls, context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    tls.verify_mode = ssl.CERT_REQUIRED
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.configure_trust(tls)
    authority.configure_trust(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=refuses)
        server.start()
        api_url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        error = failure(open_transport(api_url, ssl_context=context), ConnectionLostError)
        server.join()
    assert "client certificate" in str(error)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_ssl_cert_file_that_is_no_file_of_certificates(
    open_transport: OpenTransport,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    content: str | None,
) -> None:
    file = tmp_path / "authorities.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with FaultServer(tls=certificates.trusted()) as server:
        error = failure(open_transport(server.api_url), ConnectFailedError)
        assert server.connections == 0
    assert "SSL_CERT_FILE" in str(error)
    assert str(file) in str(error)
    assert not error.transient


def test_plain_http_on_a_port_for_tls(open_transport: OpenTransport) -> None:
    def speaks_http(connection: Connection) -> None:
        connection.wait_for_bytes()
        connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with FaultServer(speaks_http, in_handshake=True) as server:
        driver = open_transport(server.api_url.replace("http:", "https:"))
        error = failure(driver, ConnectFailedError)
    assert "wrong version number" in str(error).lower().replace("_", " ")
