"""Cases in which no connection comes about, so that nothing can have reached the service."""

import concurrent.futures
import socket
import unittest

from ..faults import NoConnection
from .bench import Bench, require_own
from .case import EVERYWHERE, Case
from .outcomes import NOT_SENT, require
from .scenarios import SHORT
from .server import FaultServer

_NOT_SENT = "no connection is a ConnectFailedError, for nothing reached the service"


def _refused(bench: Bench) -> None:
    service = bench.service(in_memory=NoConnection(), listening=False)
    driver = bench.transport(service)
    bench.require_failure(driver.exchange(bench.path()), NOT_SENT)
    require(not service.requests, "a request that reached the service")
    if isinstance(service, FaultServer):
        service.listen()
    bench.require_healthy(driver, service)


def _unanswered(bench: Bench) -> None:
    server = bench.server(listening=False)
    waiting = server.fill_backlog()
    if not waiting:
        raise unittest.SkipTest("a server whose backlog is full can be connected to, here")
    driver = bench.transport(server)
    try:
        bench.require_failure(driver.exchange(bench.path(), SHORT), NOT_SENT)
    finally:
        for sock in waiting:
            sock.close()
    server.listen()
    bench.require_healthy(driver, server)


def _name_without_address(bench: Bench) -> None:
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
    driver = bench.transport(bench.server(), api_url=f"https://{name}")
    bench.require_failure(driver.exchange(bench.path()), NOT_SENT)


def _name_with_several_addresses(bench: Bench) -> None:
    server = bench.server()
    addresses = socket.getaddrinfo("localhost", server.port, type=socket.SOCK_STREAM)
    if all(address[4][0] != "127.0.0.1" for address in addresses):
        raise unittest.SkipTest("localhost is not 127.0.0.1 here")
    driver = bench.transport(server, api_url=server.api_url.replace("127.0.0.1", "localhost"))
    path = bench.path()
    require_own(driver.exchange(path), path)


CASES = [
    Case("a-refused-connection-was-not-sent", _NOT_SENT, _refused, EVERYWHERE),
    Case("an-unanswered-connect-was-not-sent", _NOT_SENT, _unanswered),
    Case(
        "a-name-without-address-was-not-sent",
        _NOT_SENT,
        _name_without_address,
        frozenset({"https"}),
    ),
    Case(
        "every-address-of-a-name-is-tried",
        "a host whose first address is dead is reached at its next one",
        _name_with_several_addresses,
    ),
]
