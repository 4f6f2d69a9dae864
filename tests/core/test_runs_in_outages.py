"""How long a run takes, and what it destroys, while the service is away. On a virtual clock."""

import math

import pytest

from firecrawl_interact.core import DeletionReceipt, Response, RetryPolicy

from .outages import IDS, NOT_DELETED, PAGES, Away, result_of
from .scripted_transport import UNAVAILABLE


@pytest.mark.parametrize("latency", [0.2, 5])
@pytest.mark.parametrize("seconds_away", [2, 15, 60, 200])
@pytest.mark.parametrize("fault", ["refused", "503", "silent", "backend"])
def test_an_outage_costs_no_session_and_little_time(
    fault: str, seconds_away: float, latency: float
) -> None:
    result = result_of(Away(seconds_away, fault, latency))
    assert result.destroyed == IDS
    margin = 20 + (RetryPolicy().attempt_timeout if fault == "silent" else 0)
    assert result.seconds <= latency * IDS / 8 + seconds_away + margin


@pytest.mark.parametrize("latency", [0.2, 5])
@pytest.mark.parametrize("fault", ["refused", "503", "silent", "backend"])
def test_an_outage_without_an_end_ends_the_run(fault: str, latency: float) -> None:
    service = Away(math.inf, fault, latency)
    result = result_of(service)
    policy = RetryPolicy()
    assert result.outage is not None
    assert result.outage.lasted >= policy.deadline
    assert result.seconds <= policy.deadline + policy.attempt_timeout
    assert service.in_vain <= 80
    assert len(result.outcomes) < IDS  # the other ids were not taken


@pytest.mark.parametrize("latency", [0.2, 5])
@pytest.mark.parametrize("seconds_away", [2, 15, 60, 200])
@pytest.mark.parametrize("fault", PAGES)
def test_other_people_s_pages_cost_no_session_and_little_time(
    fault: str, seconds_away: float, latency: float
) -> None:
    result = result_of(Away(seconds_away, fault, latency, away_from=2 * latency))
    assert result.destroyed == IDS
    assert result.seconds <= latency * IDS / 8 + seconds_away + 20


@pytest.mark.parametrize("latency", [0.2, 5])
@pytest.mark.parametrize("fault", PAGES)
def test_pages_without_an_end_end_the_run_and_it_names_them(fault: str, latency: float) -> None:
    service = Away(math.inf, fault, latency, away_from=2 * latency)
    outage = result_of(service).outage
    assert outage is not None
    assert f"HTTP {PAGES[fault].status}" in str(outage)
    assert outage.lasted >= RetryPolicy().deadline
    assert service.in_vain <= 80


@pytest.mark.parametrize("fault", PAGES)
def test_a_run_that_meets_pages_alone_from_the_start_ends_after_30_s(fault: str) -> None:
    result = result_of(Away(math.inf, fault, 0.2))
    assert result.seconds == pytest.approx(30, abs=1)
    assert "nothing from the service yet" in str(result.outage)
    assert "check the address" in str(result.outage)


@pytest.mark.parametrize("seconds_away", [2, 15, 25])
@pytest.mark.parametrize("fault", PAGES)
def test_pages_at_the_start_that_end_in_time_cost_no_session(
    fault: str, seconds_away: float
) -> None:
    assert result_of(Away(seconds_away, fault, 0.2)).destroyed == IDS


@pytest.mark.parametrize("concurrency", [1, 8])
def test_failures_by_chance_cost_no_more_than_one_by_one(concurrency: int) -> None:
    result = result_of(Away(0, "503", 0.2, failure_rate=0.3), concurrency)
    assert result.outage is None
    assert IDS - result.destroyed <= 8  # 400 x 0.3 ** 4 is 3


@pytest.mark.parametrize("failure", [UNAVAILABLE, NOT_DELETED], ids=["502", "success false"])
@pytest.mark.parametrize("concurrency", [1, 8, 64])
@pytest.mark.parametrize("places", [(10, 11, 12, 13, 14), (7, 100, 200, 300, 399), (0, 1, 2, 3, 4)])
def test_ids_that_always_fail_cost_only_themselves(
    places: tuple[int, ...], concurrency: int, failure: Response
) -> None:
    failing = frozenset(map(str, places))
    result = result_of(Away(0, "503", 0.2, failing=failing, failure=failure), concurrency)
    assert result.outage is None
    errors = [outcome for outcome in result.outcomes if not isinstance(outcome, DeletionReceipt)]
    assert {error.session_id for error in errors} == failing
    assert len(result.outcomes) == IDS
