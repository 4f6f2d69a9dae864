"""Runs that a rate limit or an outage holds back, as scenarios: see `test_runs`."""

import math
import random

import pytest

from firecrawl_interact.adapters import RateLimit
from firecrawl_interact.core import OutageError, RetryPolicy

from ..simulation.kinds import (
    BROKEN_GATEWAY,
    NO_CONNECTION,
    NOT_DELETED,
    SERVED,
    STOPPING,
    Kind,
    limited,
)
from ..simulation.play import play
from ..simulation.watch import Scenario, Step
from ..simulation.ways import Awaited, Blocking, Way
from ..simulation.world import Outage, Weather
from .expected_runs import Expected, both_ways, each_way
from .limiters import Limited
from .outages import FAULTS, IDS, destroyed, run_through, seconds_beyond

RUNS = {
    "a 429 pauses all, and ids that got one go first": Expected(
        Scenario(
            ids="abcd",
            concurrency=3,
            meets={"a": [limited(60).after(2)], "b": [limited(60)], "c": [NOT_DELETED]},
        ),
        None,
        requests="a b c b a c d",
    ),
    "a wait for the rate limit is no attempt and uses up no deadline": Expected(
        Scenario(
            ids="a",
            retry=RetryPolicy(max_attempts=1, deadline=61),
            meets={"a": [limited(60), limited(60)]},
        ),
        [(123, "a", 3)],
    ),
    "a wait above the deadline ends the run": Expected(
        Scenario(ids="abc", concurrency=2, meets={"a": [limited(241)]}),
        [(1, "b"), (1, "a", 1, "RateLimitError, untouched")],
        requests="a b",
        raises="OutageError",
    ),
    "what fails in an outage counts neither as an attempt nor against the deadline": Expected(
        Scenario(
            ids="abc",
            concurrency=2,
            retry=RetryPolicy(max_attempts=2, deadline=22),
            weather=Weather(outages=[Outage(0, 20, NO_CONNECTION)]),
        ),
        [(22.5, "a", 3), (23.5, "b", 4), (23.5, "c", 3)],
    ),
    "one request at a time, each for another id, finds out whether an outage is over": Expected(
        Scenario(
            ids="abcdef", concurrency=2, weather=Weather(outages=[Outage(0, 8, NO_CONNECTION)])
        ),
        [
            (12.5, "f"),
            (13.5, "a", 2),
            (13.5, "b", 2),
            (14.5, "c", 2),
            (14.5, "d", 2),
            (15.5, "e", 2),
        ],
        requests="a b c d e f b a c d e",
    ),
    "an outage that outlasts the deadline ends the run after the outcomes": Expected(
        Scenario(
            ids="abc",
            concurrency=2,
            retry=RetryPolicy(deadline=30),
            weather=Weather(outages=[Outage(0, math.inf, BROKEN_GATEWAY)]),
        ),
        [(31, session_id, 3, "ServiceUnavailableError, unknown") for session_id in "abc"],
        raises="OutageError",
    ),
    "an outage that ends the run does not wait for the next id that is awaited": Expected(
        Scenario(
            ids=["a", "b", Step(1_000, "c")],
            ids_are_awaited=True,
            concurrency=2,
            retry=RetryPolicy(deadline=30),
            weather=Weather(outages=[Outage(0, math.inf, BROKEN_GATEWAY)]),
        ),
        None,
        raises="OutageError",
        over_at=31,
        ways=[Awaited],
    ),
}


@each_way(RUNS)
def test_a_run(expected: Expected, way: type[Way]) -> None:
    expected.check(way)


@both_ways
@pytest.mark.parametrize("concurrency", [1, 8])
def test_at_ten_requests_a_minute_a_hundred_sessions_take_nine_minutes(
    concurrency: int, way: type[Way]
) -> None:
    weather = Weather(seconds=[0.1], limiter=lambda: Limited(RateLimit(10)))
    ids = [str(number) for number in range(100)]
    watch = play(
        Scenario(ids=ids, concurrency=concurrency, weather=weather, is_only_held_back=True), way
    )
    assert watch.world.flaws == []
    assert watch.over_at <= 1.05 * 540
    assert len(watch.world.sent) <= 150


@pytest.mark.parametrize("latency", [number / 10 for number in range(1, 20)])
def test_waits_that_the_service_rounds_cost_hardly_more_requests(latency: float) -> None:
    weather = Weather(
        seconds=[latency],
        limiter=lambda: Limited(RateLimit(10)),
        named_wait=lambda wait: math.floor(wait + 0.5) or 1,  # as its source does
        is_named_in_header=False,
    )
    ids = [str(number) for number in range(100)]
    watch = play(Scenario(ids=ids, weather=weather, is_only_held_back=True), Awaited)
    assert watch.world.flaws == []
    assert len(watch.world.sent) <= 150


@pytest.mark.parametrize(
    ("way", "sleeps"), [(Blocking, [0.5, *[1.0] * 10]), (Awaited, [0.5, 10.0])]
)
def test_a_run_waits_by_its_transport_and_a_blocking_one_for_a_second_at_a_time(
    way: type[Way], sleeps: list[float]
) -> None:
    watch = play(Scenario(ids="a", meets={"a": [NOT_DELETED, limited(10)]}), way)
    assert watch.sleeps == sleeps


@both_ways
def test_a_run_shows_what_holds_it_back(way: type[Way]) -> None:
    weather = Weather(outages=[Outage(0, 8, NO_CONNECTION)])
    watch = play(Scenario(ids=["a", "b", "", "c"], concurrency=2, weather=weather), way)
    [pause, *others] = watch.pauses
    assert pause
    assert (pause.reason, pause.seconds_left, pause.waiting) == ("outage", 0.5, 2)
    assert others == [None, None, None]


in_each_way_at_another_latency = pytest.mark.parametrize(
    ("way", "latency"), [(Blocking, 0.2), (Awaited, 5)], ids=["blocking", "awaited"]
)


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
def test_an_outage_without_an_end_ends_the_run(fault: str, latency: float, way: type[Way]) -> None:
    watch = run_through(fault, math.inf, latency, way=way)
    policy = RetryPolicy()
    [outage] = watch.raised
    assert isinstance(outage, OutageError)
    assert watch.world.flaws == []
    assert outage.lasted >= policy.deadline
    assert watch.over_at <= policy.deadline + policy.attempt_timeout
    assert watch.world.in_vain <= 80
    assert len(watch.taken) < IDS


@pytest.mark.parametrize(
    ("fault", "words"),
    {
        "refused": "no connection",
        "backend": "Hangar request failed",
        "a login page": "HTTP 200",
        "a redirect": "HTTP 302",
        "a 404 page": "HTTP 404",
        "a router's 404": "Route not found",
        "a gateway's 403": "HTTP 403",
    }.items(),
)
def test_the_error_of_an_outage_names_what_the_run_met(fault: str, words: str) -> None:
    [outage] = run_through(fault, math.inf, 0.2).raised
    assert words in str(outage)


PAGES = [name for name, fault in FAULTS.items() if fault.is_a_page]


@both_ways
@pytest.mark.parametrize("fault", PAGES)
def test_a_run_that_meets_pages_alone_from_the_start_ends_after_30_s(
    fault: str, way: type[Way]
) -> None:
    watch = run_through(fault, math.inf, 0.2, from_start=True, way=way)
    assert watch.over_at == pytest.approx(30, abs=1)
    [outage] = watch.raised
    assert "nothing from the service yet: check the address" in str(outage)


@pytest.mark.parametrize("seconds_away", [2, 15, 25])
@pytest.mark.parametrize("fault", PAGES)
def test_pages_at_the_start_that_end_in_time_cost_no_session(
    fault: str, seconds_away: float
) -> None:
    assert destroyed(run_through(fault, seconds_away, 0.2, from_start=True)) == IDS


@both_ways
@pytest.mark.parametrize("concurrency", [1, 8])
def test_failures_by_chance_cost_no_more_than_one_by_one(concurrency: int, way: type[Way]) -> None:
    weather = Weather(kinds=[SERVED] * 7 + [BROKEN_GATEWAY] * 3)
    ids = [str(number) for number in range(IDS)]
    scenario = Scenario(ids=ids, concurrency=concurrency, weather=weather)
    watch = play(scenario, way, random.Random(1).choice)  # noqa: S311 - a schedule, no secret
    assert watch.raised == []
    assert IDS - destroyed(watch) <= 8  # 400 x 0.3 ** 4 is 3


@pytest.mark.parametrize("failure", [STOPPING, NOT_DELETED], ids=["502", "success false"])
@pytest.mark.parametrize("concurrency", [1, 8, 64])
@pytest.mark.parametrize("places", [(10, 11, 12, 13, 14), (7, 100, 200, 300, 399), (0, 1, 2, 3, 4)])
def test_ids_that_always_fail_cost_only_themselves(
    places: tuple[int, ...], concurrency: int, failure: Kind
) -> None:
    failing = {str(place): [failure] * 20 for place in places}
    scenario = Scenario(
        ids=[str(number) for number in range(IDS)], concurrency=concurrency, meets=failing
    )
    watch = play(scenario, Awaited)
    assert watch.raised == []
    assert len(watch.outcomes) == IDS
    lost = {
        outcome.session_id for outcome in watch.outcomes if outcome.session_fate.value != "gone"
    }
    assert lost == failing.keys()
