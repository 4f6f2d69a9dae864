"""Cases in which the TLS handshake fails: then no request may ever have been sent."""

from firecrawl_interact.core.transport import ConnectFailedError

from .. import certificates
from ..case import Case, Severity
from ..expectations import NOT_SENT, NOT_TRUSTED, Failure
from ..scenarios import SHORT, fails
from ..server import Connection, FaultFunction
from ..wire_faults import closes_at_once, resets_with_the_request_unread

_NOT_SENT = "a TLS handshake that fails is a ConnectFailedError, for nothing reached the service"
_NOT_TRUSTED = "no request goes to a server whose certificate does not verify, now or later"

# RFC 8446, 5.1: the beginning of a record of 16 KiB.
_RECORD = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"
_NOT_SENT_EITHER = Failure(ConnectFailedError, caused=True)


def _closes(connection: Connection) -> None:
    connection.wait_for_bytes()
    connection.close()


def _stays_silent(connection: Connection) -> None:
    connection.wait_for_close()


def _speaks_plain_http(connection: Connection) -> None:
    connection.wait_for_bytes()
    connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    connection.close()


def _ends_amid_a_record(connection: Connection) -> None:
    connection.wait_for_bytes()
    connection.send(_RECORD)
    connection.close()


def _drips_a_record(connection: Connection) -> None:
    connection.wait_for_bytes()
    connection.drip(_RECORD + bytes(10_000))


def _untrusted(connection: Connection) -> None:
    connection.start_tls(certificates.untrusted())
    connection.respond(connection.read_request())


def _expired(connection: Connection) -> None:
    connection.start_tls(certificates.expired())
    connection.respond(connection.read_request())


def _for_another_host(connection: Connection) -> None:
    connection.start_tls(certificates.for_another_host())
    connection.respond(connection.read_request())


def _case(
    name: str, promise: str, fault: FaultFunction, expected: Failure, *, timeout: float = 1.5
) -> Case:
    scenario = fails(fault, expected, in_handshake=True, timeout=timeout)
    is_about_trust = promise is _NOT_TRUSTED
    severity = Severity.MAY_LOSE_SESSIONS if is_about_trust else Severity.STRICTNESS
    return Case(name, promise, severity, scenario, frozenset({"https"}))


CASES = [
    _case("a-connection-closed-instead-of-tls-was-not-sent", _NOT_SENT, closes_at_once, NOT_SENT),
    _case("a-close-within-the-handshake-was-not-sent", _NOT_SENT, _closes, NOT_SENT),
    _case(
        "a-reset-within-the-handshake-was-not-sent",
        _NOT_SENT,
        resets_with_the_request_unread,
        NOT_SENT,
    ),
    _case(
        "an-end-amid-the-handshake-was-not-sent", _NOT_SENT, _ends_amid_a_record, _NOT_SENT_EITHER
    ),
    _case(
        "silence-instead-of-a-handshake-was-not-sent",
        _NOT_SENT,
        _stays_silent,
        NOT_SENT,
        timeout=SHORT,
    ),
    _case("a-dripped-handshake-was-not-sent", _NOT_SENT, _drips_a_record, NOT_SENT, timeout=SHORT),
    _case(
        "plain-http-instead-of-tls-is-not-transient",
        "a service that speaks plain http instead of TLS is a ConnectFailedError, not transient",
        _speaks_plain_http,
        NOT_TRUSTED,
    ),
    _case("an-untrusted-certificate-is-refused", _NOT_TRUSTED, _untrusted, NOT_TRUSTED),
    _case("an-expired-certificate-is-refused", _NOT_TRUSTED, _expired, NOT_TRUSTED),
    _case(
        "the-certificate-of-another-host-is-refused", _NOT_TRUSTED, _for_another_host, NOT_TRUSTED
    ),
]
