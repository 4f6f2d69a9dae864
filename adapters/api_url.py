"""The address of a service: checked, and written the same way wherever it is compared."""

import re
import socket

import msgspec

DEFAULT_PORTS = {"http": 80, "https": 443}
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
    def authority(self) -> str:
        """The host, and the port unless it is the scheme's own, as in the header `Host`."""
        is_default = self.port == DEFAULT_PORTS[self.scheme]
        return self.host if is_default else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.prefix}"


def parse_api_url(api_url: str, *, allow_plain_http: bool = False) -> ApiUrl:
    """Parse the service's address. `HttpTransport` says what it may be."""
    scheme, rest = split_scheme("api_url", api_url)
    if scheme not in DEFAULT_PORTS:
        raise ValueError("api_url must start with https://, or with http:// on this machine")
    if "@" in rest:  # Also after a slash: a password may contain one.
        raise ValueError("api_url must not contain a user or a password: pass the key as api_key")
    if "?" in rest or "#" in rest:
        raise ValueError("api_url must not have a query or a fragment")
    authority, slash, path = rest.partition("/")
    if not re.fullmatch(_PATH, path):
        raise ValueError("api_url has characters in its path that must be percent-encoded")
    if old := re.search(r"/v[01](?=/*\Z)", slash + path):
        raise ValueError(f"api_url ends with {old[0]}, and the library speaks /v2: leave it out")
    if re.search(r"/v2/+(?:browser|interact|scrape)\b", slash + path):
        raise ValueError("api_url must be the service's address alone: leave out /v2 and the rest")
    host, port = host_and_port("api_url", scheme, authority)
    if scheme == "http" and not allow_plain_http and not _is_loopback(host):
        raise ValueError(
            f"an API key sent to http://{host} could be read on the way: use https, or allow"
            " plain http (allow_plain_http, --allow-plain-http) if the network is yours"
        )
    return ApiUrl(scheme, host, port, without_version(slash + path))


def without_version(url: str) -> str:
    """Return an address without the `/v2` at its end: the core names it in each path."""
    return re.sub(r"(?:/+v2)*/*\Z", "", url)


def split_scheme(name: str, url: str) -> tuple[str, str]:
    """Return the scheme in lower case, and what follows `://`."""
    if not isinstance(url, str):
        raise TypeError(f"{name} must be a str, not {type(url).__name__}")
    if not all("!" <= character <= "~" for character in url):
        raise ValueError(f"{name} must be printable ASCII without spaces")
    scheme, _, rest = url.partition("://")
    return scheme.lower(), rest


def host_and_port(name: str, scheme: str, authority: str) -> tuple[str, int]:
    """Return the host in its one spelling, and the port, which may be the scheme's own."""
    match = re.fullmatch(_AUTHORITY, authority)
    if match is None:
        raise ValueError(f"{name} must name a host, and a port from 1 to 65535 or none")
    host = match[1].lower()
    try:
        port = int(match[2] or DEFAULT_PORTS[scheme])
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
