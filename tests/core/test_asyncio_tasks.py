"""What the awaited twins need of asyncio."""

import asyncio

import pytest

from firecrawl_interact.core.asyncio_tasks import wait_for_end

from . import virtual_time


@pytest.mark.parametrize(
    ("times", "is_cancelled", "several"),
    [([], False, False), ([1], True, False), ([1, 2], True, True), ([1, 2, 3], True, True)],
)
def test_to_wait_for_the_end_says_whether_it_was_cancelled_and_whether_more_than_once(
    times: list[float], is_cancelled: bool, several: bool
) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(asyncio.sleep(10))
        waiting = asyncio.ensure_future(wait_for_end(task))
        for time in times:
            asyncio.get_running_loop().call_at(time, waiting.cancel)
        last, was_several = await waiting
        assert virtual_time.now() == 10
        assert (last is not None, was_several) == (is_cancelled, several)

    virtual_time.run(main())
