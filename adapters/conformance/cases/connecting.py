"""Cases in which no connection is established, so that nothing reaches the service."""

import concurrent.futures
import socket
import unittest
import unittest.mock
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...fake_service.faults import NoConnection
from ..case import EVERYWHERE, Severity, case
from ..expectations import NOT_SENT, require
from ..harness import Harness, require_own
from ..scenarios import SHORT
from ..server import FaultServer

_ENOUGH_FOR_TWO = 1.5  # Seconds: for a connection, if half of them are lost on another address.


@case(Severity.STRICTNESS, EVERYWHERE)
def a_refused_connection_was_not_sent(harness: Harness) -> None:
    """A call without a connection is a ConnectFailedError, since nothing reached the service."""
    service = harness.start_service(in_memory=NoConnection(), listening=False)
    driver = harness.make_transport(service)
    harness.require_failure(driver.send(harness.make_path()), NOT_SENT)
    require(not service.requests, "a request that reached the service")
    if isinstance(service, FaultServer):
        service.listen()
    harness.require_healthy(driver, service)


@case(Severity.STRICTNESS)
def a_hanging_connect_was_not_sent(harness: Harness) -> None:
    """A call without a connection is a ConnectFailedError, since nothing reached the service."""
    server = harness.start_server(listening=False)
    driver = harness.make_transport(server)
    with _full_backlog(server):
        harness.require_failure(driver.send(harness.make_path(), SHORT), NOT_SENT)
    server.listen()
    harness.require_healthy(driver, server)


@case(Severity.STRICTNESS, frozenset({"https"}))
def a_name_without_address_was_not_sent(harness: Harness) -> None:
    """A call without a connection is a ConnectFailedError, since nothing reached the service."""
    name = "service.invalid"  # RFC 2606, 2: there is no such name.
    pool = concurrent.futures.ThreadPoolExecutor(1)
    try:
        pool.submit(socket.getaddrinfo, name, 443).result(timeout=SHORT)
    except socket.gaierror:
        pass
    except TimeoutError:
        raise unittest.SkipTest("the resolver is slow to say that a name is unknown") from None
    else:
        raise unittest.SkipTest("the resolver knows even a name that cannot exist")
    finally:
        pool.shutdown(wait=False)
    driver = harness.make_transport(harness.start_server(), api_url=f"https://{name}")
    harness.require_failure(driver.send(harness.make_path()), NOT_SENT)


@case(Severity.STRICTNESS)
def every_address_of_a_name_is_tried(harness: Harness) -> None:
    """A host whose first address is dead is reached at its next one."""
    server, dead = harness.start_server(), harness.start_server(listening=False)
    driver = harness.make_transport(server, api_url=_by_name(server))
    with _several_addresses(dead.port, server.port):
        harness.require_healthy(driver, server)


@case(Severity.STRICTNESS)
def an_address_that_is_silent_leaves_time_for_the_next(harness: Harness) -> None:
    """A host whose first address is silent is reached at its next one, within the timeout."""
    server, silent = harness.start_server(), harness.start_server(listening=False)
    driver = harness.make_transport(server, api_url=_by_name(server))
    path = harness.make_path()
    with _full_backlog(silent), _several_addresses(silent.port, server.port):
        require_own(driver.send(path, _ENOUGH_FOR_TWO), path)


@case(Severity.MAY_HANG)
def all_addresses_of_a_name_share_one_timeout(harness: Harness) -> None:
    """A host with several addresses gets no more time than one with a single address."""
    server = harness.start_server(listening=False)
    driver = harness.make_transport(server, api_url=_by_name(server))
    with _full_backlog(server), _several_addresses(*[server.port] * 4):
        harness.require_failure(driver.send(harness.make_path(), SHORT), NOT_SENT)
    server.listen()
    harness.require_healthy(driver, server)


def _by_name(server: FaultServer) -> str:
    return server.api_url.replace("127.0.0.1", "localhost")


@contextmanager
def _full_backlog(server: FaultServer) -> Iterator[None]:
    waiting = server.fill_backlog()
    if not waiting:
        raise unittest.SkipTest("a server whose backlog is full can be connected to, here")
    try:
        yield
    finally:
        for sock in waiting:
            sock.close()


@contextmanager
def _several_addresses(*ports: int) -> Iterator[None]:
    """Let localhost have several addresses: this machine's, with one port each."""
    getaddrinfo = socket.getaddrinfo

    # Any: arguments and results of getaddrinfo are passed on.
    def look_up(host: str | bytes | None, *arguments: Any, **more: Any) -> list[Any]:
        if host not in ("localhost", b"localhost"):
            return list(getaddrinfo(host, *arguments, **more))
        kind = socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, ""
        return [(*kind, ("127.0.0.1", port)) for port in ports]

    with unittest.mock.patch("socket.getaddrinfo", look_up):
        yield
