"""Runs of hundreds of ids that a rate limit or an outage holds back: see also `test_runs`."""

import math
import random

import pytest

from firecrawl_interact.core import RetryPolicy, RunEndedError

from ..simulation.kinds import BROKEN_GATEWAY, SERVED
from ..simulation.play import play
from ..simulation.watch import Scenario
from ..simulation.ways import Awaited, Blocking, Way, both_ways
from ..simulation.world import Weather
from .limiters import Limited
from .outages import FAULTS, IDS, destroyed, ids, run_through, seconds_beyond
from .rate_limit_kinds import RateLimit

PAGES = [name for name, fault in FAULTS.items() if fault.is_a_page]
SAID_IN_ERROR = {"refused": "no connection", "backend": "Hangar request failed", "502": "HTTP 502"}

in_each_way_at_another_latency = pytest.mark.parametrize(
    ("way", "latency"), [(Blocking, 0.2), (Awaited, 5)], ids=["blocking", "awaited"]
)


@both_ways
@pytest.mark.parametrize("concurrency", [1, 8])
def test_at_ten_requests_a_minute_a_hundred_sessions_take_nine_minutes(
    concurrency: int, way: type[Way]
) -> None:
    weather = Weather(seconds=[0.1], limiter=lambda: Limited(RateLimit(10)))
    watch = play(Scenario(ids=ids(100), concurrency=concurrency, weather=weather), way)
    assert destroyed(watch) == 100
    assert watch.world.flaws == []
    assert watch.over_at <= 1.05 * 540
    assert len(watch.world.sent) <= 150


@in_each_way_at_another_latency
@pytest.mark.parametrize("seconds_away", [2, 15, 60, 200])
@pytest.mark.parametrize("fault", FAULTS)
def test_an_outage_costs_no_session_and_little_time(
    fault: str, seconds_away: float, latency: float, way: type[Way]
) -> None:
    watch = run_through(fault, seconds_away, latency, way=way)
    assert watch.world.flaws == []
    assert destroyed(watch) == IDS
    most = 20 + (RetryPolicy().attempt_timeout if fault == "silent" else 0)
    assert seconds_beyond(watch, seconds_away, latency) <= most


@in_each_way_at_another_latency
@pytest.mark.parametrize("fault", FAULTS)
def test_an_outage_without_an_end_ends_the_run_with_an_error_that_names_what_it_met(
    fault: str, latency: float, way: type[Way]
) -> None:
    watch = run_through(fault, math.inf, latency, way=way)
    policy = RetryPolicy()
    [outage] = watch.raised
    assert isinstance(outage, RunEndedError)
    assert SAID_IN_ERROR.get(fault, "") in str(outage)
    assert watch.world.flaws == []
    assert outage.lasted >= policy.deadline
    assert watch.over_at <= policy.deadline + policy.attempt_timeout
    assert watch.world.in_vain <= 80
    assert len(watch.taken) < IDS


@both_ways
@pytest.mark.parametrize("fault", PAGES)
def test_a_run_that_meets_pages_alone_from_the_start_ends_after_30_s(
    fault: str, way: type[Way]
) -> None:
    watch = run_through(fault, math.inf, 0.2, from_start=True, way=way)
    assert watch.over_at == pytest.approx(30, abs=1)
    [outage] = watch.raised
    assert "nothing from the service yet: check the address" in str(outage)
    for seconds_away in (2, 15, 25):  # Pages that end in time cost no session.
        assert destroyed(run_through(fault, seconds_away, 0.2, from_start=True, way=way)) == IDS


@both_ways
@pytest.mark.parametrize("concurrency", [1, 8])
def test_failures_by_chance_cost_no_more_than_one_by_one(concurrency: int, way: type[Way]) -> None:
    weather = Weather(kinds=[SERVED] * 7 + [BROKEN_GATEWAY] * 3)
    scenario = Scenario(ids=ids(IDS), concurrency=concurrency, weather=weather)
    watch = play(scenario, way, random.Random(1).choice)  # noqa: S311 - a schedule, no secret
    assert watch.raised == []
    assert IDS - destroyed(watch) <= 8  # 400 x 0.3 ** 4 is 3
