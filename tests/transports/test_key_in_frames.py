"""No frame that an error or an interruption carries shows the key, or a proxy's password.

Error trackers print the locals of all frames that they reach, ours and the libraries'.
"""

import asyncio
import base64
import io
import json
import logging
import re
import signal
import threading
import traceback
from collections.abc import Iterator

import pytest
import rich.console
import rich.traceback
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.scrubber import EventScrubber
from sentry_sdk.transport import Transport as SentryTransport
from sentry_sdk.utils import event_from_exception

from firecrawl_interact.adapters import AsyncioTransport, Urllib3Transport
from firecrawl_interact.adapters.conformance import wire_faults
from firecrawl_interact.adapters.conformance.server import Connection, FaultFunction, FaultServer
from firecrawl_interact.adapters.conformance.wire_faults import CHUNKED, sends, sends_and_closes
from firecrawl_interact.core import (
    AsyncDeleteSession,
    ConnectFailedError,
    DeleteSession,
    DeleteSessionError,
    RetryPolicy,
    UnreachableError,
)

from .driven import TransportClass, closed_port

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


def shown_by_repr(error: BaseException) -> str:
    frames = [frame for one in chain(error) for frame, _ in traceback.walk_tb(one.__traceback__)]
    messages = [f"{one} {one!r} {one.args} {vars(one)}" for one in chain(error)]
    return "\n".join([*(repr(frame.f_locals) for frame in frames), *messages])


class KeptEvents(SentryTransport):
    """Keeps what Sentry's client would send."""

    def __init__(self, options: dict[str, object]) -> None:
        super().__init__(options)
        self.events: list[object] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.events.append(envelope.get_event())


def shown_by_sentry(error: BaseException) -> str:
    kept = KeptEvents({})
    client = sentry_sdk.Client(
        "https://public@sentry.invalid/1",
        transport=kept,
        default_integrations=False,
        auto_enabling_integrations=False,
        event_scrubber=EventScrubber(denylist=[]),
    )
    event, hint = event_from_exception(error, client_options=client.options)
    client.capture_event(event, hint)
    assert len(kept.events) == 1
    return json.dumps(kept.events)


def shown_by_rich(error: BaseException) -> str:
    shown = rich.traceback.Traceback.from_exception(
        type(error),
        error,
        error.__traceback__,
        show_locals=True,
        locals_max_length=1000,
        locals_max_string=100_000,
    )
    console = rich.console.Console(file=io.StringIO(), width=100_000)
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def assert_nothing_is_shown(error: BaseException) -> None:
    for show in (shown_by_repr, shown_by_sentry, shown_by_rich):
        shown = show(error)
        assert "session-1" in shown, f"{show.__name__} saw no frame of the call"
        assert not [secret for secret in SECRETS if secret in shown], show.__name__


# --- calls that fail -----------------------------------------------------------------------


def delete(transport_class: TransportClass, api_url: str, **settings: str) -> None:
    """Ask the service to destroy a session."""
    transport = transport_class(api_url, **settings)  # type: ignore[arg-type]
    settings.clear()
    if isinstance(transport, Urllib3Transport):
        with transport:
            DeleteSession(transport, KEY, retry=ONCE)("session-1")
    else:
        asyncio.run(delete_awaited(transport))


async def delete_awaited(transport: AsyncioTransport) -> None:
    async with transport:
        await AsyncDeleteSession(transport, KEY, retry=ONCE)("session-1")


def error_of(transport_class: TransportClass, api_url: str, **settings: str) -> DeleteSessionError:
    with pytest.raises(DeleteSessionError) as caught:
        delete(transport_class, api_url, **settings)
    settings.clear()
    return caught.value


def echoes(connection: Connection) -> None:
    """Send the request back, as a mirror would."""
    connection.read_request()
    connection.send(
        f"HTTP/1.1 200 OK\r\nX: {KEY}\r\nContent-Length: {len(KEY)}\r\n\r\n{KEY}".encode()
    )


FAULTS = {
    "closed": wire_faults.closes_at_once,
    "reset": wire_faults.resets_with_the_request_unread,
    "silent": wire_faults.stays_silent,
    "cut": sends_and_closes(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + KEY.encode()),
    "echoed": echoes,
    "echoed without HTTP": sends(KEY.encode() + b"\r\n\r\n"),
    "echoed as a header line": sends(b"HTTP/1.1 200 OK\r\n" + KEY.encode() + b"\r\n\r\n"),
    "echoed as a chunk": sends(CHUNKED + KEY.encode() + b"\r\n"),
    "undecodable": sends(b'HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{"\xff' + KEY.encode()),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_call_that_fails_on_the_wire(
    transport_class: TransportClass, fault: FaultFunction
) -> None:
    with FaultServer(fault) as server:
        assert_nothing_is_shown(error_of(transport_class, server.api_url))


def test_a_refused_connection(transport_class: TransportClass) -> None:
    error = error_of(transport_class, f"http://127.0.0.1:{closed_port()}")
    assert_nothing_is_shown(error)
    assert isinstance(error, UnreachableError)
    assert isinstance(error.__cause__, ConnectFailedError)
    assert isinstance(error.__cause__.__cause__, OSError)


def test_http_on_a_tls_port(transport_class: TransportClass) -> None:
    with FaultServer(sends(b"HTTP/1.1 400 No\r\n\r\n"), in_handshake=True) as server:
        api_url = server.api_url.replace("http:", "https:")
        assert_nothing_is_shown(error_of(transport_class, api_url))


@pytest.mark.parametrize(
    "fault",
    [
        sends(f"HTTP/1.1 407 {BASIC}\r\nX: {BASIC}\r\nContent-Length: 0\r\n\r\n".encode()),
        sends(f"HTTP/1.1 200 OK\r\n{BASIC}\r\n\r\n".encode()),
        sends_and_closes(f"HTTP/1.1 200 OK\r\nX: {BASIC}\r\n".encode()),
        sends(BASIC.encode() + b"\r\n\r\n"),
    ],
    ids=["denied", "no header line", "cut", "no HTTP"],
)
def test_a_proxy_that_sends_our_password_back(
    transport_class: TransportClass, fault: FaultFunction
) -> None:
    with FaultServer(fault) as proxy:
        error = error_of(
            transport_class,
            "https://service.example",
            proxy=proxy.api_url.replace("://", f"://user:{PASSWORD}@"),
        )
    assert_nothing_is_shown(error)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_dead_proxy_with_a_password(
    transport_class: TransportClass, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://user:{PASSWORD}@127.0.0.1:{closed_port()}")
    assert_nothing_is_shown(error_of(transport_class, "https://service.example"))


def test_a_proxy_that_cannot_be_used(
    transport_class: TransportClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"socks5://user:{PASSWORD}@127.0.0.1")
    assert_nothing_is_shown(error_of(transport_class, "https://service.example"))


@pytest.mark.parametrize(
    ("address", "pool_size"), [("http://user:{}@proxy/path", 1), ("http://user:{}@proxy", 0)]
)
def test_a_proxy_that_is_refused_with_its_transport(
    transport_class: TransportClass, address: str, pool_size: int
) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        transport_class(proxy=address.format(PASSWORD), pool_size=pool_size)
    for show in (shown_by_sentry, shown_by_rich):
        assert PASSWORD not in show(caught.value)


# --- interruptions -------------------------------------------------------------------------


def test_a_cancelled_task() -> None:
    async def cancel() -> asyncio.CancelledError:
        async with AsyncioTransport(server.api_url) as transport:
            call = AsyncDeleteSession(transport, KEY)("session-1")
            task = asyncio.ensure_future(call)
            while not server.requests:
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            return caught.value

    with FaultServer(wire_faults.stays_silent) as server:
        assert_nothing_is_shown(asyncio.run(cancel()))


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
def test_ctrl_c(transport_class: TransportClass) -> None:
    def presses_ctrl_c(connection: Connection) -> None:
        connection.read_request()
        if (thread := threading.main_thread().ident) is not None:
            signal.pthread_kill(thread, signal.SIGINT)
        connection.wait_for_close()

    if threading.current_thread() is not threading.main_thread():
        pytest.skip("only the main thread can be interrupted")
    with FaultServer(presses_ctrl_c) as server:
        with pytest.raises(KeyboardInterrupt) as caught:
            delete(transport_class, server.api_url)
        assert_nothing_is_shown(caught.value)


# --- what stays ----------------------------------------------------------------------------


def test_the_callers_frames_stay(transport_class: TransportClass) -> None:
    error = error_of(transport_class, f"http://127.0.0.1:{closed_port()}")
    names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)]
    assert names[0] == "error_of"
    assert "__call__" in names


def test_what_the_caller_was_handling_keeps_its_frames(transport_class: TransportClass) -> None:
    before = ValueError("the block failed")
    try:
        raise before
    except ValueError:
        error = error_of(transport_class, f"http://127.0.0.1:{closed_port()}")
    assert before in list(chain(error))
    assert before.__traceback__ is not None


def test_the_place_where_the_library_failed_is_logged(
    transport_class: TransportClass, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "firecrawl_interact"):
        error_of(transport_class, f"http://127.0.0.1:{closed_port()}")
    assert re.search(r"ConnectionRefusedError at [\w.]+:\d+", caplog.text)
