"""What is claimed of runs over many sessions, and of blocks that end with `on_exit`."""

from collections.abc import Sequence

from ..simulation.world import Flaw

CLAIMS = {
    "one outcome": "Each id that was taken gets exactly one outcome, however the run ends.",
    "gone": "`GONE` is said only of a session that is gone.",
    "untouched": "`UNTOUCHED` is said only if no request of the run changed the session, or ever "
    "will.",
    "receipt": "A receipt is given only for a delete that the service confirmed, with its bill.",
    "one session": "Each request is the one DELETE of its session.",
    "attempts": "`attempts` counts each request that was sent for the session.",
    "requests": "A session never has two requests at a time, and none after its outcome. No more "
    "than `concurrency` are in flight, and none is sent in a pause that the service asked for.",
    "the end": "Once a run is stopped, left or ended, nothing is sent. Once it is left, nothing "
    "is in flight but what outlived `shutdown_timeout`, and no task is left.",
    "leaving": "Leaving takes no longer than the attempts in flight, or `shutdown_timeout`. What "
    "the transport needs to end a cancelled request, at most a second, and what the journal needs "
    "come on top.",
    "memory": "A run holds no more ids than its concurrency, and at least two. Once requests fail "
    "as in an outage, it may hold eight.",
    "raised": "A run raises what ended it early, and only that: what the ids raised, that the "
    "transport is faulty or no thread can start, or an outage or rate limit that outlasted the "
    "deadline.",
    "held back": "A rate limit costs no session, and neither does an outage that is shorter than "
    "the deadline, or a gateway that shows its own pages for so long after the service has "
    "responded once. Only the last one or two ids can fail, if an outage begins when no others are "
    "left.",
    "block": "A block with `on_exit` destroys its session however it ends, raises what the block "
    "raised, and adds a note that is true.",
    "journal": "The journal forgets no id while its session lives, and forgets each that is said "
    "to be gone. Whenever a process is killed, a sweep of its journal destroys all that was left.",
}


class ClaimBrokenError(AssertionError):
    """A claim does not hold, and how it can be seen again."""

    def __init__(self, what: str, replay: str, flaws: Sequence[Flaw]) -> None:
        self.claims = {flaw.claim for flaw in flaws}
        words = [CLAIMS[claim] for claim in sorted(self.claims)]
        lines = "\n".join([*words, *(f"    {flaw.what}" for flaw in flaws[:8])])
        super().__init__(f"{what} (to replay it: {replay})\n{lines}")
