"""A real proxy, Debian's tinyproxy, between both transports and a service with a private CA."""

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from firecrawl_interact.adapters import AiohttpTransport, Urllib3Transport
from firecrawl_interact.core import AsyncDeleteSession, DeleteSession

pytestmark = pytest.mark.enable_socket

TINYPROXY = shutil.which("tinyproxy")


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_DELETE(self) -> None:
        body = b'{"success":true,"creditsBilled":2}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a service whose certificate only `SSL_CERT_FILE` vouches for."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"https://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What a tinyproxy writes that `HTTPS_PROXY` leads to."""
    if TINYPROXY is None:
        pytest.skip("tinyproxy is not on this machine: apt-get install tinyproxy-bin")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path / "log"
    (tmp_path / "tinyproxy.conf").write_text(
        f'Port {port}\nListen 127.0.0.1\nLogFile "{log}"\nLogLevel Connect\nMaxClients 8\n'
    )
    for name in ("https_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    with subprocess.Popen([TINYPROXY, "-d", "-c", str(tmp_path / "tinyproxy.conf")]) as proxy:
        _await(port)
        yield log
        proxy.terminate()


def _await(port: int) -> None:
    by = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < by, "tinyproxy does not listen"
        else:
            return


def test_urllib3_goes_through_the_proxy_of_the_environment(service: str, log: Path) -> None:
    with Urllib3Transport(service) as transport:
        receipt = DeleteSession(transport, "fc-test")("a-session")
    assert receipt.credits_billed == 2
    assert f"CONNECT localhost:{service.rpartition(':')[2]}" in log.read_text()


def test_aiohttp_goes_through_the_proxy_of_the_environment(service: str, log: Path) -> None:
    async def main() -> int | float | None:
        async with AiohttpTransport(service) as transport:
            return (await AsyncDeleteSession(transport, "fc-test")("a-session")).credits_billed

    assert asyncio.run(main()) == 2
    assert f"CONNECT localhost:{service.rpartition(':')[2]}" in log.read_text()


def test_the_proxy_never_sees_the_key(service: str, log: Path) -> None:
    with Urllib3Transport(service) as transport:
        DeleteSession(transport, "fc-secret")("a-session")
    assert "fc-secret" not in log.read_text()
