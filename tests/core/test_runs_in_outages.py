"""How long a run takes, and what it destroys, while the service is away. On a virtual clock."""

import math

import pytest

from firecrawl_interact.core import DeletionReceipt, RetryPolicy

from .outages import IDS, Away, result_of


@pytest.mark.parametrize("latency", [0.2, 5])
@pytest.mark.parametrize("seconds_away", [2, 15, 60, 200])
@pytest.mark.parametrize("fault", ["refused", "503", "silent"])
def test_an_outage_costs_no_session_and_little_time(
    fault: str, seconds_away: float, latency: float
) -> None:
    result = result_of(Away(seconds_away, fault, latency))
    assert result.destroyed == IDS
    margin = 20 + (RetryPolicy().attempt_timeout if fault == "silent" else 0)
    assert result.seconds <= latency * IDS / 8 + seconds_away + margin


@pytest.mark.parametrize("latency", [0.2, 5])
@pytest.mark.parametrize("fault", ["refused", "503", "silent"])
def test_an_outage_without_an_end_ends_the_run(fault: str, latency: float) -> None:
    service = Away(math.inf, fault, latency)
    result = result_of(service)
    policy = RetryPolicy()
    assert result.outage is not None
    assert result.outage.lasted >= policy.deadline
    assert result.seconds <= policy.deadline + policy.attempt_timeout
    assert service.in_vain <= 80
    assert len(result.outcomes) < IDS  # the other ids were not taken


@pytest.mark.parametrize("concurrency", [1, 8])
def test_failures_by_chance_cost_no_more_than_one_by_one(concurrency: int) -> None:
    result = result_of(Away(0, "503", 0.2, failure_rate=0.3), concurrency)
    assert result.outage is None
    assert IDS - result.destroyed <= 8  # 400 x 0.3 ** 4 is 3


@pytest.mark.parametrize("concurrency", [1, 8, 64])
@pytest.mark.parametrize("places", [(10, 11, 12, 13, 14), (7, 100, 200, 300, 399), (0, 1, 2, 3, 4)])
def test_ids_that_always_fail_cost_only_themselves(
    places: tuple[int, ...], concurrency: int
) -> None:
    failing = frozenset(map(str, places))
    result = result_of(Away(0, "503", 0.2, failing=failing), concurrency)
    assert result.outage is None
    errors = [outcome for outcome in result.outcomes if not isinstance(outcome, DeletionReceipt)]
    assert {error.session_id for error in errors} == failing
    assert len(result.outcomes) == IDS
