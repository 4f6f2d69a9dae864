"""What others raise inside `send` passes as it is, and its connection is never used again."""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from firecrawl_interact.adapters import AsyncioTransport, Urllib3Transport
from firecrawl_interact.adapters.conformance import certificates
from firecrawl_interact.adapters.conformance.server import Connection, FaultServer
from firecrawl_interact.core import Request

from .driven import PATH, TransportClass
from .tunnel import Tunnel

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals"),
]


class SoftTimeLimitExceeded(Exception):
    """As Celery's."""


@pytest.fixture(params=[SoftTimeLimitExceeded, TimeoutError, ConnectionResetError, ValueError])
def raised(request: pytest.FixtureRequest) -> Iterator[type[Exception]]:
    """What the handler of SIGUSR1 raises."""
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("only the main thread handles signals")

    def handle(number: int, interrupted: FrameType | None) -> None:
        raise request.param("of a signal's handler")

    before = signal.signal(signal.SIGUSR1, handle)
    yield request.param
    signal.signal(signal.SIGUSR1, before)


def signals(*, when: Callable[[Connection], object]) -> Callable[[Connection], None]:
    """Send the main thread its signal, at some moment of a connection."""

    def fault(connection: Connection) -> None:
        when(connection)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        connection.wait_for_close()

    return fault


def send_twice(
    transport: Urllib3Transport | AsyncioTransport, raised: type[Exception]
) -> None:
    request = Request("DELETE", PATH, {})
    if isinstance(transport, Urllib3Transport):
        with transport:
            with pytest.raises(raised, match="of a signal's handler"):
                transport.send(request, 10)
            assert transport.send(request, 10).status == 200
        return
    with asyncio.Runner() as runner, pytest.raises(raised, match="of a signal's handler"):
        runner.run(transport.send(request, 10))
    with asyncio.Runner() as runner:
        assert runner.run(transport.send(request, 10)).status == 200
