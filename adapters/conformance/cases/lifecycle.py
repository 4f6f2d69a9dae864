"""Cases about the life of a transport: clock, interrupts, pickle, fork, close, and what is left."""

import gc
import os
import threading
import time
import unittest
import warnings
from pathlib import Path

from .. import wire_faults
from ..case import EVERYWHERE, case
from ..driver import ENOUGH_TIME, Driver, Kind
from ..expectations import CLOSED, Severity, require
from ..harness import (
    NOTICE,
    Channel,
    Harness,
    requests_for,
    require_one_request,
    require_own,
)
from ..server import Connection
from ..wire_faults import sends

_HTTP: frozenset[Channel] = frozenset({"http"})
"""An `ssl_context` cannot be pickled, nor can a service in memory."""
_BLOCKING: frozenset[Kind] = frozenset({"blocking"})


@case(Severity.MAY_HANG, EVERYWHERE)
def time_passes_while_it_sleeps(harness: Harness) -> None:
    """Its clock never goes back, and advances while it sleeps."""
    driver = harness.make_transport(harness.start_service())
    times = []
    for seconds in (0.0, 0.05, 0.0, 0.01):
        times.append(driver.monotonic())
        driver.sleep(seconds)
        slept = driver.monotonic() - times[-1]
        require(slept > seconds - 0.005, f"{slept:.3f} s on its clock for a sleep of {seconds} s")
    require(times == sorted(times), f"a clock that goes back: {times}")


class HandlerError(Exception):
    """What a signal's handler raises, such as Celery's at the time limit of a task."""


@case(Severity.MAY_LOSE_SESSIONS)
def an_interrupt_passes_through(harness: Harness) -> None:
    """An interrupt passes through, and the response that was due never reaches the next call."""
    _interrupt(harness, KeyboardInterrupt)


@case(Severity.STRICTNESS, kinds=_BLOCKING)  # Only the main thread runs signal handlers.
def an_exception_of_a_signals_handler_passes_through(harness: Harness) -> None:
    """What a signal's handler raises passes through, and the next call gets its own response."""
    _interrupt(harness, HandlerError)


def _interrupt(harness: Harness, raised: type[BaseException]) -> None:
    def interrupts(connection: Connection) -> None:
        path = connection.read_request()
        driver.interrupt()
        connection.pause(wire_faults.LATE)
        connection.respond(path)

    server = harness.start_server(interrupts)
    driver = harness.make_transport(server)
    path = harness.make_path()
    seen = driver.send_until_interrupted(path, raised)
    expected = "CancelledError" if driver.kind == "async" else raised.__name__
    require(seen == expected, f"instead of a {expected}: {seen}")
    used = require_one_request(server, path).connection
    harness.require_healthy(driver, server, used)
    server.fault_is_over.wait(ENOUGH_TIME)
    time.sleep(NOTICE)
    harness.require_healthy(driver, server, used)


@case(Severity.STRICTNESS, _HTTP)
def a_pickled_transport_sends_too(harness: Harness) -> None:
    """A transport survives a pickle, and both go on sending."""
    server = harness.start_server()
    driver = harness.make_transport(server)
    harness.require_healthy(driver, server)
    copy = harness.drive(driver.pickled())
    harness.require_healthy(copy, server)
    harness.require_healthy(driver, server)


@case(Severity.MAY_LOSE_SESSIONS, kinds=_BLOCKING)
def a_fork_shares_no_connection(harness: Harness) -> None:
    """After a fork, parent and child both send, over their own connections."""
    if not hasattr(os, "fork"):
        raise unittest.SkipTest("this system has no fork")
    server = harness.start_server()
    driver = harness.make_transport(server)
    kept = harness.require_healthy(driver, server).connection
    paths = [harness.make_path() for _ in range(5)]
    with warnings.catch_warnings():
        # The child touches nothing that another thread may hold but the transport.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        _send_in_a_child(driver, paths)
    try:
        for _ in paths:
            harness.require_healthy(driver, server)
    finally:
        _, status = os.waitpid(child, 0)
    require(status == 0, "a call in the child that got no response of its own")
    for path in paths:
        connection = require_one_request(server, path).connection
        require(connection != kept, "a call in the child over its parent's connection")
    harness.require_healthy(driver, server)


def _send_in_a_child(driver: Driver, paths: list[str]) -> None:
    status = 1
    try:
        for path in paths:
            require_own(driver.send(path), path)
        status = 0
    finally:
        os._exit(status)


@case(Severity.STRICTNESS, EVERYWHERE)
def a_closed_transport_sends_nothing(harness: Harness) -> None:
    """A closed transport sends nothing: each call is a ConnectFailedError, not transient."""
    service = harness.start_service()
    driver = harness.make_transport(service)
    harness.require_healthy(driver, service)
    _close(driver)
    path = harness.make_path()
    harness.require_failure(driver.send(path), CLOSED)
    require(not requests_for(service, path), "a request by a closed transport")
    driver.close_transport()  # Once more, as a `with` around it would.


@case(Severity.MAY_HANG)
def closing_ends_kept_connections(harness: Harness) -> None:
    """Closing a transport closes its idle connections."""
    server = harness.start_server()
    driver = harness.make_transport(server)
    harness.require_healthy(driver, server)
    _close(driver)
    left = server.open_connections()
    require(left == 0, f"{left} open connections after the close")


@case(Severity.MAY_HANG)
def nothing_is_left_behind(harness: Harness) -> None:
    """A closed transport leaves no connection, descriptor, thread or task behind."""
    _fail_and_close(harness)  # Now everything is loaded that is loaded once and stays.
    threads = set(threading.enumerate())
    descriptors = _descriptors()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        _fail_and_close(harness)
        gc.collect()
    warned = [str(warning.message) for warning in caught]
    require(not warned, f"the warnings {warned}")
    new_threads = set(threading.enumerate()) - threads
    require(not new_threads, f"the threads {new_threads}")
    new_descriptors = len(_descriptors() - descriptors)
    require(not new_descriptors, f"{new_descriptors} more descriptors")


def _fail_and_close(harness: Harness) -> None:
    with harness.make_another() as inner:
        for fault in (
            wire_faults.closes_at_once,
            wire_faults.resets_with_the_request_unread,
            wire_faults.stays_silent,
            sends(b"ICY 200 OK\r\n\r\n"),
        ):
            server = inner.start_server(fault)
            driver = inner.make_transport(server)
            driver.send(inner.make_path(), 0.2)
            inner.require_healthy(driver, server)
            _close(driver)
            left = server.open_connections()
            require(left == 0, f"{left} open connections after a failure and a close")
            tasks = driver.unfinished_tasks()
            require(tasks == 0, f"{tasks} unfinished tasks after a failure and a close")


def _close(driver: Driver) -> None:
    if not driver.close_transport():
        raise unittest.SkipTest("this transport has no close: the port asks for none")


def _descriptors() -> set[str]:
    directory = Path("/dev/fd")
    return set(os.listdir(directory)) if directory.exists() else set()
