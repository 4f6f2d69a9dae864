"""Every schedule of a call that names a scrape: its claims are fewer, and weaker.

A scrape can have one session after another, and each DELETE ends one that is open. So the model
counts the sessions that are open, and whoever else there is may open one or end one at any time.
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from .claims import SESSION_ID
from .model import (
    FIRST_TIME,
    LOSSES,
    NAMED,
    NO_CONNECTION,
    ONCE_MORE,
    Seen,
    Statuses,
    failure,
    pages,
    receipt_of,
    row_of,
)
from .schedules import Model, alphabet

CLAIMS = {
    "gone": "A call reports GONE only if the last response says that the scrape has none now.",
    "untouched": "It reports UNTOUCHED only if no request of it has ended a session, or ever will.",
    "receipt": "It returns a receipt only for a delete that the service confirmed.",
    "one session": "Each of its requests is the one DELETE of this scrape.",
    "outcome": "Its outcome names the scrape, and counts all attempts.",
}
_MOST_OPEN = 2


class World(NamedTuple):
    """What is so, whether anybody sees it or not."""

    is_open: int  # sessions of the scrape
    has_had_one: bool
    ended: int = 0  # by requests of this call
    under_way: int = 0  # requests that may take effect later
    is_confirmed: bool = False  # whether the service has just said that it ended one, or knows none


AT_FIRST = (World(0, False), World(0, True), World(1, True), World(2, True))


def end_one(world: World) -> World:
    if not world.is_open:
        return world
    return world._replace(is_open=world.is_open - 1, ended=world.ended + 1)


def whatever(world: World) -> set[World]:
    """A request had no effect, or it had, or it will have."""
    return {world, end_one(world), world._replace(under_way=world.under_way + 1)}


def pass_time(world: World) -> Iterator[World]:
    """What may happen next, whoever does that."""
    if world.is_open < _MOST_OPEN:
        yield world._replace(is_open=world.is_open + 1, has_had_one=True)
    if world.is_open:
        yield world._replace(is_open=world.is_open - 1)
    if world.under_way:
        landed = world._replace(under_way=world.under_way - 1)
        yield from (landed, end_one(landed))


def send(world: World, statuses: Statuses) -> Iterator[tuple[Seen, set[World]]]:
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
    for page in pages(statuses):
        if page.status in (200, 404, 503):
            yield page, whatever(world)


MODEL = Model(
    f"scrape:{SESSION_ID}",
    send,
    [
        World(*so)
        for so in product(range(_MOST_OPEN + 1), (False, True), range(4), range(4), (False, True))
        if so[1] or not so[0]
    ],
    AT_FIRST,
    pass_time,
    is_gone=lambda world: world.is_confirmed,
    is_changed=lambda world: world.ended > 0,
    claims=CLAIMS,
)
ALPHABET = alphabet(NAMED, MODEL)
