"""What `send` raises: no frame of it shows a secret, and what others raise passes as it is."""

import asyncio
import base64
import logging
import re
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any
from unittest.mock import Mock

import pytest
import urllib3

from firecrawl_interact.adapters import AsyncioTransport, Urllib3Transport
from firecrawl_interact.adapters.conformance import certificates, wire_faults
from firecrawl_interact.adapters.conformance.server import Connection, FaultFunction, FaultServer
from firecrawl_interact.adapters.conformance.wire_faults import CHUNKED, sends, sends_and_closes
from firecrawl_interact.core import (
    AsyncDeleteSession,
    ConnectFailedError,
    DeleteSession,
    DeleteSessionError,
    Request,
    Response,
    RetryPolicy,
    TransportError,
)

from .driven import TransportClass, Wire, closed_port, look_up_gives, settings_for

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals"),
]


# --- no frame that an error or an interruption carries shows the key, or a proxy's password ----

KEY = "fc-0123456789abcdef"
PASSWORD = "hunter2-hunter2"
BASIC = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
ONCE = RetryPolicy(max_attempts=1, attempt_timeout=0.3)


def shown_by(error: BaseException) -> str:
    """What an error tracker can print: causes, contexts, and the locals of all their frames."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(report.format())


def assert_nothing_is_shown(error: BaseException) -> None:
    shown = shown_by(error)
    assert "session_id = 'session-1'" in shown, "no frame of the call is seen"
    assert not [secret for secret in (KEY, PASSWORD, BASIC) if secret in shown]


def error_of(
    transport: Urllib3Transport | AsyncioTransport,
    raised: type[BaseException] = DeleteSessionError,
) -> BaseException:
    """Ask the service to destroy a session, and return the error."""
    try:
        if isinstance(transport, Urllib3Transport):
            with transport:
                DeleteSession(transport, KEY, retry=ONCE)("session-1")
        else:
            asyncio.run(AsyncDeleteSession(transport, KEY, retry=ONCE)("session-1"))
    except raised as error:
        return error
    raise AssertionError("no error")


OK = b"HTTP/1.1 200 OK\r\n"
FAULTS: dict[str, tuple[str, FaultFunction]] = {
    "closed": ("http", wire_faults.closes_at_once),
    "reset": ("http", wire_faults.resets_with_the_request_unread),
    "silent": ("http", wire_faults.stays_silent),
    "cut": ("http", sends_and_closes(OK + b"Content-Length: 99\r\n\r\n" + KEY.encode())),
    "echoed without HTTP": ("http", sends(KEY.encode() + b"\r\n\r\n")),
    "echoed as a header line": ("http", sends(OK + KEY.encode() + b"\r\n\r\n")),
    "echoed as a chunk": ("http", sends(CHUNKED + KEY.encode() + b"\r\n")),
    "http on a TLS port": ("https", sends(b"HTTP/1.1 400 No\r\n\r\n")),
    "denied by a proxy": ("proxy", sends(f"HTTP/1.1 407 {BASIC}\r\nX: {BASIC}\r\n\r\n".encode())),
    "echoed by a proxy": ("proxy", sends(OK + BASIC.encode() + b"\r\n\r\n")),
    "cut by a proxy": ("proxy", sends_and_closes(OK + f"X: {BASIC}\r\n".encode())),
    "echoed by a proxy without HTTP": ("proxy", sends(BASIC.encode() + b"\r\n\r\n")),
}


@pytest.mark.parametrize(("way", "fault"), FAULTS.values(), ids=FAULTS)
def test_a_call_that_fails_on_the_wire(wire: Wire, way: str, fault: FaultFunction) -> None:
    server = wire.serve(fault, in_handshake=way == "https")
    if way == "proxy":
        proxy = server.api_url.replace("://", f"://user:{PASSWORD}@")
        transport = wire.transport_class("https://service.example", proxy=proxy)
    else:
        transport = wire.transport_class(server.api_url.replace("http:", f"{way}:"))
    assert_nothing_is_shown(error_of(transport))


def test_a_write_that_fails_in_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "send", Mock(side_effect=ConnectionResetError))
    with FaultServer() as server:
        assert_nothing_is_shown(error_of(AsyncioTransport(server.api_url)))


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
def test_a_proxy_of_the_environment_that_is_dead_or_cannot_be_used(
    transport_class: TransportClass, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://user:{PASSWORD}@127.0.0.1:{closed_port()}")
    error = error_of(transport_class("https://service.example"))
    assert_nothing_is_shown(error)
    assert isinstance(error.__cause__, ConnectFailedError)
    assert error.__cause__.transient is (scheme != "socks5")
    if scheme == "socks5":
        assert "the proxy of the environment must speak http or https, not socks5" in str(error)


@pytest.mark.parametrize(
    ("address", "pool_size"), [("http://user:{}@proxy/path", 1), ("http://user:{}@proxy", 0)]
)
def test_a_proxy_that_is_refused_with_its_transport(
    transport_class: TransportClass, address: str, pool_size: int
) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        transport_class(proxy=address.format(PASSWORD), pool_size=pool_size)
    assert PASSWORD not in shown_by(caught.value)


def test_ctrl_c_which_cancels_an_awaited_call(wire: Wire) -> None:
    def presses_ctrl_c(connection: Connection) -> None:
        connection.read_request()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        connection.wait_for_close()

    transport = wire.transport_class(wire.serve(presses_ctrl_c).api_url)
    error = error_of(transport, KeyboardInterrupt)
    assert_nothing_is_shown(error)
    assert isinstance(transport, Urllib3Transport) or "CancelledError" in shown_by(error)


def test_a_wrapper_around_urllib3_that_fails_while_urllib3_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wrapped(*args: Any, **kwargs: Any) -> object:  # Any: handed on as they came
        try:
            return urlopen(*args, **kwargs)
        except Exception as error:
            failed = BaseExceptionGroup("the recorder failed", [error, KeyboardInterrupt()])
        raise failed

    urlopen = urllib3.HTTPConnectionPool.urlopen
    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", wrapped)
    transport = Urllib3Transport(f"http://127.0.0.1:{closed_port()}")
    assert_nothing_is_shown(error_of(transport, BaseExceptionGroup))


def test_a_refused_connection_keeps_the_callers_frames_and_what_the_caller_was_handling(
    transport_class: TransportClass, caplog: pytest.LogCaptureFixture
) -> None:
    authority = f"127.0.0.1:{closed_port()}"
    before = TimeLimitError("the block failed")
    try:
        raise before
    except TimeLimitError:
        with caplog.at_level(logging.DEBUG, "firecrawl_interact"):
            error = error_of(transport_class(f"http://{authority}"))
    assert_nothing_is_shown(error)
    names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)]
    assert names[0] == "error_of"
    assert "__call__" in names
    assert str(before) in shown_by(error)
    assert before.__traceback__ is not None
    assert isinstance(error.__cause__, ConnectFailedError)
    assert isinstance(error.__cause__.__cause__, OSError)
    reason = f"no connection to {authority}: .*(Connect call failed|Connection refused)"
    assert re.search(reason, str(error.__cause__))
    raised = r"ConnectionRefusedError at (asyncio|firecrawl_interact\.adapters\.urllib3)[\w.]+:\d+"
    assert re.search(rf"DEBUG .* no response: .*{raised}", caplog.text)


WHILE_PYTHON_ENDS = """
from contextlib import suppress
from firecrawl_interact import core
from firecrawl_interact.adapters import Urllib3Transport

class Owner:
    delete_session = core.DeleteSession(
        Urllib3Transport("http://127.0.0.1:1"), None, retry=core.RetryPolicy(max_attempts=1)
    )

    def __del__(self):
        self.delete_session("session-1")

owner = Owner()
with suppress(core.UnreachableError):  # urllib3 imports something at its first request.
    owner.delete_session("session-1")
"""


def test_a_refused_connection_while_python_ends_is_told_as_one() -> None:
    command = [sys.executable, "-c", WHILE_PYTHON_ENDS]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    assert re.search(r"\n\S+UnreachableError: .*This call did nothing to it", run.stderr)


# --- what others raise passes as it is, and its connection is never used again -----------------

SIGNAL = getattr(signal, "SIGUSR1", signal.SIGINT)


class TimeLimitError(Exception):
    """As Celery has one."""

    exceptions = "jobs"  # It is not a group.


@pytest.fixture(
    params=[
        ConnectionError,
        *(
            pytest.param(handler, marks=pytest.mark.slow)
            for handler in (TimeLimitError, "drops its frame", "takes anything")
        ),
    ]
)
def raised(request: pytest.FixtureRequest) -> Iterator[type[Exception]]:
    """What the handler of a signal raises."""

    def handle(_number: int, interrupted: FrameType | None) -> None:
        if request.param == "drops its frame":
            del interrupted
        raise kind("of a handler")

    def handle_anything(*_: object) -> None:
        raise kind("of a handler")

    kind = TimeoutError if isinstance(request.param, str) else request.param
    # A partial has no code by which it could be known: what counts is what it is called with.
    handlers: dict[object, Callable[..., None]] = {
        "drops its frame": handle,
        "takes anything": partial(handle_anything),
    }
    before = signal.signal(SIGNAL, handlers.get(request.param, partial(handle)))
    yield kind
    signal.signal(SIGNAL, before)


Send = Callable[[str], Response]
MakeSend = Callable[[FaultServer], Send]


@pytest.fixture
def make_send(transport_class: TransportClass) -> Iterator[MakeSend]:
    """Makes functions that send in this thread, which is the main one."""
    with asyncio.Runner() as runner:

        def make_send(server: FaultServer) -> Send:
            def send(path: str) -> Response:
                response = transport.send(Request("DELETE", path, {"Authorization": KEY}), 10)
                return response if isinstance(response, Response) else runner.run(response)

            transport = transport_class(**settings_for(server))
            return send

        yield make_send


def is_in_a_callback(thread: int) -> bool:
    """Say whether a thread runs a callback of its event loop, which keeps what is raised in it."""
    names = [
        frame.f_code.co_name for frame, _ in traceback.walk_stack(sys._current_frames()[thread])
    ]
    return "_run_once" in names and names[0] != "select"


def sends_the_signal(connection: Connection) -> None:
    connection.wait_for_bytes()
    main = threading.main_thread().ident or 0
    while is_in_a_callback(main):
        pass
    signal.pthread_kill(main, SIGNAL)
    connection.wait_for_close()


# Python 3.11 closes the socket of an interrupted handshake when it collects it, and says so.
@pytest.mark.filterwarnings("ignore:.*unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.filterwarnings("ignore:.*<ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("in_handshake", [False, True], ids=["responding", "in the handshake"])
def test_what_a_signals_handler_raises_while_send_waits(
    make_send: MakeSend, raised: type[Exception], in_handshake: bool
) -> None:
    with FaultServer(
        sends_the_signal, tls=certificates.trusted(), in_handshake=in_handshake
    ) as server:
        send = make_send(server)
        with pytest.raises(raised, match="of a handler"):
            send("/interrupted")
        assert b"/next" in send("/next").body
        assert server.requests[-1].connection == 2


def test_what_a_signals_handler_raises_while_the_first_of_two_addresses_is_tried(
    wire: Wire, raised: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, silent = wire.serve(), wire.serve(listening=False)
    look_up_gives(monkeypatch, silent, service)
    main = threading.main_thread().ident or 0
    with silent.full_backlog(), Urllib3Transport(f"http://localhost:{service.port}") as transport:
        timer = threading.Timer(0.2, signal.pthread_kill, [main, SIGNAL])
        timer.start()
        with pytest.raises(raised, match="of a handler"):
            transport.send(Request("DELETE", "/interrupted", {}), 10)
        timer.join()


KEPT_BY_ASYNCIO = ("connection_made", "_input_test", "_own")
"""It tells its exception handler what is raised in these."""


def interrupt_before_line(number: int, call: Callable[[], object]) -> bool:
    """Send the signal before a line of the adapters. Return whether that many lines ran.

    It may also come once `Condition.__enter__` has the lock, before the block that releases it.
    """
    lines = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:  # Any: a function of its kind
        nonlocal lines
        takes_lock = frame.f_code is threading.Condition.__enter__.__code__
        if not takes_lock and "firecrawl_interact.adapters" not in frame.f_globals["__name__"]:
            return None
        if frame.f_code.co_name in KEPT_BY_ASYNCIO:
            return None
        lines += event == ("return" if takes_lock else "line")
        if lines == number:
            sys.settrace(None)
            signal.raise_signal(SIGNAL)
        return trace

    sys.settrace(trace)
    try:
        with suppress(TransportError):
            call()
    finally:
        sys.settrace(None)
    return lines >= number


def does_not_speak_http(connection: Connection) -> None:
    if (path := connection.read_request()) == "/interrupted":
        connection.send(b"nonsense")
    else:
        connection.respond(path)


# A socket may be left to the garbage collector, which closes it at once.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("fault", [None, does_not_speak_http], ids=["response", "failure"])
def test_what_a_signals_handler_raises_before_any_line(
    make_send: MakeSend, raised: type[Exception], fault: FaultFunction | None
) -> None:
    raised_and_shown = set()
    with FaultServer(afterwards=fault) as server:
        for number in range(1, 1000):
            send = make_send(server)
            try:
                if not interrupt_before_line(number, lambda: send("/interrupted")):  # noqa: B023
                    break
            except raised as error:
                raised_and_shown.add((str(error), KEY in shown_by(error)))
            assert b"/next" in send("/next").body
        assert number > 100
        assert raised_and_shown == {("of a handler", False)}
