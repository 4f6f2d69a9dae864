"""The default transport: urllib3, kept strict. `http1` says what that means."""

import os
import ssl
from http.client import HTTPException
from typing import Self, TypeAlias

import msgspec
import urllib3

from firecrawl_interact.core.arguments import check_count, check_seconds
from firecrawl_interact.core.transport import (
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    Request,
    Response,
    TimedOutError,
    TransportError,
)

from ..http.settings import (
    ApiUrl,
    Proxy,
    check_ssl_context,
    check_user_agent,
    default_user_agent,
    environment_proxy,
    parse_api_url,
    parse_proxy,
)
from ..system_time import SystemTime
from .http1 import REQUEST_TARGET, make_strict
from .urllib3_future import IS_URLLIB3_FUTURE, warn_of_urllib3_future

_LONGEST_TIMEOUT = 1_000_000
"""Seconds. poll(2) takes no more than 2**31 milliseconds, and Python refuses what is longer."""

_Pools: TypeAlias = dict[tuple[int, type], urllib3.HTTPConnectionPool]
"""By process, so that a fork never shares a socket, and by the connection class that urllib3
has at that time, so that a recorder such as vcrpy gets a pool of its own."""


class _Settings(msgspec.Struct, frozen=True):
    api_url: ApiUrl
    pool_size: int
    connect_timeout: float
    proxy: Proxy | None
    user_agent: str | None


_pools_of_arrivals: dict[_Settings, _Pools] = {}
"""For transports that came by pickle: each task may bring one, and all can share connections."""


class Urllib3Transport(SystemTime):
    """Carries requests to one service with urllib3, over connections that it keeps.

    Proxies and CAs of the environment hold for https: `HTTPS_PROXY`, `NO_PROXY`,
    `SSL_CERT_FILE`, `SSL_CERT_DIR`. Nothing else of it does: no netrc, no proxy for plain http.

    Safe to share among threads, to pickle and to use after a fork. Copies that arrive in a
    process by pickle share their connections there, and closing one leaves them to the others.

    Where urllib3-future stands in urllib3's place, a `RuntimeWarning` says which promises fall.
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
            api_url: `https://host[:port][/prefix]`; plain `http` to the loopback addresses only.
            pool_size: how many connections are kept; as many as threads that send at once.
            connect_timeout: seconds for proxy and TLS together, all addresses of a name tried.
            ssl_context: instead of one that trusts the system's CAs. It must verify.
            proxy: `http[s]://[user:password@]host[:port]`, instead of the environment's.
            allow_plain_http: send the key unencrypted to other machines, too.
            user_agent: instead of this library's name and version.

        Raises:
            TypeError, ValueError: an argument that cannot work, or would send the key unprotected.
        """
        warn_of_urllib3_future()
        check_count("pool_size", pool_size)
        check_seconds("connect_timeout", connect_timeout)
        if ssl_context is not None:
            check_ssl_context(ssl_context)
        if user_agent is not None:
            check_user_agent(user_agent)
        self._settings = _Settings(
            api_url=parse_api_url(api_url, allow_plain_http=allow_plain_http),
            pool_size=pool_size,
            connect_timeout=connect_timeout,
            proxy=None if proxy is None else parse_proxy(proxy),
            user_agent=user_agent,
        )
        self._ssl_context = ssl_context
        self._pools: _Pools = {}
        self._owns_pools = True
        self._is_closed = False

    def send(self, request: Request, timeout: float) -> Response:
        """Make one exchange within `timeout` seconds, as `Transport.send` says.

        Raises:
            TypeError, ValueError: `timeout` is no positive, finite number.
            TransportError: what went wrong on the way.
        """
        check_seconds("timeout", timeout)
        timeout = min(timeout, _LONGEST_TIMEOUT)
        settings = self._settings
        target = settings.api_url.prefix + request.path
        if settings.proxy is not None and settings.api_url.scheme == "http":
            target = settings.api_url.origin + target  # RFC 9112, 3.2.2
        clock = _OneClock(connect=settings.connect_timeout, total=timeout)
        pool = self._pool()
        REQUEST_TARGET.set(target)
        try:
            answer = pool.urlopen(
                request.method,
                target,
                headers={
                    "User-Agent": settings.user_agent or default_user_agent(),
                    **request.headers,
                },
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=clock,
                preload_content=True,
                decode_content=False,
            )
            headers = {name.lower(): value for name, value in answer.headers.itermerged()}
            return Response(answer.status, headers, answer.data)
        except TransportError:
            raise
        # From here on: what connections other than ours raise, such as a recorder's.
        except (
            urllib3.exceptions.ClosedPoolError,
            urllib3.exceptions.ConnectTimeoutError,
        ) as error:
            raise ConnectFailedError(f"no connection: {error}") from error
        except urllib3.exceptions.TimeoutError as error:
            raise TimedOutError("no whole answer came in time") from error
        except (urllib3.exceptions.HTTPError, HTTPException, OSError) as error:
            if isinstance(next(iter(error.args), None), ssl.SSLCertVerificationError):
                raise ConnectFailedError(f"no connection: {error}", transient=False) from error
            raise ConnectionLostError(f"the exchange broke: {type(error).__name__}") from error
        except Exception as error:
            raise BadResponseError(f"the exchange failed: {type(error).__name__}") from error

    def close(self) -> None:
        """Close the kept connections. What is under way ends first; `send` refuses from now on."""
        self._is_closed = True
        if self._owns_pools:
            for (process, _), pool in list(self._pools.items()):
                if process == os.getpid():
                    pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        proxy = self._settings.proxy
        return (
            f"Urllib3Transport({str(self._settings.api_url)!r}"
            f"{'' if proxy is None else f', proxy={str(proxy)!r}'})"
        )

    def __getstate__(self) -> _Settings:
        if self._ssl_context is not None:
            raise TypeError(
                "a transport with an ssl_context cannot be pickled or copied: name the CAs in"
                " SSL_CERT_FILE instead, or build the transport in the process that uses it"
            )
        return self._settings

    def __setstate__(self, settings: _Settings) -> None:
        self._settings = settings
        self._ssl_context = None
        self._pools = _pools_of_arrivals.setdefault(settings, {})
        self._owns_pools = False
        self._is_closed = False

    def _pool(self) -> urllib3.HTTPConnectionPool:
        if self._is_closed:
            raise ConnectFailedError("this transport is closed", transient=False)
        is_https = self._settings.api_url.scheme == "https"
        pool_class = urllib3.HTTPSConnectionPool if is_https else urllib3.HTTPConnectionPool
        key = os.getpid(), pool_class.ConnectionCls
        pool = self._pools.get(key)
        if pool is None:
            try:
                pool = self._pools.setdefault(key, self._new_pool())  # Threads may race here.
            except Exception as error:
                raise ConnectFailedError(f"cannot connect: {error}", transient=False) from error
        return pool

    def _new_pool(self) -> urllib3.HTTPConnectionPool:
        settings, api_url = self._settings, self._settings.api_url
        proxy = settings.proxy or environment_proxy(api_url)
        context = self._ssl_context
        if context is None and (api_url.scheme == "https" or proxy is not None):
            context = ssl.create_default_context()
        manager: urllib3.PoolManager
        if proxy is None:
            manager = urllib3.PoolManager(maxsize=settings.pool_size, ssl_context=context)
        else:
            manager = urllib3.ProxyManager(
                proxy.url,
                proxy_headers=proxy.headers,
                proxy_ssl_context=context,
                maxsize=settings.pool_size,
                ssl_context=context,
            )
        pool = manager.connection_from_host(api_url.host, api_url.port, api_url.scheme)
        if not IS_URLLIB3_FUTURE:
            make_strict(pool)
        return pool


class _OneClock(urllib3.Timeout):
    """A time-out that starts now. urllib3's own starts anew once a proxy's tunnel stands."""

    def __init__(self, *, connect: float, total: float) -> None:
        super().__init__(connect=connect, total=total)
        self._started = super().start_connect()

    def start_connect(self) -> float:
        return self._started

    def clone(self) -> Self:
        return self
