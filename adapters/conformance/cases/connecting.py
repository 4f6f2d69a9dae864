"""Cases in which no connection is established, or no TLS: nothing reaches the service."""

import concurrent.futures
import socket
import ssl
import unittest
import unittest.mock
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from firecrawl_interact.core.transport import ConnectFailedError

from ...fakes.service.faults import NoConnection
from .. import certificates
from ..case import EVERYWHERE, HTTPS, case, cases
from ..expectations import NOT_SENT, NOT_TRUSTED, Failure, Severity, require
from ..harness import Harness, require_own
from ..scenarios import SHORT, fails
from ..server import Connection, FaultFunction, FaultServer
from ..wire_faults import closes_at_once, resets_with_the_request_unread

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
    with server.full_backlog():
        harness.require_failure(driver.send(harness.make_path(), SHORT), NOT_SENT)
    server.listen()
    harness.require_healthy(driver, server)


@case(Severity.STRICTNESS, HTTPS)
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
    with silent.full_backlog(), _several_addresses(silent.port, server.port):
        require_own(driver.send(path, _ENOUGH_FOR_TWO), path)


@case(Severity.MAY_HANG)
def all_addresses_of_a_name_share_one_timeout(harness: Harness) -> None:
    """A host with several addresses gets no more time than one with a single address."""
    server = harness.start_server(listening=False)
    driver = harness.make_transport(server, api_url=_by_name(server))
    with server.full_backlog(), _several_addresses(*[server.port] * 4):
        harness.require_failure(driver.send(harness.make_path(), SHORT), NOT_SENT)
    server.listen()
    harness.require_healthy(driver, server)


def _by_name(server: FaultServer) -> str:
    return server.api_url.replace("127.0.0.1", "localhost")


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


# RFC 8446, 5.1: the beginning of a record of 16 KiB.
_RECORD = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"
_PLAIN_HTTP = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
_NOT_SENT_EITHER = Failure(ConnectFailedError, caused=True)


def _hears_and_says(data: bytes) -> FaultFunction:
    """Send these bytes as soon as something came in, and close the connection."""

    def fault(connection: Connection) -> None:
        connection.wait_for_bytes()
        connection.send(data)
        connection.close()

    return fault


def _drips_a_record(connection: Connection) -> None:
    connection.wait_for_bytes()
    connection.drip(_RECORD + bytes(10_000))


def _shows(certificate: Callable[[], ssl.SSLContext]) -> FaultFunction:
    def fault(connection: Connection) -> None:
        connection.start_tls(certificate())
        connection.respond(connection.read_request())

    return fault


@case(Severity.STRICTNESS, HTTPS)
def plain_http_instead_of_tls_is_not_transient(harness: Harness) -> None:
    """A service that speaks plain http instead of TLS is a ConnectFailedError, not transient."""
    fails(_hears_and_says(_PLAIN_HTTP), NOT_TRUSTED, in_handshake=True).play(harness)


CASES = [
    *cases(
        "a TLS handshake that fails is a ConnectFailedError, since nothing reached the service",
        Severity.STRICTNESS,
        {
            f"{name}-was-not-sent": fails(fault, expected, in_handshake=True, timeout=SHORT)
            for name, fault, expected in (
                ("a-connection-closed-instead-of-tls", closes_at_once, NOT_SENT),
                ("a-close-within-the-handshake", _hears_and_says(b""), NOT_SENT),
                ("a-reset-within-the-handshake", resets_with_the_request_unread, NOT_SENT),
                ("an-end-amid-the-handshake", _hears_and_says(_RECORD), _NOT_SENT_EITHER),
                ("silence-instead-of-a-handshake", Connection.wait_for_close, NOT_SENT),
                ("a-dripped-handshake", _drips_a_record, NOT_SENT),
            )
        },
    ),
    *cases(
        "no request goes to a server whose certificate does not verify, now or later",
        Severity.MAY_LOSE_SESSIONS,
        {
            f"{name}-is-refused": fails(_shows(certificate), NOT_TRUSTED, in_handshake=True)
            for name, certificate in {
                "an-untrusted-certificate": certificates.untrusted,
                "an-expired-certificate": certificates.expired,
                "the-certificate-of-another-host": certificates.for_another_host,
            }.items()
        },
    ),
]
