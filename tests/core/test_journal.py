"""What a use case records in its journal, in both ways, and what a failing journal changes."""

import asyncio
import contextlib
import copy
import logging
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    DeleteManySessions,
    DeleteSession,
    DeleteSessionError,
    JournalError,
    Outcome,
    Recorder,
    Response,
    RetryPolicy,
    SessionNotFoundError,
    TimedOutError,
    Transport,
)

from . import virtual_time
from .log_records import log_records
from .scripted_transport import (
    API_KEY,
    DESTROYED,
    SESSION_ID,
    UNAUTHORIZED,
    UNAVAILABLE,
    AsyncScriptedTransport,
    ScriptedTransport,
    response,
    run,
)
from .side_by_side import listed

NOT_FOUND = response(404, {"success": False, "error": "Browser session not found."})
ONE_ATTEMPT = RetryPolicy(max_attempts=1)


class Notebook:
    """A journal that writes down what is recorded in it, in which thread, and fails on demand."""

    def __init__(self, *, fails: tuple[str, ...] = ()) -> None:
        self.lines: list[tuple[str, str]] = []
        self.threads: set[threading.Thread] = set()
        self._fails = fails

    def opened(self, session_id: str, /) -> None:
        self._write("opened", session_id)

    def gone(self, session_id: str, /) -> None:
        self._write("gone", session_id)

    def _write(self, step: str, session_id: str) -> None:
        self.threads.add(threading.current_thread())
        self.lines.append((step, session_id))
        if step in self._fails:
            raise JournalError("no space left", session_id=session_id)


Way = Callable[[ScriptedTransport, Recorder], None]


def blocking(transport: Transport, journal: Recorder) -> DeleteSession:
    return DeleteSession(transport, API_KEY, retry=ONE_ATTEMPT, journal=journal)


def awaited(transport: ScriptedTransport, journal: Recorder) -> AsyncDeleteSession:
    over = AsyncScriptedTransport(transport)
    return AsyncDeleteSession(over, API_KEY, retry=ONE_ATTEMPT, journal=journal)


def call(transport: ScriptedTransport, journal: Recorder) -> None:
    blocking(transport, journal)(SESSION_ID)


def awaited_call(transport: ScriptedTransport, journal: Recorder) -> None:
    run(awaited(transport, journal)(SESSION_ID))


def block(transport: ScriptedTransport, journal: Recorder) -> None:
    with blocking(transport, journal).on_exit(SESSION_ID):
        journal.opened("in-the-block")
        assert transport.requests == []


def awaited_block(transport: ScriptedTransport, journal: Recorder) -> None:
    async def leave() -> None:
        async with awaited(transport, journal).on_exit(SESSION_ID):
            journal.opened("in-the-block")
            assert transport.requests == []

    asyncio.run(leave())


def run_over_two(transport: ScriptedTransport, journal: Recorder) -> list[Outcome]:
    return list(DeleteManySessions(blocking(transport, journal), concurrency=1)(["one", "two"]))


def awaited_run_over_two(transport: ScriptedTransport, journal: Recorder) -> list[Outcome]:
    delete_many = AsyncDeleteManySessions(awaited(transport, journal), concurrency=1)
    return asyncio.run(listed(delete_many(["one", "two"])))


Run = Callable[[ScriptedTransport, Recorder], list[Outcome]]
runs = pytest.mark.parametrize("run_over", [run_over_two, awaited_run_over_two])
blocks = pytest.mark.parametrize("way", [block, awaited_block])
all_ways = pytest.mark.parametrize("way", [call, awaited_call, block, awaited_block])


@pytest.mark.parametrize(
    ("end", "error", "is_gone"),
    [
        (DESTROYED, None, True),
        (NOT_FOUND, SessionNotFoundError, True),
        (UNAUTHORIZED, DeleteSessionError, False),
        (UNAVAILABLE, DeleteSessionError, False),
        (TimedOutError("no response within 90 s"), DeleteSessionError, False),
    ],
)
@pytest.mark.parametrize("can_forget", [True, False])
@all_ways
def test_a_journal_holds_a_session_from_before_its_block_until_it_is_gone(
    way: Way,
    end: Response | TimedOutError,
    error: type[Exception] | None,
    is_gone: bool,
    can_forget: bool,
) -> None:
    journal = Notebook(fails=() if can_forget else ("gone",))
    expects = pytest.raises(error) if error else contextlib.nullcontext()
    with log_records(logging.WARNING) as records, expects as raised:
        way(ScriptedTransport(end), journal)
    opened = [("opened", SESSION_ID), ("opened", "in-the-block")]
    in_block = opened if way in {block, awaited_block} else []
    assert journal.lines == in_block + [("gone", SESSION_ID)] * is_gone
    warning = f"session '{SESSION_ID}' is gone, but the journal may still hold it: no space left"
    expected = [warning] if is_gone and not can_forget else []
    assert [record.getMessage() for record in records] == expected
    assert raised is None or not isinstance(raised.value.__context__, JournalError)


@runs
@pytest.mark.parametrize("fails", [(), ("gone",)])
@pytest.mark.parametrize("gone", [DESTROYED, NOT_FOUND])
def test_a_run_lets_the_journal_forget_each_session_that_is_gone(
    run_over: Run, gone: Response, fails: tuple[str, ...]
) -> None:
    journal = Notebook(fails=fails)
    outcomes = run_over(ScriptedTransport(gone, UNAUTHORIZED), journal)
    assert journal.lines == [("gone", "one")]
    assert len(outcomes) == 2  # whatever the journal does


def test_an_interruption_while_the_journal_forgets_loses_no_outcome() -> None:
    class Interrupted(Notebook):
        def gone(self, session_id: str, /) -> None:
            if not self.lines:
                self.lines.append(("gone", session_id))
                raise KeyboardInterrupt

    delete_session = blocking(ScriptedTransport(DESTROYED), Interrupted())
    deletions = DeleteManySessions(delete_session, concurrency=1)(["one"])
    with pytest.raises(KeyboardInterrupt):
        next(deletions)
    assert [outcome.session_id for outcome in deletions] == ["one"]


def test_a_cancellation_while_the_journal_forgets_loses_no_outcome() -> None:
    begun, cancelled = threading.Event(), threading.Event()

    class Slow(Notebook):
        def gone(self, session_id: str, /) -> None:
            begun.set()
            cancelled.wait(10)

    delete_session = awaited(ScriptedTransport(DESTROYED), Slow())

    async def cancel() -> list[str]:
        deletions = AsyncDeleteManySessions(delete_session, concurrency=1)(["one"])
        taking = asyncio.ensure_future(anext(deletions))
        while not (begun.is_set() or taking.done()):
            await asyncio.sleep(0)
        taking.cancel()
        cancelled.set()
        with pytest.raises(asyncio.CancelledError):
            await taking
        return [outcome.session_id async for outcome in deletions]

    assert asyncio.run(cancel()) == ["one"]


@blocks
def test_a_block_does_not_begin_when_the_session_cannot_be_recorded(way: Way) -> None:
    transport, journal = ScriptedTransport(), Notebook(fails=("opened",))
    with pytest.raises(JournalError) as raised:
        way(transport, journal)
    assert raised.value.session_id == SESSION_ID
    assert journal.lines == [("opened", SESSION_ID)]
    assert transport.requests == []


async def leave_a_block(journal: Recorder) -> None:
    async with awaited(ScriptedTransport(DESTROYED), journal).on_exit(SESSION_ID):
        pass


def test_an_awaited_journal_is_called_in_threads_under_asyncio_that_hold_no_process_up() -> None:
    journal = Notebook()
    asyncio.run(leave_a_block(journal))
    assert [step for step, _ in journal.lines] == ["opened", "gone"]
    assert threading.current_thread() not in journal.threads
    assert {(thread.name, thread.daemon) for thread in journal.threads} == {
        ("firecrawl_interact", True)
    }


def test_an_outcome_comes_after_5_s_although_the_journal_has_not_forgotten() -> None:
    may_forget, has_forgotten = threading.Event(), threading.Event()

    class Slow(Notebook):
        def gone(self, session_id: str, /) -> None:
            may_forget.wait(30)
            super().gone(session_id)
            has_forgotten.set()

    journal = Slow()

    async def seconds_to_delete() -> float:
        began = virtual_time.now()
        await awaited(ScriptedTransport(DESTROYED), journal)(SESSION_ID)
        return virtual_time.now() - began

    assert virtual_time.run(seconds_to_delete()) == pytest.approx(5)
    assert journal.lines == []
    may_forget.set()
    assert has_forgotten.wait(30)


@pytest.mark.parametrize("way", [awaited_call, awaited_block])
def test_a_journal_is_called_plainly_where_no_thread_can_start(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    journal = Notebook()
    monkeypatch.setattr(threading.Thread, "start", fail)
    if way is awaited_call:
        asyncio.run(delete(ScriptedTransport(DESTROYED), journal))
    else:
        way(ScriptedTransport(DESTROYED), journal)
    assert journal.lines[-1] == ("gone", SESSION_ID)
    assert journal.threads == {threading.current_thread()}


async def delete(transport: ScriptedTransport, journal: Recorder) -> None:
    await awaited(transport, journal)(SESSION_ID)


def test_an_awaited_journal_is_called_plainly_under_another_event_loop() -> None:
    journal = Notebook()
    run(leave_a_block(journal))
    assert [step for step, _ in journal.lines] == ["opened", "gone"]
    assert journal.threads == {threading.current_thread()}


class Awaited:
    async def opened(self, session_id: str, /) -> None: ...
    async def gone(self, session_id: str, /) -> None: ...


class HalfAwaited(Notebook):
    async def gone(self, session_id: str, /) -> None: ...  # type: ignore[override] # the point


@pytest.mark.parametrize(
    ("journal", "message"),
    [
        (
            "/var/lib/app",
            "journal must have the methods opened, gone, as FileJournal.* has no opened",
        ),
        (Awaited(), "journal must not be awaited"),
        (HalfAwaited(), "journal must not be awaited"),
        (Notebook, "journal must be an object, not the class Notebook"),
    ],
)
def test_what_is_no_journal_is_refused(journal: Any, message: str) -> None:  # Any: the point
    with pytest.raises(TypeError, match=f"^{message}"):
        DeleteSession(ScriptedTransport(), API_KEY, journal=journal)


@pytest.mark.parametrize("session_id", [SESSION_ID, None])
def test_a_journal_error_survives_pickle_and_copy(session_id: str | None) -> None:
    error: OSError = JournalError("no space left", session_id=session_id)
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own
        assert isinstance(twin, JournalError)
        assert str(twin) == "no space left"
        assert twin.session_id == session_id
