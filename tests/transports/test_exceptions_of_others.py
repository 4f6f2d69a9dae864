"""What others raise inside `send` passes as it is, and its connection is never used again."""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from firecrawl_interact.adapters.conformance import certificates
from firecrawl_interact.adapters.conformance.server import Connection, FaultServer
from firecrawl_interact.core import Request, Response

from .driven import TransportClass, settings_for

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals"),
]
SIGNAL = getattr(signal, "SIGUSR1", signal.SIGINT)


class TimeLimitError(Exception):
    """As Celery has one."""


@pytest.fixture(params=[TimeLimitError, TimeoutError, ConnectionError])
def raised(request: pytest.FixtureRequest) -> Iterator[type[Exception]]:
    """What the handler of a signal raises."""

    def handle(_number: int, _interrupted: FrameType | None) -> None:
        raise request.param("of a handler")

    before = signal.signal(SIGNAL, handle)
    yield request.param
    signal.signal(SIGNAL, before)


Send = Callable[[str], Response]
MakeSend = Callable[[FaultServer], Send]


@pytest.fixture
def make_send(transport_class: TransportClass) -> Iterator[MakeSend]:
    """Makes functions that send in this thread, which is the main one."""
    with asyncio.Runner() as runner:

        def make_send(server: FaultServer) -> Send:
            def send(path: str) -> Response:
                response = transport.send(Request("DELETE", path, {}), 10)
                return response if isinstance(response, Response) else runner.run(response)

            transport = transport_class(**settings_for(server))
            return send

        yield make_send


def sends_the_signal(connection: Connection) -> None:
    connection.wait_for_bytes()
    signal.pthread_kill(threading.main_thread().ident or 0, SIGNAL)
    connection.wait_for_close()


# Python 3.11 closes the socket of an interrupted handshake when it collects it, and says so.
@pytest.mark.filterwarnings("ignore:.*unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.filterwarnings("ignore:.*<ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("in_handshake", [False, True], ids=["responding", "in the handshake"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_a_signals_handler_raises_while_send_waits(
    make_send: MakeSend, raised: type[Exception], scheme: str, in_handshake: bool
) -> None:
    tls = certificates.trusted() if scheme == "https" else None
    with FaultServer(sends_the_signal, tls=tls, in_handshake=in_handshake) as server:
        send = make_send(server)
        with pytest.raises(raised, match="of a handler"):
            send("/interrupted")
        assert b"/next" in send("/next").body
        assert server.requests[-1].connection == 2


KEPT_BY_ASYNCIO = ("connection_made", "_input_test", "_own")
"""It tells its exception handler what is raised in these."""


def interrupt_before_line(number: int, call: Callable[[], object]) -> bool:
    """Send the signal before a line of the adapters. Return whether that many lines ran."""
    lines = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:  # Any: a function of its kind
        nonlocal lines
        if "firecrawl_interact.adapters" not in frame.f_globals["__name__"]:
            return None
        if frame.f_code.co_name in KEPT_BY_ASYNCIO:
            return None
        lines += event == "line"
        if lines == number:
            sys.settrace(None)
            signal.raise_signal(SIGNAL)
        return trace

    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(None)
    return lines >= number


# A socket may be left to the garbage collector, which closes it at once.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_a_signals_handler_raises_before_any_line(
    make_send: MakeSend, raised: type[Exception]
) -> None:
    messages = set()
    with FaultServer() as server:
        for number in range(1, 1000):
            send = make_send(server)
            try:
                if not interrupt_before_line(number, lambda: send("/interrupted")):  # noqa: B023
                    break
            except raised as error:
                messages.add(str(error))
            assert b"/next" in send("/next").body
        assert number > 100
        assert messages == {"of a handler"}
