"""Which connections are kept, for how long and for whom."""

import json
import pickle
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from firecrawl_interact.adapters.conformance.driver import Driver, require_own
from firecrawl_interact.adapters.conformance.server import Connection, good_response
from firecrawl_interact.adapters.conformance.wire_faults import responds, sends_and_closes
from firecrawl_interact.core import ConnectFailedError, ConnectionLostError, Request

from .servers import PATH, Client, HttpTransport, Net, server_tls

pytestmark = pytest.mark.enable_socket

IDLE = """
import asyncio, inspect, json, sys, time

seconds_passed = 0
monotonic = time.monotonic
time.monotonic = lambda: monotonic() + seconds_passed

from firecrawl_interact import adapters
from firecrawl_interact.core import Request

transport = getattr(adapters, sys.argv[1])(sys.argv[2])
with asyncio.Runner() as runner:
    for seconds in json.loads(sys.argv[3]):
        seconds_passed += seconds
        # Its timer would be over at the next call.
        response = transport.send(Request("DELETE", "/", {}), 3)
        if inspect.isawaitable(response):
            runner.run(response)
"""


def test_an_idle_connection_is_used_for_4_seconds(net: Net) -> None:
    server = net.serve()
    name, idle = net.transport_class.__name__, json.dumps([0, 3.5, 3.5, 4.1])
    subprocess.run([sys.executable, "-c", IDLE, name, server.api_url, idle], check=True)
    assert [request.connection for request in server.requests] == [1, 1, 1, 2]


def test_idle_connections_beyond_the_size_of_the_pool_are_closed(net: Net) -> None:
    def waits_for_all(connection: Connection) -> None:
        all_are_there.wait()

    all_are_there = threading.Barrier(3, timeout=5)
    server = net.serve(*[waits_for_all] * 3)
    driver = Driver(net.transport_class(server.api_url, pool_size=1))
    net.callback(driver.close)
    paths = ["/1", "/2", "/3"]
    for path, result in zip(paths, driver.side_by_side(paths), strict=True):
        require_own(result, path)
    assert server.open_connections() == 1


def test_surplus_bytes_in_a_record_of_tls_end_the_connection(net: Net) -> None:
    """They do not show on the socket: OpenSSL has taken the whole record, of up to 16 KiB."""
    missing = 8192 - len(good_response(PATH, headers="X: \r\n"))
    headers = f"X: {'x' * missing}\r\n"
    server = net.serve(responds(headers=headers, surplus=b"x" * 8000), tls=server_tls())
    client = net.open(server)
    client.send()
    client.send()
    assert [request.connection for request in server.requests] == [1, 2]


def test_a_copy_has_the_settings_and_no_connection_and_is_open(net: Net) -> None:
    server = net.serve()
    client = net.open(server.api_url + "/prefix", user_agent="mine/1")
    client.send()
    client.close_transport()
    pickled = pickle.dumps(client.transport)
    copy = net.enter_context(closing(Client(pickle.loads(pickled))))  # noqa: S301 - our own
    copy.send()
    copy.send()
    assert repr(copy.transport) == repr(client.transport)
    assert [request.connection for request in server.requests] == [1, 2, 2]
    assert server.requests[-1].head.startswith(f"DELETE /prefix{PATH} HTTP/1.1\r\n")
    assert server.requests[-1].values("user-agent") == ["mine/1"]


def test_a_transport_that_has_met_tls_can_be_pickled(net: Net) -> None:
    client = net.open(net.serve(tls=server_tls()), ssl_context=None)
    with pytest.raises(ConnectFailedError, match="CERTIFICATE_VERIFY_FAILED"):
        client.send()
    copy = pickle.loads(pickle.dumps(client.transport))  # noqa: S301 - our own
    assert repr(copy) == repr(client.transport)


@pytest.mark.parametrize("is_kept", [False, True], ids=["instead of a closed one", "kept"])
@pytest.mark.parametrize("sent", [b"", b"HTTP"])
def test_a_kept_connection_without_a_response_is_stale(
    net: Net, sent: bytes, is_kept: bool
) -> None:
    ends_early = sends_and_closes(sent)
    faults = [responds(ends_early)] if is_kept else [responds(Connection.close), ends_early]
    server = net.serve(*faults)
    client = net.open(server)
    client.send()
    if not is_kept:
        server.fault_is_over.wait(5)
    error = client.fails(ConnectionLostError)
    words = "the whole" if sent else "any"
    assert str(error) == f"the connection ended before {words} response"
    assert vars(error)["stale"] is (is_kept and not sent)


@pytest.mark.parametrize("header", ["a\r\nX-Injected: b", "a\nb", "a\rb", "\u2028", "\xe9"])
def test_a_header_that_is_not_one_line_of_ascii_is_never_sent(net: Net, header: str) -> None:
    server = net.serve()
    with pytest.raises(ValueError, match="a request must be ASCII, with one line for each header"):
        net.open(server).send_request(Request("DELETE", PATH, {"X": header}))
    assert server.requests == []


def test_a_user_agent_that_cannot_be_sent_is_refused_at_once(
    transport_class: type[HttpTransport],
) -> None:
    for user_agent in ("Zürich", "two\r\nlines"):
        with pytest.raises(ValueError, match="user_agent must be printable ASCII"):
            transport_class(user_agent=user_agent)


def test_a_request_has_no_unasked_header(
    net: Net,
) -> None:
    server = net.serve()
    net.open(server).send()
    names = [line.partition(":")[0] for line in server.requests[0].head.split("\r\n")[1:]]
    assert names == ["Host", "User-Agent", "Authorization", "Accept"]
    assert server.requests[0].values("user-agent") == ["firecrawl-interact"]
