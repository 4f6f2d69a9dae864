"""A real proxy, Debian's tinyproxy, between both transports and a service with a private CA."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firecrawl_interact.adapters.conformance.driver import KEY
from firecrawl_interact.adapters.conformance.server import FaultServer

from .driven import OpenTransport, closed_port, send

pytestmark = pytest.mark.enable_socket

TINYPROXY = shutil.which("tinyproxy")


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What a tinyproxy writes that `HTTPS_PROXY` leads to."""
    if TINYPROXY is None:
        pytest.skip("tinyproxy is not on this machine: apt-get install tinyproxy-bin")
    port = closed_port()
    log = tmp_path / "log"
    (tmp_path / "tinyproxy.conf").write_text(
        f'Port {port}\nListen 127.0.0.1\nLogFile "{log}"\nLogLevel Connect\nMaxClients 8\n'
    )
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


def test_the_proxy_of_the_environment_is_used_and_never_sees_the_key(
    open_transport: OpenTransport, service_with_private_ca: FaultServer, log: Path
) -> None:
    send(open_transport(f"https://localhost:{service_with_private_ca.port}"))
    assert f"CONNECT localhost:{service_with_private_ca.port}" in log.read_text()
    assert KEY not in log.read_text()
