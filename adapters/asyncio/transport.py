"""The asynchronous transport: an `asyncio.Protocol`, and the parser of both transports."""

import asyncio
import os
import sys
from typing import Self, TypeAlias

from firecrawl_interact.core.retry import check_seconds
from firecrawl_interact.core.transport import Request, Response

from ..http.failures import leaving_failure
from ..http.transport import HttpTransport
from ..system_time import AsyncSystemTime
from .pool import Pool

_Place: TypeAlias = tuple[int, asyncio.AbstractEventLoop]
"""A process, since a fork must not share a socket, and an event loop."""


class AsyncioTransport(HttpTransport, AsyncSystemTime):
    """An `AsyncTransport` to one service, over asyncio alone and its keep-alive connections.

    For https it uses the proxies and CAs of the environment: `HTTPS_PROXY`, `NO_PROXY`,
    `SSL_CERT_FILE`, `SSL_CERT_DIR`. It uses no netrc, and no such proxy for plain http.

    An address that hangs costs a quarter of a second (Happy Eyeballs, RFC 8305), on each event
    loop.

    Safe to share among tasks and event loops, to pickle and to use after a fork: each loop of
    each process has its own connections. They are closed with their loop at the latest.
    """

    _pools: dict[_Place, Pool]

    async def send(self, request: Request, timeout: float) -> Response:
        """Send one request and return the response within `timeout` seconds.

        An exception of other code passes as it is, and the connection is closed: cancellation,
        what a signal's handler raises, and any class that is not Python's.

        Raises:
            TypeError, ValueError: `timeout` is no positive, finite number.
            TransportError: there is no response. `sent` tells whether the service may have acted.
            RuntimeError: no event loop of asyncio runs here.
        """
        check_seconds("timeout", timeout)
        here, handled = _this_place(), sys.exception()
        try:
            self._check_open()
            pool = self._pools.get(here) or await self._open_pool(here)
            parsed = await pool.exchange(request, timeout)
            return Response(parsed.status, parsed.headers, parsed.body)
        except BaseException as error:
            failure = leaving_failure(error, handled)
        raise failure

    async def aclose(self) -> None:
        """Close the connections, also those of calls under way in this event loop.

        Those of other event loops are closed when their calls end. From now on `send` raises a
        `ConnectFailedError` that is not transient.
        """
        self._is_closed = True
        here = _this_place()
        for place in list(self._pools):
            # Another process's pool must not be touched, not even by its destructor.
            if place[0] == here[0]:
                pool = self._pools.pop(place)
                pool.is_closed = True
                if place == here:
                    await pool.owner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def _open_pool(self, here: _Place) -> Pool:
        for place in list(self._pools):
            if place[0] == here[0] and place[1].is_closed():
                self._pools.pop(place, None)
        pool = self._pools[here] = Pool(self._settings, *self._find_way())
        await anext(pool.owner)
        return pool


def _this_place() -> _Place:
    try:
        return os.getpid(), asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "AsyncioTransport needs asyncio's event loop. Under another one, such as trio's, use"
            " Urllib3Transport in a thread"
        ) from None
