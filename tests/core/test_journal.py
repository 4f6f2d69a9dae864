"""What a use case records in its journal, in both ways, and what a failing journal changes."""

import asyncio
import copy
import logging
import pickle
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    DeleteManySessions,
    DeleteSession,
    DeleteSessionError,
    JournalError,
    Outcome,
    Recorder,
    Response,
    RetryPolicy,
    TimedOutError,
)

from . import virtual_time
from .log_records import log_records
from .scripted_transport import (
    API_KEY,
    DESTROYED,
    SESSION_ID,
    UNAUTHORIZED,
    UNAVAILABLE,
    ScriptedTransport,
    UseCase,
    awaited,
    both_use_cases,
    ended,
    play,
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


Way = Callable[[UseCase, ScriptedTransport, Recorder], None]


def call(use_case: UseCase, transport: ScriptedTransport, journal: Recorder) -> None:
    ended(use_case(transport, API_KEY, retry=ONE_ATTEMPT, journal=journal)(SESSION_ID))


def block(use_case: UseCase, transport: ScriptedTransport, journal: Recorder) -> None:
    def work() -> None:
        journal.opened("in-the-block")
        assert transport.requests == []

    delete_session = use_case(transport, API_KEY, retry=ONE_ATTEMPT, journal=journal)
    play(delete_session.on_exit(SESSION_ID), work)


async def awaited_call(transport: ScriptedTransport, journal: Recorder) -> None:
    await awaited(transport, API_KEY, retry=ONE_ATTEMPT, journal=journal)(SESSION_ID)


async def awaited_block(transport: ScriptedTransport, journal: Recorder) -> None:
    async with awaited(transport, API_KEY, retry=ONE_ATTEMPT, journal=journal).on_exit(SESSION_ID):
        pass


def run_over_two(transport: ScriptedTransport, journal: Recorder) -> list[Outcome]:
    delete_session = DeleteSession(transport, API_KEY, retry=ONE_ATTEMPT, journal=journal)
    return list(DeleteManySessions(delete_session, concurrency=1)(["one", "two"]))


def awaited_run_over_two(transport: ScriptedTransport, journal: Recorder) -> list[Outcome]:
    delete_session = awaited(transport, API_KEY, retry=ONE_ATTEMPT, journal=journal)
    delete_many = AsyncDeleteManySessions(delete_session, concurrency=1)
    return asyncio.run(listed(delete_many(["one", "two"])))


@pytest.mark.parametrize(
    "end", [DESTROYED, NOT_FOUND, UNAUTHORIZED, UNAVAILABLE, TimedOutError("no response")]
)
@pytest.mark.parametrize("can_forget", [True, False])
@pytest.mark.parametrize("way", [call, block])
@both_use_cases
def test_a_journal_holds_a_session_from_before_its_block_until_it_is_gone(
    use_case: UseCase, way: Way, end: Response | TimedOutError, can_forget: bool
) -> None:
    journal, raised = Notebook(fails=() if can_forget else ("gone",)), None
    with log_records(logging.WARNING) as records:
        try:
            way(use_case, ScriptedTransport(end), journal)
        except DeleteSessionError as error:
            raised = error
    is_gone = end in (DESTROYED, NOT_FOUND)
    opened = [("opened", SESSION_ID), ("opened", "in-the-block")]
    in_block = opened if way is block else []
    assert journal.lines == in_block + [("gone", SESSION_ID)] * is_gone
    warning = f"session '{SESSION_ID}' is gone, but the journal may still hold it: no space left"
    expected = [warning] if is_gone and not can_forget else []
    assert [record.getMessage() for record in records] == expected
    assert (raised is None) is (end is DESTROYED)
    assert raised is None or not isinstance(raised.__context__, JournalError)


@pytest.mark.parametrize("run_over", [run_over_two, awaited_run_over_two])
@pytest.mark.parametrize("gone", [DESTROYED, NOT_FOUND])
def test_a_run_lets_the_journal_forget_each_session_that_is_gone(
    run_over: Callable[[ScriptedTransport, Recorder], list[Outcome]], gone: Response
) -> None:
    journal = Notebook(fails=("gone",))
    outcomes = run_over(ScriptedTransport(gone, UNAUTHORIZED), journal)
    assert journal.lines == [("gone", "one")]
    assert len(outcomes) == 2  # whatever the journal does


def test_an_interruption_while_the_journal_forgets_loses_no_outcome() -> None:
    class Interrupted(Notebook):
        def gone(self, session_id: str, /) -> None:
            if not self.lines:
                self.lines.append(("gone", session_id))
                raise KeyboardInterrupt

    delete_session = DeleteSession(ScriptedTransport(DESTROYED), API_KEY, journal=Interrupted())
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

    delete_session = awaited(ScriptedTransport(DESTROYED), API_KEY, journal=Slow())

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


@both_use_cases
def test_a_block_does_not_begin_when_the_session_cannot_be_recorded(use_case: UseCase) -> None:
    transport, journal = ScriptedTransport(), Notebook(fails=("opened",))
    with pytest.raises(JournalError) as raised:
        block(use_case, transport, journal)
    assert raised.value.session_id == SESSION_ID
    assert journal.lines == [("opened", SESSION_ID)]
    assert transport.requests == []


@pytest.mark.parametrize("drive", [asyncio.run, run], ids=["asyncio", "another event loop"])
def test_an_awaited_journal_is_called_in_daemon_threads_under_asyncio_and_plainly_elsewhere(
    drive: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    journal = Notebook()
    drive(awaited_block(ScriptedTransport(DESTROYED), journal))
    assert [step for step, _ in journal.lines] == ["opened", "gone"]
    threads = {(thread.name, thread.daemon) for thread in journal.threads}
    assert (threads == {("firecrawl_interact", True)}) is (drive is asyncio.run)
    assert (journal.threads == {threading.current_thread()}) is (drive is run)


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
        await awaited_call(ScriptedTransport(DESTROYED), journal)
        return virtual_time.now() - began

    assert virtual_time.run(seconds_to_delete()) == pytest.approx(5)
    assert journal.lines == []
    may_forget.set()
    assert has_forgotten.wait(30)


@pytest.mark.parametrize("way", [awaited_call, awaited_block])
def test_a_journal_is_called_plainly_where_no_thread_can_start(
    way: Callable[[ScriptedTransport, Recorder], Coroutine[Any, Any, None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    journal = Notebook()
    monkeypatch.setattr(threading.Thread, "start", fail)
    asyncio.run(way(ScriptedTransport(DESTROYED), journal))
    assert journal.lines[-1] == ("gone", SESSION_ID)
    assert journal.threads == {threading.current_thread()}


class HalfAwaited(Notebook):
    async def gone(self, session_id: str, /) -> None: ...  # type: ignore[override] # the point


@pytest.mark.parametrize(
    ("journal", "message"),
    [
        ("/var/lib/app", "journal must have the methods opened, gone, as FileJ.* has no opened"),
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
