"""What is claimed of runs over many sessions."""

from collections.abc import Sequence

from ..simulation.world import Flaw
from .claims import ClaimBrokenError

CLAIMS = {
    "one outcome": "Each id that a run takes gets one outcome, and `on_outcome` gets it once.",
    "gone": "A run reports GONE only of a session that is gone.",
    "untouched": "It reports UNTOUCHED only if no request of it changed the session, or ever will.",
    "receipt": "It returns a receipt only for a delete that the service confirmed, with its bill.",
    "one session": "Each request is the one DELETE of its session.",
    "attempts": "`attempts` counts each request for the session.",
    "requests": "A session has one request at a time, none after its outcome or in a pause.",
    "the end": "A run that is stopped, left or ended sends nothing, and leaves no task behind.",
    "leaving": "Leaving takes no longer than the attempts in flight, or `shutdown_timeout`.",
    "memory": "A thousand ids at most, or four times the concurrency, have no outcome yet.",
    "raised": "A run raises only what ended it early.",
    "held back": "No session fails because of a rate limit or an outage shorter than the deadline.",
    "journal": "A journal forgets no id while its session lives.",
}


def refuse(flaws: Sequence[Flaw], what: str) -> None:
    """Raise a `ClaimBrokenError` if a run has flaws."""
    if flaws:
        shown_by = [flaw.what for flaw in flaws[:8]]
        raise ClaimBrokenError({flaw.claim for flaw in flaws}, CLAIMS, what, *shown_by)
