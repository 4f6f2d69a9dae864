"""How near a run comes to the shortest time that a rate limit allows. On a virtual clock.

The shortest time is that of a client which knows when its requests would be accepted.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from measure import Figure

from tests.core.limiters import (
    MINUTE,
    NO_WAIT,
    RIGHT_WAITS,
    WRONG_WAITS,
    AdjustableLimiter,
    Changing,
    FixedWindow,
    Limiter,
    Load,
    Shared,
    SlidingWindow,
    TokenBucket,
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


def _limiters(limit: int) -> dict[str, Callable[[], AdjustableLimiter]]:
    """Return one limiter of each kind but that of burst 1."""
    return {
        "fixed window": partial(FixedWindow, limit),
        "aligned window": partial(FixedWindow, limit, 40),
        "sliding window": partial(SlidingWindow, limit),
        "bucket": partial(TokenBucket, limit, limit),
    }


def _shared(make: Callable[[], Limiter], others: int, *, in_bursts: bool) -> Limiter:
    return Shared(make(), others, in_bursts=in_bursts)


def _changing(make: Callable[[], AdjustableLimiter], changes_at: float, limit: int) -> Limiter:
    return Changing(make(), changes_at, limit)


def _cases() -> Iterator[Case]:
    evenly_spaced = (2.5, 2.5, 3.0)
    for limit in LIMITS:
        for kind, make in _limiters(limit).items():
            yield Case(kind, f"{limit}", make)
            taken = "half of it taken"
            yield Case(
                f"{kind}, {taken} evenly",
                f"{limit}",
                partial(_shared, make, limit // 2, in_bursts=False),
                (1.3, 1.5, 1.3),
            )
            yield Case(
                f"{kind}, {taken} in bursts",
                f"{limit}",
                partial(_shared, make, limit // 2, in_bursts=True),
                (1.8, 1.8, 1.8),
            )
        for second in (0, 1, 10):
            name = f"{limit} from second {second}"
            yield Case("aligned window", name, partial(FixedWindow, limit, second))
        burst = max(2, limit // 6)
        yield Case("bucket", f"{limit}, burst {burst}", partial(TokenBucket, limit, burst))
        make = partial(TokenBucket, limit, 1)
        yield Case("bucket of burst 1", f"{limit}", make, evenly_spaced)
    for before, after, changes_at in CHANGES:
        name = f"{before}, then {after}"
        for kind, make in _limiters(before).items():
            changing = partial(_changing, make, changes_at, after)
            yield Case(f"{kind} that changes", name, changing, sessions=(600,))
        changing = partial(_changing, partial(TokenBucket, before, 1), changes_at, after)
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
