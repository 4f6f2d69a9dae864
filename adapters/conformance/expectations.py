"""What may come out of `send`, and how it is described when something else came."""

import traceback
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
"""What comes out of `send`. An outcome is what comes out of a use case."""

KINDS = (ConnectFailedError, TimedOutError, ConnectionLostError, BadResponseError)

_LONGEST_MESSAGE = 1000


class Failure(msgspec.Struct, frozen=True):
    """One way in which a call may fail."""

    kind: type[TransportError]
    transient: bool | None = None
    """Whether a retry can help; None: either will do."""
    stale: bool = False
    caused: bool = False
    """Whether a library's own exception is behind it, and must be the cause."""

    def __str__(self) -> str:
        marks = [self.kind.__name__]
        if self.transient is not None:
            marks.append("transient" if self.transient else "not transient")
        if self.stale:
            marks.append("stale")
        return ", ".join(marks)

    def matches(self, result: Result) -> bool:
        """Say whether this is how it failed."""
        return (
            isinstance(result, self.kind)
            and self.transient in (None, result.transient)
            and getattr(result, "stale", False) == self.stale
        )


NOT_SENT = Failure(ConnectFailedError, transient=True, caused=True)
NOT_TRUSTED = Failure(ConnectFailedError, transient=False, caused=True)
CLOSED = Failure(ConnectFailedError, transient=False)
TIMED_OUT = Failure(TimedOutError, transient=True)
LOST = Failure(ConnectionLostError, transient=True)
RESET = Failure(ConnectionLostError, transient=True, caused=True)
STALE = Failure(ConnectionLostError, transient=True, stale=True)
BAD = Failure(BadResponseError, transient=True)
UNWANTED = Failure(BadResponseError)
BAD_OR_UNWANTED = Failure(BadResponseError)


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
    """Describe in a few words what came out of `send`."""
    if isinstance(result, Response):
        return f"a response with status {result.status} and {len(result.body)} bytes"
    text = f"{type(result).__name__}({str(result)[:200]!r})"
    if isinstance(result, TransportError):
        text += ", transient" if result.transient else ", not transient"
        text += ", stale" if getattr(result, "stale", False) else ""
    return text


def require_failure(result: Result, *expected: Failure, key: str, has_library: bool = True) -> None:
    """Check that a call failed in one of the ways expected.

    Args:
        result: what came out of `send`.
        expected: the ways in which it may fail.
        key: the credential, which no error may show.
        has_library: whether a library's exception must be behind a failure that is `caused`.
    """
    matching = [failure for failure in expected if failure.matches(result)]
    if isinstance(result, Response) or not matching:
        wanted = " or ".join(map(str, expected))
        raise AssertionError(f"instead of {wanted}: {describe(result)}")
    kinds = [kind for kind in KINDS if isinstance(result, kind)]
    require(len(kinds) == 1, f"an error of {len(kinds)} kinds at once: {describe(result)}")
    require(
        result.sent is kinds[0].sent,
        f"a {kinds[0].__name__} that says sent={result.sent}",
    )
    if has_library and all(failure.caused for failure in matching):
        require(result.__cause__ is not None, f"an error without its __cause__: {describe(result)}")
    require(
        0 < len(str(result)) <= _LONGEST_MESSAGE,
        f"a message of {len(str(result))} characters",
    )
    shown = "".join(traceback.format_exception(result))
    chain: list[BaseException] = [result]
    while error := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(error)
    shown += "".join(f"{error!r} {error} {error.args!r}" for error in chain)
    require(key not in shown, "the API key in the text of an error or of its causes")
