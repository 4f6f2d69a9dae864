"""How long a run takes, and what it destroys, while the service is away. On a virtual clock."""

import asyncio
import math
import random
from typing import NamedTuple

import pytest

from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    ConnectFailedError,
    DeletionReceipt,
    OutageError,
    Request,
    Response,
    RetryPolicy,
    TimedOutError,
)

from . import virtual_time
from .scripted_transport import API_KEY, DESTROYED, UNAVAILABLE
from .side_by_side import AsyncFunctionTransport, Outcome, id_of

IDS = 400


class Away(AsyncFunctionTransport):
    """A service that is away for a while, from the start, and fails for some ids always."""

    def __init__(
        self,
        seconds_away: float,
        fault: str,
        latency: float,
        failing: frozenset[str] = frozenset(),
        failure_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.in_vain = 0
        self._seconds_away = seconds_away
        self._fault = fault
        self._latency = latency
        self._failing = failing
        self._failure_rate = failure_rate
        self._random = random.Random(1)  # noqa: S311 - a schedule, no secret

    async def send(self, request: Request, timeout: float) -> Response:
        is_away = virtual_time.now() < self._seconds_away
        self.in_vain += is_away
        if is_away and self._fault == "refused":
            raise ConnectFailedError("refused")
        if is_away and self._fault == "silent":
            await asyncio.sleep(timeout)
            raise TimedOutError("silence")
        await asyncio.sleep(self._latency)
        fails = id_of(request) in self._failing or self._random.random() < self._failure_rate
        return UNAVAILABLE if is_away or fails else DESTROYED


class Result(NamedTuple):
    outcomes: list[Outcome]
    seconds: float
    outage: OutageError | None

    @property
    def destroyed(self) -> int:
        return sum(isinstance(outcome, DeletionReceipt) for outcome in self.outcomes)


def result_of(service: Away, concurrency: int = 8) -> Result:
    async def main() -> Result:
        delete_session = AsyncDeleteSession(service, API_KEY, random=random.Random(2).random)  # noqa: S311 - a schedule
        outcomes: list[Outcome] = []
        outage = None
        delete_many = AsyncDeleteManySessions(delete_session, concurrency=concurrency)
        async with delete_many([str(number) for number in range(IDS)]) as deletions:
            try:
                async for outcome in deletions:
                    outcomes.append(outcome)
            except OutageError as error:
                outage = error
        return Result(outcomes, virtual_time.now(), outage)

    return virtual_time.run(main())


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
