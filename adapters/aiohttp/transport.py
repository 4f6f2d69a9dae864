"""The asynchronous transport: aiohttp, kept strict. It comes with the extra `aiohttp`."""

import asyncio
import math
import os
import ssl
import sys
from collections.abc import AsyncGenerator
from typing import Self, TypeAlias

import aiohttp
from yarl import URL

from firecrawl_interact.core.arguments import check_seconds
from firecrawl_interact.core.transport import MAX_BODY_BYTES, Request, Response, TransportError

from ..http.failures import drop_frames
from ..http.framing import MAX_LINE_BYTES
from ..http.settings import Proxy, default_user_agent
from ..http.transport import HttpTransport, Settings
from ..system_time import AsyncSystemTime
from .connection import EXCHANGE, Connector
from .exchange import Exchange, redact

_Place: TypeAlias = tuple[int, asyncio.AbstractEventLoop]
"""A process, for a fork must not share a socket, and an event loop."""


class AiohttpTransport(HttpTransport, AsyncSystemTime):
    """Carries requests to one service with aiohttp, over connections that it keeps. For asyncio.

    For https it uses the proxies and CAs of the environment: `HTTPS_PROXY`, `NO_PROXY`,
    `SSL_CERT_FILE`, `SSL_CERT_DIR`. It uses no netrc, and no such proxy for plain http.

    Safe to share among tasks and event loops, to pickle and to use after a fork: each loop of
    each process has connections of its own. They are closed with their loop at the latest.
    """

    async def send(self, request: Request, timeout: float) -> Response:
        """Carry one request within `timeout` seconds, as `Transport.send` says.

        Raises:
            TypeError, ValueError: `timeout` is no positive, finite number.
            TransportError: what went wrong on the way.
            RuntimeError: this is no event loop of asyncio.
        """
        check_seconds("timeout", timeout)
        pool = self._pools.get(_this_place())
        if pool is None or not pool.connector.is_open:
            pool = await self._open_pool()
        exchange = Exchange(request.method)
        token = EXCHANGE.set(exchange)
        handled = sys.exception()
        try:
            async with asyncio.timeout(timeout):
                return await exchange.read(
                    await pool.session.request(
                        request.method,
                        pool.origin.with_path(pool.prefix + request.path, encoded=True),
                        headers=request.headers,
                        allow_redirects=False,
                        proxy=pool.proxy,
                        proxy_headers=pool.proxy_headers,
                    )
                )
        except TransportError as error:
            raise drop_frames(error, handled) from error.__cause__
        except Exception as error:
            redact(error)
            raise exchange.failure(error) from drop_frames(error, handled)
        except BaseException as error:  # It was cancelled, or Ctrl-C.
            raise drop_frames(error, handled) from error.__cause__
        finally:
            exchange.end()
            EXCHANGE.reset(token)

    async def aclose(self) -> None:
        """Close the connections, also those of calls under way.

        From now on `send` raises a `ConnectFailedError` that is not transient.
        """
        self._is_closed = True
        here = _this_place()
        for place in list(self._pools):
            # What belongs to another process must not be touched, not even by its destructor.
            if place[0] == here[0]:
                pool = self._pools.pop(place)
                if place == here:
                    await pool.owner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def _set_up_pools(self) -> None:
        self._pools: dict[_Place, _Pool] = {}

    async def _open_pool(self) -> "_Pool":
        self._check_open()
        for place in list(self._pools):
            if place[1].is_closed():
                self._pools.pop(place, None)
        pool = self._pools[_this_place()] = _Pool(self._settings, *self._find_way())
        await anext(pool.owner)
        return pool


class _Pool:
    """The connections of one place, and how to use them."""

    def __init__(
        self, settings: Settings, proxy: Proxy | None, ssl_context: ssl.SSLContext | None
    ) -> None:
        headers = {"User-Agent": settings.user_agent or default_user_agent()}
        if proxy is not None and settings.api_url.scheme == "http":
            headers.update(proxy.headers)  # With https, these must not leave the CONNECT.
        self.connector = Connector(settings.pool_size, ssl_context)
        self.session = aiohttp.ClientSession(
            connector=self.connector,
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=MAX_BODY_BYTES,  # A body is handed over in one piece.
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            # Of connecting alone, and not rounded up. `send` has a clock of its own.
            timeout=aiohttp.ClientTimeout(
                total=None, connect=settings.connect_timeout, ceil_threshold=math.inf
            ),
        )
        self.owner = _own(self.session, self.connector)
        self.origin = URL(settings.api_url.origin)
        self.prefix = settings.api_url.prefix
        self.proxy = None if proxy is None else proxy.url
        self.proxy_headers = None if proxy is None else proxy.headers


async def _own(session: aiohttp.ClientSession, connector: Connector) -> AsyncGenerator[None]:
    """Close a session in its own loop: when that ends, or when nobody holds this any more.

    An event loop does so for every asynchronous generator that has begun.
    """
    async with session:
        try:
            yield
        finally:
            connector.abort()


def _this_place() -> _Place:
    try:
        return os.getpid(), asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "AiohttpTransport needs asyncio's event loop. Under another one, such as trio's, use"
            " Urllib3Transport in a thread"
        ) from None
