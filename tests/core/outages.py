"""Runs of 400 ids, 8 at once, while the service is away for a while. On a virtual clock."""

import random

from firecrawl_interact.core import DeletionReceipt

from ..simulation.kinds import BACKEND_404, BROKEN_GATEWAY, NO_CONNECTION, PAGES, SILENCE
from ..simulation.play import play
from ..simulation.watch import Scenario, Watch
from ..simulation.ways import Awaited, Way
from ..simulation.world import Outage, Weather

IDS = 400

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


def destroyed(watch: Watch) -> int:
    return sum(isinstance(outcome, DeletionReceipt) for outcome in watch.outcomes)


def seconds_beyond(watch: Watch, seconds_away: float, latency: float) -> float:
    """Return the seconds that an outage cost beyond the time that cannot be saved."""
    return watch.over_at - latency * IDS / 8 - seconds_away
