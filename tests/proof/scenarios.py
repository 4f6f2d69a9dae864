"""Runs that are written down: each shows one thing that a planted fault would break.

`python -m tests.proof.scenarios NAME` plays one.
"""

import logging
import sys
from collections.abc import Sequence

from firecrawl_interact.core import RetryPolicy

from ..simulation import kinds
from ..simulation.play import play
from ..simulation.watch import Scenario
from ..simulation.ways import Awaited, Blocking
from ..simulation.world import Outage, Weather
from .claims_of_runs import ClaimBrokenError


def ids(count: int) -> list[str]:
    return [f"id-{number}" for number in range(count)]


def each(session_ids: Sequence[str], *meets: kinds.Kind) -> dict[str, Sequence[kinds.Kind]]:
    return dict.fromkeys(session_ids, meets)


SCENARIOS = {
    # The first request is under way while others fail; its 429 comes in the midst of the outage.
    "a 429 in an outage": Scenario(
        ids=ids(8),
        concurrency=3,
        retry=RetryPolicy(max_attempts=1),
        meets=each(ids(8)[3:], kinds.NO_CONNECTION.after(0.5))
        | {"id-0": [kinds.LIMITED_FOR_20.after(5)]},
    ),
    # All four retries are due in the same moment.
    "a stop at the second request of a turn": Scenario(
        ids=ids(4), meets=each(ids(4), kinds.NOT_DELETED), stop_at_request=6
    ),
    "ids that wait for their retries": Scenario(
        ids=ids(12), concurrency=1, meets=each(ids(12), *[kinds.NOT_DELETED] * 3)
    ),
    "a run that is left while nothing comes": Scenario(
        ids=ids(4),
        shutdown_timeout=1.0,
        leave_at_outcome=1,
        meets=each(ids(4)[1:], kinds.SILENCE.after(80)),
    ),
    **{
        f"a gateway shows its page: {page.status}": Scenario(
            ids=ids(60), is_only_held_back=True, weather=Weather(outages=[Outage(3.5, 63.5, page)])
        )
        for page in kinds.PAGES[:3]
    },
    "an outage longer than two attempts": Scenario(
        ids=ids(10),
        concurrency=2,
        retry=RetryPolicy(max_attempts=2),
        is_only_held_back=True,
        weather=Weather(outages=[Outage(3.5, 203.5, kinds.NO_CONNECTION)]),
    ),
    "a backend that is away": Scenario(
        ids=ids(60),
        is_only_held_back=True,
        weather=Weather(outages=[Outage(0.0, 60.0, kinds.BACKEND_404)]),
    ),
}


def check(name: str) -> None:
    """Play a scenario in both ways.

    Raises:
        ClaimBrokenError: something is not as it is claimed to be.
    """
    for way in (Blocking, Awaited):
        flaws = play(SCENARIOS[name], way).world.flaws
        if flaws:
            how = f"python -m tests.proof.scenarios {name!r}"
            raise ClaimBrokenError(f"{name}, {way.__name__}", how, flaws)


if __name__ == "__main__":
    logging.getLogger("firecrawl_interact").setLevel(logging.CRITICAL)
    try:
        check(sys.argv[1])
    except ClaimBrokenError as error:
        sys.exit(f"{error}\nbroken: {', '.join(sorted(error.claims))}")
