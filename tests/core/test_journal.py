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
    Recorder,
    Response,
    RetryPolicy,
    TimedOutError,
)

from ..simulation.play import play
from ..simulation.watch import Scenario
from ..simulation.ways import Awaited, Blocking, Way
from ..simulation.world import MemoryJournal, World
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


def call(use_case: UseCase, transport: ScriptedTransport, journal: Recorder) -> None:
    ended(use_case(transport, API_KEY, retry=ONE_ATTEMPT, journal=journal)(SESSION_ID))


def many(use_case: UseCase, transport: ScriptedTransport, journal: Recorder) -> None:
    delete_session = use_case(transport, API_KEY, retry=ONE_ATTEMPT, journal=journal)
    if use_case is DeleteSession:
        [outcome] = DeleteManySessions(delete_session)([SESSION_ID])
    else:
        [outcome] = asyncio.run(listed(AsyncDeleteManySessions(delete_session)([SESSION_ID])))
    if isinstance(outcome, DeleteSessionError):
        raise outcome


@pytest.mark.parametrize(
    "end", [DESTROYED, NOT_FOUND, UNAUTHORIZED, UNAVAILABLE, TimedOutError("no response")]
)
@pytest.mark.parametrize("can_forget", [True, False])
@pytest.mark.parametrize("delete", [call, many])
@both_use_cases
def test_a_journal_forgets_a_session_that_is_gone_and_no_other_and_hides_no_outcome(
    use_case: UseCase,
    delete: Callable[[UseCase, ScriptedTransport, Recorder], None],
    end: Response | TimedOutError,
    can_forget: bool,
) -> None:
    journal, raised = Notebook(fails=() if can_forget else ("gone",)), None
    with log_records(logging.WARNING) as records:
        try:
            delete(use_case, ScriptedTransport(end), journal)
        except DeleteSessionError as error:
            raised = error
    is_gone = end in (DESTROYED, NOT_FOUND)
    assert journal.lines == [("gone", SESSION_ID)] * is_gone
    warning = f"session '{SESSION_ID}' is gone, but the journal may still hold it: no space left"
    expected = [warning] if is_gone and not can_forget else []
    assert [record.getMessage() for record in records] == expected
    assert (raised is None) is (end is DESTROYED)
    assert raised is None or not isinstance(raised.__context__, JournalError)


def ctrl_c(interruptions: list[int]) -> bool:
    if interruptions:
        raise KeyboardInterrupt(interruptions.pop())
    return False


@pytest.mark.parametrize(
    ("way", "interrupt_at", "interruptions"), [(Blocking, [], [1]), (Awaited, [2], [])]
)
def test_an_interruption_while_the_journal_forgets_loses_no_outcome(
    way: type[Way], interrupt_at: list[float], interruptions: list[int]
) -> None:
    def journal(world: World) -> MemoryJournal:
        return MemoryJournal(world, dict.fromkeys(world.sessions), lambda: ctrl_c(interruptions))

    scenario = Scenario(ids=["one"], interrupt_at=interrupt_at, journal_seconds=[3])
    watch = play(scenario, way, set_up=journal)
    assert watch.world.flaws == []
    assert [outcome.session_id for outcome in watch.outcomes] == ["one"]
    assert len(watch.raised) == 1


def no_thread(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("drive", [asyncio.run, run], ids=["asyncio", "another event loop"])
@pytest.mark.parametrize("can_start_threads", [True, False])
def test_an_awaited_journal_is_called_in_daemon_threads_under_asyncio_and_else_plainly(
    drive: Callable[[Coroutine[Any, Any, None]], None],
    can_start_threads: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def block() -> None:
        async with delete_session.on_exit(SESSION_ID):
            pass

    journal = Notebook()
    delete_session = awaited(ScriptedTransport(DESTROYED), API_KEY, journal=journal)
    if not can_start_threads:
        monkeypatch.setattr(threading.Thread, "start", no_thread)
    drive(block())
    assert [step for step, _ in journal.lines] == ["opened", "gone"]
    in_threads = drive is asyncio.run and can_start_threads
    threads = {(thread.name, thread.daemon) for thread in journal.threads}
    assert (threads == {("firecrawl_interact", True)}) is in_threads
    assert (journal.threads == {threading.current_thread()}) is not in_threads


class HalfAwaited(Notebook):
    async def gone(self, session_id: str, /) -> None: ...  # type: ignore[override] # the point


@pytest.mark.parametrize(
    ("journal", "message"),
    [
        ("/var/lib/app", "journal: str.opened must be an ordinary function. Take a FileJournal"),
        (HalfAwaited(), "journal: HalfAwaited.gone must be an ordinary function"),
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
