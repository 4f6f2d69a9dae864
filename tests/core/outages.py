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
from .scripted_transport import API_KEY, DESTROYED, UNAVAILABLE, page, response
from .side_by_side import AsyncFunctionTransport, Outcome, id_of

IDS = 400

PAGES = {
    "a login page": page(200, b"<html>Sign in</html>"),
    "a redirect": page(302, b"", {"location": "https://elsewhere.example/"}),
    "a 404 page": page(404, b"<html>nginx</html>"),
    "a router's 404": response(404, {"success": False, "message": "Route not found"}),
    "a gateway's 403": page(403, b"<html>Forbidden</html>"),
}
BACKEND_AWAY = response(404, {"success": False, "error": "Hangar request failed."})
NOT_DELETED = response(200, {"success": False, "error": "Not now."})


class Away(AsyncFunctionTransport):
    """A service that is away for a while, and fails for some ids always.

    Args:
        seconds_away: for how long.
        fault: what each request meets meanwhile.
        latency: of each response, in seconds.
        failing: the ids that always fail.
        failure_rate: how often any other one fails, from 0 to 1.
        away_from: when it begins, in seconds.
        failure: what those meet that fail.
    """

    def __init__(  # noqa: PLR0913 - an outage has so many sides
        self,
        seconds_away: float,
        fault: str,
        latency: float,
        failing: frozenset[str] = frozenset(),
        failure_rate: float = 0.0,
        *,
        away_from: float = 0.0,
        failure: Response = UNAVAILABLE,
    ) -> None:
        super().__init__()
        self.in_vain = 0
        self._away_from = away_from
        self._back_at = away_from + seconds_away
        self._failure = failure
        self._fault = fault
        self._latency = latency
        self._failing = failing
        self._failure_rate = failure_rate
        self._random = random.Random(1)  # noqa: S311 - a schedule, no secret

    async def send(self, request: Request, timeout: float) -> Response:
        is_away = self._away_from <= virtual_time.now() < self._back_at
        self.in_vain += is_away
        if is_away and self._fault == "refused":
            raise ConnectFailedError("refused")
        if is_away and self._fault == "silent":
            await asyncio.sleep(timeout)
            raise TimedOutError("silence")
        await asyncio.sleep(self._latency)
        fails = id_of(request) in self._failing or self._random.random() < self._failure_rate
        if is_away:
            return BACKEND_AWAY if self._fault == "backend" else PAGES.get(self._fault, UNAVAILABLE)
        return self._failure if fails else DESTROYED


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
