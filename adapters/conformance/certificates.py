"""Certificates for the cases over https, made up by trustme."""

import datetime
import ssl
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import trustme


def client_context() -> ssl.SSLContext:
    """Return a context that trusts the kit's own authority, and no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _authority().configure_trust(context)
    return context


@cache
def trusted() -> ssl.SSLContext:
    """Return the context of a server that a client has every reason to trust."""
    return _server_context(_authority().issue_cert("127.0.0.1", "localhost"))


@cache
def untrusted() -> ssl.SSLContext:
    """Return the context of a server whose authority nobody knows."""
    return _server_context(_new_authority().issue_cert("127.0.0.1", "localhost"))


@cache
def expired() -> ssl.SSLContext:
    """Return the context of a server whose certificate ended yesterday."""
    today = datetime.datetime.now(datetime.UTC)
    certificate = _authority().issue_cert(
        "127.0.0.1",
        "localhost",
        not_before=today - datetime.timedelta(days=30),
        not_after=today - datetime.timedelta(days=1),
    )
    return _server_context(certificate)


@cache
def for_another_host() -> ssl.SSLContext:
    """Return the context of a server whose certificate is good, and names another host."""
    return _server_context(_authority().issue_cert("another-host.example"))


@cache
def _authority() -> "trustme.CA":
    return _new_authority()


def _new_authority() -> "trustme.CA":
    try:
        import trustme  # noqa: PLC0415 - an extra, needed over https alone
    except ImportError as error:
        raise ImportError(
            "the conformance cases over https need trustme:"
            " pip install 'firecrawl-interact[conformance]'"
        ) from error
    return trustme.CA()


def _server_context(certificate: "trustme.LeafCert") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context
