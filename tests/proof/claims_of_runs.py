"""What is claimed of runs over many sessions, and of blocks that end with `on_exit`."""

from collections.abc import Sequence

from ..simulation.world import Flaw
from .claims import ClaimBrokenError

CLAIMS = {
    "one outcome": "Each id that a run takes gets exactly one outcome, however the run ends.",
    "gone": "A run reports `GONE` only of a session that is gone.",
    "untouched": "It reports `UNTOUCHED` only if no request of the run has changed the session, "
    "or ever will.",
    "receipt": "It returns a receipt only for a delete that the service confirmed, with its bill.",
    "one session": "Each request is the one DELETE of its session.",
    "attempts": "`attempts` counts each request for the session.",
    "requests": "A session never has two requests at a time, and none after its outcome. A run "
    "has at most `concurrency` requests in flight, and sends none in a pause that the service "
    "asked for.",
    "the end": "A run that is stopped, left or ended sends nothing. Once you have left it, no "
    "task is left, and nothing is in flight except what outlived `shutdown_timeout`.",
    "leaving": "Leaving takes no longer than the attempts in flight, or `shutdown_timeout`, plus "
    "the time of the journal, and at most a second in which the transport ends a cancelled "
    "request.",
    "memory": "A run holds no more ids than its concurrency, or two if that is one. Once requests "
    "fail as in an outage, it may hold eight.",
    "raised": "A run raises only what ended it early: an error of your iterator, a faulty "
    "transport, a thread that cannot start, or an outage or rate limit that outlasted the "
    "deadline.",
    "held back": "No session fails because of a rate limit, of an outage shorter than the "
    "deadline, or of a gateway that shows its own pages for that long after the service has "
    "responded once. Only the last one or two ids can fail, if an outage begins when no others "
    "are left.",
    "block": "A block with `on_exit` destroys its session however the block ends, raises the "
    "block's exception, and adds a true note.",
    "journal": "A journal forgets no id while its session lives, and forgets each session that is "
    "reported gone. If a process is killed at any moment, a sweep of its journal destroys every "
    "session that it left.",
}


def refuse(flaws: Sequence[Flaw], what: str) -> None:
    """Refuse flaws of a run.

    Raises:
        ClaimBrokenError: there are some.
    """
    if flaws:
        shown_by = [flaw.what for flaw in flaws[:8]]
        raise ClaimBrokenError({flaw.claim for flaw in flaws}, CLAIMS, what, *shown_by)
