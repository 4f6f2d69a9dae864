"""What is particular to the transport over urllib3: what is raised in it, and put around it."""

import signal
import subprocess
import sys
import sysconfig
import threading
from fnmatch import fnmatch
from pathlib import Path
from unittest.mock import Mock

import pytest
import urllib3

from firecrawl_interact import Urllib3Transport
from firecrawl_interact.adapters.conformance.harness import unless_windows
from firecrawl_interact.adapters.conformance.server import Connection
from firecrawl_interact.adapters.conformance.wire_faults import responds, stays_silent
from firecrawl_interact.core import ConnectionLostError, TimedOutError, TransportError

from .servers import BUG, KEY, REQUEST, Net, bug, has_a_bug, names_in, shown_by, while_handling

pytestmark = pytest.mark.enable_socket


@unless_windows("no signal interrupts its sockets")
@pytest.mark.parametrize("transport_class", [Urllib3Transport])
def test_what_a_signal_handler_raises_passes(
    net: Net,
) -> None:
    """Celery raises its time limit so."""

    def signals(connection: Connection) -> None:
        connection.read_request()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        stays_silent(connection)

    server = net.serve(responds(signals))
    client = net.open(server)
    client.send()
    failed, before = bug(), signal.signal(signal.SIGUSR1, has_a_bug)
    try:
        with pytest.raises(LookupError, match="a bug") as caught:
            while_handling(failed, client.send)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert caught.value.__context__ is failed
    assert (names_in(failed)[-2:], names_in(caught.value)[-2:]) == (BUG, BUG)
    assert KEY not in shown_by(caught.value)
    client.send()
    assert [request.connection for request in server.requests] == [1, 1, 2]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("the recorder's disk is full"), RuntimeError),
        (urllib3.exceptions.ReadTimeoutError(..., "/", "late"), TimedOutError),  # type: ignore[arg-type]  # a pool
        (urllib3.exceptions.ProtocolError("cut"), ConnectionLostError),
        (urllib3.exceptions.NewConnectionError(..., "refused"), TimedOutError),  # type: ignore[arg-type]  # a pool
    ],
    ids=str,
)
def test_an_error_of_urllib3_may_have_reached_the_service(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[Exception]
) -> None:
    """A recorder puts a connection of its own into urllib3, or a function around it."""
    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", Mock(side_effect=error))
    with Urllib3Transport() as transport, pytest.raises(kind) as caught:
        transport.send(REQUEST, 1)
    assert type(caught.value) is kind
    assert kind is RuntimeError or caught.value.__cause__ is error
    if isinstance(caught.value, TransportError):
        assert KEY not in shown_by(caught.value)
        assert caught.value.sent


# What else an environment may have as urllib3: a fork in its place, or an old version

FORK = ["urllib3-future", "h11", "jh2"]  # niquests requires them.
PROGRAM = """
import asyncio, pydoc
from firecrawl_interact import *

async def delete(transport):
    async with AsyncDeleteSession(transport, "fc-test") as delete_session:
        await delete_session(service.open_session())

assert "pool_size" in pydoc.render_doc(Urllib3Transport)
service = FakeService()
with LoopbackService(service) as loopback:
    asyncio.run(delete(AsyncioTransport(loopback.api_url)))
    try:
        with DeleteSession(Urllib3Transport(loopback.api_url), "fc-test") as delete_session:
            delete_session(service.open_session())
    except ImportError as error:
        print(error)
assert service.sessions_left_open == []
"""


def environment(folder: Path, *requirements: str) -> str:
    """Make an environment with these packages beside the tests' own. Return its Python."""
    venv = pytest.importorskip("venv")  # The embeddable Python for Windows has none.
    venv.create(folder, symlinks=True)
    python = str(folder / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, *requirements], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    behind = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    (packages / "behind.pth").write_text(behind)
    return python


@pytest.mark.slow
@pytest.mark.parametrize(
    ("requirements", "words"),
    [
        (FORK, "urllib3>=2.2,<3, * urllib3-future* AsyncioTransport"),
        (["urllib3==1.26.20"], "urllib3>=2.2,<3, * 1.26.20* AsyncioTransport"),
    ],
    ids=["urllib3-future", "1.26"],
)
def test_another_urllib3_is_refused_and_asyncio_works(
    requirements: list[str], words: str, tmp_path: Path
) -> None:
    python = environment(tmp_path, *requirements)
    done = subprocess.run([python, "-c", PROGRAM], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert fnmatch(done.stdout, f"*{words}*")
