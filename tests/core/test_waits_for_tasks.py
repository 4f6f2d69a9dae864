"""An awaited run waits for its tasks, however often it is cancelled."""

import asyncio
import math

import pytest

from firecrawl_interact.core.async_deletions import wait_for_end

from . import virtual_time


@pytest.mark.parametrize(
    ("cancelled_at", "timeout", "ended_at"),
    [([], math.inf, 10), ([1], math.inf, 10), ([1, 2, 3], math.inf, 10), ([1], 5, 5), ([], 0, 0)],
)
def test_to_wait_for_the_end_says_whether_it_was_cancelled(
    cancelled_at: list[float], timeout: float, ended_at: float
) -> None:
    async def main() -> None:
        tasks = [asyncio.ensure_future(asyncio.sleep(seconds)) for seconds in (3, 10)]
        cancellations: list[BaseException] = []
        waiting = asyncio.ensure_future(wait_for_end(tasks, cancellations, timeout))
        for time in cancelled_at:
            asyncio.get_running_loop().call_at(time, waiting.cancel)
        await waiting
        assert virtual_time.now() == ended_at
        assert len(cancellations) == len(cancelled_at)

    virtual_time.run(main())
