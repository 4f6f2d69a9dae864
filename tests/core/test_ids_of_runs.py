"""Ids are read in the caller's own thread and context, and reading them counts against nobody."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from firecrawl_interact.adapters import FakeService, InMemoryTransport
from firecrawl_interact.core import (
    DeleteManySessions,
    DeleteSession,
    DeletionReceipt,
    RetryPolicy,
    SessionFate,
)

from . import virtual_time
from .scripted_transport import DESTROYED, UNAVAILABLE
from .side_by_side import (
    KEY,
    AsyncFunctionTransport,
    FunctionTransport,
    listed,
    many,
    many_awaited,
)

TENANT: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")


def test_the_cursor_of_a_database_can_be_the_ids() -> None:
    sqlite3 = pytest.importorskip("sqlite3")  # Pyodide has none
    service = FakeService([KEY])
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE sessions (id)")
        rows = [(service.open_session(),) for _ in range(5)]
        database.executemany("INSERT INTO sessions VALUES (?)", rows)
        ids = (row[0] for row in database.execute("SELECT id FROM sessions"))
        delete_session = DeleteSession(InMemoryTransport(service), KEY)
        assert len(list(DeleteManySessions(delete_session)(ids))) == 5
    database.close()
    assert service.sessions_left_open == []


def test_a_generator_runs_in_the_caller_s_thread_and_context() -> None:
    seen = []

    def ids() -> Iterator[str]:
        seen.append((threading.current_thread(), TENANT.get()))
        yield "a"

    token = TENANT.set("tenant-7")
    list(many(FunctionTransport())(ids()))
    TENANT.reset(token)
    assert seen == [(threading.current_thread(), "tenant-7")]


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


def test_time_that_the_ids_take_counts_against_no_deadline() -> None:
    responses = iter([DESTROYED, DESTROYED, UNAVAILABLE])
    transport = FunctionTransport(lambda _: next(responses, DESTROYED))

    def ids() -> Iterator[str]:
        for number in range(6):
            transport.now += 4
            yield str(number)

    delete_session = DeleteSession(
        transport, KEY, retry=RetryPolicy(deadline=3), random=lambda: 0.5
    )
    outcomes = list(DeleteManySessions(delete_session, concurrency=2)(ids()))
    assert [type(outcome) for outcome in outcomes] == [DeletionReceipt] * 6


def test_a_retry_that_came_due_is_sent_before_the_next_id_is_asked_for() -> None:
    responses = iter([UNAVAILABLE, DESTROYED, DESTROYED])
    transport = FunctionTransport(lambda _: next(responses))
    sent_before_b: list[str] = []

    def ids() -> Iterator[str]:
        yield "a"
        transport.now += 10
        sent_before_b.extend(transport.sent)
        yield "b"

    # One at a time: the second id is asked for when the first one waits for its retry.
    outcomes = list(many(transport, concurrency=1)(ids()))
    assert {outcome.session_fate for outcome in outcomes} == {SessionFate.GONE}
    assert sent_before_b == ["a"]
    assert transport.sent == ["a", "a", "b"]


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
        assert (await anext(deletions)).session_id == "a"
        waiting = asyncio.ensure_future(anext(deletions))
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.wait([waiting])
        [outcome] = await listed(deletions)
        assert (outcome.session_id, outcome.session_fate) == ("b", SessionFate.UNTOUCHED)

    virtual_time.run(main())
