"""Runs of many ids that a rate limit, an outage, or ids that fail for ever hold back."""

import math
import random

import pytest

from firecrawl_interact.core import RetryPolicy, RunEndedError

from ..simulation import kinds as k
from ..simulation.play import play
from ..simulation.watch import Scenario
from ..simulation.ways import Awaited, Blocking, Way, both_ways
from ..simulation.world import Weather
from .limiters import Limited
from .outages import (
    FAULTS,
    IDS,
    destroyed,
    ids,
    restart,
    run_through,
    seconds_beyond,
    with_bad_ids,
)
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
@pytest.mark.parametrize("seconds_away", [2, 15, 200])
@pytest.mark.parametrize("fault", FAULTS)
def test_an_outage_costs_no_session_and_little_time(
    fault: str, seconds_away: float, latency: float, way: type[Way]
) -> None:
    watch = run_through(fault, seconds_away, latency, way=way)
    assert watch.world.flaws == []
    assert destroyed(watch) == IDS
    most = 20 + (RetryPolicy().attempt_timeout if fault == "silent" else 0)
    assert seconds_beyond(watch, seconds_away, latency) <= most


@pytest.mark.parametrize(
    ("fault", "seconds_ragged", "most"),
    [("refused", 1, 0), ("502", 1, 0), ("refused", 3, 40), ("502", 3, 40), ("backend", 3, 40)],
)
def test_a_rolling_restart_costs_few_sessions_of_800(
    fault: str, seconds_ragged: float, most: int
) -> None:
    watches = [restart(fault, seconds_ragged, away, seed) for away in (5, 60) for seed in range(4)]
    assert [watch.raised for watch in watches] == [[]] * 8
    assert 8 * IDS - sum(map(destroyed, watches)) <= most


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
    assert watch.over_at <= policy.deadline + 2 * policy.attempt_timeout
    assert watch.world.in_vain <= (1_400 if fault == "backend" else 400)
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
    for seconds_away in (2, 25):  # Pages that end in time cost no session.
        assert destroyed(run_through(fault, seconds_away, 0.2, from_start=True, way=way)) == IDS


@both_ways
@pytest.mark.parametrize("concurrency", [1, 8])
def test_failures_by_chance_cost_no_more_than_one_by_one(concurrency: int, way: type[Way]) -> None:
    weather = Weather(kinds=[k.SERVED] * 7 + [k.BROKEN_GATEWAY] * 3)
    scenario = Scenario(ids=ids(400), concurrency=concurrency, weather=weather)
    watch = play(scenario, way, random.Random(1).choice)  # noqa: S311 - a schedule, no secret
    assert watch.raised == []
    assert 400 - destroyed(watch) <= 8  # 400 x 0.3 ** 4 is 3


@both_ways
@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize(
    "kind",
    [k.BACKEND_404.after(0.1), k.NOT_A_UUID.after(0.1), k.STOPPING.after(0.3), k.NOT_DELETED],
)
def test_ids_that_fail_for_ever_cost_no_other_id_wherever_they_are(
    kind: k.Kind, concurrency: int, way: type[Way]
) -> None:
    good = "." * 20
    for marks in (good + "x", good + "x" * 20, "x" * 8 + good, "x" * 20 + good, "x.x" * 10, "xx"):
        assert with_bad_ids(marks, kind, concurrency, way).world.flaws == [], marks
