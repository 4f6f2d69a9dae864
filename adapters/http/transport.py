"""What the HTTP transports share: `HttpTransport`, and how failures become errors of the port."""

import os
import ssl
import sys
import traceback
from types import FrameType
from typing import Any

import msgspec

from firecrawl_interact.core.logger import logger
from firecrawl_interact.core.retry import check_count, check_seconds
from firecrawl_interact.core.transport import (
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    TimedOutError,
    TransportError,
)

from .framing import ResponseParser
from .settings import (
    ApiUrl,
    Proxy,
    check_ssl_context,
    check_user_agent,
    default_user_agent,
    environment_proxy,
    parse_api_url,
    parse_proxy,
)

LONGEST_IDLE = 30
"""Seconds after which a kept connection is not used again. Servers often close after 60."""

_LASTING_TLS_REASONS = ("CERTIFICATE_VERIFY_FAILED", "HTTP_REQUEST", "WRONG_VERSION_NUMBER")


class Settings(msgspec.Struct, frozen=True):
    """What the user passed, checked. A pickle of a transport holds nothing else."""

    api_url: ApiUrl
    pool_size: int
    connect_timeout: float
    proxy: Proxy | None
    user_agent: str


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
            ssl_context: instead of one that trusts the system's CAs. It must verify.
            proxy: `http[s]://[user:password@]host[:port]`, instead of the environment's
                `HTTPS_PROXY`. `NO_PROXY` lists the hosts that are reached without a proxy,
                separated by commas, or is `*` alone. A host includes its subdomains, and every
                port unless it names one. IPv6 addresses are in brackets. Networks (`10.0.0.0/8`)
                and patterns (`*.host`) are not supported.
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
        check_seconds("connect_timeout", connect_timeout)
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

    def _check_open(self) -> None:
        """Raise a `ConnectFailedError` if the transport is closed."""
        if self._is_closed:
            raise ConnectFailedError("this transport is closed", transient=False)

    def _find_way(self) -> tuple[Proxy | None, ssl.SSLContext | None]:
        """Return the proxy, if there is one, and the TLS context, if one is needed."""
        api_url, context, reason = self._settings.api_url, self._ssl_context, ""
        try:
            proxy = self._settings.proxy or environment_proxy(api_url)
            if context is None and (api_url.scheme == "https" or proxy is not None):
                context = ssl.create_default_context()
                if file := os.environ.get("SSL_CERT_FILE"):
                    reason = f"SSL_CERT_FILE is no file of certificates: {file}: "
                    context.load_verify_locations(file)  # OpenSSL ignores one that it cannot read.
        except Exception as error:
            raise ConnectFailedError(f"cannot connect: {reason}{error}", transient=False) from error
        return proxy, context


def no_connection(to: str, error: Exception) -> ConnectFailedError:
    """Return the error of a failed connect."""
    reason = "timed out" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    can_pass = getattr(error, "reason", None) not in _LASTING_TLS_REASONS
    return ConnectFailedError(f"no connection to {to}: {reason}", transient=can_pass)


def refused_tunnel(status: int) -> ConnectFailedError:
    """Return the error of a proxy that refuses CONNECT with this status. It quotes nothing."""
    can_pass = status >= 500 or status in (408, 429)
    return ConnectFailedError(f"the proxy refused the tunnel: {status}", transient=can_pass)


def no_whole_response(
    error: Exception | None, parser: ResponseParser | None, *, is_kept: bool
) -> TransportError:
    """Return the error of a request that may have reached the service.

    Args:
        error: what ended it; None if the other side closed the connection in order.
        parser: what parses the response, if one is due.
        is_kept: whether the connection was used for another response before.
    """
    failure: TransportError
    if isinstance(error, TimeoutError):
        failure = TimedOutError("no whole response came in time")
    elif getattr(error, "reason", None) == "TLSV13_ALERT_CERTIFICATE_REQUIRED":
        message = "the service requires a client certificate: pass an ssl_context that has one"
        failure = ConnectionLostError(message)
    else:
        has_begun = parser is not None and parser.has_begun
        message = f"the connection ended before {'the whole' if has_begun else 'any'} response"
        if isinstance(error, ssl.SSLError):
            message += f": {error}"
        failure = ConnectionLostError(message, stale=is_kept and not has_begun)
    failure.__cause__ = error
    return failure


def leaving_failure(error: BaseException, handled: BaseException | None) -> BaseException:
    """Return what `send` raises for an exception: a `TransportError`, or an interruption as it is.

    Its traceback and those of its causes are dropped: libraries keep the key in local variables,
    which error trackers print. The innermost place is logged at DEBUG. `handled` is what the
    caller was handling before: that exception and its contexts stay as they are.
    """
    failure = error
    if isinstance(error, Exception):  # Any other is an interruption.
        if (others := _raised_by_others(error, handled)) is not None:
            failure = others
        elif not isinstance(error, TransportError):
            failure = BadResponseError(f"the request failed: {type(error).__name__}")
            failure.__cause__ = error
    _drop_frames(error, handled)
    return failure


def _raised_by_others(error: BaseException, handled: BaseException | None) -> BaseException | None:
    """Find, in a chain of exceptions, one that other code raised in this thread.

    That is what a signal's handler raised, and any exception of a class that is neither Python's
    nor urllib3's.
    """
    one: BaseException | None = error
    while one is not None and one is not handled:
        package = type(one).__module__.partition(".")[0]
        if not (package == "urllib3" or isinstance(one, TransportError)) and (
            package not in sys.stdlib_module_names
            or any(_is_handler(frame) for frame, _ in traceback.walk_tb(one.__traceback__))
        ):
            return one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return None


def _is_handler(frame: FrameType) -> bool:
    """Return whether a frame is a signal's handler: Python passes it the interrupted frame."""
    interrupted = frame.f_back
    return interrupted is not None and any(
        part is interrupted
        for value in frame.f_locals.values()
        for part in (value if isinstance(value, tuple) else (value,))
    )


def _drop_frames(error: BaseException, handled: BaseException | None) -> None:
    places: list[str] = []
    pending: list[BaseException | None] = [error]
    seen = {id(handled)}
    while pending:
        one = pending.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        for frame, line in list(traceback.walk_tb(one.__traceback__))[-1:]:
            places.append(f"{type(one).__name__} at {frame.f_globals.get('__name__')}:{line}")
        one.__traceback__ = None
        pending += [one.__context__, one.__cause__, *getattr(one, "exceptions", ())]
    logger.debug("no response: %s", ", ".join(places))
