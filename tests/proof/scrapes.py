"""Every schedule of a call that names a scrape: its claims are fewer, and weaker.

A scrape can have one session after another, and each DELETE ends one that is open. So the model
counts the sessions that are open, and whoever else there is may open one or end one at any time.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from firecrawl_interact.core import RetryPolicy

from .claims import SESSION_ID, Attempt, ClaimBrokenError, Moment
from .figures import claims_of
from .model import (
    FIRST_TIME,
    LOSSES,
    NAMED,
    NO_CONNECTION,
    ONCE_MORE,
    Response,
    Seen,
    failure,
    pages,
    receipt_of,
    row_of,
)
from .schedules import meets_of, play

CLAIMS = claims_of(
    "What is claimed of a scrape",
    {
        "gone": "has ended a session of the scrape, or knows of none that is open",
        "untouched": "only if no request of this call has ended a session of the scrape",
        "receipt": "a receipt only for a delete that the service confirmed",
        "one scrape": "the one DELETE of this scrape",
        "outcome": "names the scrape",
    },
)
SCRAPE = f"scrape:{SESSION_ID}"
_PATH = f"/v2/scrape/{SESSION_ID}/interact"
_MOST_OPEN = 2


class World(NamedTuple):
    """What is so, whether anybody sees it or not."""

    is_open: int  # sessions of the scrape
    has_had_one: bool
    ended: int = 0  # by requests of this call
    under_way: int = 0  # requests that may take effect later
    is_confirmed: bool = False  # whether the service has just said that it ended one, or knows none


AT_FIRST = frozenset({World(0, False), World(0, True), World(1, True), World(2, True)})


def end_one(world: World) -> World:
    if not world.is_open:
        return world
    return world._replace(is_open=world.is_open - 1, ended=world.ended + 1)


def whatever(world: World) -> set[World]:
    """A request had no effect, or it had, or it will have."""
    return {world, end_one(world), world._replace(under_way=world.under_way + 1)}


def meanwhile(worlds: frozenset[World]) -> frozenset[World]:
    """All that time may bring between two attempts, or after the last one."""
    reached, new = set[World](), set(worlds)
    while new:
        reached |= new
        steps = set[World]()
        for world in new:
            if world.is_open < _MOST_OPEN:
                steps.add(world._replace(is_open=world.is_open + 1, has_had_one=True))
            if world.is_open:
                steps.add(world._replace(is_open=world.is_open - 1))
            if world.under_way:
                landed = world._replace(under_way=world.under_way - 1)
                steps |= {landed, end_one(landed)}
        new = steps - reached
    return frozenset(reached)


def send(world: World) -> Iterator[tuple[Seen, set[World]]]:
    """All that may become of one request, and what its sender sees."""
    world = world._replace(is_confirmed=False)
    for fault in NO_CONNECTION:
        yield fault, {world}
    confirmed = end_one(world)._replace(is_confirmed=True)
    if world.has_had_one:
        for content in FIRST_TIME if world.is_open else ONCE_MORE:
            yield receipt_of(content), {confirmed}
    else:
        yield failure("SessionNotFoundError", 404, "Browser session not found."), {confirmed}
    yield failure("RateLimitError", 429, "Please retry after 7s, resets", named_wait=7.5), {world}
    for status in (400, 401, 403):
        yield failure(row_of(status), status, "Refused."), {world}
    for status in (404, 502):
        words = "Hangar request failed."
        yield failure("ServiceUnavailableError", status, words), whatever(world)
    for fault in LOSSES:
        yield fault, whatever(world)
    for page in pages(NAMED):
        if page.status in (200, 404, 503):
            yield page, whatever(world)


def _alphabet() -> dict[Seen, dict[World, set[World]]]:
    alphabet: dict[Seen, dict[World, set[World]]] = {}
    counts = range(_MOST_OPEN + 1)
    for so in product(counts, (False, True), range(4), range(4), (False, True)):
        if so[0] and not so[1]:
            continue
        for seen, worlds in send(World(*so)):
            alphabet.setdefault(seen, {}).setdefault(World(*so), set()).update(worlds)
    return alphabet


def check_every_schedule_of_a_scrape(attempts: int) -> int:
    """Play each schedule of so many attempts, and hold each claim against it.

    Returns:
        How many calls were played.
    """
    alphabet, policy, played = _alphabet(), RetryPolicy(max_attempts=attempts), 0
    going_on: list[tuple[tuple[Moment, ...], frozenset[World]]] = [((), AT_FIRST)]
    while going_on:
        start, before = going_on.pop()
        for seen, ways in alphabet.items():
            after = frozenset[World]().union(*(ways.get(world, ()) for world in before))
            if not after:
                continue
            schedule = (*start, Moment(seen, 1.0))
            call = play(policy, meets_of(schedule), session_id=SCRAPE)
            if call.outcome is None:
                going_on.append((schedule, meanwhile(after)))
                continue
            played += 1
            broken = set(_broken(call.attempts, call.outcome, schedule, after))
            if broken:
                raise ClaimBrokenError(broken, CLAIMS, *map(str, schedule), str(call))
    return played


def _broken(
    attempts: Sequence[Attempt],
    outcome: object,
    schedule: Sequence[Moment],
    after: frozenset[World],
) -> Iterator[str]:
    fate = getattr(getattr(outcome, "session_fate", None), "name", None)
    last = schedule[-1].seen
    if fate == "GONE" and not all(world.is_confirmed for world in after):
        yield "gone"
    if fate == "UNTOUCHED" and any(world.ended for world in meanwhile(after)):
        yield "untouched"
    is_receipt = type(outcome).__name__ == "DeletionReceipt"
    if is_receipt and not (isinstance(last, Response) and last.row == "DeletionReceipt"):
        yield "receipt"
    if any(attempt.request != ("DELETE", _PATH) for attempt in attempts):
        yield "one scrape"
    counted = getattr(outcome, "attempts", None)
    if getattr(outcome, "session_id", None) != SCRAPE or counted != len(schedule):
        yield "outcome"
