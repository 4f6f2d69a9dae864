"""The default transport: urllib3, with the strict connections of `connection`."""

import os
import sys
from typing import Any, Self

import urllib3

from firecrawl_interact.core.arguments import check_seconds
from firecrawl_interact.core.transport import (
    ConnectFailedError,
    ConnectionLostError,
    Request,
    Response,
    TimedOutError,
)

from ..http.connection import LONGEST_TIMEOUT
from ..http.errors import closed_error, failure_to_raise
from ..http.transport import HttpTransport
from ..system_time import SystemTime
from .connection import ATTEMPT, POOL_CLASSES, Attempt

_NO_RETRY = urllib3.Retry(total=False, redirect=False)


class Urllib3Transport(HttpTransport, SystemTime):
    """A blocking `Transport` to one service, over urllib3 and its keep-alive connections.

    Safe to share among threads, to pickle and to use after a fork: each copy, and each process,
    has its own connections.

    It connects to the addresses of a name in the system's order, without Happy Eyeballs (RFC 8305):
    each gets an equal share of the rest of `connect_timeout`. A `timeout` does not interrupt the
    DNS lookup. The system's resolver ends that, usually after 5 to 10 seconds (resolv.conf(5)).
    """

    _pools: dict[int, urllib3.HTTPConnectionPool]  # by process: a fork shares none

    def send(self, request: Request, timeout: float) -> Response:
        """Send one request and return the response within `timeout` seconds.

        An exception of other code passes as it is, and the connection is closed: Ctrl-C, what a
        signal's handler raises, and any class that is neither Python's nor urllib3's.

        Raises:
            TypeError, ValueError: `timeout` is not a positive, finite number.
            TransportError: there is no response. `sent` tells whether the service may have acted.
        """
        check_seconds("timeout", timeout)
        settings, handled = self._settings, sys.exception()
        attempt = Attempt(settings, request, timeout)
        token = ATTEMPT.set(attempt)
        try:
            try:
                response = self._get_pool().urlopen(
                    request.method,
                    attempt.target,
                    headers={"User-Agent": settings.user_agent, **request.headers},
                    retries=_NO_RETRY,
                    redirect=False,
                    assert_same_host=False,
                    timeout=urllib3.Timeout(
                        connect=settings.connect_timeout, total=min(timeout, LONGEST_TIMEOUT)
                    ),
                    decode_content=False,
                )
                headers = {name.lower(): value for name, value in response.headers.itermerged()}
                return Response(response.status, headers, response.data)
            except BaseException as error:
                failure = failure_to_raise(
                    _known_failure(error, may_be_sent=attempt.may_be_sent), handled
                )
            finally:
                ATTEMPT.reset(token)
        except BaseException as interruption:  # It came while a failure was handled.
            failure = failure_to_raise(interruption, handled)
        try:
            raise failure
        finally:
            del failure  # It holds this frame: nothing but the garbage collector would free both.

    def close(self) -> None:
        """Close the idle connections at once, and the others when their calls end.

        From now on `send` raises a `ConnectFailedError` that is not transient.
        """
        self._is_closed = True
        pool = self._pools.get(os.getpid())
        if pool is not None:
            pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _get_pool(self) -> urllib3.HTTPConnectionPool:
        process = os.getpid()
        # Threads may race here.
        pool = self._pools.get(process) or self._pools.setdefault(process, self._new_pool())
        if self._is_closed:  # Only now: `close` may not have seen a pool made meanwhile.
            raise closed_error()
        return pool

    def _new_pool(self) -> urllib3.HTTPConnectionPool:
        api_url, (proxy, context) = self._settings.api_url, self._find_way()
        options: dict[str, Any] = {"maxsize": self._settings.pool_size, "ssl_context": context}
        if proxy is None:
            manager = urllib3.PoolManager(**options)
        else:
            options |= {"proxy_headers": proxy.headers, "proxy_ssl_context": context}
            manager = urllib3.ProxyManager(proxy.url, **options)
        manager.pool_classes_by_scheme = POOL_CLASSES
        return manager.connection_from_host(api_url.host, api_url.port, api_url.scheme)


def _known_failure(error: BaseException, *, may_be_sent: bool) -> BaseException:
    """Return the port's error for what urllib3, or a patch of it, raises."""
    known = error
    if isinstance(error, urllib3.exceptions.ClosedPoolError):
        known = closed_error()
    elif isinstance(error, urllib3.exceptions.ReadTimeoutError):  # The time was over already.
        known = TimedOutError("no whole response came in time")
    # A patched `urlopen` may connect anew after a request went out; urllib3 alone does not.
    if isinstance(known, ConnectFailedError) and may_be_sent:
        known = ConnectionLostError("the request was lost, and a retry around urllib3 failed")
    if known is not error:
        known.__cause__ = error
    return known
