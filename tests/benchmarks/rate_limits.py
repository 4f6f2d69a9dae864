"""How near a run comes to the shortest time that a rate limit allows. On a virtual clock.

The shortest time is that of a client which knows when its requests would be accepted.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, groupby, product, starmap
from operator import itemgetter
from typing import NamedTuple

from measure import Figure

from firecrawl_interact.adapters import RateLimit
from tests.core.limiters import (
    MINUTE,
    NO_WAIT,
    RATE_LIMITS,
    RIGHT_WAITS,
    WRONG_WAITS,
    Limited,
    Limiter,
    Load,
    Shared,
    run,
    shortest_time,
)

WAITS = {"right wait": RIGHT_WAITS, "too short": WRONG_WAITS, "no wait": NO_WAIT}
LIMITS = (10, 100, 500)
CHANGES = (
    # the limit, the one after it, and the second at which it changes
    (10, 40, 330),
    (10, 100, 330),
    (10, 100, 360),
    (100, 400, 215),
    (100, 1000, 215),
    (40, 10, 330),
    (100, 25, 170),
)


EVENLY_SPACED = (2.5, 2.5, 3.0)


class Case(NamedTuple):
    """A limiter, and how many times the shortest time a run may take under it, by `WAITS`."""

    kind: str
    name: str
    make: Callable[[], Limiter]
    most: tuple[float, float, float] = (1.15, 1.5, 1.3)
    sessions: tuple[int, ...] = (100, 600)


def _shared(limit: RateLimit, others: int, *, in_bursts: bool) -> Limiter:
    return Shared(Limited(limit), others, in_bursts=in_bursts)


def _cases_of(limit: int) -> Iterator[Case]:
    make: Callable[[], Limiter]
    for kind, of_kind in RATE_LIMITS.items():
        yield Case(kind, f"{limit}", partial(Limited, of_kind(limit)))
        half = partial(_shared, of_kind(limit), limit // 2)
        for how, most in (("evenly", (1.3, 1.5, 1.3)), ("in bursts", (1.8, 1.8, 1.8))):
            make = partial(half, in_bursts=how == "in bursts")
            yield Case(f"{kind}, half of it taken {how}", f"{limit}", make, most)
    aligned = RateLimit(limit, window="aligned")
    for second in (0, 1, 10):
        make = partial(Limited, aligned, second=second)
        yield Case("aligned window", f"{limit} from second {second}", make)
    burst = max(2, limit // 6)
    make = partial(Limited, RateLimit(limit, burst=burst))
    yield Case("bucket", f"{limit}, burst {burst}", make)
    make = partial(Limited, RateLimit(limit, burst=1))
    yield Case("bucket of burst 1", f"{limit}", make, EVENLY_SPACED)


def _cases_of_a_change(before: int, after: int, changes_at: float) -> Iterator[Case]:
    name = f"{before}, then {after}"
    for kind, of_kind in RATE_LIMITS.items():
        make = partial(Limited, of_kind(before), changes_at, of_kind(after))
        yield Case(f"{kind} that changes", name, make, sessions=(600,))
    make = partial(Limited, RateLimit(before, burst=1), changes_at, RateLimit(after, burst=1))
    yield Case("bucket of burst 1 that changes", name, make, EVENLY_SPACED, (600,))


def _rows(case: Case) -> Iterator[tuple[str, float, str, float]]:
    """Give what the table calls a row, its ratio to the shortest time, what it was, its limit."""
    for load in starmap(Load, product(case.sessions, (8, 64), (0.2, 5.0, 70.0))):
        shortest = shortest_time(case.make(), load)
        if shortest < load.latency + MINUTE / 2:  # The limit hardly matters.
            continue
        for (kind, waits), most in zip(WAITS.items(), case.most, strict=True):
            for wait, named_wait in waits.items():
                seconds = run(case.make(), load, named_wait).seconds
                what = (
                    f"limit {case.name}, {load.sessions} ids, {load.concurrency} at once, "
                    f"{load.latency:g} s each, wait {wait}: {seconds:.0f} s, "
                    f"shortest {shortest:.0f} s"
                )
                yield f"{case.kind}, {kind}", seconds / shortest, what, most


def to_the_shortest_time() -> Iterator[Figure]:
    """Give the worst of each kind of limiter and of wait that it names."""
    cases = chain(*map(_cases_of, LIMITS), *starmap(_cases_of_a_change, CHANGES))
    rows = sorted(row for case in cases for row in _rows(case))
    for kind, group in groupby(rows, key=itemgetter(0)):
        *others, (_, ratio, what, most) = group
        yield Figure(f"{kind}, worst of {len(others) + 1} ({what})", ratio, most)
