"""Cases about keep-alive connections: reused, shared, and closed by the service."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from ..case import EVERYWHERE, Scenario, Severity, case, cases
from ..driver import ENOUGH_TIME
from ..expectations import LOST, STALE, Failure, require
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


def _ends_under_the_second_call(fault: FaultFunction, expected: Failure) -> Scenario:
    def scenario(harness: Harness) -> None:
        server = harness.start_server(responds(fault))
        driver = harness.make_transport(server)
        harness.require_healthy(driver, server)
        path = harness.make_path()
        harness.require_failure(driver.send(path), expected)
        used = require_one_request(server, path).connection
        harness.require_healthy(driver, server, avoiding=frozenset({used}))

    return scenario


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
        for finished in [workers.submit(work, own_paths) for own_paths in paths]:
            finished.result()
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


CASES = [
    *cases(
        "a connection is not reused after `Connection: close`",
        Severity.STRICTNESS,
        {
            "an-announced-close-is-believed": gets_response(
                responds(headers="Connection: close\r\n"), keeps_connection=False
            )
        },
    ),
    *cases(
        "a reused connection that ends before the first byte of a response is marked stale",
        Severity.STRICTNESS,
        {
            "a-kept-connection-closed-as-we-write-is-stale": _ends_under_the_second_call(
                sends_and_closes(b""), STALE
            ),
            "a-kept-connection-reset-as-we-write-is-stale": _ends_under_the_second_call(
                sends(b"", Connection.reset), STALE
            ),
        },
    ),
    *cases(
        "only a reused connection that ends before the first byte of a response is marked stale",
        Severity.STRICTNESS,
        {
            "a-kept-connection-lost-within-a-response-is-not-stale": _ends_under_the_second_call(
                sends_and_closes(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf"), LOST
            )
        },
    ),
]
