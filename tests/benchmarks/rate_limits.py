"""How near a run comes to the shortest time that a rate limit allows. On a virtual clock.

The shortest time is that of a client which knows when its requests would be accepted.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby, product, starmap
from operator import itemgetter
from typing import NamedTuple

from measure import Figure

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
from tests.core.rate_limit_kinds import RateLimit

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
USUAL = (1.15, 1.5, 1.3)
EVENLY_SPACED = (2.5, 2.5, 3.0)
SPACED = "bucket of burst 1"
EVENLY_SHARED = (1.3, 1.5, 1.3)
SHARED_IN_BURSTS = (1.8, 1.8, 1.8)


class Case(NamedTuple):
    """A limiter, and how many times the shortest time a run may take under it, by `WAITS`."""

    kind: str
    name: str
    make: Callable[[], Limiter]
    most: tuple[float, float, float] = USUAL
    sessions: tuple[int, ...] = (100, 600)


def _shared(limit: RateLimit, others: int, *, in_bursts: bool) -> Limiter:
    return Shared(Limited(limit), others, in_bursts=in_bursts)


def _cases() -> Iterator[Case]:
    for limit, (kind, of_kind) in product(LIMITS, RATE_LIMITS.items()):
        yield Case(kind, f"{limit}", partial(Limited, of_kind(limit)))
        half, name = partial(_shared, of_kind(limit), limit // 2), f"{kind}, half of it taken"
        yield Case(f"{name} evenly", f"{limit}", partial(half, in_bursts=False), EVENLY_SHARED)
        yield Case(f"{name} in bursts", f"{limit}", partial(half, in_bursts=True), SHARED_IN_BURSTS)
    for limit, second in product(LIMITS, (0, 1, 10)):
        aligned = partial(Limited, RateLimit(limit, window="aligned"), second=second)
        yield Case("aligned window", f"{limit} from second {second}", aligned)
    for limit in LIMITS:
        burst = max(2, limit // 6)
        bucket = partial(Limited, RateLimit(limit, burst=burst))
        yield Case("bucket", f"{limit}, burst {burst}", bucket)
        bucket = partial(Limited, RateLimit(limit, burst=1))
        yield Case(SPACED, f"{limit}", bucket, EVENLY_SPACED)
    kinds: dict[str, Callable[[int], RateLimit]] = {**RATE_LIMITS}
    kinds[SPACED] = partial(RateLimit, burst=1)
    for (before, after, at), (kind, of_kind) in product(CHANGES, kinds.items()):
        changing = partial(Limited, of_kind(before), at, of_kind(after))
        most = EVENLY_SPACED if kind == SPACED else USUAL
        yield Case(f"{kind} that changes", f"{before}, then {after}", changing, most, (600,))


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
    rows = sorted(row for case in _cases() for row in _rows(case))
    for kind, group in groupby(rows, key=itemgetter(0)):
        *others, (_, ratio, what, most) = group
        yield Figure(f"{kind}, worst of {len(others) + 1} ({what})", ratio, most)
