"""Runs that are written down: they show what seeds seldom meet."""

from collections.abc import Sequence

from firecrawl_interact.core import RetryPolicy

from ..simulation import kinds
from ..simulation.play import play
from ..simulation.watch import Scenario, Step
from ..simulation.ways import Awaited, Blocking, Way
from ..simulation.world import Outage, Weather
from .claims_of_runs import refuse

WAYS: Sequence[type[Way]] = (Blocking, Awaited)


def ids(count: int) -> list[str]:
    return [f"id-{number}" for number in range(count)]


SCENARIOS = {
    "an outage longer than two attempts": Scenario(
        ids=ids(10),
        concurrency=2,
        retry=RetryPolicy(max_attempts=2),
        is_only_held_back=True,
        weather=Weather(outages=[Outage(3.5, 203.5, kinds.NO_CONNECTION)]),
    ),
    "an outage of 0.9 times the deadline": Scenario(
        ids=ids(60),
        is_only_held_back=True,
        weather=Weather(outages=[Outage(1.5, 1.5 + 0.9 * 240, kinds.BROKEN_GATEWAY)]),
    ),
    "one of 0.9 times the deadline, in the service's own words": Scenario(
        ids=ids(60),
        is_only_held_back=True,
        weather=Weather(outages=[Outage(1.5, 1.5 + 0.9 * 240, kinds.BACKEND_404)]),
    ),
    "an outage during the pause that a 429 asks for": Scenario(
        ids=["id-0", Step(1, "id-1"), "id-2"],
        ids_are_awaited=True,
        meets={
            "id-0": [kinds.limited(60).after(3)],
            "id-1": [kinds.LOST.after(2.5)],
            "id-2": [kinds.LOST.after(2.5)],
        },
    ),
    "a caller that takes 300 s for an outcome in an outage": Scenario(
        ids=["id-0", "id-1", "..", "id-2", "id-3"],
        concurrency=2,
        is_only_slow=True,
        busy=(300.0,),
        meets={"id-0": [kinds.LOST] * 2, "id-1": [kinds.LOST] * 2},
    ),
}

TOO_LONG = Scenario(
    ids=ids(60), weather=Weather(outages=[Outage(1.5, 1.5 + 1.1 * 240, kinds.BROKEN_GATEWAY)])
)
"""An outage of 1.1 times the deadline."""


def check(name: str) -> None:
    """Play a written run in both ways."""
    for way in WAYS:
        refuse(play(SCENARIOS[name], way).world.flaws, f"{name}, {way.__name__}")
