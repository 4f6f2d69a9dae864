"""The asynchronous transport: aiohttp, kept strict. It comes with the extra `aiohttp`."""

import asyncio
import math
import os
from collections.abc import AsyncGenerator, Mapping
from typing import Self, TypeAlias

import aiohttp
import msgspec
from yarl import URL

from firecrawl_interact.core.arguments import check_seconds
from firecrawl_interact.core.transport import MAX_BODY_BYTES, Request, Response, TransportError

from ..http.framing import MAX_LINE_BYTES
from ..http.settings import default_user_agent
from ..http.transport import HttpTransport
from ..system_time import AsyncSystemTime
from .connection import EXCHANGE, Connector
from .exchange import Exchange, redact


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


_Pools: TypeAlias = dict[tuple[int, asyncio.AbstractEventLoop], _Pool]
"""By process, so that a fork never shares a socket, and by event loop."""


class AiohttpTransport(HttpTransport, AsyncSystemTime):
    """Carries requests to one service with aiohttp, over connections that it keeps.

    Proxies and CAs of the environment hold for https: `HTTPS_PROXY`, `NO_PROXY`,
    `SSL_CERT_FILE`, `SSL_CERT_DIR`. Nothing else of it does: no netrc, no proxy for plain http.

    Safe to share among tasks and event loops, to pickle and to use after a fork: each loop of
    each process has connections of its own. They are closed with their loop at the latest.
    """

    async def send(self, request: Request, timeout: float) -> Response:
        """Carry one request within `timeout` seconds, as `Transport.send` says.

        Raises:
            TypeError, ValueError: `timeout` is no positive, finite number.
            TransportError: what went wrong on the way.
        """
        check_seconds("timeout", timeout)
        loop = asyncio.get_running_loop()
        pool = self._pools.get((os.getpid(), loop))
        if pool is None or not pool.connector.is_open:
            pool = await self._open_pool()
        exchange = Exchange(request.method)
        token = EXCHANGE.set(exchange)
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
            # The frames that it passed hold what came, which may be the key, sent back.
            raise error.with_traceback(None) from error.__cause__
        except Exception as error:
            raise exchange.failure(error) from redact(error)
        finally:
            exchange.end()
            clock.cancel()
            EXCHANGE.reset(token)

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

    def _set_up_pools(self, *, is_copy: bool) -> None:
        self._pools = _Pools()

    async def _open_pool(self) -> _Pool:
        self._check_open()
        for key in list(self._pools):
            if key[1].is_closed():
                self._pools.pop(key, None)
        pool = self._pools[os.getpid(), asyncio.get_running_loop()] = self._new_pool()
        await anext(pool.owner)
        return pool

    def _new_pool(self) -> _Pool:
        settings = self._settings
        proxy, context = self._find_way()
        headers = {"User-Agent": settings.user_agent or default_user_agent()}
        if proxy is not None and settings.api_url.scheme == "http":
            headers.update(proxy.headers)  # With https, these must not leave the CONNECT.
        connector = Connector(settings.pool_size, context)
        session = aiohttp.ClientSession(
            connector=connector,
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=MAX_BODY_BYTES,  # A body is handed over in one piece.
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
        )
        return _Pool(
            session=session,
            connector=connector,
            owner=_owner(session, connector),
            timeout=_timeout(connect=settings.connect_timeout),
            origin=URL(settings.api_url.origin),
            prefix=settings.api_url.prefix,
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
