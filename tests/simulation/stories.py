"""Lists of sessions of which each has a story: what its requests meet, whenever they are sent."""

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from firecrawl_interact import DeletionReceipt

from . import kinds as k
from .play import play
from .watch import Scenario, Watch
from .ways import Way

Story: TypeAlias = Sequence[k.Kind]

FOR_EVER = 300
"""More failures than any run waits for."""


class Listing(NamedTuple):
    """What a run is given."""

    stories: Mapping[str, Story]  # by id, in order
    concurrency: int


def listing(stories: Sequence[Story], concurrency: int) -> Listing:
    """Return a list of these sessions, whose ids are UUIDs."""
    names = (f"0199a7c4-5d1e-7b60-9f3a-{number:012}" for number in itertools.count())
    return Listing(dict(zip(names, stories, strict=False)), concurrency)


def run(given: Listing, way: type[Way], seed: int = 1, **others: Any) -> Watch:
    """Play a list. `others`: what else a `Scenario` may have."""  # Any: as that has it
    scenario = Scenario(
        ids=[*given.stories], meets=given.stories, concurrency=given.concurrency, **others
    )
    return play(scenario, way, random.Random(seed).choice)  # noqa: S311 - a schedule, no secret


def deleted(watch: Watch) -> set[str]:
    """Return the ids that have a receipt."""
    return {one.session_id for one in watch.outcomes if isinstance(one, DeletionReceipt)}


def fails(kind: k.Kind, often: int = FOR_EVER, seconds: float = 0.2) -> Story:
    return [*[kind.after(seconds)] * often, *GOOD]


GOOD: Story = [k.SERVED.after(0.2)]
# Each starved a run once, or does without one of its rules.
LISTS = {
    "new ids overtake those that wait": listing([fails(k.STOPPING, 1, 30)] * 96, 8),
    "also one at a time": listing([fails(k.STOPPING, 1, 30)] * 30, 1),
    "no end of ids that fail at once": listing([fails(k.UNKNOWN_ERROR, 1, 0.0)] * 3_000, 8),
    "pages at the head fill the places": listing([fails(k.BROKEN_GATEWAY)] * 12 + [GOOD] * 60, 8),
    "lost ones do, too": listing([fails(k.LOST)] * 12 + [GOOD] * 60, 8),
    "lost ones at the head are many": listing([fails(k.LOST)] * 400 + [GOOD] * 60, 8),
    "and in between": listing([fails(k.LOST), *[GOOD] * 5] * 50, 8),
    "what was refused goes first": listing([fails(k.limited(2)), *[GOOD] * 39], 8),
    "no certificate is trusted": listing([fails(k.BAD_CERTIFICATE)] * 300, 8),
    "only bad ids are left": listing([GOOD] * 95 + [fails(k.LOST)] * 5, 8),
    "or those that Firecrawl reports": listing([GOOD] * 95 + [fails(k.STOPPING)] * 5, 8),
    "new ids take turns with lost ones": listing([fails(k.LOST)] * 60 + [GOOD] * 60, 8),
    "a failure that counts ends in time": listing(
        [fails(k.LOST)] * 2 + [fails(k.STOPPING, seconds=30)] * 15 + [GOOD] * 40, 1
    ),
}
