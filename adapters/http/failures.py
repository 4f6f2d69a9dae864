"""What goes wrong on the way, in the port's words, and without what must not be shown."""

import ssl
import traceback
from typing import TypeVar

from firecrawl_interact.core.logger import logger
from firecrawl_interact.core.transport import ConnectFailedError, ConnectionLostError

_LASTING_TLS_REASONS = ("CERTIFICATE_VERIFY_FAILED", "HTTP_REQUEST", "WRONG_VERSION_NUMBER")
_ErrorT = TypeVar("_ErrorT", bound=BaseException)


def no_connection(to: str, error: BaseException, reason: str | None = None) -> ConnectFailedError:
    """Return the error of a connection that did not come about.

    Args:
        to: where it would have led.
        error: why there is none. A certificate that does not verify, and a port that speaks no
            TLS, will be the same at a retry.
        reason: the same in words, if they are not the error's own.
    """
    return ConnectFailedError(
        f"no connection to {to}: {reason or error}",
        transient=getattr(error, "reason", None) not in _LASTING_TLS_REASONS,
    )


def refused_tunnel(status: int) -> ConnectFailedError:
    """Return the error of a proxy that refuses CONNECT with this status, without its own words."""
    return ConnectFailedError(
        f"the proxy refused the tunnel: {status}",
        transient=status >= 500 or status in (408, 429),
    )


def lost_connection(
    error: BaseException | None, *, has_begun: bool, is_kept: bool
) -> ConnectionLostError:
    """Return the error of a connection that ended too soon.

    Args:
        error: what ended it, if it did not end in order.
        has_begun: whether a byte of the response came.
        is_kept: whether the connection carried a response before.
    """
    message = f"the connection ended before {'the whole' if has_begun else 'any'} response"
    if not isinstance(error, ssl.SSLError):
        return ConnectionLostError(message, stale=is_kept and not has_begun)
    if error.reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED":
        message = "the service requires a client certificate: pass an ssl_context that has one"
        return ConnectionLostError(message)
    return ConnectionLostError(f"{message}: {error}", stale=is_kept and not has_begun)


def drop_frames(error: _ErrorT, handled: BaseException | None) -> _ErrorT:
    """Drop the frames of an exception, and those of its causes and contexts. Return it.

    Libraries keep the key in local variables, which error trackers print. The place of the error
    is logged at DEBUG, as module and line, so that it is not lost.

    Args:
        error: what a library raised.
        handled: what the caller was handling before: it stays as it is, and so do its contexts.
    """
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
        pending += [one.__context__, one.__cause__]
        if isinstance(one, BaseExceptionGroup):
            pending += one.exceptions
    logger.debug("no response: %s", ", ".join(places))
    return error
