"""Tasks carry the requests of an awaited run: none outlives it, and none but asyncio's will do."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator

import pytest

from firecrawl_interact.core import Response, SessionFate

from . import virtual_time
from .scripted_transport import DESTROYED, run
from .side_by_side import AsyncFunctionTransport, after, listed, many_awaited


def test_a_run_holds_nothing_of_requests_that_have_ended() -> None:
    tasks: weakref.WeakSet[asyncio.Task[object] | None] = weakref.WeakSet()

    async def respond(session_id: str) -> Response:
        tasks.add(asyncio.current_task())
        return DESTROYED

    async def main() -> None:
        async with many_awaited(AsyncFunctionTransport(respond))(map(str, range(50))) as deletions:
            assert len(await listed(deletions)) == 50
            gc.collect()
            assert len(tasks) < 10

    virtual_time.run(main())


@pytest.mark.filterwarnings("ignore:<.*Deletions:RuntimeWarning")
def test_dropping_the_iterator_lets_what_is_in_flight_end_and_sends_nothing_new() -> None:
    async def main() -> None:
        ended: list[str] = []

        async def respond(session_id: str) -> Response:
            await asyncio.sleep(50 if session_id in "123" else 1)
            ended.append(session_id)
            return DESTROYED

        transport = AsyncFunctionTransport(respond)
        deletions = many_awaited(transport, concurrency=4)(iter("0123456789"))
        assert (await anext(deletions)).session_id == "0"
        del deletions
        gc.collect()
        await asyncio.sleep(100)
        assert transport.sent == sorted(ended) == ["0", "1", "2", "3"]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    virtual_time.run(main())


def test_a_cancellation_while_a_pending_id_ends_is_raised() -> None:
    async def ids() -> AsyncIterator[str]:
        yield "a"
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(5)

    async def main() -> None:
        deletions = many_awaited(AsyncFunctionTransport())(ids())
        assert (await anext(deletions)).session_id == "a"
        asyncio.get_running_loop().call_later(1, deletions.stop)
        last = asyncio.ensure_future(anext(deletions))
        asyncio.get_running_loop().call_later(3, last.cancel)
        await asyncio.wait([last])
        assert last.cancelled()
        assert virtual_time.now() == 6

    virtual_time.run(main())


def test_a_leaving_whose_coroutine_is_closed_cancels_what_is_in_flight() -> None:
    async def main() -> None:
        transport = AsyncFunctionTransport(lambda one: after(50 if one == "b" else 1)(one))
        deletions = many_awaited(transport)(["a", "b"])
        assert (await anext(deletions)).session_id == "a"
        leaving = deletions.aclose()
        leaving.send(None)  # It waits for the request of "b".
        leaving.close()
        [outcome] = await listed(deletions)
        assert (outcome.session_id, outcome.session_fate) == ("b", SessionFate.UNKNOWN)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert virtual_time.now() == 1

    virtual_time.run(main())


def test_a_run_says_that_it_needs_asyncio() -> None:
    async def main() -> None:
        deletions = many_awaited(AsyncFunctionTransport())(["a"])
        with pytest.raises(RuntimeError) as raised:
            await anext(deletions)
        assert str(raised.value) == (
            "AsyncDeleteManySessions needs asyncio's event loop. Under another event loop, call"
            " AsyncDeleteSession for each session."
        )
        await deletions.aclose()

    run(main())


def test_a_block_does_not_begin_without_asyncio() -> None:
    async def main() -> None:
        deletions = many_awaited(AsyncFunctionTransport())(["a"])
        with pytest.raises(RuntimeError, match="AsyncDeleteManySessions needs asyncio's event"):
            async with deletions:
                pytest.fail("the block has begun")
        deletions.stop()

    run(main())


def test_a_run_that_is_left_waits_for_an_attempt_and_a_second_if_a_transport_never_ends() -> None:
    async def respond(session_id: str) -> Response:
        await asyncio.sleep(1 if session_id == "a" else 1_000)
        return DESTROYED

    async def main() -> float:
        async with many_awaited(AsyncFunctionTransport(respond))(["a", "b"]) as deletions:
            await anext(deletions)
        return virtual_time.now()

    assert virtual_time.run(main()) == 1 + 90 + 1
