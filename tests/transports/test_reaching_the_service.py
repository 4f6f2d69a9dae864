"""How both transports find the service and come to trust it: addresses, proxies, certificates."""

import errno
import inspect
import socket
import ssl
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from firecrawl_interact.adapters.conformance import certificates
from firecrawl_interact.core import ConnectFailedError

from .driven import TransportClass, Tunnel, Wire, closed_port, failure, look_up_gives, send

pytestmark = pytest.mark.enable_socket

# --- addresses -----------------------------------------------------------------------------


@pytest.mark.parametrize("has_tunnel", [False, True], ids=["straight", "through a tunnel"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_service_and_a_proxy_are_reached_at_their_ipv6_addresses(
    wire: Wire, scheme: str, has_tunnel: bool
) -> None:
    tls = certificates.trusted() if scheme == "https" else None
    service = wire.serve(tls=tls, host="::1")
    proxy = wire.serve(Tunnel() if tls else None, host="::1") if has_tunnel else None
    send(wire.open(service, proxy=proxy))
    last = (proxy or service).requests[0]
    assert last.values("host") == [service.authority]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_numeric_address_is_not_looked_up(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    def refuse(*_: object, **__: object) -> object:
        raise AssertionError("it was looked up")

    driver = wire.open(wire.serve(host=host))
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    send(driver)


def test_a_name_that_ends_with_a_dot_is_the_one_in_the_certificate(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = wire.serve(tls=certificates.trusted())
    look_up_gives(monkeypatch, service)
    context = certificates.client_context()
    for proxy in (None, wire.serve(Tunnel())):
        send(wire.open(f"https://localhost.:{service.port}", proxy=proxy, ssl_context=context))


def test_a_silent_address_costs_a_quarter_of_a_second_or_its_share_of_the_connect(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The awaited transport has Happy Eyeballs; the blocking one shares its `connect_timeout`."""
    service, silent = wire.serve(), wire.serve(listening=False)
    look_up_gives(monkeypatch, silent, silent, service)
    driver = wire.open(f"http://localhost:{service.port}", connect_timeout=3)
    with silent.full_backlog():
        before = time.monotonic()
        send(driver, timeout=60)
        seconds = time.monotonic() - before
    assert 0.4 < seconds < 1.5 if driver.kind == "async" else 1.9 < seconds < 3.5
    send(driver)


def test_an_address_of_a_family_that_the_system_does_not_know_hides_no_other(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = wire.serve()
    addresses = [
        (family, socket.SOCK_STREAM, 0, "", ("127.0.0.1", service.port))
        for family in (4242, socket.AF_INET)
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
    send(wire.open(f"http://localhost:{service.port}"))
    del addresses[1]
    error = failure(wire.open(f"http://localhost:{service.port}"), ConnectFailedError)
    assert "not supported" in str(error)
    addresses.clear()
    error = failure(wire.open("http://localhost"), ConnectFailedError)
    assert str(error) == "no connection to localhost:80: its name has no address"
    monkeypatch.setattr(socket, "getaddrinfo", Mock(side_effect=OSError))
    error = failure(wire.open("http://localhost"), ConnectFailedError)
    assert str(error) == "no connection to localhost:80: OSError"


def test_a_name_whose_addresses_refuse_is_not_sent_to(wire: Wire) -> None:
    failure(wire.open(f"http://localhost:{closed_port()}"), ConnectFailedError)


# --- trust ---------------------------------------------------------------------------------


@pytest.fixture
def authorities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of authorities that nothing names yet."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "authorities.pem"
    certificates._authority().cert_pem.write_to_path(str(file))
    return file


def test_an_authority_of_another_store_is_trusted_if_ssl_cert_file_names_that(
    wire: Wire, authorities: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api_url = wire.serve(tls=certificates.trusted()).api_url
    error = failure(wire.open(api_url), ConnectFailedError)
    assert "CERTIFICATE_VERIFY_FAILED" in str(error)
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    send(wire.open(api_url))


@pytest.mark.parametrize("is_counted", [True, False], ids=["counted", "truststore's"])
def test_an_authority_of_the_systems_store_is_trusted(
    wire: Wire, authorities: Path, monkeypatch: pytest.MonkeyPatch, is_counted: bool
) -> None:
    def load(context: ssl.SSLContext, *_: object) -> None:
        context.load_verify_locations(authorities)

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", load)
    if not is_counted:
        not_counted = Mock(side_effect=NotImplementedError)
        monkeypatch.setattr(ssl.SSLContext, "cert_store_stats", not_counted)
    send(wire.open(wire.serve(tls=certificates.trusted()).api_url))


@pytest.mark.parametrize("is_there", [True, False], ids=["there", "not readable"])
def test_a_store_that_openssl_has_skipped_is_read_or_the_call_fails(
    wire: Wire, authorities: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    """OpenSSL skips, in silence, a store for which it finds no descriptor free."""
    paths = ssl.get_default_verify_paths()
    named = authorities if is_there else authorities.with_suffix(".missing")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths._replace(cafile=str(named)))
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
    driver = wire.open(wire.serve(tls=certificates.trusted()).api_url)
    if is_there:
        send(driver)
    else:
        assert "No such file" in str(failure(driver, ConnectFailedError))


@pytest.mark.parametrize(
    ("problem", "shown", "is_transient"),
    [
        (OSError(errno.EMFILE, "my table"), f"[Errno {errno.EMFILE}] my table", True),
        (OSError(errno.ENFILE, "all tables"), f"[Errno {errno.ENFILE}] all tables", True),
        (MemoryError(), "MemoryError", False),
    ],
)
def test_a_context_that_cannot_be_made_may_be_made_when_a_descriptor_is_free(
    wire: Wire,
    monkeypatch: pytest.MonkeyPatch,
    problem: Exception,
    shown: str,
    is_transient: bool,
) -> None:
    monkeypatch.setattr(ssl, "create_default_context", Mock(side_effect=problem))
    error = failure(wire.open("https://service.example"), ConnectFailedError)
    assert (str(error), error.__cause__) == (f"cannot connect: {shown}", problem)
    assert error.transient is is_transient


# --- what users leave out ------------------------------------------------------------------


def test_the_settings_that_users_leave_out(transport_class: TransportClass) -> None:
    parameters: dict[str, Any] = dict(inspect.signature(transport_class).parameters)
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    assert defaults == {
        "api_url": "https://api.firecrawl.dev",
        "pool_size": 32,
        "connect_timeout": 10,
        "ssl_context": None,
        "proxy": None,
        "allow_plain_http": False,
        "user_agent": None,
    }
