"""The default transport: urllib3, kept strict. `connection` says what that means."""

import os
import ssl
import sys
from http.client import HTTPException
from typing import Self, TypeAlias

import urllib3

from firecrawl_interact.core.arguments import check_seconds
from firecrawl_interact.core.transport import (
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    Request,
    Response,
    TimedOutError,
    TransportError,
)

from ..http.failures import drop_frames
from ..http.settings import default_user_agent
from ..http.transport import HttpTransport, Settings
from ..system_time import SystemTime
from .connection import POOL_CLASSES, REQUEST_TARGET, make_strict
from .urllib3_future import IS_URLLIB3_FUTURE, warn_of_urllib3_future

_LONGEST_TIMEOUT = 1_000_000
"""Seconds. poll(2) takes no more than 2**31 milliseconds, and Python refuses what is longer."""

_Pools: TypeAlias = dict[tuple[int, type], urllib3.HTTPConnectionPool]
"""By process, so that a fork never shares a socket, and by the connection class that urllib3
has at that time, so that a recorder such as vcrpy gets a pool of its own."""

_pools_of_copies: dict[Settings, _Pools] = {}
"""For transports that came by pickle: each task may bring one, and all can share connections."""


class Urllib3Transport(HttpTransport, SystemTime):
    """Carries requests to one service with urllib3, over connections that it keeps.

    For https it uses the proxies and CAs of the environment: `HTTPS_PROXY`, `NO_PROXY`,
    `SSL_CERT_FILE`, `SSL_CERT_DIR`. It uses no netrc, and no such proxy for plain http.

    Safe to share among threads, to pickle and to use after a fork. Copies that arrive in a
    process by pickle share their connections there, and closing one leaves them to the others.

    A `timeout` does not cut short the look-up of the service's name. The system's resolver ends
    that by itself, usually after 5 to 10 seconds (resolv.conf(5)).

    Where urllib3-future stands in urllib3's place, a `RuntimeWarning` says which promises do not
    hold.
    """

    def send(self, request: Request, timeout: float) -> Response:
        """Carry one request within `timeout` seconds, as `Transport.send` says.

        Raises:
            TypeError, ValueError: `timeout` is no positive, finite number.
            TransportError: what went wrong on the way.
        """
        check_seconds("timeout", timeout)
        settings = self._settings
        target = settings.api_url.prefix + request.path
        if settings.proxy is not None and settings.api_url.scheme == "http":
            target = settings.api_url.origin + target  # RFC 9112, 3.2.2
        clock = _OneClock(connect=settings.connect_timeout, total=min(timeout, _LONGEST_TIMEOUT))
        pool = self._get_pool()
        REQUEST_TARGET.set(target)
        handled = sys.exception()
        try:
            response = pool.urlopen(
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
            headers = {name.lower(): value for name, value in response.headers.itermerged()}
            return Response(response.status, headers, response.data)
        except TransportError as error:
            raise drop_frames(error, handled) from error.__cause__
        except Exception as error:
            raise _failure(error) from drop_frames(error, handled)
        except BaseException as error:  # Ctrl-C
            raise drop_frames(error, handled) from error.__cause__

    def close(self) -> None:
        """Close the kept connections. Calls under way end first.

        From now on `send` raises a `ConnectFailedError` that is not transient.
        """
        self._is_closed = True
        if self._owns_pools:
            for (process, _), pool in list(self._pools.items()):
                if process == os.getpid():
                    pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _set_up_pools(self, *, is_copy: bool) -> None:
        self._owns_pools = not is_copy
        self._pools = _pools_of_copies.setdefault(self._settings, {}) if is_copy else _Pools()
        if not is_copy:
            warn_of_urllib3_future()

    def _get_pool(self) -> urllib3.HTTPConnectionPool:
        self._check_open()
        is_https = self._settings.api_url.scheme == "https"
        pool_class = urllib3.HTTPSConnectionPool if is_https else urllib3.HTTPConnectionPool
        key = os.getpid(), pool_class.ConnectionCls
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools.setdefault(key, self._new_pool())  # Threads may race here.
        return pool

    def _new_pool(self) -> urllib3.HTTPConnectionPool:
        api_url, pool_size = self._settings.api_url, self._settings.pool_size
        proxy, context = self._find_way()
        manager: urllib3.PoolManager
        if proxy is None:
            manager = urllib3.PoolManager(maxsize=pool_size, ssl_context=context)
        else:
            manager = urllib3.ProxyManager(
                proxy.url,
                proxy_headers=proxy.headers,
                proxy_ssl_context=context,
                maxsize=pool_size,
                ssl_context=context,
            )
        if not IS_URLLIB3_FUTURE:
            manager.pool_classes_by_scheme = POOL_CLASSES
        pool = manager.connection_from_host(api_url.host, api_url.port, api_url.scheme)
        if not IS_URLLIB3_FUTURE:
            make_strict(pool)
        return pool


def _failure(error: Exception) -> TransportError:
    """Say in the port's words what connections other than ours raise, such as a recorder's."""
    if isinstance(
        error, urllib3.exceptions.ClosedPoolError | urllib3.exceptions.ConnectTimeoutError
    ):
        return ConnectFailedError(f"no connection: {error}")
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return TimedOutError("no whole response came in time")
    if isinstance(next(iter(error.args), None), ssl.SSLCertVerificationError):
        return ConnectFailedError(f"no connection: {error}", transient=False)
    if isinstance(error, urllib3.exceptions.HTTPError | HTTPException | OSError):
        return ConnectionLostError(f"the connection broke: {type(error).__name__}")
    return BadResponseError(f"the request failed: {type(error).__name__}")


class _OneClock(urllib3.Timeout):
    """A timeout that starts now. urllib3's own starts anew once a proxy's tunnel stands."""

    def __init__(self, *, connect: float, total: float) -> None:
        super().__init__(connect=connect, total=total)
        self._started = super().start_connect()

    def start_connect(self) -> float:
        return self._started

    def clone(self) -> Self:
        return self
