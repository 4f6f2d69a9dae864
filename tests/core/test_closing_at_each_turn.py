"""A use case that is closed at each turn of the event loop, and a cancellation at each turn.

Four blocks are open, open or end meanwhile. Each session has one delete and is told once, and no
transport is closed under a request.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator

import pytest

from firecrawl_interact.core import (
    AsyncDeleteSession,
    ConnectFailedError,
    Outcome,
    Request,
    Response,
    RetryPolicy,
)

from .blocks import Browser
from .log_records import log_records
from .scripted_transport import API_KEY, DESTROYED
from .side_by_side import id_of

pytestmark = pytest.mark.slow

BLOCKS = ((0, 2), (0, 4), (2, 50), (1, 50))
"""When each begins, and for how long it works, in turns."""
MOST_TURNS = 20_000


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class World:
    """A transport whose requests take some turns, and what is wrong with how it is used."""

    def __init__(self) -> None:
        self.is_closed = False
        self.open: set[str] = set()
        self.sent: Counter[str] = Counter()
        self.flaws: list[str] = []
        self.told: list[Outcome] = []
        self.delete_session = AsyncDeleteSession(
            self, API_KEY, on_outcome=self.told.append, retry=RetryPolicy(attempt_timeout=0.05)
        )

    async def send(self, request: Request, timeout: float) -> Response:
        self._refuse_closed("used after it was closed")
        self.sent[id_of(request)] += 1
        await turns(3)
        self._refuse_closed("closed during a request")
        self.open.discard(id_of(request))
        await turns(1)
        return DESTROYED

    def _refuse_closed(self, flaw: str) -> None:
        if self.is_closed:
            self.flaws.append(flaw)
            raise ConnectFailedError("closed", transient=False)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await turns(1)

    async def aclose(self) -> None:
        self.is_closed = True

    async def hold(self, number: int) -> None:
        """Hold a session in a block: every second block opens its own."""
        session_id = f"session-{number}"

        async def open_session() -> Browser:
            await turns(2)
            self.open.add(session_id)
            await turns(1)
            return Browser(session_id)

        begins_after, works_for = BLOCKS[number]
        await turns(begins_after)
        if number % 2:
            async with self.delete_session.opening(open_session):
                await turns(works_for)
        else:
            self.open.add(session_id)
            async with self.delete_session.on_exit(session_id):
                await turns(works_for)


async def play(world: World, close_at: int, cancelled: str, cancel_at: int) -> None:
    async def close() -> None:
        async with world.delete_session:
            await turns(close_at)

    blocks = [asyncio.create_task(world.hold(number)) for number in range(len(BLOCKS))]
    closer = asyncio.create_task(close())
    targets = {"closer": [closer], "block": [blocks[2]], "opener": [blocks[3]], "blocks": blocks}
    for turn in range(MOST_TURNS):
        if turn == cancel_at:
            for task in targets[cancelled]:
                task.cancel()
        if closer.done() and turn > cancel_at:
            break
        await turns(1)
    else:
        world.flaws.append("it hangs")
    for task in blocks:
        task.cancel()
    await asyncio.gather(closer, *blocks, return_exceptions=True)
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        world.flaws.append(f"tasks go on: {others}")


def schedules() -> Iterator[tuple[int, int]]:
    for close_at in range(14):
        for cancel_at in range(1, 22):
            yield close_at, cancel_at


@pytest.mark.parametrize("cancelled", ["closer", "block", "opener", "blocks"])
def test_whatever_is_cancelled_each_session_is_gone_after_one_delete_and_is_told_once(
    cancelled: str,
) -> None:
    for close_at, cancel_at in schedules():
        world = World()
        with log_records(logging.ERROR) as logged:
            asyncio.run(play(world, close_at, cancelled, cancel_at))
        at = f"closed at {close_at}, cancelled at {cancel_at}"
        assert world.flaws == [], at
        assert (world.open, world.is_closed, logged) == (set(), True, []), at
        assert set(world.sent.values()) <= {1}, at
        assert sorted(world.sent) == sorted(outcome.session_id for outcome in world.told), at
