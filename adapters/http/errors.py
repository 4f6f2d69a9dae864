"""How the failures of an HTTP transport become errors of the port, without a secret in them."""

import logging
import ssl
import sys
import traceback
from types import FrameType

from firecrawl_interact.core.errors import ADVICE_ON_LASTING_TLS_FAILURES
from firecrawl_interact.core.log import log
from firecrawl_interact.core.transport import (
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    TimedOutError,
    TransportError,
)

from .framing import ResponseParser


def connect_error(to: str, error: Exception) -> ConnectFailedError:
    """Return the error of a failed connect."""
    reason = "timed out" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    can_pass = getattr(error, "reason", None) not in ADVICE_ON_LASTING_TLS_FAILURES
    return ConnectFailedError(f"no connection to {to}: {reason}", transient=can_pass)


def closed_error() -> ConnectFailedError:
    """Return the error of each call after the transport was closed."""
    return ConnectFailedError("this transport was used after it was closed", transient=False)


def response_error(
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
    else:
        has_begun = parser is not None and parser.has_begun
        message = f"the connection ended before {'the whole' if has_begun else 'any'} response"
        if isinstance(error, ssl.SSLError):
            message += f": {error}"
        failure = ConnectionLostError(message, stale=is_kept and not has_begun)
    failure.__cause__ = error
    return failure


def failure_to_raise(error: BaseException, handled: BaseException | None) -> BaseException:
    """Return what `send` raises for an exception: a `TransportError`, or the interruption itself.

    Its traceback and those of its causes are dropped: libraries keep the key in local variables,
    which error trackers print. Where each was raised is logged at DEBUG. `handled` is what the
    caller was handling before: that exception and its contexts stay as they are.
    """
    failure = error
    if isinstance(error, Exception):  # Any other is an interruption.
        if (interruption := _find_interruption(error, handled)) is not None:
            failure = interruption
        elif not isinstance(error, TransportError):
            failure = BadResponseError(f"the request failed: {type(error).__name__}")
            failure.__cause__ = error
    log(logging.DEBUG, "no response: %s", ", ".join(_drop_frames(error, handled)))
    return failure


def _find_interruption(error: BaseException, handled: BaseException | None) -> BaseException | None:
    """Find, in a chain of exceptions, one that other code raised in this thread."""
    link: BaseException | None = error
    while link is not None and link is not handled:
        if is_of_others(link):
            return link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return None


def is_of_others(error: BaseException) -> bool:
    """Return whether other code raised this.

    That is what a signal's handler raised, and any exception of a class that is neither Python's
    nor urllib3's nor the port's.
    """
    package = type(error).__module__.partition(".")[0]
    if package == "urllib3" or isinstance(error, TransportError):
        return False
    if package not in sys.stdlib_module_names:
        return True
    signal = sys.modules.get("signal")  # An import costs 0.7 ms, and fails while Python ends.
    if signal is None:  # So nobody set a handler.
        return False
    handlers = [signal.getsignal(number) for number in range(1, signal.NSIG)]
    codes = [getattr(handler, "__code__", None) for handler in handlers]
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(frame.f_code in codes or _holds_interrupted(frame) for frame in frames)


def _holds_interrupted(frame: FrameType) -> bool:
    """Return whether this is the frame of a signal's handler, which may be replaced by now.

    Python calls a handler from the frame that it interrupts, and passes that frame to it: in
    `def handle(number, interrupted): raise TimeLimitError`, a variable holds the calling frame.
    The variable may be a tuple: `def handle(*arguments)`.
    """
    interrupted = frame.f_back
    return interrupted is not None and any(
        part is interrupted
        for value in frame.f_locals.values()
        for part in (value if isinstance(value, tuple) else (value,))
    )


def _drop_frames(error: BaseException, handled: BaseException | None) -> list[str]:
    """Drop the tracebacks of an exception and of its causes. Return where each was raised."""
    raised: list[str] = []
    pending: list[BaseException | None] = [error]
    seen = {id(handled)}
    while pending:
        link = pending.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        for frame, line in list(traceback.walk_tb(link.__traceback__))[-1:]:
            raised.append(f"{type(link).__name__} at {frame.f_globals.get('__name__')}:{line}")
        link.__traceback__ = None
        pending += [link.__context__, link.__cause__]
        if isinstance(link, BaseExceptionGroup):
            pending += link.exceptions
    return raised
