"""Checks of what a user passes to an HTTP transport, before anything is sent."""

import base64
import ssl
from collections.abc import Mapping
from functools import cache

import msgspec

from ..api_url import DEFAULT_PORTS, ApiUrl, host_and_port, split_scheme


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


def parse_proxy(proxy: str, name: str = "proxy") -> Proxy:
    """Parse a proxy's address, whose default scheme is http. No error quotes it."""
    try:
        return _parse_proxy(proxy, name)
    except (TypeError, ValueError) as error:
        raise error.with_traceback(None) from None  # Its frames contain the password.
    finally:
        del proxy


def _parse_proxy(proxy: str, name: str) -> Proxy:
    if isinstance(proxy, str) and "://" not in proxy:
        proxy = f"http://{proxy}"
    scheme, rest = split_scheme(name, proxy)
    if scheme not in DEFAULT_PORTS:
        # The text may be secret unless it is a name, as a scheme is.
        kind = f", not {scheme}" if scheme.isalnum() else ""
        raise ValueError(f"{name} must speak http or https{kind}")
    authority, _, path = rest.partition("/")
    if path.strip("/") or "?" in rest or "#" in rest:
        raise ValueError(f"{name} must end with its port")
    credentials, has_credentials, address = authority.rpartition("@")
    host, port = host_and_port(name, scheme, address)
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
