"""A use case that is closed at each turn of the event loop, and a cancellation at each turn.

Four blocks are open, open or end meanwhile. Each session has one delete and is told once, and no
transport is closed under a request.
"""

import asyncio
import logging

import pytest

from firecrawl_interact.core import RetryPolicy

from .log_records import log_records
from .programs import Program, turns

pytestmark = pytest.mark.slow

BLOCKS = ((0, 2, None), (0, 4, 3), (2, 50, None), (1, 50, 3))
"""When each begins, for how long it works, and how long its opener takes, in turns."""


async def hold(program: Program, begins: int, works_for: int, opens_after: int | None) -> None:
    await turns(begins)
    await program.hold(works_for, opens_after=opens_after)


async def play(program: Program, close_at: int, cancelled: str, cancel_at: int) -> None:
    async def close() -> None:
        async with program.delete_session:
            await turns(close_at)

    blocks = [asyncio.create_task(hold(program, *block)) for block in BLOCKS]
    closer = asyncio.create_task(close())
    targets = {"closer": [closer], "block": blocks[2:3], "opener": blocks[3:], "blocks": blocks}
    await turns(cancel_at)
    for task in targets.get(cancelled, asyncio.all_tasks() - {asyncio.current_task()}):
        task.cancel()
    await asyncio.wait([closer], timeout=60)
    for task in blocks:
        task.cancel()
    await asyncio.gather(closer, *blocks, return_exceptions=True)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("cancelled", ["closer", "block", "opener", "blocks", "all"])
@pytest.mark.parametrize("close_at", range(14))
def test_whatever_is_cancelled_each_session_is_gone_after_one_delete_and_is_told_once(
    close_at: int, cancelled: str
) -> None:
    are_all = cancelled == "all"
    for cancel_at in range(1, 22):
        program = Program(turns, latency=4, retry=RetryPolicy(attempt_timeout=30))
        with log_records(logging.ERROR) as logged:
            asyncio.run(play(program, close_at, cancelled, cancel_at))
        at = f"cancelled at {cancel_at}"
        assert (program.open, logged) == (set(), []), at
        assert program.is_closed or are_all, at  # That may cancel the closing itself.
        assert set(program.sent.values()) <= {1, 1 + are_all}, at
        assert sorted(program.sent) == sorted(outcome.session_id for outcome in program.told), at
