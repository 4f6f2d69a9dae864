"""A service that is away for a while, and runs over many sessions meanwhile. On a virtual clock."""

import asyncio
import random
from typing import NamedTuple

from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    ConnectFailedError,
    DeletionReceipt,
    OutageError,
    Request,
    Response,
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
