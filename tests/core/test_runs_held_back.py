"""Runs that a rate limit or an outage holds back, as scenarios: see `test_runs`."""

import math
import random
from collections.abc import Sequence

import pytest

from firecrawl_interact.core import OutageError, Pause, RetryPolicy

from ..simulation.kinds import (
    BACKEND_404,
    BROKEN_GATEWAY,
    NO_CONNECTION,
    NOT_DELETED,
    PAGES,
    SERVED,
    SILENCE,
    STOPPING,
    Kind,
    limited,
)
from ..simulation.play import play
from ..simulation.watch import Scenario, Watch
from ..simulation.ways import Awaited, Blocking, Way
from ..simulation.world import Outage, Weather
from .expected_runs import Expected, each_way
from .limiters import FixedWindow

LIMITED = "RateLimitError, untouched"

RUNS = {
    "a 429 pauses all, and its id goes first": Expected(
        Scenario(ids="abcd", concurrency=2, meets={"a": [limited(60)], "b": [SERVED.after(2)]}),
        [],
    ),
    "a wait above the deadline ends the run": Expected(
        Scenario(ids="abc", concurrency=2, meets={"a": [limited(241)]}),
        [],
        raises="OutageError",
    ),
    "what fails in an outage counts neither as an attempt nor against the deadline": Expected(
        Scenario(
            ids="abcd",
            concurrency=2,
            retry=RetryPolicy(max_attempts=1),
            weather=Weather(outages=[Outage(0, 20, NO_CONNECTION)]),
        ),
        [],
    ),
    "one request at a time, each for another id, finds out whether an outage is over": Expected(
        Scenario(
            ids="abcdef",
            concurrency=2,
            weather=Weather(outages=[Outage(0, 8, NO_CONNECTION)]),
        ),
        [],
    ),
    "an outage that outlasts the deadline ends the run after the outcomes": Expected(
        Scenario(
            ids="abc",
            concurrency=2,
            retry=RetryPolicy(deadline=30),
            weather=Weather(outages=[Outage(0, math.inf, BROKEN_GATEWAY)]),
        ),
        [],
        raises="OutageError",
    ),
}


@each_way(RUNS)
def test_a_run(expected: Expected, way: type[Way]) -> None:
    expected.check(way)
