"""The results of `send`: which are expected, and how an unexpected one is described."""

from typing import TypeAlias

import msgspec

from firecrawl_interact.core.transport import (
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    Response,
    TimedOutError,
    TransportError,
)

Result: TypeAlias = Response | TransportError
"""A result of `send`. An outcome is one of a use case."""

ERROR_KINDS = (ConnectFailedError, TimedOutError, ConnectionLostError, BadResponseError)


class Failure(msgspec.Struct, frozen=True):
    """One way in which a call may fail."""

    kind: type[TransportError]
    transient: bool | None = None
    """Whether a retry can help if nothing was sent; None: it does not matter."""
    stale: bool = False
    caused: bool = False
    """Whether an exception of the library must be its `__cause__`."""

    def __str__(self) -> str:
        marks = [self.kind.__name__]
        if self.transient is not None:
            marks.append("transient" if self.transient else "not transient")
        if self.stale:
            marks.append("stale")
        return ", ".join(marks)

    def matches(self, result: Result) -> bool:
        """Return whether a call failed in this way."""
        return (
            isinstance(result, self.kind)
            and self.transient in (None, result.transient)
            and getattr(result, "stale", False) == self.stale
        )


NOT_SENT = Failure(ConnectFailedError, transient=True, caused=True)
NOT_TRUSTED = Failure(ConnectFailedError, transient=False, caused=True)
CLOSED = Failure(ConnectFailedError, transient=False)
TIMED_OUT = Failure(TimedOutError)
LOST = Failure(ConnectionLostError)
RESET = Failure(ConnectionLostError, caused=True)
STALE = Failure(ConnectionLostError, stale=True)
BAD = Failure(BadResponseError)


def require_response(result: Result, call: str = "the call") -> Response:
    """Check that a call ended with a response, and return it."""
    if isinstance(result, Response):
        return result
    raise AssertionError(f"{call} ended in {describe(result)}")


def require(promise_is_kept: bool, seen: str) -> None:
    """Raise an AssertionError that says what was seen, unless the promise is kept."""
    if not promise_is_kept:
        raise AssertionError(seen)


def describe(result: object) -> str:
    """Describe a result of `send` in a few words."""
    if isinstance(result, Response):
        return f"a response with status {result.status} and {len(result.body)} bytes"
    text = f"{type(result).__name__}({str(result)[:200]!r})"
    if isinstance(result, ConnectFailedError):
        text += ", transient" if result.transient else ", not transient"
    return f"{text}, stale" if getattr(result, "stale", False) else text
