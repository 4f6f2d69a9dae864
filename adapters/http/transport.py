"""What the HTTP transports share: their settings, and how they reach the service."""

import errno
import os
import ssl
from contextlib import suppress
from typing import Any

import msgspec

from firecrawl_interact.core.arguments import check_count, check_seconds
from firecrawl_interact.core.transport import ConnectFailedError

from ..api_url import ApiUrl, parse_api_url
from .connection import LONGEST_TIMEOUT
from .settings import (
    Proxy,
    check_ssl_context,
    check_user_agent,
    default_user_agent,
    environment_proxy,
    parse_proxy,
)


class Settings(msgspec.Struct, frozen=True):
    """What the user passed, checked."""

    api_url: ApiUrl
    pool_size: int
    connect_timeout: float
    proxy: Proxy | None
    user_agent: str

    def target(self, path: str) -> str:
        """Return the target of a request. A proxy forwards a whole address (RFC 9112, 3.2.2)."""
        is_forwarded = self.proxy is not None and self.api_url.scheme == "http"
        return f"{self.api_url if is_forwarded else self.api_url.prefix}{path}"


class HttpTransport:
    """Checks the settings of a transport, shows them in its repr and pickles them.

    A subclass adds `send`, and a way to close that sets `_is_closed`. Its connections
    are in `_pools`; those of a copy are empty.
    """

    def __init__(  # noqa: PLR0913 - each is something that users must be able to say
        self,
        api_url: str = "https://api.firecrawl.dev",
        *,
        pool_size: int = 32,
        connect_timeout: float = 10,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        allow_plain_http: bool = False,
        user_agent: str | None = None,
    ) -> None:
        """Take the settings. The first `send` connects.

        Args:
            api_url: `https://host[:port][/prefix]`, with or without `/v2` at its end; plain `http`
                to the loopback addresses only.
            pool_size: how many idle connections are kept. Take the number of concurrent callers.
            connect_timeout: seconds to connect: all addresses of a name, proxy and TLS together.
            ssl_context: instead of one that trusts the system's CAs, and those that `SSL_CERT_FILE`
                and `SSL_CERT_DIR` name. It must verify.
            proxy: `http[s]://[user:password@]host[:port]`, instead of the environment's
                `HTTPS_PROXY`, which is for https alone. `NO_PROXY` lists the hosts that are reached
                without a proxy, separated by commas, or is `*` alone. A host includes its
                subdomains, and every port unless it names one. IPv6 addresses are in brackets.
                Networks (`10.0.0.0/8`) and patterns (`*.host`) are not supported.
            allow_plain_http: send the key unencrypted to other machines too.
            user_agent: instead of this library's name and version.

        Raises:
            TypeError, ValueError: an argument cannot work, or would send the key unprotected.
        """
        try:
            checked_proxy = None if proxy is None else parse_proxy(proxy)
        finally:
            del proxy  # A traceback can show the locals of its frames, and this its password.
        check_count("pool_size", pool_size)
        check_seconds("connect_timeout", connect_timeout, longest=LONGEST_TIMEOUT)
        if ssl_context is not None:
            check_ssl_context(ssl_context)
        agent = default_user_agent() if user_agent is None else user_agent
        check_user_agent(agent)
        service = parse_api_url(api_url, allow_plain_http=allow_plain_http)
        self._settings = Settings(service, pool_size, connect_timeout, checked_proxy, agent)
        self._ssl_context = ssl_context
        self._is_closed = False
        self._pools: dict[Any, Any] = {}  # Any: as the subclass says

    @property
    def api_url(self) -> str:
        """The address of the service. A journal takes it as `service`."""
        return str(self._settings.api_url)

    def __repr__(self) -> str:
        if not hasattr(self, "_settings"):  # It is being refused, and a traceback shows it.
            return object.__repr__(self)
        proxy = self._settings.proxy
        return (
            f"{type(self).__name__}({self.api_url!r}"
            f"{'' if proxy is None else f', proxy={str(proxy)!r}'})"
        )

    def __getstate__(self) -> dict[str, object]:
        if self._ssl_context is not None:
            raise TypeError(
                "a transport with an ssl_context cannot be pickled or copied: name the CAs in"
                " SSL_CERT_FILE instead, or build the transport in the process that uses it"
            )
        return {**vars(self), "_is_closed": False, "_pools": {}}

    def _find_way(self) -> tuple[Proxy | None, ssl.SSLContext | None]:
        """Return the proxy, if there is one, and the TLS context, if one is needed."""
        api_url, context, reason = self._settings.api_url, self._ssl_context, ""
        try:
            proxy = self._settings.proxy or environment_proxy(api_url)
            urls = (str(api_url), "" if proxy is None else proxy.url)
            if context is None and any(url.startswith("https:") for url in urls):
                context = ssl.create_default_context()
                # What must be readable: SSL_CERT_FILE, or the default if no authority was loaded.
                if file := os.environ.get("SSL_CERT_FILE"):
                    reason = f"SSL_CERT_FILE is not a file of certificates: {file}: "
                else:
                    with suppress(NotImplementedError):  # truststore lets the system verify.
                        if not context.cert_store_stats()["x509"]:
                            file = ssl.get_default_verify_paths().cafile
                if file:
                    # This raises if it cannot be read. `create_default_context` does not.
                    context.load_verify_locations(file)
        except Exception as error:
            # Another call may find a descriptor free. What the environment says does not change.
            can_pass = getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE)
            message = f"cannot connect: {reason}{str(error) or type(error).__name__}"
            raise ConnectFailedError(message, transient=can_pass) from error
        return proxy, context
