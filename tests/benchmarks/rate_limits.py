"""How near a run comes to the shortest time that a rate limit allows. On a virtual clock.

The shortest time is that of a client which knows when its requests would be accepted.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
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


class Case(NamedTuple):
    """A limiter, and how many times the shortest time a run may take under it, by `WAITS`."""

    kind: str
    name: str
    make: Callable[[], Limiter]
    most: tuple[float, float, float] = (1.15, 1.5, 1.3)
    sessions: tuple[int, ...] = (100, 600)


def _shared(limit: RateLimit, others: int, *, in_bursts: bool) -> Limiter:
    return Shared(Limited(limit), others, in_bursts=in_bursts)


def _cases() -> Iterator[Case]:
    evenly_spaced = (2.5, 2.5, 3.0)
    for limit in LIMITS:
        for kind, of_kind in RATE_LIMITS.items():
            yield Case(kind, f"{limit}", partial(Limited, of_kind(limit)))
            taken = "half of it taken"
            yield Case(
                f"{kind}, {taken} evenly",
                f"{limit}",
                partial(_shared, of_kind(limit), limit // 2, in_bursts=False),
                (1.3, 1.5, 1.3),
            )
            yield Case(
                f"{kind}, {taken} in bursts",
                f"{limit}",
                partial(_shared, of_kind(limit), limit // 2, in_bursts=True),
                (1.8, 1.8, 1.8),
            )
        for second in (0, 1, 10):
            name = f"{limit} from second {second}"
            aligned = RateLimit(limit, window="aligned")
            yield Case("aligned window", name, partial(Limited, aligned, second=second))
        burst = max(2, limit // 6)
        yield Case(
            "bucket", f"{limit}, burst {burst}", partial(Limited, RateLimit(limit, burst=burst))
        )
        spaced = partial(Limited, RateLimit(limit, burst=1))
        yield Case("bucket of burst 1", f"{limit}", spaced, evenly_spaced)
    for before, after, changes_at in CHANGES:
        name = f"{before}, then {after}"
        for kind, of_kind in RATE_LIMITS.items():
            changing = partial(Limited, of_kind(before), changes_at, of_kind(after))
            yield Case(f"{kind} that changes", name, changing, sessions=(600,))
        evenly = RateLimit(before, burst=1), changes_at, RateLimit(after, burst=1)
        changing = partial(Limited, *evenly)
        yield Case("bucket of burst 1 that changes", name, changing, evenly_spaced, (600,))


class Row(NamedTuple):
    ratio: float
    seconds: float
    shortest: float
    name: str
    most: float

    def __str__(self) -> str:
        return f"{self.name}: {self.seconds:.0f} s, shortest {self.shortest:.0f} s"


def _loads(case: Case) -> Iterator[Load]:
    for sessions in case.sessions:
        for concurrency in (8, 64):
            for latency in (0.2, 5.0, 70.0):
                yield Load(sessions, concurrency, latency)


def _rows() -> dict[str, list[Row]]:
    """Return the rows of all cases, by what the table calls them."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for case in _cases():
        for load in _loads(case):
            shortest = shortest_time(case.make(), load)
            if shortest < load.latency + MINUTE / 2:  # The limit hardly matters.
                continue
            for (kind, waits), most in zip(WAITS.items(), case.most, strict=True):
                for wait, named_wait in waits.items():
                    seconds = run(case.make(), load, named_wait).seconds
                    name = (
                        f"limit {case.name}, {load.sessions} ids, {load.concurrency} at once, "
                        f"{load.latency:g} s each, wait {wait}"
                    )
                    rows[f"{case.kind}, {kind}"].append(
                        Row(seconds / shortest, seconds, shortest, name, most)
                    )
    return rows


def to_the_shortest_time() -> list[Figure]:
    """Return the worst of each kind of limiter and of wait that it names."""
    return [
        Figure(f"{kind}, worst of {len(rows)} ({max(rows)})", max(rows).ratio, max(rows).most)
        for kind, rows in sorted(_rows().items())
    ]
