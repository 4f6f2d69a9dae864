"""What a transport promises about its connections, and about its life."""

import asyncio
import pickle
import socket
import sys
import threading
import time
from multiprocessing import get_context

import pytest

from firecrawl_interact.core.transport import (
    ConnectFailedError,
    ConnectionLostError,
)

from . import fault_tables as faults
from .driver import ENOUGH, SENT, SHORT, Driver, compare, require, require_own
from .exchange_tests import ExchangeTests
from .fault_tables import each
from .harness import WITH_THREADS, TransportHarness, unless_windows
from .server import Connection, FaultFunction, FaultServer, good_response
from .wire_faults import LATE, responds, sends

NOTICE = 0.1  # seconds until a transport must have noticed what has come while it was idle
_over_tls = pytest.mark.parametrize("scheme", ["https"], ids=["https"], indirect=True)
_over_plain_http = pytest.mark.parametrize("scheme", ["http"], ids=["http"], indirect=True)


class ConnectionTests(TransportHarness):
    """How connections begin, are kept and end."""

    __test__ = False

    # Nothing reached the service

    def test_a_refused_connection_was_not_sent(self) -> None:
        server = self.serve(listening=False)
        driver = self.drive(server.api_url)
        error = driver.fails(ConnectFailedError)
        compare(f"transient of {error!r}", error.transient, True)
        server.listen()
        driver.works(server)

    def test_a_connect_that_hangs_was_not_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        server = self.serve(listening=False)
        kind = socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, ""
        addresses = [(*kind, ("127.0.0.1", server.port))] * 8
        driver = self.drive(server.api_url.replace("127.0.0.1", "localhost"))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
        with server.full_backlog():
            error = driver.fails(ConnectFailedError, timeout=SHORT)
        compare(f"transient of {error!r}", error.transient, True)

    @each(faults.NO_TLS)
    @_over_tls
    def test_a_handshake_that_fails_was_not_sent(self, fault: FaultFunction) -> None:
        server = self.serve(fault, in_handshake=True)
        driver = self.drive(server.api_url)
        driver.fails(ConnectFailedError, timeout=SHORT)
        driver.works(server)

    @each(faults.CERTIFICATES)
    @_over_tls
    def test_no_request_goes_to_an_untrusted_server(self, fault: faults.NewContext) -> None:
        server = self._stack.enter_context(FaultServer(tls=fault()))
        error = self.drive(server.api_url).fails(ConnectFailedError)
        compare(f"transient of {error!r}", error.transient, False)
        compare("requests", len(server.requests), 0)

    # Connections that are kept

    def test_calls_in_a_row_use_one_connection(self) -> None:
        server, driver = self.start()
        numbers = [driver.works(server).connection for _ in range(20)]
        compare("the connections of 20 calls in a row", numbers, [1] * 20)

    def test_callers_side_by_side_get_their_own_responses(self) -> None:
        server, driver = self.start()
        for _ in range(5):
            paths = [driver.new_path() for _ in range(8)]
            for path, result in zip(paths, driver.side_by_side(paths), strict=True):
                require_own(result, path)
        compare("requests for 40 calls", len(server.requests), 40)

    @each(faults.NEVER_USED)
    def test_surplus_bytes_never_reach_the_next_call(self, fault: FaultFunction) -> None:
        """It would be taken for the response about another session."""
        server, driver = self.start(fault)
        driver.succeeds("/v2/echo/1")
        server.fault_is_over.wait(ENOUGH)
        driver.pause(NOTICE)
        driver.works(server, 1)

    @each({"by a close": Connection.close, "by a reset": Connection.reset})
    def test_a_kept_connection_that_ends_as_we_write_is_stale(self, fault: FaultFunction) -> None:
        """The next attempt needs no pause then."""
        server, driver = self.start(responds(sends(b"", fault)))
        driver.works(server)
        error = driver.fails(ConnectionLostError)
        compare(f"stale of {error!r}", getattr(error, "stale", False), True)
        driver.works(server, 1)

    def test_a_connection_that_was_closed_while_idle_is_replaced(self) -> None:
        server, driver = self.start(responds(Connection.close))
        driver.works(server)
        server.fault_is_over.wait(ENOUGH)
        driver.pause(NOTICE)
        driver.works(server, 1)

    # Its life

    def test_its_clock_advances_while_it_sleeps(self) -> None:
        _, driver = self.start()
        began = driver.transport.monotonic()
        driver.wait_for(driver.transport.sleep(0.05))
        passed = driver.transport.monotonic() - began
        require(passed > 0.045, f"in a sleep of 0.05 s its clock advanced by {passed:.3f} s")

    def test_an_interruption_passes_and_its_response_is_dropped(self) -> None:
        """Ctrl-C, or a task that is cancelled, while the response is awaited."""

        def interrupts(connection: Connection) -> None:
            path = connection.read_request()
            driver.interrupt()
            connection.pause(LATE)
            connection.send(good_response(path))

        server, driver = self.start(interrupts)
        if sys.platform == "win32" and not driver.is_async:
            pytest.skip("no signal interrupts a socket of Windows")
        end = driver.send_until_interrupted()
        is_passed = isinstance(end, KeyboardInterrupt | asyncio.CancelledError)
        require(is_passed, f"a call that was interrupted ended in {end!r}: the interruption is due")
        driver.works(server, 1)
        server.fault_is_over.wait(ENOUGH)
        driver.pause(NOTICE)
        driver.works(server, 1)

    @unless_windows("it has no fork")
    @pytest.mark.filterwarnings(WITH_THREADS)
    def test_after_a_fork_each_process_has_connections_of_its_own(self) -> None:
        """A worker that is forked would get its parent's responses."""
        server, driver = self.start()
        if driver.is_async:
            pytest.skip("this is about blocking transports, because no program forks in a task")
        driver.works(server)
        child = get_context("fork").Process(target=driver.send, args=["/v2/echo/child"])
        child.start()
        child.join()
        driver.works(server)
        numbers = [one.connection for one in server.requests if one.target.endswith("child")]
        compare("the connections of one call in a forked child", numbers, [2])

    @_over_plain_http
    def test_its_pickle_sends_too(self) -> None:
        server, driver = self.start()
        driver.works(server)
        copy = Driver(pickle.loads(pickle.dumps(driver.transport)))  # noqa: S301 - our own bytes
        self._stack.callback(copy.close)
        copy.works(server, 1)

    def test_once_closed_it_sends_over_connections_that_it_does_not_keep(self) -> None:
        server, driver = self.start()
        driver.works(server)
        if not driver.close_transport():
            pytest.skip("this transport has no close: the port asks for none")
        driver.works(server, 1)
        compare("connections kept after the close", server.open_connections(), 0)

    @each(faults.OF_EACH_KIND)
    def test_closing_leaves_no_connection_and_no_thread(self, fault: FaultFunction) -> None:
        threads = set(threading.enumerate())
        with self._stack:
            server, driver = self.start(fault)
            driver.fails(*SENT, timeout=SHORT)
            driver.works(server)
            driver.close_transport()
            compare("open connections after the close", server.open_connections(), 0)
        time.sleep(0.01)
        compare("threads that are left", set(threading.enumerate()) - threads, set())


class TransportTests(ExchangeTests, ConnectionTests):
    """Subclass it, and make your transport. Each test is one promise of the port.

    A server on this machine plays each to the transport, over http and over https.
    """

    __test__ = False
