"""Cases about the life of a transport: clock, interrupts, pickle, fork, close, and what is left."""

import gc
import os
import threading
import time
import unittest
import warnings
from functools import partial
from pathlib import Path

from .. import wire_faults
from ..case import EVERYWHERE, Case, Severity
from ..driver import ENOUGH_TIME, Driver
from ..expectations import CLOSED, require
from ..harness import NOTICE, Harness, Service, requests_for, require_one_request, require_own
from ..wire_faults import sends

_CLOSED = "a closed transport sends nothing: each call is a ConnectFailedError, not transient"
_INTERRUPTED = (
    "an interrupt passes through, and the response that was due never reaches the next call"
)
_RAISED_BY_A_HANDLER = (
    "what a signal's handler raises passes through, and the response that was due never reaches"
    " the next call"
)
_NOTHING_LEFT = "a closed transport leaves no connection, descriptor, thread or task behind"


def _keeps_time(harness: Harness) -> None:
    driver = harness.make_transport(harness.start_service())
    times = []
    for seconds in (0.0, 0.05, 0.0, 0.01):
        times.append(driver.monotonic())
        driver.sleep(seconds)
        slept = driver.monotonic() - times[-1]
        require(slept > seconds - 0.005, f"{slept:.3f} s on its clock for a sleep of {seconds} s")
    require(times == sorted(times), f"a clock that goes back: {times}")


class HandlerError(Exception):
    """What a signal's handler raises, as Celery's does when a task has used up its time."""


def _passes_interrupts_on(
    harness: Harness, raised: type[BaseException] = KeyboardInterrupt
) -> None:
    server = harness.start_server(wire_faults.responds_late)
    driver = harness.make_transport(server)
    path = harness.make_path()
    seen = driver.interrupt(path, lambda: bool(requests_for(server, path)), raised)
    expected = "CancelledError" if driver.kind == "async" else raised.__name__
    require(seen == expected, f"instead of a {expected}: {seen}")
    used = require_one_request(server, path).connection
    harness.require_healthy(driver, server, avoiding=frozenset({used}))
    server.fault_is_over.wait(ENOUGH_TIME)
    time.sleep(NOTICE)
    harness.require_healthy(driver, server, avoiding=frozenset({used}))


def _survives_a_pickle(harness: Harness) -> None:
    server = harness.start_server()
    driver = harness.make_transport(server)
    harness.require_healthy(driver, server)
    copy = harness.drive(driver.pickled())
    harness.require_healthy(copy, server)
    harness.require_healthy(driver, server)


def _survives_a_fork(harness: Harness) -> None:
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


def _refuses_use_after_close(harness: Harness) -> None:
    service = harness.start_service()
    driver = _make_closable(harness, service)
    harness.require_healthy(driver, service)
    driver.close_transport()
    path = harness.make_path()
    harness.require_failure(driver.send(path), CLOSED)
    require(not requests_for(service, path), "a request by a closed transport")
    driver.close_transport()  # Once more, as a `with` around it would.


def _ends_its_connections(harness: Harness) -> None:
    server = harness.start_server()
    driver = _make_closable(harness, server)
    harness.require_healthy(driver, server)
    driver.close_transport()
    left = server.open_connections()
    require(left == 0, f"{left} open connections after the close")


def _leaves_nothing(harness: Harness) -> None:
    _make_closable(harness, harness.start_server())
    _fail_and_close(harness)  # What is loaded once, and stays, is loaded now.
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
            driver.close_transport()
            left = server.open_connections()
            require(left == 0, f"{left} open connections after a failure and a close")
            tasks = driver.unfinished_tasks()
            require(tasks == 0, f"{tasks} unfinished tasks after a failure and a close")


def _make_closable(harness: Harness, service: Service) -> Driver:
    driver = harness.make_transport(service)
    if not driver.can_be_closed():
        raise unittest.SkipTest("this transport has no close: the port asks for none")
    return driver


def _descriptors() -> set[str]:
    directory = Path("/dev/fd")
    return set(os.listdir(directory)) if directory.exists() else set()


CASES = [
    Case(
        "time-passes-while-it-sleeps",
        "its clock never goes back, and passes while it sleeps",
        Severity.MAY_HANG,
        _keeps_time,
        EVERYWHERE,
    ),
    Case(
        "an-interrupt-passes-through",
        _INTERRUPTED,
        Severity.MAY_LOSE_SESSIONS,
        _passes_interrupts_on,
    ),
    Case(
        "an-exception-of-a-signals-handler-passes-through",
        _RAISED_BY_A_HANDLER,
        Severity.STRICTNESS,
        partial(_passes_interrupts_on, raised=HandlerError),
        kinds=frozenset({"blocking"}),  # A loop may be in any thread; handlers have the main one.
    ),
    Case(
        "a-pickled-transport-sends-too",
        "a transport survives a pickle, and both go on sending",
        Severity.STRICTNESS,
        _survives_a_pickle,
        frozenset({"http"}),  # An ssl_context cannot be pickled, nor can a service in memory.
    ),
    Case(
        "a-fork-shares-no-connection",
        "after a fork, parent and child both send, over connections of their own",
        Severity.MAY_LOSE_SESSIONS,
        _survives_a_fork,
        kinds=frozenset({"blocking"}),
    ),
    Case(
        "a-closed-transport-sends-nothing",
        _CLOSED,
        Severity.STRICTNESS,
        _refuses_use_after_close,
        EVERYWHERE,
    ),
    Case(
        "closing-ends-kept-connections",
        "closing a transport ends the connections that it kept",
        Severity.MAY_HANG,
        _ends_its_connections,
    ),
    Case("nothing-is-left-behind", _NOTHING_LEFT, Severity.MAY_HANG, _leaves_nothing),
]
