"""Cases about keep-alive connections: reused, shared, and closed by the service."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from ..case import EVERYWHERE, case
from ..driver import ENOUGH_TIME
from ..expectations import LOST, STALE, Failure, Severity, require
from ..harness import NOTICE, Harness, Service, requests_for, require_one_request, require_own
from ..scenarios import gets_response
from ..server import Connection, FaultFunction
from ..wire_faults import responds, sends, sends_and_closes

_WORKERS = 8
_CALLS = 5


@case(Severity.STRICTNESS)
def calls_in_a_row_use_one_connection(harness: Harness) -> None:
    """Calls in a row use one connection."""
    server = harness.start_server()
    driver = harness.make_transport(server)
    for _ in range(20):
        harness.require_healthy(driver, server)
    require(server.connections == 1, f"{server.connections} connections for 20 calls")


def _end_under_the_second_call(harness: Harness, fault: FaultFunction, expected: Failure) -> None:
    server = harness.start_server(responds(fault))
    driver = harness.make_transport(server)
    harness.require_healthy(driver, server)
    path = harness.make_path()
    harness.require_failure(driver.send(path), expected)
    harness.require_healthy(driver, server, require_one_request(server, path).connection)


@case(Severity.STRICTNESS)
def a_kept_connection_closed_as_we_write_is_stale(harness: Harness) -> None:
    """A reused connection that ends before the first byte of a response is marked stale."""
    _end_under_the_second_call(harness, sends_and_closes(b""), STALE)


@case(Severity.STRICTNESS)
def a_kept_connection_reset_as_we_write_is_stale(harness: Harness) -> None:
    """A reused connection that ends before the first byte of a response is marked stale."""
    _end_under_the_second_call(harness, sends(b"", Connection.reset), STALE)


@case(Severity.STRICTNESS)
def a_kept_connection_lost_within_a_response_is_not_stale(harness: Harness) -> None:
    """Only a reused connection that ends before the first byte of a response is marked stale."""
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf"
    _end_under_the_second_call(harness, sends_and_closes(half), LOST)


@case(Severity.STRICTNESS)
def an_announced_close_is_believed(harness: Harness) -> None:
    """A connection is not reused after `Connection: close`."""
    fault = responds(headers="Connection: close\r\n")
    gets_response(fault, keeps_connection=False).play(harness)


@case(Severity.STRICTNESS)
def a_connection_about_to_be_closed_is_not_reused(harness: Harness) -> None:
    """A connection is not reused once its `Keep-Alive: timeout=`, less a second, is over."""
    server = harness.start_server(responds(headers="Keep-Alive: timeout=1\r\n"))
    driver = harness.make_transport(server)
    used = harness.require_healthy(driver, server).connection
    # A call that meets the end of the connection needs a second attempt, and loses nothing.
    is_new = harness.require_healthy(driver, server).connection != used
    require(is_new, "the next call went over a connection that must not be used again")


@case(Severity.STRICTNESS)
def a_connection_closed_while_idle_is_replaced(harness: Harness) -> None:
    """A connection that was closed while idle is replaced, without an error."""
    server = harness.start_server(responds(Connection.close))
    driver = harness.make_transport(server)
    harness.require_healthy(driver, server)
    server.fault_is_over.wait(ENOUGH_TIME)
    time.sleep(NOTICE)
    harness.require_healthy(driver, server)


def _send_side_by_side(harness: Harness, service: Service) -> None:
    driver = harness.make_transport(service)
    paths = [[harness.make_path() for _ in range(_CALLS)] for _ in range(_WORKERS)]
    start = threading.Barrier(_WORKERS)

    def work(own_paths: list[str]) -> None:
        start.wait()
        for path in own_paths:
            require_own(driver.send(path), path)

    with ThreadPoolExecutor(_WORKERS) as workers:
        list(workers.map(work, paths))  # It raises what one of them raised.
    for path in itertools.chain(*paths):
        require(len(requests_for(service, path)) == 1, f"not exactly one request for {path}")


@case(Severity.MAY_LOSE_SESSIONS, EVERYWHERE)
def callers_side_by_side_get_their_own_responses(harness: Harness) -> None:
    """Concurrent callers get their own responses."""
    _send_side_by_side(harness, harness.start_service())


@case(Severity.STRICTNESS)
def callers_side_by_side_share_connections(harness: Harness) -> None:
    """Concurrent callers need no more connections than there are callers."""
    server = harness.start_server()
    _send_side_by_side(harness, server)
    require(
        server.connections <= _WORKERS, f"{server.connections} connections for {_WORKERS} callers"
    )
