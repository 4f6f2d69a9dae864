"""All that is sent and awaited to destroy one session, without any I/O.

A conversation is a generator. It returns the receipt or raises the error. Its driver does what it
yields:

- `Send`: send the request. Send the `Response` back, or throw the `TransportError`.
- `Wait`: wait for so many seconds. Send nothing back (`next`).
- `Failed`: an attempt has failed, and a retry may help. Send back whether it is held back. A single
  call sends False, or nothing.
"""

import logging
import math
import uuid
from collections.abc import Callable, Generator
from typing import TypeAlias

import msgspec

from . import wire
from .arguments import refuse_coroutine
from .errors import DeleteSessionError, ResponseError, UnreachableError, advice_on
from .headers import RequestHeaders
from .log import log
from .receipt import DeletionReceipt, SessionFate
from .retry import RetryPolicy
from .transport import Request, Response, TransportError


class Send(msgspec.Struct, frozen=True):
    """Send this request; its response must come within `timeout` seconds."""

    request: Request
    timeout: float


class Wait(msgspec.Struct, frozen=True):
    """Wait for so many seconds."""

    seconds: float


class Failed(msgspec.Struct, frozen=True):
    """An attempt has failed with an error that is `transient`.

    A run holds an attempt back that failed for the whole run's reasons: it does not count, and the
    next request is yielded at once. The run then decides when to send it.
    """

    error: DeleteSessionError
    is_last: bool
    """Whether the call ends with this error unless it is held back."""


Step: TypeAlias = Send | Wait | Failed
"""What a conversation yields."""
Conversation: TypeAlias = Generator[Step, Response | bool | None, DeletionReceipt]
"""What `converse` returns."""


def converse(  # noqa: PLR0913 - each is something that a driver says
    session_id: str | uuid.UUID,
    *,
    headers: RequestHeaders,
    retry: RetryPolicy,
    monotonic: Callable[[], float],
    random: Callable[[], float],
    attempts_before: int = 0,
) -> Conversation:
    """Destroy one session.

    Args:
        session_id: the id that the service gave when the session was opened.
        headers: from `request_headers`.
        retry: how many attempts, how long each may take, and how far apart they are.
        monotonic: the seconds that count against the deadline, from any start.
        random: gives a number from 0 to 1.
        attempts_before: requests of a delete that was interrupted. The policy counts none of them.

    Raises:
        InvalidSessionIdError: the id cannot be sent. Nothing is yielded.
        DeleteSessionError: what the last attempt met, with the least certain fate of all attempts.
        TypeError: the transport returned something other than a `Response`.
    """
    session_id = wire.checked_session_id(session_id, may_be_scrape=True)
    deadline = monotonic() + retry.deadline
    seconds_left = retry.deadline
    attempts = attempts_before
    counted = 1  # its number within `max_attempts`: one that is held back keeps it
    is_uncertain = attempts_before > 0
    stale_retried = False
    while True:
        attempts += 1
        _log_attempt(session_id, attempts, counted, retry.max_attempts)
        try:
            return (yield from _attempt(session_id, headers, retry, attempts, seconds_left))
        except DeleteSessionError as error:
            is_uncertain = _keep_uncertain(error, uncertain=is_uncertain)
            if not error.transient:
                raise
            pause = _pause_after(error, retry, counted, random, may_be_stale=not stale_retried)
            is_last = pause >= deadline - monotonic()
            if not (yield Failed(error, is_last)):
                if is_last:
                    raise
                yield from _back_off(error, pause)
                counted += 1
                stale_retried = stale_retried or pause == 0
            if (seconds_left := deadline - monotonic()) <= 0:  # The wait may have taken longer.
                raise


def _log_attempt(session_id: str, attempts: int, counted: int, most: int) -> None:
    extra = {"session_id": session_id, "attempt": attempts}
    text = "session %a: attempt %d of %d"
    log(logging.DEBUG, text, session_id, counted, most, extra=extra)


def _attempt(
    session_id: str, headers: RequestHeaders, retry: RetryPolicy, attempts: int, seconds_left: float
) -> Generator[Send, Response | bool | None, DeletionReceipt]:
    request = wire.request(session_id, headers)
    try:
        response = checked_response((yield Send(request, min(retry.attempt_timeout, seconds_left))))
    except TransportError as failure:
        # A name for the error would be a cycle: its traceback holds this frame.
        raise _no_response(failure, session_id, attempts) from failure
    return wire.parse_response(response, headers=headers, session_id=session_id, attempts=attempts)


def _no_response(failure: TransportError, session_id: str, attempts: int) -> UnreachableError:
    error = UnreachableError(
        str(failure) or type(failure).__name__,
        session_id=session_id,
        attempts=attempts,
        session_fate=SessionFate.UNKNOWN if failure.sent else SessionFate.UNTOUCHED,
        transient=failure.sent or failure.transient,
    )
    error.advice = advice_on(failure, error.advice)
    return error


def _keep_uncertain(error: DeleteSessionError, *, uncertain: bool) -> bool:
    """Let what an earlier attempt left unknown stay so. Return whether the fate is unknown now."""
    if uncertain and error.session_fate is SessionFate.UNTOUCHED:
        error.session_fate = SessionFate.UNKNOWN  # An earlier attempt may have reached it.
    return error.session_fate is SessionFate.UNKNOWN


def _pause_after(
    error: DeleteSessionError,
    retry: RetryPolicy,
    counted: int,
    random: Callable[[], float],
    *,
    may_be_stale: bool,
) -> float:
    """Return the seconds before the next attempt: 0 if it was stale, infinity if it is the last."""
    if counted == retry.max_attempts:
        return math.inf
    if may_be_stale and getattr(error.__cause__, "stale", False):
        return 0.0
    if isinstance(error, ResponseError) and error.retry_after:  # 0 s would use all attempts up.
        return error.retry_after
    return retry.pause(counted, random)


def _back_off(error: DeleteSessionError, pause: float) -> Generator[Wait, object, None]:
    """Log why the next attempt is made, and wait before it."""
    extra = {
        "session_id": error.session_id,
        "session_fate": error.session_fate,
        "attempt": error.attempts,
        "retry_in": pause,
    }
    text = "session %a: retry in %.1f s: %s"
    log(logging.WARNING, text, error.session_id, pause, error.args[0], extra=extra)
    if pause:
        yield Wait(pause)


def checked_response(response: object) -> Response:
    """Return the response. Anything else is a `TypeError`: the transport breaks the port."""
    if isinstance(response, Response):
        kind: type = type(response.body)  # No name for the body: it may hold the key.
        if issubclass(kind, bytes):
            return response
        returned = f"bytes as a body, and returned a {kind.__name__}"
        raise TypeError(f"the transport's send must return {returned}")
    refuse_coroutine(response, "the transport's send", "AsyncDeleteSession with this transport")
    returned = f"a Response, and returned a {type(response).__name__}"
    raise TypeError(f"the transport's send must return {returned}")
