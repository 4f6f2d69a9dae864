"""What only an awaited run has: tasks, of which none outlives it, and ids that are awaited."""

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncIterator
from types import SimpleNamespace

import anyio
import pytest

from firecrawl_interact import core

from ..simulation import virtual_time
from ..simulation.virtual_time import now, on_virtual_time
from .scripted_transport import log_records
from .side_by_side import AsyncFunctionTransport, after, listed, many_awaited

TENANT = contextvars.ContextVar("tenant", default="nobody")


def is_alone() -> bool:
    return asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("shutdown_timeout", [None, 500])
@on_virtual_time
async def test_leaving_a_run_waits_for_an_attempt_at_most(shutdown_timeout: float | None) -> None:
    use_case = many_awaited(AsyncFunctionTransport(after(1, b=1000)))
    async with use_case(["a", "b"], shutdown_timeout=shutdown_timeout) as deletions:
        assert (await anext(deletions)).session_id == "a"
    assert now() == 1 + 90 + 1
    assert is_alone()


@on_virtual_time
async def test_one_task_reads_all_ids_in_the_caller_s_context() -> None:
    seen = set()

    async def ids() -> AsyncIterator[str]:
        async with asyncio.timeout(60):
            for session_id in "abc":
                await asyncio.sleep(1)
                seen.add((asyncio.current_task(), TENANT.get()))
                yield session_id

    TENANT.set("tenant-7")
    outcomes = await listed(many_awaited(AsyncFunctionTransport(), concurrency=1)(ids()))
    assert [outcome.session_id for outcome in outcomes] == ["a", "b", "c"]
    assert [tenant for _, tenant in seen] == ["tenant-7"]
    assert is_alone()


@on_virtual_time
async def test_asynchronous_ids_are_read_only_while_an_outcome_is_asked_for() -> None:
    read = []

    async def ids() -> AsyncIterator[str]:
        for session_id in "abcd":
            read.append(session_id)
            yield session_id

    use_case = many_awaited(AsyncFunctionTransport(after(1)), concurrency=1)
    with log_records(logging.WARNING) as records:
        async with use_case(ids()) as deletions:
            await anext(deletions)
            await asyncio.sleep(60)
    assert (read, records) == (["a"], [])


@on_virtual_time
async def test_ids_that_somebody_cancels_do_not_end_in_silence() -> None:
    async def ids() -> AsyncIterator[str]:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(5, task.cancel)
        yield "a"
        await asyncio.sleep(60)

    deletions = many_awaited(AsyncFunctionTransport(after(10)))(ids())
    assert (await anext(deletions)).session_id == "a"
    with pytest.raises(RuntimeError, match="the task that reads the ids was cancelled"):
        await anext(deletions)


@on_virtual_time
async def test_a_program_that_cancels_all_its_tasks_loses_no_outcome() -> None:
    deletions = many_awaited(AsyncFunctionTransport(after(60)))(["a", "b"])
    reading = asyncio.create_task(listed(deletions))
    await asyncio.sleep(5)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.wait([reading])
    assert reading.cancelled()
    assert [outcome.session_fate.name for outcome in await listed(deletions)] == ["UNKNOWN"] * 2
    assert now() == 5


@on_virtual_time
async def test_a_cancelled_scope_of_anyio_costs_a_run_no_outcome() -> None:
    told = list[core.Outcome]()
    use_case = many_awaited(AsyncFunctionTransport(after(1, b=10)), on_outcome=told.append)
    with anyio.CancelScope() as scope:
        async with use_case(["a", "b"]) as deletions:
            await anext(deletions)
            scope.cancel()
            await asyncio.sleep(3600)
    assert [outcome.session_fate for outcome in told] == [core.SessionFate.GONE] * 2
    assert now() == 10


def test_a_run_in_a_left_generator_tells_each_outcome() -> None:
    async def outcomes() -> AsyncIterator[core.Outcome]:
        async with use_case(["a", "b"]) as deletions:
            async for outcome in deletions:
                yield outcome

    async def main() -> None:
        async for _ in outcomes():
            break

    told = list[core.Outcome]()
    use_case = many_awaited(AsyncFunctionTransport(after(1, b=10)), on_outcome=told.append)
    virtual_time.run(main())
    assert [outcome.session_fate.name for outcome in told] == ["GONE", "UNKNOWN"]


def test_the_journal_forgets_sessions_side_by_side() -> None:
    together, most = threading.Barrier(4), [0, 0]

    def forget(_: str) -> None:
        most[0] += 1
        most[1] = max(most)
        together.wait(60)
        most[0] -= 1

    journal = SimpleNamespace(opened=print, gone=forget)
    use_case = many_awaited(AsyncFunctionTransport(), concurrency=4, journal=journal)
    outcomes = asyncio.run(listed(use_case(list("abcdefgh"))))
    assert (len(outcomes), most[1]) == (8, 4)


@pytest.mark.parametrize(("is_closed", "ids"), [(False, ["a", "b"]), (True, ["a"])])
@on_virtual_time
async def test_another_task_is_refused_and_the_run_goes_on(is_closed: bool, ids: list[str]) -> None:
    deletions = many_awaited(AsyncFunctionTransport(after(10)), concurrency=1)(iter(["a", "b"]))
    first = asyncio.create_task(listed(deletions))
    await asyncio.sleep(1)
    with pytest.raises(RuntimeError, match="another thread or task is asking this run"):
        await (deletions.aclose() if is_closed else anext(deletions))
    assert [outcome.session_id for outcome in await first] == ids
    assert is_alone()
