"""What a user gives a transport is read as meant, or refused before anything is sent."""

import re
import ssl
import traceback
from base64 import b64encode
from typing import Any  # What a caller passes may be of any type.

import pytest
from hypothesis import example, given, strategies as st

from firecrawl_interact.adapters.api_url import ApiUrl, parse_api_url
from firecrawl_interact.adapters.http.transport import HttpTransport, environment_proxy, parse_proxy

from ..transports.conftest import no_variables  # noqa: F401 - a fixture

SERVICE = ApiUrl("https", "service.example", 443, "")


@pytest.mark.parametrize(
    ("api_url", "meaning"),
    [
        ("https://api.firecrawl.dev", ApiUrl("https", "api.firecrawl.dev", 443, "")),
        ("HTTPS://Api.Firecrawl.Dev/", ApiUrl("https", "api.firecrawl.dev", 443, "")),
        ("https://service:3002", ApiUrl("https", "service", 3002, "")),
        ("https://a_b.c-d./x", ApiUrl("https", "a_b.c-d.", 443, "/x")),
        ("https://service/prefix/%7Efire/", ApiUrl("https", "service", 443, "/prefix/%7Efire")),
        ("https://service/v2", ApiUrl("https", "service", 443, "")),
        ("https://service/prefix/v2", ApiUrl("https", "service", 443, "/prefix")),
        ("https://service/v2/prefix", ApiUrl("https", "service", 443, "/v2/prefix")),
        ("https://[2001:DB8::1]:8443", ApiUrl("https", "[2001:db8::1]", 8443, "")),
        ("http://localhost:3002", ApiUrl("http", "localhost", 3002, "")),
        ("http://127.8.9.10", ApiUrl("http", "127.8.9.10", 80, "")),
        ("http://[::1]/x", ApiUrl("http", "[::1]", 80, "/x")),
    ],
)
def test_an_address_is_taken_apart(api_url: str, meaning: ApiUrl) -> None:
    assert parse_api_url(api_url) == meaning


# What no address is, one a word.
WRONG = """
    /v2 service.example localhost:3002 ftp://service.example https:service.example
    https:/service.example https:// https:///v2 https://:443 https://user@service.example
    https://:secret@service.example https://service.example? https://service.example/?a=b
    https://service.example# https://service.example/#a https://service.example:0
    https://service.example:65536 https://service.example:080080 https://service.example:-1
    https://service.example:+1 https://service.example:1_0 https://service.example:x
    https://service.example:1:2 https://service..example https://.service.example
    https://service%2Eexample https://service\\.example https://service,example https://[::1
    https://::1 https://[::1]x https://[::g] https://[fe80::1%25eth0] https://[service]
    https://service.example/a\\b https://service.example/%zz https://service.example/"
    https://user:secret@a https://secret@a https://a?secret@b https://a#secret@b https://a/secret@b
    user:secret@a secret@a https:/user:secret@a a/secret@ secret@
    https://service.example/v1 https://service.example/prefix/v0// https://service.example/v2/browser
    https://service.example/v2/interact/0199a7c4 https://service.example/v2//scrape/0199a7c4/interact
    https://service.example/\x7f https://s\u00e9rvice.example https://service.example:\u0661
"""
BLANKS = ["", " https://a", "https://a\n", "https://a/b c", "https://a\tb", "https://a/\x00"]


@pytest.mark.parametrize("api_url", [*WRONG.split(), *BLANKS, f"https://{'a' * 64}.example", b"a"])
def test_what_cannot_be_an_address_is_refused_without_its_password(api_url: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="api_url") as caught:
        parse_api_url(api_url)
    assert "secret" not in str(caught.value)


@given(st.text())
@example("v2/v2")
def test_any_api_url_is_refused_or_reads_the_same_again(text: str) -> None:
    for api_url in (text, f"https://{text}", f"https://service.example/{text}"):
        try:
            meaning = parse_api_url(api_url)
        except ValueError:
            continue
        assert str(meaning).isascii()
        assert parse_api_url(str(meaning)) == meaning


HOSTS = "service.example localhost.example 127.0.0.1.example 128.0.0.1 127.1 0.0.0.1 [::] [::2]"


@pytest.mark.parametrize("host", HOSTS.split(" "))
def test_plain_http_stays_on_this_machine_unless_allowed(host: str) -> None:
    with pytest.raises(
        ValueError, match=re.escape(f"plain http to {host}, which exposes the API key")
    ):
        HttpTransport(f"http://{host}")
    assert HttpTransport(f"http://{host}", allow_plain_http=True).api_url == f"http://{host}"


@pytest.mark.parametrize(
    ("proxy", "address", "credentials"),
    [
        ("http://proxy:3128", "http://proxy:3128", None),
        ("http://proxy/", "http://proxy", None),
        ("https://proxy", "https://proxy", None),
        ("proxy.example:3128", "http://proxy.example:3128", None),
        ("user:pw@proxy:1", "http://proxy:1", b"user:pw"),
        ("http://us%40er:p%3Aw@proxy:1", "http://proxy:1", b"us@er:p:w"),
        ("http://us@er:p/w@proxy:1", "http://proxy:1", b"us@er:p/w"),
        ("http://user@[::1]:1", "http://[::1]:1", b"user:"),
        ("http://%C3%A9:@proxy:1", "http://proxy:1", "\u00e9:".encode()),
    ],
)
def test_a_proxy_is_taken_apart(proxy: str, address: str, credentials: bytes | None) -> None:
    parsed = parse_proxy(proxy)
    assert str(parsed.address).removesuffix("/") == address
    basic = None if credentials is None else f"Basic {b64encode(credentials).decode()}"
    assert parsed.headers.get("Proxy-Authorization") == basic


# What no proxy is, one a word.
WRONG_PROXIES = """
    http:// socks5://user:secret@proxy:1080 user:secret@proxy://1080 http://user:secret@
    http://user:secret@proxy:0 http://user:secret@proxy:99999 http://user:secret@proxy/path
    http://user:secret@proxy?query http://user:secret@proxy#fragment http://user:secret@pro[xy
"""


@pytest.mark.parametrize("proxy", [*WRONG_PROXIES.split(), "", "http://u:secret @proxy"])
def test_a_proxy_that_cannot_be_used_is_refused_without_its_password(proxy: str) -> None:
    with pytest.raises(ValueError, match="proxy") as caught:
        parse_proxy(proxy)
    assert "secret" not in str(caught.value)


def test_a_transports_repr_has_no_password() -> None:
    transport = HttpTransport("https://service/v2", proxy="http://user:secret@proxy:3128")
    assert repr(transport) == "HttpTransport('https://service', proxy='http://proxy:3128')"
    assert repr(HttpTransport("https://service")) == "HttpTransport('https://service')"
    assert "Basic" not in repr(vars(transport)["_proxy"])


def test_a_transport_that_was_refused_has_a_repr() -> None:
    with pytest.raises(ValueError, match="pool_size") as caught:
        HttpTransport(pool_size=0)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "HttpTransport object at" in "".join(shown.format())


def test_a_proxy_for_plain_http_is_refused() -> None:
    with pytest.raises(ValueError, match="proxy is for https alone"):
        HttpTransport("http://localhost", proxy="http://proxy:3128")


def test_the_environment_names_the_proxy_for_https_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://other:1")
    monkeypatch.setenv("ALL_PROXY", "http://other:1")
    assert environment_proxy(SERVICE) is None
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    assert environment_proxy(SERVICE) == parse_proxy("http://proxy:1")
    assert "proxy" not in repr(HttpTransport("http://localhost"))
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy:1")
    with pytest.raises(ValueError, match="HTTPS_PROXY must be"):
        environment_proxy(SERVICE)


@pytest.mark.parametrize(
    ("no_proxy", "host", "is_named"),
    [
        ("service.example", "service.example", True),
        ("service.example:443", "service.example", True),
        ("service.example:444", "service.example", False),
        ("[::1]", "[::1]", True),
    ],
)
def test_no_proxy_names_hosts_with_or_without_their_port(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, host: str, is_named: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (environment_proxy(ApiUrl("https", host, 443, "")) is None) is is_named


@pytest.mark.parametrize("verify_mode", [ssl.CERT_NONE, ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED])
def test_an_ssl_context_that_does_not_verify_everything_is_refused(
    verify_mode: ssl.VerifyMode,
) -> None:
    context = ssl.create_default_context()
    context.check_hostname = verify_mode == ssl.CERT_OPTIONAL
    context.verify_mode = verify_mode
    with pytest.raises(ValueError, match="verify"):
        HttpTransport(ssl_context=context)
