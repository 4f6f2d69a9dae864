"""Cases in which the TLS handshake fails: then no request may ever have been sent."""

import ssl
from collections.abc import Callable

from firecrawl_interact.core.transport import ConnectFailedError

from .. import certificates
from ..case import Severity, cases
from ..expectations import NOT_SENT, NOT_TRUSTED, Failure
from ..harness import Channel
from ..scenarios import SHORT, fails
from ..server import Connection, FaultFunction
from ..wire_faults import closes_at_once, resets_with_the_request_unread

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


_HTTPS: frozenset[Channel] = frozenset({"https"})
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
        _HTTPS,
    ),
    *cases(
        "a service that speaks plain http instead of TLS is a ConnectFailedError, not transient",
        Severity.STRICTNESS,
        {
            "plain-http-instead-of-tls-is-not-transient": fails(
                _hears_and_says(_PLAIN_HTTP), NOT_TRUSTED, in_handshake=True
            )
        },
        _HTTPS,
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
        _HTTPS,
    ),
]
