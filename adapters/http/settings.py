"""Checks of what a user passes to an HTTP transport, before anything is sent."""

import base64
import re
import socket
import ssl
from collections.abc import Mapping
from functools import cache

import msgspec

_DEFAULT_PORTS = {"http": 80, "https": 443}
# RFC 3986, 3.2, without percent-encoding in the name: no resolver takes it.
_AUTHORITY = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]*))?"
_PATH = r"(?:[A-Za-z0-9._~!$&'()*+,;=:/-]|%[0-9A-Fa-f]{2})*"


class ApiUrl(msgspec.Struct, frozen=True):
    """The address of the service: one origin, and the prefix of all its paths."""

    scheme: str
    host: str  #: in lower case; an IPv6 address in brackets
    port: int
    prefix: str  #: empty, or a path that starts with a slash and does not end with one

    @property
    def origin(self) -> str:
        """Scheme, host and port, as RFC 6454 (6.2) writes them."""
        is_default = self.port == _DEFAULT_PORTS[self.scheme]
        return f"{self.scheme}://{self.host}{'' if is_default else f':{self.port}'}"

    def __str__(self) -> str:
        return self.origin + self.prefix


class Proxy(msgspec.Struct, frozen=True):
    """A proxy, and the headers of a request to it or of a CONNECT, which the repr hides."""

    url: str
    headers: Mapping[str, str]

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("url", str(self))]

    def __repr__(self) -> str:
        return f"Proxy({str(self)!r})"

    def __str__(self) -> str:
        return self.url.replace("://", "://***@") if self.headers else self.url


def parse_api_url(api_url: str, *, allow_plain_http: bool = False) -> ApiUrl:
    """Parse the service's address. `HttpTransport` says what it may be."""
    scheme, rest = _split("api_url", api_url)
    if scheme not in _DEFAULT_PORTS:
        raise ValueError("api_url must start with https://")
    if "@" in rest:  # Also after a slash: a password may contain one.
        raise ValueError("api_url must not contain a user or a password: pass the key as api_key")
    if "?" in rest or "#" in rest:
        raise ValueError("api_url must not have a query or a fragment")
    authority, slash, path = rest.partition("/")
    if not re.fullmatch(_PATH, path):
        raise ValueError("api_url has characters in its path that must be percent-encoded")
    host, port = _host_and_port("api_url", scheme, authority)
    if scheme == "http" and not allow_plain_http and not _is_loopback(host):
        raise ValueError(
            f"an API key sent to http://{host} could be read on the way: use https, or pass"
            " allow_plain_http=True if the network is yours"
        )
    prefix = re.sub(r"(?:/+v2)*/*\Z", "", slash + path)  # The core names the version in each path.
    return ApiUrl(scheme, host, port, prefix)


def parse_proxy(proxy: str, name: str = "proxy") -> Proxy:
    """Parse a proxy's address, whose default scheme is http. No error quotes it."""
    try:
        return _parse_proxy(proxy, name)
    except (TypeError, ValueError) as error:
        raise error.with_traceback(None) from None  # Its frames contain the password.
    finally:
        del proxy


def _parse_proxy(proxy: str, name: str) -> Proxy:
    has_scheme = not isinstance(proxy, str) or "://" in proxy
    scheme, rest = _split(name, proxy if has_scheme else f"http://{proxy}")
    if scheme not in _DEFAULT_PORTS:
        # Anything else in its place may be secret.
        kind = f", not {scheme}" if scheme.isalnum() else ""
        raise ValueError(f"{name} must speak http or https{kind}")
    authority, _, path = rest.partition("/")
    if path.strip("/") or "?" in rest or "#" in rest:
        raise ValueError(f"{name} must end with its port")
    credentials, has_credentials, place = authority.rpartition("@")
    host, port = _host_and_port(name, scheme, place)
    headers = {}
    if has_credentials:
        from urllib.parse import unquote_to_bytes  # noqa: PLC0415 - after asyncio it takes 2 ms

        user, _, password = credentials.partition(":")
        token = base64.b64encode(unquote_to_bytes(user) + b":" + unquote_to_bytes(password))
        headers["Proxy-Authorization"] = f"Basic {token.decode()}"
    return Proxy(f"{scheme}://{host}:{port}", headers)


def environment_proxy(api_url: ApiUrl) -> Proxy | None:
    """Return the proxy of the environment for this address (`HTTPS_PROXY`, `NO_PROXY`), if any.

    There is none for plain http: a proxy that somebody else chose would read the key.
    `urllib.request` interprets `NO_PROXY`.
    """
    if api_url.scheme != "https":
        return None
    # Rarely needed. After asyncio its import takes 18 ms; after urllib3, 2.
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415

    if not getproxies().get("https") or proxy_bypass(f"{api_url.host}:{api_url.port}"):
        return None
    return parse_proxy(getproxies()["https"], "the proxy of the environment")


def check_ssl_context(ssl_context: ssl.SSLContext) -> None:
    """Refuse a context that does not verify the server."""
    if not isinstance(ssl_context, ssl.SSLContext):
        raise TypeError(f"ssl_context must be an ssl.SSLContext, not {ssl_context!r}")
    if ssl_context.verify_mode != ssl.CERT_REQUIRED or not ssl_context.check_hostname:
        raise ValueError("ssl_context must verify certificates and check host names")


def check_user_agent(user_agent: str) -> None:
    """Refuse what a `User-Agent` header cannot contain."""
    if not isinstance(user_agent, str):
        raise TypeError(f"user_agent must be a str, not {user_agent!r}")
    if not (user_agent.strip() and user_agent.isascii() and user_agent.isprintable()):
        raise ValueError("user_agent must be printable ASCII, and not empty")


@cache
def default_user_agent() -> str:
    """Return the `User-Agent` of this library and its version."""
    # After asyncio its import takes 12 ms; urllib3 has imported it.
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        return f"firecrawl-interact/{version('firecrawl-interact')}"
    except PackageNotFoundError:  # a program frozen without its metadata
        return "firecrawl-interact"


def _split(name: str, url: str) -> tuple[str, str]:
    """Return the scheme in lower case, and what follows `://`."""
    if not isinstance(url, str):
        raise TypeError(f"{name} must be a str, not {type(url).__name__}")
    if not all("!" <= character <= "~" for character in url):
        raise ValueError(f"{name} must be printable ASCII without spaces")
    scheme, _, rest = url.partition("://")
    return scheme.lower(), rest


def _host_and_port(name: str, scheme: str, authority: str) -> tuple[str, int]:
    match = re.fullmatch(_AUTHORITY, authority)
    if match is None:
        raise ValueError(f"{name} must name a host, and a port from 1 to 65535 or none")
    host = match[1].lower()
    try:
        port = int(match[2] or _DEFAULT_PORTS[scheme])
        if host.startswith("["):
            packed = socket.inet_pton(socket.AF_INET6, host[1:-1])
            host = f"[{socket.inet_ntop(socket.AF_INET6, packed)}]"
        # The codec refuses labels that are empty or too long for DNS (RFC 1035, 2.3.4).
        host.encode("idna")
    except (ValueError, OSError):
        raise ValueError(f"{name} names a host or a port that cannot exist") from None
    if not 0 < port <= 65535:
        raise ValueError(f"{name} must have a port from 1 to 65535, or none")
    return host, port


def _is_loopback(host: str) -> bool:
    try:
        return socket.inet_pton(socket.AF_INET, host)[0] == 127
    except OSError:  # It is a name, or an IPv6 address.
        return host in {"localhost", "[::1]"}
