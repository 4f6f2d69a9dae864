"""The command's words: for an outcome, and for what came of them all. Nothing here prints.

What others wrote comes out escaped: none of it acts on a terminal.
"""

import math
import time

import msgspec

from firecrawl_interact.core import (
    DeletionReceipt,
    Outcome,
    Pause,
    RateLimitError,
    SessionFate,
    SessionNotFoundError,
    UnreachableError,
)

_MOST_CREDITS = 1e9
"""On one receipt. What is beyond it says nothing about a bill, and need not add up."""


class Progress:
    """What came of the sessions so far. Another thread may read it meanwhile."""

    def __init__(self) -> None:
        self.total: int | None = None  #: how many ids there are, if that is known
        self.stopping = False  #: whether nothing new is sent
        self.destroyed = 0
        self.not_found = 0
        self.failed = 0
        self.not_tried = 0
        self._credits: int | float = 0
        self._without_credits = 0
        self._began = time.monotonic()

    @property
    def done(self) -> int:
        """How many have ended."""
        return self.destroyed + self.not_found + self.failed + self.not_tried

    def add(self, outcome: Outcome) -> None:
        """Count one more."""
        if isinstance(outcome, DeletionReceipt):
            self.destroyed += 1
            billed = outcome.credits_billed
            if billed is None or abs(billed) > _MOST_CREDITS:
                self._without_credits += 1
            else:
                self._credits += billed
        elif isinstance(outcome, SessionNotFoundError):
            self.not_found += 1
        elif self.is_left(outcome):
            self.not_tried += 1
        else:
            self.failed += 1

    def is_left(self, outcome: Outcome) -> bool:
        """Tell whether the early end alone is why the session was not destroyed."""
        return self.stopping and (
            was_not_tried(outcome)
            or (
                isinstance(outcome, RateLimitError)
                and outcome.session_fate is SessionFate.UNTOUCHED
            )
        )

    def line(self, pause: Pause | None) -> str:
        """Say how it stands, and what holds everything back."""
        if self.stopping:
            now = "stopping; Ctrl-C quits at once"
        elif pause:
            now = f"{pause.reason}: waiting {clock(pause.seconds_left)}"
        else:
            now = clock(int(time.monotonic() - self._began))
        of_total = "" if self.total is None else f" of {self.total}"
        gone = self.destroyed + self.not_found
        return f"{self.done}{of_total}: {gone} gone, {self.failed} failed; {now}"

    def summary(self, *, skipped: int) -> list[str]:
        """Say in a few lines what came of them all."""
        others = {
            "not found": self.not_found,
            "failed": self.failed,
            "not tried": self.not_tried,
            "skipped (gone before)": skipped,
        }
        counts = [f", {count} {what}" for what, count in others.items() if count]
        lines = [f"{self.destroyed} destroyed{''.join(counts)}."]
        if self.destroyed:
            gave_none = (
                f" ({self._without_credits} gave no figure)" if self._without_credits else ""
            )
            lines.append(f"Credits on the receipts: {self._credits:.15g}{gave_none}.")
        return lines


def was_not_tried(outcome: Outcome) -> bool:
    """Tell whether the run was stopped before anything was sent for this id."""
    return isinstance(outcome, UnreachableError) and outcome.attempts == 0


def what_happened(outcome: Outcome) -> str:
    """Say in a word or two what came of a session."""
    if isinstance(outcome, DeletionReceipt):
        return "destroyed, had crashed" if outcome.status == "failed" else "destroyed"
    if isinstance(outcome, SessionNotFoundError):
        return "not found"
    if was_not_tried(outcome):
        return "not tried"
    return "untouched" if outcome.session_fate is SessionFate.UNTOUCHED else "unknown"


def bill(outcome: Outcome, *, unknown: str) -> tuple[str, str]:
    """Return the duration and the credits."""
    if not isinstance(outcome, DeletionReceipt):
        return unknown, unknown
    duration, credits_billed = outcome.session_duration_ms, outcome.credits_billed
    return (
        unknown if duration is None else _duration(duration),
        unknown if credits_billed is None else str(credits_billed),
    )


def plain_line(outcome: Outcome) -> str:
    """Say in one line what came of a session."""
    cells = [what_happened(outcome)]
    if isinstance(outcome, DeletionReceipt):
        duration, credits_billed = bill(outcome, unknown="unknown")
        cells += [f"duration {duration}", f"credits {credits_billed}"]
    if outcome.attempts:
        cells.append(f"attempts {outcome.attempts}")
    return f"{shown(outcome.session_id)} {', '.join(cells)}"


def fields(outcome: Outcome) -> dict[str, object]:
    """Return what JSON tells of an outcome."""
    fate = {"session_id": outcome.session_id, "session_fate": outcome.session_fate.value}
    if isinstance(outcome, DeletionReceipt):
        return fate | msgspec.structs.asdict(outcome)
    return {
        **fate,
        "error": type(outcome).__name__,
        "message": str(outcome),
        "transient": outcome.transient,
        "attempts": outcome.attempts,
        # What only a response has.
        **{
            name: getattr(outcome, name, None)
            for name in ("status", "code", "request_id", "retry_after")
        },
    }


def shown(session_id: str | None) -> str:
    """Return an id as it is, or quoted and escaped if it is an odd one."""
    session_id = session_id or ""
    if len(session_id) > 256:  # longer than any that can be sent
        session_id = f"{session_id[:253]}..."
    plain = session_id.isascii() and session_id.isprintable() and session_id
    return session_id if plain else ascii(session_id)


def clock(seconds: float) -> str:
    """Return minutes and seconds, such as 0:34."""
    minutes, seconds = divmod(math.ceil(seconds), 60)
    return f"{minutes}:{seconds:02}"


def _duration(milliseconds: int) -> str:
    seconds = milliseconds // 1000
    if not 0 <= seconds < 1_000_000:  # no session lives for so long, but a service may say so
        return f"{milliseconds}ms"
    if seconds < 60:
        return f"{milliseconds / 1000:.1f}s"
    if seconds < 3600:
        return f"{seconds // 60}m {seconds % 60:02}s"
    return f"{seconds // 3600}h {seconds % 3600 // 60:02}m"
