"""Cases about connections that are kept: used again, shared, and found dead."""

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from .. import wire_faults
from ..case import EVERYWHERE, Case, Severity
from ..driver import ENOUGH_TIME
from ..expectations import LOST, STALE, Failure, require
from ..harness import NOTICE, Harness, Service, requests_for, require_one_request, require_own
from ..scenarios import gets_response
from ..server import FaultFunction

_REUSED = "calls in a row use one connection"
_STALE = "a kept connection that ends before the first byte of a response is marked stale"
_NOT_STALE = "only a kept connection that ends before the first byte of a response is marked stale"
_OWN = "callers side by side get their own responses"
_SHARED = "callers side by side need no more connections than there are callers"

_WORKERS = 8
_CALLS = 5


def _is_reused(harness: Harness) -> None:
    server = harness.start_server()
    driver = harness.make_transport(server)
    for _ in range(20):
        harness.require_healthy(driver, server)
    require(server.connections == 1, f"{server.connections} connections for 20 calls")


def _ends_under_the_second_call(
    fault: FaultFunction, expected: Failure
) -> Callable[[Harness], None]:
    def scenario(harness: Harness) -> None:
        server = harness.start_server(fault)
        driver = harness.make_transport(server)
        harness.require_healthy(driver, server)
        path = harness.make_path()
        harness.require_failure(driver.send(path), expected)
        used = require_one_request(server, path).connection
        harness.require_healthy(driver, server, avoiding=frozenset({used}))

    return scenario


def _is_replaced_when_idle(harness: Harness) -> None:
    server = harness.start_server(wire_faults.responds_and_closes)
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


def _get_their_own_responses(harness: Harness) -> None:
    _send_side_by_side(harness, harness.start_service())


def _share_connections(harness: Harness) -> None:
    server = harness.start_server()
    _send_side_by_side(harness, server)
    require(
        server.connections <= _WORKERS, f"{server.connections} connections for {_WORKERS} callers"
    )


CASES = [
    Case("calls-in-a-row-use-one-connection", _REUSED, Severity.STRICTNESS, _is_reused),
    Case(
        "callers-side-by-side-get-their-own-responses",
        _OWN,
        Severity.MAY_LOSE_SESSIONS,
        _get_their_own_responses,
        EVERYWHERE,
    ),
    Case(
        "callers-side-by-side-share-connections", _SHARED, Severity.STRICTNESS, _share_connections
    ),
    Case(
        "a-connection-closed-while-idle-is-replaced",
        "a kept connection that was closed while idle is replaced without a word",
        Severity.STRICTNESS,
        _is_replaced_when_idle,
    ),
    Case(
        "an-announced-close-is-believed",
        "a connection whose end was announced is not used again",
        Severity.STRICTNESS,
        gets_response(wire_faults.announces_a_close, keeps_connection=False),
    ),
    Case(
        "a-kept-connection-closed-as-we-write-is-stale",
        _STALE,
        Severity.STRICTNESS,
        _ends_under_the_second_call(wire_faults.responds_then_closes_on_a_request, STALE),
    ),
    Case(
        "a-kept-connection-reset-as-we-write-is-stale",
        _STALE,
        Severity.STRICTNESS,
        _ends_under_the_second_call(wire_faults.responds_then_resets_on_a_request, STALE),
    ),
    Case(
        "a-kept-connection-lost-within-a-response-is-not-stale",
        _NOT_STALE,
        Severity.STRICTNESS,
        _ends_under_the_second_call(wire_faults.responds_then_cuts_a_response, LOST),
    ),
]
