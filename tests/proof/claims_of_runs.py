"""What is claimed of runs over many sessions, and of blocks with `on_exit` or `opening`."""

from collections.abc import Sequence

from ..simulation.world import Flaw
from .claims import ClaimBrokenError
from .figures import claims_of

CLAIMS = claims_of(
    "Whole runs",
    {
        "one outcome": "exactly one outcome",
        "gone": "only of a session that is gone",
        "untouched": "only if no request of the run has changed the session",
        "receipt": "a receipt only for a delete that the service confirmed",
        "one session": "the one DELETE of its session",
        "attempts": "counts each request",
        "requests": "never has two requests at a time",
        "the end": "stopped, left or ended sends nothing",
        "leaving": "Leaving takes no longer",
        "memory": "holds no more ids than its concurrency",
        "raised": "raises only what ended it early",
        "held back": "No session fails because of a rate limit",
        "others": "No good id is given up because of others",
        "slow": "A slow reader costs no session its deadline",
        "block": "destroys its session however the block ends",
        "told": "tells its outcome once",
        "journal": "forgets no id while its session lives",
    },
)


def refuse(flaws: Sequence[Flaw], what: str) -> None:
    """Raise a `ClaimBrokenError` if a run has flaws."""
    if flaws:
        shown_by = [flaw.what for flaw in flaws[:8]]
        raise ClaimBrokenError({flaw.claim for flaw in flaws}, CLAIMS, what, *shown_by)
