"""No frame of a failed request shows the key, or the password of a proxy."""

import asyncio
import base64
import signal
import socket
import sys
import threading

import pytest
import urllib3

from firecrawl_interact import (
    AsyncDeleteSession,
    AsyncioTransport,
    DeleteSession,
    DeleteSessionError,
    RetryPolicy,
    Urllib3Transport,
)
from firecrawl_interact.adapters.conformance.harness import unless_windows
from firecrawl_interact.adapters.conformance.server import Connection, FaultFunction
from firecrawl_interact.adapters.conformance.wire_faults import (
    sends,
    sends_and_closes,
    stays_silent,
)
from firecrawl_interact.core import ConnectFailedError

from .servers import (
    BUG,
    ECHOES,
    KEY,
    OK,
    HttpTransport,
    Net,
    Unseen,
    bug,
    closed_port,
    has_a_bug,
    names_in,
    shown_by,
)

pytestmark = pytest.mark.enable_socket

PASSWORD = "hunter2-hunter2"
BASIC = base64.b64encode(f"user:{PASSWORD}".encode())


def assert_nothing_is_shown(error: BaseException) -> None:
    shown = shown_by(error)
    assert "session_id = 'session-1'" in shown, "no frame of the call is seen"
    assert not [secret for secret in (KEY, PASSWORD, BASIC.decode()) if secret in shown]


def raised_by_a_delete(transport: HttpTransport) -> BaseException:
    """Delete a session with one attempt, and return what that raises."""
    once = RetryPolicy(max_attempts=1, attempt_timeout=0.5)
    try:
        if isinstance(transport, Urllib3Transport):
            with DeleteSession(transport, KEY, retry=once) as delete_session:
                delete_session("session-1")
        else:
            asyncio.run(delete_and_close(AsyncDeleteSession(transport, KEY, retry=once)))
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


async def delete_and_close(delete_session: AsyncDeleteSession) -> None:
    async with delete_session:
        await delete_session("session-1")


FAULTS: dict[str, FaultFunction] = {
    "reset": sends(b"", Connection.reset),
    "cut": sends_and_closes(OK + b"Content-Length: 99\r\n\r\n" + KEY.encode()),
    **ECHOES,
}
PROXY_FAULTS: dict[str, FaultFunction] = {
    "denied": sends_and_closes(b"HTTP/1.1 407 " + BASIC + b"\r\nX: " + BASIC + b"\r\n\r\n"),
    "echoed": sends_and_closes(OK + BASIC + b"\r\n\r\n"),
    "cut": sends_and_closes(OK + b"X: " + BASIC + b"\r\n"),
    "echoed without HTTP": sends_and_closes(BASIC + b"\r\n\r\n"),
    "silent": stays_silent,
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_call_that_fails_on_the_wire_shows_no_key(net: Net, fault: FaultFunction) -> None:
    error = raised_by_a_delete(net.open(net.serve(fault)).transport)
    assert isinstance(error, DeleteSessionError)
    assert_nothing_is_shown(error)


@pytest.mark.parametrize("fault", PROXY_FAULTS.values(), ids=PROXY_FAULTS)
def test_a_call_that_fails_at_a_proxy_shows_no_password(net: Net, fault: FaultFunction) -> None:
    proxy = net.serve(fault).api_url.replace("://", f"://user:{PASSWORD}@")
    client = net.open("https://service.example", proxy=proxy, connect_timeout=0.3)
    assert_nothing_is_shown(raised_by_a_delete(client.transport))


@unless_windows("no signal interrupts its sockets")
def test_ctrl_c_passes_and_shows_no_key(net: Net) -> None:
    def presses_ctrl_c(connection: Connection) -> None:
        connection.read_request()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        stays_silent(connection)

    server = net.serve(presses_ctrl_c)
    error = raised_by_a_delete(net.open(server).transport)
    assert type(error) is KeyboardInterrupt
    assert_nothing_is_shown(error)
    assert server.open_connections() == 0


INSTRUMENTED = """
def urlopen(*arguments, **named):
    call_hook()
"""


def test_a_bug_in_a_hook_of_instrumentation_shows_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    named: dict[str, object] = {"__name__": "opentelemetry.any", "call_hook": has_a_bug}
    exec(INSTRUMENTED, named)  # noqa: S102 - a frame of another package
    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", named["urlopen"])
    error = raised_by_a_delete(Urllib3Transport())
    assert names_in(error)[-2:] == BUG
    assert_nothing_is_shown(error)


EVENT_LOOP: type[asyncio.AbstractEventLoop] = asyncio.SelectorEventLoop
if sys.platform == "win32":
    EVENT_LOOP = asyncio.ProactorEventLoop


@pytest.mark.parametrize(
    ("owner", "hook"),
    [
        (socket, "getaddrinfo"),
        (urllib3.HTTPConnectionPool, "urlopen"),
        (EVENT_LOOP, "sock_connect"),
    ],
)
def test_a_bug_in_a_hook_keeps_the_programs_frames(
    net: Net, owner: object, hook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = net.open("https://service.example", proxy=f"http://user:{PASSWORD}@127.0.0.1")
    if hook == ("urlopen" if net.transport_class is AsyncioTransport else "sock_connect"):
        pytest.skip("the other transport has this hook")
    monkeypatch.setattr(owner, hook, has_a_bug)
    before = bug()
    try:
        raise before
    except LookupError:
        error = raised_by_a_delete(client.transport)
    assert type(error) is LookupError
    assert names_in(error)[-2:] == BUG
    assert (names_in(before)[-2:], Unseen.looks) == (BUG, 0)
    assert_nothing_is_shown(error)


def test_a_refused_connection_keeps_the_callers_frames(
    net: Net,
) -> None:
    before = bug()
    try:
        raise before
    except LookupError:
        transport = net.open(f"http://127.0.0.1:{closed_port()}").transport
        error = raised_by_a_delete(transport)
    assert names_in(error)[0] == "raised_by_a_delete"
    assert error.__context__ is before
    assert names_in(before)[-2:] == BUG
    assert isinstance(error.__cause__, ConnectFailedError)
    assert isinstance(error.__cause__.__cause__, ConnectionRefusedError)
