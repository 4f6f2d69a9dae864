"""The asynchronous transport: aiohttp, kept strict. It comes with the extra `aiohttp`."""

import asyncio
import math
import os
import ssl
from collections.abc import AsyncGenerator, Mapping
from typing import Self

import aiohttp
import msgspec
from yarl import URL

from firecrawl_interact.core.arguments import check_count, check_seconds
from firecrawl_interact.core.transport import (
    ConnectFailedError,
    Request,
    Response,
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
from ..system_time import AsyncSystemTime
from .exchange import Connector, Exchange, bare


class _Settings(msgspec.Struct, frozen=True):
    api_url: ApiUrl
    pool_size: int
    connect_timeout: float
    proxy: Proxy | None
    user_agent: str | None


class AiohttpTransport(AsyncSystemTime):
    """Carries requests to one service with aiohttp, over connections that it keeps.

    Proxies and CAs of the environment hold for https: `HTTPS_PROXY`, `NO_PROXY`,
    `SSL_CERT_FILE`, `SSL_CERT_DIR`. Nothing else of it does: no netrc, no proxy for plain http.

    Safe to share among tasks and event loops, to pickle and to use after a fork: each loop of
    each process has connections of its own. They are closed with their loop at the latest.
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
            pool_size: how many connections are kept; as many as tasks that send at once.
            connect_timeout: seconds for proxy and TLS together, all addresses of a name tried.
            ssl_context: instead of one that trusts the system's CAs. It must verify.
            proxy: `http[s]://[user:password@]host[:port]`, instead of the environment's.
            allow_plain_http: send the key unencrypted to other machines, too.
            user_agent: instead of this library's name and version.

        Raises:
            TypeError, ValueError: an argument that cannot work, or would send the key unprotected.
        """
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
        self._pools: dict[tuple[int, asyncio.AbstractEventLoop], _Pool] = {}
        self._is_closed = False

    async def send(self, request: Request, timeout: float) -> Response:
        """Make one exchange within `timeout` seconds, as `Transport.send` says.

        Raises:
            TypeError, ValueError: `timeout` is no positive, finite number.
            TransportError: what went wrong on the way.
        """
        check_seconds("timeout", timeout)
        loop = asyncio.get_running_loop()
        pool = self._pools.get((os.getpid(), loop))
        if pool is None or not pool.connector.is_open:
            pool = await self._open_pool()
        task = asyncio.current_task()
        exchange = pool.connector.exchanges[task] = Exchange()
        clock = loop.call_later(timeout, exchange.expire)
        try:
            return await exchange.read(
                await pool.session.request(
                    request.method,
                    pool.origin.with_path(pool.prefix + request.path, encoded=True),
                    headers=request.headers,
                    allow_redirects=False,
                    timeout=pool.timeout
                    if timeout >= self._settings.connect_timeout
                    else _timeout(connect=timeout),
                    proxy=pool.proxy,
                    proxy_headers=pool.proxy_headers,
                )
            )
        except TransportError as error:
            exchange.give_up()
            # The frames that it passed hold what came, which may be the key, sent back.
            raise error.with_traceback(None) from error.__cause__
        except Exception as error:
            exchange.give_up()
            raise exchange.failure(error) from bare(error)
        except BaseException:
            exchange.give_up()
            raise
        finally:
            clock.cancel()
            del pool.connector.exchanges[task]

    async def close(self) -> None:
        """Close the connections, also of what is under way. `send` refuses from now on."""
        self._is_closed = True
        here = os.getpid(), asyncio.get_running_loop()
        for key in list(self._pools):
            # What belongs to another process must not be touched, not even by its destructor.
            if key[0] == here[0]:
                pool = self._pools.pop(key)
                if key == here:
                    await pool.owner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        proxy = self._settings.proxy
        return (
            f"AiohttpTransport({str(self._settings.api_url)!r}"
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
        self._pools = {}
        self._is_closed = False

    async def _open_pool(self) -> "_Pool":
        if self._is_closed:
            raise ConnectFailedError("this transport is closed", transient=False)
        for key in list(self._pools):
            if key[1].is_closed():
                self._pools.pop(key, None)
        try:
            pool = _new_pool(self._settings, self._ssl_context)
        except Exception as error:
            raise ConnectFailedError(f"cannot connect: {error}", transient=False) from error
        self._pools[os.getpid(), asyncio.get_running_loop()] = pool
        await anext(pool.owner)
        return pool


class _Pool(msgspec.Struct):
    """The connections of one event loop in one process, and how to use them."""

    session: aiohttp.ClientSession
    connector: Connector
    owner: AsyncGenerator[None]
    timeout: aiohttp.ClientTimeout
    origin: URL
    prefix: str
    proxy: str | None
    proxy_headers: Mapping[str, str] | None


def _new_pool(settings: _Settings, context: ssl.SSLContext | None) -> _Pool:
    api_url = settings.api_url
    is_https = api_url.scheme == "https"
    proxy = settings.proxy or environment_proxy(api_url)
    if context is None and (is_https or proxy is not None):
        context = ssl.create_default_context()
    headers = {"User-Agent": settings.user_agent or default_user_agent()}
    if proxy is not None and not is_https:
        headers.update(proxy.headers)  # With https, these must not leave the CONNECT.
    connector = Connector(settings.pool_size, context)
    session = aiohttp.ClientSession(
        connector=connector,
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )
    return _Pool(
        session=session,
        connector=connector,
        owner=_owner(session, connector),
        timeout=_timeout(connect=settings.connect_timeout),
        origin=URL(api_url.origin),
        prefix=api_url.prefix,
        proxy=None if proxy is None else proxy.url,
        proxy_headers=None if proxy is None else proxy.headers,
    )


def _timeout(*, connect: float) -> aiohttp.ClientTimeout:
    """Give a connection so many seconds, without rounding them up. The rest has its own clock."""
    return aiohttp.ClientTimeout(total=None, connect=connect, ceil_threshold=math.inf)


async def _owner(session: aiohttp.ClientSession, connector: Connector) -> AsyncGenerator[None]:
    """Close a session in its own loop: when that ends, or when nobody holds this any more.

    An event loop does so for every asynchronous generator that has begun.
    """
    async with session:
        try:
            yield
        finally:
            connector.abort()
