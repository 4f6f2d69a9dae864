"""What only an awaited run has: tasks, of which none outlives it, and ids that are awaited."""

import asyncio
import contextvars
import gc
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from unittest.mock import MagicMock

import anyio
import pytest

from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    Response,
    SessionFate,
)

from .log_records import log_records
from .scripted_transport import DESTROYED, run
from .side_by_side import KEY, AsyncFunctionTransport, after, listed, many_awaited
from .virtual_time import VirtualTimeLoop, now, on_virtual_time

TENANT = contextvars.ContextVar("tenant", default="nobody")


async def each_of(ids: Iterable[str]) -> AsyncIterator[str]:
    for session_id in ids:
        yield session_id


async def slowly(ids: Iterable[str]) -> AsyncIterator[str]:
    for session_id in ids:
        try:
            await asyncio.sleep(0.4)
        except asyncio.CancelledError:
            raise ZeroDivisionError from None  # Nobody looks at it.
        yield session_id


def is_alone() -> bool:
    return asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.filterwarnings("ignore:<.*Deletions:RuntimeWarning")
@pytest.mark.parametrize(("ids", "sent"), [(iter, "abcd"), (slowly, "abc")])
@on_virtual_time
async def test_dropping_the_iterator_lets_what_is_in_flight_end_and_reads_and_sends_nothing_new(
    ids: Callable[[str], Iterator[str] | AsyncIterator[str]],
    sent: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    transport = AsyncFunctionTransport(after(1, b=50, c=50, d=50))
    deletions = many_awaited(transport, concurrency=4)(ids("abcdefgh"))
    assert (await anext(deletions)).session_id == "a"
    del deletions
    gc.collect()
    await asyncio.sleep(100)
    assert transport.sent == sorted(transport.responded) == [*sent]
    assert is_alone()
    gc.collect()
    assert caplog.records == []


@pytest.mark.parametrize("shutdown_timeout", [None, 500])
@on_virtual_time
async def test_a_run_that_is_left_waits_for_an_attempt_and_a_second_at_most(
    shutdown_timeout: float | None,
) -> None:
    use_case = many_awaited(AsyncFunctionTransport(after(1, b=1000)))
    use_case.shutdown_timeout = shutdown_timeout
    async with use_case(["a", "b"]) as deletions:
        assert (await anext(deletions)).session_id == "a"
    assert now() == 1 + 90 + 1


@on_virtual_time
async def test_a_cancellation_while_a_pending_id_ends_is_raised() -> None:
    async def ids() -> AsyncIterator[str]:
        yield "a"
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(5)

    deletions = many_awaited(AsyncFunctionTransport())(ids())
    assert (await anext(deletions)).session_id == "a"
    asyncio.get_running_loop().call_later(1, deletions.stop)
    last = asyncio.ensure_future(anext(deletions))
    asyncio.get_running_loop().call_later(3, last.cancel)
    await asyncio.wait([last])
    assert last.cancelled()
    assert now() == 6


@pytest.mark.parametrize(("how", "seconds"), [("left", 3), ("stopped", 3), ("ended by itself", 1)])
@on_virtual_time
async def test_ids_whose_end_hangs_are_not_waited_for_without_end(
    how: str, seconds: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def ids() -> AsyncIterator[str]:
        yield "a"
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(1000)

    async def respond(session_id: str) -> Response:
        if how == "ended by itself":
            raise MemoryError
        return DESTROYED

    use_case = many_awaited(AsyncFunctionTransport(respond))
    use_case.shutdown_timeout = 3
    deletions = use_case(ids())
    assert (await anext(deletions)).session_id == "a"
    if how == "left":
        await deletions.aclose()
    elif how == "stopped":
        deletions.stop()
    with suppress(RuntimeError):  # what ended it
        assert await listed(deletions) == []
    assert now() == seconds
    await asyncio.sleep(1000)
    assert caplog.records == []  # of asyncio, above all


def test_without_asyncio_a_run_says_so_and_its_block_does_not_begin() -> None:
    async def main() -> None:
        deletions = many_awaited(AsyncFunctionTransport())(["a"])
        with pytest.raises(RuntimeError) as raised:
            await anext(deletions)
        assert str(raised.value) == (
            "AsyncDeleteManySessions needs asyncio's event loop. Under another event loop, call"
            " AsyncDeleteSession for each session."
        )
        with pytest.raises(RuntimeError, match="AsyncDeleteManySessions needs asyncio's event"):
            async with deletions:
                pytest.fail("the block has begun")
        await deletions.aclose()

    run(main())


@on_virtual_time
async def test_a_timeout_and_a_task_group_may_stand_around_yields_in_the_caller_s_context() -> None:
    seen = set()

    async def ids() -> AsyncIterator[str]:
        async with asyncio.timeout(60), anyio.create_task_group() as group:
            group.start_soon(asyncio.sleep, 5)
            for session_id in "abc":
                await asyncio.sleep(1)
                seen.add((asyncio.current_task(), TENANT.get()))
                yield session_id

    TENANT.set("tenant-7")
    outcomes = await listed(many_awaited(AsyncFunctionTransport(), concurrency=1)(ids()))
    assert [outcome.session_id for outcome in outcomes] == ["a", "b", "c"]
    assert [tenant for _, tenant in seen] == ["tenant-7"]
    assert is_alone()


@pytest.mark.parametrize("concurrency", [8, 1], ids=["it waits for an id", "no id is wanted"])
@on_virtual_time
async def test_a_timeout_of_the_ids_is_raised_after_the_outcomes(concurrency: int) -> None:
    async def ids() -> AsyncIterator[str]:
        async with asyncio.timeout(5):
            yield "a"
            await asyncio.sleep(60)

    deletions = many_awaited(AsyncFunctionTransport(after(10)), concurrency=concurrency)(ids())
    assert (await anext(deletions)).session_id == "a"
    with pytest.raises(TimeoutError):
        await anext(deletions)
    assert is_alone()


@on_virtual_time
async def test_ids_may_catch_each_timeout_of_theirs() -> None:
    async def ids() -> AsyncIterator[str]:
        for session_id in "abcd":
            with suppress(TimeoutError):
                async with asyncio.timeout(5):
                    yield session_id

    deletions = many_awaited(AsyncFunctionTransport(after(8)), concurrency=1)(ids())
    assert [outcome.session_id for outcome in await listed(deletions)] == [*"abcd"]
    assert is_alone()


@on_virtual_time
async def test_ids_that_their_timeout_has_cancelled_end_with_the_run() -> None:
    async def ids() -> AsyncIterator[str]:
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                try:
                    yield "a"
                finally:
                    await asyncio.sleep(30)
        yield "b"

    use_case = many_awaited(AsyncFunctionTransport(after(8)), concurrency=1)
    use_case.shutdown_timeout = 3
    async with use_case(ids()) as deletions:
        assert (await anext(deletions)).session_id == "a"
    await asyncio.sleep(60)
    assert await listed(deletions) == []
    assert is_alone()


@on_virtual_time
async def test_what_ids_fail_with_while_the_caller_is_busy_is_raised_even_by_a_stopped_run() -> (
    None
):
    async def ids() -> AsyncIterator[str]:
        yield "a"
        await asyncio.sleep(5)
        raise ZeroDivisionError

    deletions = many_awaited(AsyncFunctionTransport())(ids())
    assert (await anext(deletions)).session_id == "a"
    await asyncio.sleep(10)
    deletions.stop()
    with pytest.raises(ZeroDivisionError):
        await anext(deletions)


@on_virtual_time
async def test_ids_whose_task_is_cancelled_cancel_the_run_and_cost_no_outcome() -> None:
    async def ids() -> AsyncIterator[str]:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(0.5, task.cancel)
        yield "a"
        yield "b"

    deletions = many_awaited(AsyncFunctionTransport(after(1)), concurrency=1)(ids())
    with pytest.raises(asyncio.CancelledError):
        await anext(deletions)
    assert [outcome.session_fate for outcome in await listed(deletions)] == [SessionFate.GONE]
    assert is_alone()


@on_virtual_time
async def test_an_id_that_comes_although_it_is_cancelled_has_its_outcome() -> None:
    async def ids() -> AsyncIterator[str]:
        yield "a"
        try:
            await asyncio.sleep(50)
        except asyncio.CancelledError:
            yield "b"

    deletions = many_awaited(AsyncFunctionTransport(), concurrency=2)(ids())
    asyncio.get_running_loop().call_later(5, deletions.stop)
    assert (await anext(deletions)).session_id == "a"
    [outcome] = await listed(deletions)
    assert (outcome.session_id, outcome.session_fate) == ("b", SessionFate.UNTOUCHED)
    assert (now(), is_alone()) == (5, True)


@on_virtual_time
async def test_requests_that_are_cancelled_before_they_begin_have_outcomes() -> None:
    def ids() -> Iterator[str]:
        yield from "ab"
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    deletions = many_awaited(AsyncFunctionTransport())(ids())
    fates = [(await anext(deletions)).session_fate for _ in "ab"]
    assert fates == [SessionFate.UNKNOWN] * 2
    with pytest.raises(RuntimeError, match="CancelledError"):
        await anext(deletions)


@on_virtual_time
async def test_ids_that_can_be_read_in_both_ways_are_awaited() -> None:
    ids = MagicMock()
    ids.__aiter__.return_value = ["a"]
    assert len(await listed(many_awaited(AsyncFunctionTransport())(ids))) == 1


@pytest.mark.parametrize("are_awaited", [False, True])
@on_virtual_time
async def test_bad_ids_leave_the_event_loop_to_others_too(are_awaited: bool) -> None:
    ids = ["good", *[""] * 1_000]
    deletions = many_awaited(AsyncFunctionTransport())(each_of(ids) if are_awaited else ids)
    places = [outcome.session_id for outcome in await listed(deletions)]
    assert places.index("good") < 100, "its response came long before"
    assert now() == 0


class HangingJournal:
    """Does not come back from `a`, until it may."""

    def __init__(self) -> None:
        self.forgot: list[str] = []
        self.may_end = threading.Event()
        self.other_threads = threading.enumerate()  # Those of other tests may never end.

    def opened(self, session_id: str, /) -> None:
        raise NotImplementedError

    def gone(self, session_id: str, /) -> None:
        self.forgot.append(session_id)
        assert session_id != "a" or self.may_end.wait(60)


def join_journal(journal: HangingJournal) -> None:
    journal.may_end.set()
    for thread in {*threading.enumerate()} - {*journal.other_threads}:
        thread.join(60)


@on_virtual_time
async def test_a_journal_that_hangs_costs_a_run_five_seconds_and_is_not_called_again() -> None:
    journal = HangingJournal()
    delete_session = AsyncDeleteSession(AsyncFunctionTransport(), KEY, journal=journal)
    with log_records(logging.WARNING) as records:
        deletions = AsyncDeleteManySessions(delete_session, shutdown_timeout=60)(list("abc"))
        assert len(await listed(deletions)) == 3
    assert now() == 5
    join_journal(journal)
    assert journal.forgot == ["a"]
    text = "the journal was not told in time: it may still hold 3 sessions that are gone"
    assert [record.getMessage() for record in records] == [text]


@on_virtual_time
async def test_a_journal_that_hangs_costs_a_call_five_seconds_and_is_logged() -> None:
    journal = HangingJournal()
    delete_session = AsyncDeleteSession(AsyncFunctionTransport(), KEY, journal=journal)
    with log_records(logging.WARNING) as records:
        await delete_session("a")
    assert now() == 5
    join_journal(journal)
    text = "session 'a' is gone, but the journal may still hold it: it takes more than 5 s"
    assert [record.getMessage() for record in records] == [text]


def test_a_run_that_is_dropped_after_its_event_loop_warns_as_any_other() -> None:
    loop = VirtualTimeLoop()
    deletions = many_awaited(AsyncFunctionTransport())(slowly("ab"))
    loop.run_until_complete(anext(deletions))
    loop.close()
    with pytest.warns(RuntimeWarning, match="was left half-way"):
        del deletions
    gc.collect()  # asyncio logs that a task is pending: here, and not at the end of all tests
