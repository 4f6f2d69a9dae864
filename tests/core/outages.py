"""Runs while the service is away for a while, or some ids fail for ever. On a virtual clock."""

import random
from collections.abc import Sequence
from typing import TypeVar

from firecrawl_interact.core import DeletionReceipt

from ..simulation.kinds import (
    BACKEND_404,
    BROKEN_GATEWAY,
    NO_CONNECTION,
    PAGES,
    SERVED,
    SILENCE,
    Kind,
)
from ..simulation.play import play
from ..simulation.watch import Scenario, Watch
from ..simulation.ways import Awaited, Way
from ..simulation.world import Outage, Weather, World

_T = TypeVar("_T")

IDS = 100

_OF_PAGES = ("a login page", "a redirect", "a 404 page", "a router's 404", "a gateway's 403")
FAULTS = {
    "refused": NO_CONNECTION,
    "502": BROKEN_GATEWAY,
    "silent": SILENCE,
    "backend": BACKEND_404,
    **dict(zip(_OF_PAGES, PAGES, strict=True)),
}


def ids(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def run_through(
    fault: str,
    seconds_away: float,
    latency: float,
    *,
    from_start: bool = False,
    way: type[Way] = Awaited,
) -> Watch:
    """Play a run through an outage, in which each request meets one of the `FAULTS`.

    A page must be the first that a run meets, `from_start`, for its address to look wrong.
    """
    kind = FAULTS[fault]
    begins = 2 * latency if kind.is_a_page and not from_start else 0.0
    outage = Outage(begins, begins + seconds_away, kind)
    scenario = Scenario(ids=ids(IDS), weather=Weather(seconds=[latency], outages=[outage]))
    return play(scenario, way, random.Random(2).choice)  # noqa: S311 - a schedule, no secret


def restart(fault: str, seconds_ragged: float, seconds_away: float, seed: int) -> Watch:
    """Play a run through a rolling restart: before and after the outage, half the requests fail."""
    chance = random.Random(seed)  # noqa: S311 - a schedule, no secret
    begins, worlds = chance.uniform(0.5, 1.5), list[World]()
    weather = Weather(kinds=[SERVED, FAULTS[fault].after(0.05)], seconds=[0.2])

    def choose(options: Sequence[_T], /) -> _T:
        if options is not weather.kinds:
            return chance.choice(options)
        since = worlds[0].clock.now() - begins
        if seconds_ragged <= since <= seconds_ragged + seconds_away:
            return options[1]
        is_ragged = 0 <= since <= 2 * seconds_ragged + seconds_away
        return options[is_ragged and chance.random() < 0.5]

    return play(Scenario(ids=ids(IDS), weather=weather), Awaited, choose, worlds.append)


def with_bad_ids(marks: str, kind: Kind, concurrency: int, way: type[Way]) -> Watch:
    """Play a run over ids of which each x fails for ever."""
    bad = {f"{number}": [kind] * 200 for number, mark in enumerate(marks) if mark == "x"}
    scenario = Scenario(
        ids=ids(len(marks)),
        meets=bad,
        fail_for_ever=bad.keys(),
        concurrency=concurrency,
        weather=Weather(seconds=[0.2]),
    )
    return play(scenario, way, random.Random(3).choice)  # noqa: S311 - a schedule, no secret


def destroyed(watch: Watch) -> int:
    return sum(isinstance(outcome, DeletionReceipt) for outcome in watch.outcomes)


def seconds_beyond(watch: Watch, seconds_away: float, latency: float) -> float:
    """Return the seconds that an outage cost beyond the time that cannot be saved."""
    return watch.over_at - latency * IDS / 8 - seconds_away
