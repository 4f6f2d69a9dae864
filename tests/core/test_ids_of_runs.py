"""Where the ids of a run are read, and what becomes of ids that misbehave."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator

import pytest

from firecrawl_interact.core import SessionFate

from . import virtual_time
from .side_by_side import (
    AsyncFunctionTransport,
    FunctionTransport,
    after,
    listed,
    many,
    many_awaited,
)

TENANT: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")


class Watched(list[str]):
    """A collection that notes where it is read."""

    def __init__(self, ids: str) -> None:
        super().__init__(ids)
        self.readers: set[tuple[threading.Thread, str]] = set()

    def __iter__(self) -> Iterator[str]:
        for session_id in super().__iter__():
            self.readers.add((threading.current_thread(), TENANT.get()))
            yield session_id


def test_ids_are_read_in_the_caller_s_thread_and_context() -> None:
    collection, generator = Watched("abc"), Watched("abc")
    token = TENANT.set("tenant-7")
    list(many(FunctionTransport())(collection))
    list(many(FunctionTransport())(session_id for session_id in generator))
    TENANT.reset(token)
    assert collection.readers == generator.readers == {(threading.current_thread(), "tenant-7")}


def test_an_asynchronous_generator_runs_in_the_caller_s_context() -> None:
    seen = []

    async def ids() -> AsyncIterator[str]:
        for session_id in ("a", "b"):
            seen.append(TENANT.get())
            TENANT.set(f"{TENANT.get()}+")
            await asyncio.sleep(1)
            yield session_id

    async def main() -> None:
        TENANT.set("tenant-7")
        await listed(many_awaited(AsyncFunctionTransport())(ids()))

    virtual_time.run(main())
    assert seen == ["tenant-7", "tenant-7+"]


def test_what_was_not_taken_is_in_the_caller_s_iterator_when_a_run_is_left() -> None:
    ids = iter("abcdef")
    with many(FunctionTransport(), concurrency=2)(ids) as deletions:
        next(deletions)
    taken = 1 + len(list(deletions))
    assert "".join(ids) == "abcdef"[taken:]


def test_an_id_that_comes_although_it_is_cancelled_has_its_outcome() -> None:
    async def ids() -> AsyncIterator[str]:
        yield "a"
        try:
            await asyncio.sleep(50)
        except asyncio.CancelledError:
            yield "b"

    async def main() -> None:
        deletions = many_awaited(AsyncFunctionTransport(), concurrency=2)(ids())
        asyncio.get_running_loop().call_later(5, deletions.stop)
        assert (await anext(deletions)).session_id == "a"
        [outcome] = await listed(deletions)
        assert (outcome.session_id, outcome.session_fate) == ("b", SessionFate.UNTOUCHED)

    virtual_time.run(main())


class EndingAtOnce:
    """Asynchronous ids whose end, or failure, is raised before anything can be awaited."""

    def __init__(self, end: Exception) -> None:
        self._ids = iter("ab")
        self._end = end

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    def __anext__(self) -> Awaitable[str]:
        for session_id in self._ids:
            return asyncio.sleep(0, session_id)
        raise self._end


@pytest.mark.parametrize("end", [StopAsyncIteration(), LookupError("no next page")], ids=repr)
def test_when_asynchronous_ids_end_or_fail_at_once_each_has_its_outcome(end: Exception) -> None:
    async def main() -> None:
        deletions = many_awaited(AsyncFunctionTransport(after(10)))(EndingAtOnce(end))
        assert {(await anext(deletions)).session_id for _ in range(2)} == {"a", "b"}
        with pytest.raises(type(end)):
            await anext(deletions)

    virtual_time.run(main())


async def each_of(ids: Iterable[str]) -> AsyncIterator[str]:
    for session_id in ids:
        yield session_id


@pytest.mark.parametrize("are_awaited", [False, True])
def test_bad_ids_leave_the_event_loop_to_others_too(are_awaited: bool) -> None:
    async def main() -> None:
        ids = ["good", *[""] * 1_000]
        deletions = many_awaited(AsyncFunctionTransport())(each_of(ids) if are_awaited else ids)
        outcomes = await listed(deletions)
        place = [outcome.session_id for outcome in outcomes].index("good")
        assert place < 100, "its response came long before"
        assert virtual_time.now() == 0

    virtual_time.run(main())
