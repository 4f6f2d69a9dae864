"""The results of `send`: which are expected, and what an unexpected one is and can cost."""

from enum import Enum
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


class Severity(Enum):
    """What a broken promise can cost, the worst first."""

    MAY_LOSE_SESSIONS = "a session may be lost or billed, or the key may leak"
    """The report may be wrong: a response of another call or half of one, "nothing was sent" about
    a request that was, a second request."""
    MAY_HANG = "a call may hang, or take memory or connections without end"
    """The report is true, but the other side decides when it comes or how much it costs."""
    STRICTNESS = "what is reported is true, but the port asks for more"
    """No danger: another kind of error that means the same for the session, a response that is
    refused although it is valid, a surplus connection."""


class BrokenPromiseError(AssertionError):
    """A promise is broken, with what was seen."""

    def __init__(self, seen: str, severity: Severity | None = None) -> None:
        super().__init__(seen)
        #: what it can cost, by what was seen; None within a case: it depends on what that is about
        self.severity: Severity | None = severity


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
    raise BrokenPromiseError(f"{call} ended in {describe(result)}", severity_of(result))


def require(promise_is_kept: bool, seen: str, severity: Severity | None = None) -> None:
    """Raise a `BrokenPromiseError` that says what was seen, unless the promise is kept.

    Args:
        promise_is_kept: whether it is.
        seen: what was seen, in a few words.
        severity: what that can cost, whatever the case is about; None: the case says it.
    """
    if not promise_is_kept:
        raise BrokenPromiseError(seen, severity)


def severity_of(unexpected: Result, *, was_sent: bool = True) -> Severity | None:
    """Return what an unexpected result can cost: None if that depends on the case.

    Args:
        unexpected: what `send` returned or raised.
        was_sent: whether the service may have acted.
    """
    if isinstance(unexpected, Response):
        return None
    # "Nothing was sent" about a request that went out makes the session's fate wrong. The other
    # errors say that it may have had its effect, which is true of every request.
    is_wrong = was_sent and not unexpected.sent
    return Severity.MAY_LOSE_SESSIONS if is_wrong else Severity.STRICTNESS


def describe(result: object) -> str:
    """Describe a result of `send` in a few words."""
    if isinstance(result, Response):
        return f"a response with status {result.status} and {len(result.body)} bytes"
    text = f"{type(result).__name__}({str(result)[:200]!r})"
    if isinstance(result, ConnectFailedError):
        text += ", transient" if result.transient else ", not transient"
    return f"{text}, stale" if getattr(result, "stale", False) else text
