"""Runs that are written down: each shows one thing that a planted fault would break.

`python -m tests.proof.scenarios NAME` plays one.
"""

import logging
import sys
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from firecrawl_interact.core import RetryPolicy

from . import simulated_world as world_of
from .claims_of_runs import ClaimBrokenError
from .simulated_runs import Plan, Step, Watch
from .simulated_world import SERVED, Clock, Flaw, Kind, Outage, Weather, World
from .small_runs import flaws_of

_T = TypeVar("_T")

ONE_ATTEMPT = RetryPolicy(max_attempts=1)


class Scenario(NamedTuple):
    """A run, and what each of its requests meets, and after how many seconds."""

    plan: Plan
    meets: Sequence[tuple[Kind, float]] = ()
    """The requests after these are served after a second."""
    outages: Sequence[Outage] = ()


def ids(count: int) -> list[Step]:
    return [Step(0.0, f"id-{number}") for number in range(count)]


SCENARIOS = {
    # The first request is under way while others fail; its 429 comes in the midst of the outage.
    "a 429 in an outage": Scenario(
        Plan(steps=ids(8), concurrency=3, retry=ONE_ATTEMPT),
        [
            (world_of.LIMITED_FOR_20, 5.0),
            (SERVED, 1.0),
            (SERVED, 1.0),
            *[(world_of.NO_CONNECTION, 0.5)] * 5,
        ],
    ),
    # All four retries are due in the same moment.
    "a stop at the second request of a turn": Scenario(
        Plan(steps=ids(4), concurrency=4, stop_at_request=6), [(world_of.NOT_DELETED, 1.0)] * 4
    ),
    "ids that wait for their retries": Scenario(
        Plan(steps=ids(12), concurrency=1), [(world_of.NOT_DELETED, 1.0)] * 36
    ),
    "more ids than places": Scenario(Plan(steps=ids(40), concurrency=32), [(SERVED, 5.0)] * 40),
    "a run that is left while nothing comes": Scenario(
        Plan(steps=ids(4), concurrency=4, shutdown_timeout=1.0, leave_at_outcome=1),
        [(SERVED, 1.0), *[(world_of.SILENCE, 80.0)] * 3],
    ),
    **{
        f"a gateway shows its page: {page.status}": Scenario(
            Plan(steps=ids(60), concurrency=8, is_only_held_back=True),
            outages=[Outage(3.5, 63.5, page)],
        )
        for page in world_of.PAGES[:3]
    },
    "an outage longer than two attempts": Scenario(
        Plan(
            steps=ids(10),
            concurrency=2,
            retry=RetryPolicy(max_attempts=2),
            is_only_held_back=True,
        ),
        outages=[Outage(3.5, 203.5, world_of.NO_CONNECTION)],
    ),
    "a backend that is away": Scenario(
        Plan(steps=ids(60), concurrency=8, is_only_held_back=True),
        outages=[Outage(0.0, 60.0, world_of.BACKEND_404)],
    ),
}


def play(scenario: Scenario, *, is_awaited: bool) -> list[Flaw]:
    """Play a scenario, and return what is not as it is claimed to be."""
    meets = iter(scenario.meets)
    kinds, seconds = (SERVED, world_of.LOST), (1.0, 2.0)
    met: list[tuple[Kind, float]] = []

    def choose(given: Sequence[_T], /) -> _T:
        chosen: object = given[0]
        if given is kinds:
            met.append(next(meets, (SERVED, 1.0)))
            chosen = met[-1][0]
        elif given is seconds and met:
            chosen = met.pop()[1]
        return chosen  # type: ignore[return-value]  # a kind for kinds, seconds for seconds

    def watched(clock: Clock) -> Watch:
        weather = Weather(kinds=kinds, seconds=seconds, outages=scenario.outages)
        world = World(clock, choose, weather)
        for step in scenario.plan.steps:
            world.open(step.session_id)
        return Watch(world, scenario.plan, None)

    return flaws_of(watched, is_awaited=is_awaited)


def check(name: str) -> None:
    """Play a scenario in both ways.

    Raises:
        ClaimBrokenError: something is not as it is claimed to be.
    """
    for is_awaited in (False, True):
        flaws = play(SCENARIOS[name], is_awaited=is_awaited)
        if flaws:
            how = f"python -m tests.proof.scenarios {name!r}"
            way = "awaited" if is_awaited else "blocking"
            raise ClaimBrokenError(f"{name}, {way}", how, flaws)


if __name__ == "__main__":
    logging.getLogger("firecrawl_interact").setLevel(logging.CRITICAL)
    try:
        check(sys.argv[1])
    except ClaimBrokenError as error:
        sys.exit(f"{error}\nbroken: {', '.join(sorted(error.claims))}")
