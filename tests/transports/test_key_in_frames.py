"""No frame that an error or an interruption carries shows the key, or a proxy's password.

Error trackers print the locals of all frames that they reach, ours and the libraries'.
"""

import asyncio
import base64
import logging
import re
import signal
import threading
import traceback
from collections.abc import Iterator

import pytest

from firecrawl_interact.adapters import AsyncioTransport, Urllib3Transport
from firecrawl_interact.adapters.conformance import wire_faults
from firecrawl_interact.adapters.conformance.server import Connection, FaultFunction
from firecrawl_interact.adapters.conformance.wire_faults import CHUNKED, sends, sends_and_closes
from firecrawl_interact.core import (
    AsyncDeleteSession,
    ConnectFailedError,
    DeleteSession,
    DeleteSessionError,
    RetryPolicy,
)

from .driven import TransportClass, Wire, closed_port

pytestmark = pytest.mark.enable_socket

KEY = "fc-0123456789abcdef"
PASSWORD = "hunter2-hunter2"
BASIC = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
SECRETS = (KEY, PASSWORD, BASIC)
ONCE = RetryPolicy(max_attempts=1, attempt_timeout=0.3)


# --- what a reader of the error sees -------------------------------------------------------


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, its causes and its contexts."""
    if error is not None:
        yield error
        yield from chain(error.__cause__)
        if error.__context__ is not error.__cause__:
            yield from chain(error.__context__)


def shown_by(error: BaseException) -> str:
    """All that an error tracker can print: the locals of each frame, and what an error holds."""
    shown = []
    for one in chain(error):
        frames = traceback.walk_tb(one.__traceback__)
        stack = traceback.StackSummary.extract(frames, capture_locals=True)
        shown += [f"{one} {one!r} {one.args} {vars(one)}", *(f"{frame.locals}" for frame in stack)]
    return "\n".join(shown)


def assert_nothing_is_shown(error: BaseException) -> None:
    shown = shown_by(error)
    assert "session-1" in shown, "no frame of the call is seen"
    assert not [secret for secret in SECRETS if secret in shown]


# --- calls that fail -----------------------------------------------------------------------


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


# --- interruptions -------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
def test_ctrl_c_which_cancels_an_awaited_call(wire: Wire) -> None:
    def presses_ctrl_c(connection: Connection) -> None:
        connection.read_request()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        connection.wait_for_close()

    transport = wire.transport_class(wire.serve(presses_ctrl_c).api_url)
    error = error_of(transport, KeyboardInterrupt)
    assert_nothing_is_shown(error)
    if isinstance(transport, AsyncioTransport):
        assert asyncio.CancelledError in map(type, chain(error))


# --- what stays ----------------------------------------------------------------------------


def test_a_refused_connection_keeps_the_callers_frames_and_what_the_caller_was_handling(
    transport_class: TransportClass, caplog: pytest.LogCaptureFixture
) -> None:
    place = f"127.0.0.1:{closed_port()}"
    before = ValueError("the block failed")
    try:
        raise before
    except ValueError:
        with caplog.at_level(logging.DEBUG, "firecrawl_interact"):
            error = error_of(transport_class(f"http://{place}"))
    assert_nothing_is_shown(error)
    names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)]
    assert names[0] == "error_of"
    assert "__call__" in names
    assert before in list(chain(error))
    assert before.__traceback__ is not None
    assert isinstance(error.__cause__, ConnectFailedError)
    assert isinstance(error.__cause__.__cause__, OSError)
    reason = f"no connection to {place}: .*(Connect call failed|Connection refused)"
    assert re.search(reason, str(error.__cause__))
    assert re.search(r"ConnectionRefusedError at [\w.]+:\d+", caplog.text)
