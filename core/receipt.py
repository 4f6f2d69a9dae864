"""What a deletion leaves behind: the receipt, and what is known about the session."""

import enum

import msgspec


class SessionFate(enum.Enum):
    """What is known about the session after the call."""

    GONE = "gone"
    """Nothing is left to bill."""
    UNTOUCHED = "untouched"
    """This call did nothing to it: if it was running, it still runs."""
    UNKNOWN = "unknown"
    """It may or may not live. Deleting it again is safe and shows whether it is gone."""


class DeletionReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """The service says that the session is destroyed. `msgspec.json.encode` writes it as JSON.

    A figure that the service did not give is None: a session destroyed before has no
    duration, and older servers give neither duration nor credits.
    """

    session_id: str
    session_duration_ms: int | None = None
    """How long the session lived, in milliseconds, rounded."""
    credits_billed: int | float | None = None
    """What it cost, in Firecrawl credits. After an earlier delete, 0 can mean "not known"."""
    status: str | None = None
    """The service's word: "stopped", or "failed" if the browser had crashed. Gone in both cases."""
    attempts: int = 1
    """How many requests this call took."""

    @property
    def session_fate(self) -> SessionFate:
        """Always `GONE`, so that receipts and errors can be read alike."""
        return SessionFate.GONE
