"""A use case that is closed: what it closes, what it ends first, and what begins no more."""

import asyncio
import copy
import gc
import logging
import math
import os
import pickle
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from firecrawl_interact.adapters import (
    InMemoryJournal,
)
from firecrawl_interact.core import (
    AsyncDeleteSession,
    ConnectFailedError,
    DeleteSession,
    DeletionReceipt,
    Outcome,
    RetryPolicy,
    SessionFate,
    UnreachableError,
)

from . import virtual_time
from .blocks import Browser
from .log_records import log_records
from .programs import Program, turns
from .scripted_transport import (
    API_KEY,
    DESTROYED,
    SESSION_ID,
    ScriptedTransport,
    UseCase,
    awaited,
    both_use_cases,
    play,
    run,
)
from .side_by_side import AsyncFunctionTransport, FunctionTransport
from .virtual_time import on_virtual_time

BEGINS_NO_MORE = r"^this (Async)?DeleteSession is closed"


def close(delete_session: DeleteSession | AsyncDeleteSession) -> None:
    if isinstance(delete_session, DeleteSession):
        delete_session.close()
    else:
        asyncio.run(delete_session.aclose())


# What it closes


@both_use_cases
def test_its_block_gives_the_use_case_and_closes_transport_and_journal(use_case: UseCase) -> None:
    transport, journal = ScriptedTransport(), InMemoryJournal()
    delete_session = use_case(transport, API_KEY, journal=journal)
    assert play(delete_session, list) is delete_session
    assert transport.closed == 1
    with pytest.raises(ZeroDivisionError):
        play(delete_session, lambda: 1 / 0)
    with pytest.raises(OSError, match="closed"):
        journal.opened("a")


@pytest.mark.parametrize(
    ("use_case", "transport"),
    [(DeleteSession, FunctionTransport()), (AsyncDeleteSession, AsyncFunctionTransport())],
)
def test_what_cannot_be_closed_is_left_as_it_is_and_closing_again_changes_nothing(
    use_case: UseCase, transport: object
) -> None:
    journal = SimpleNamespace(opened=print, gone=lambda session_id: None)
    delete_session = use_case(transport, API_KEY, journal=journal)
    close(delete_session)
    close(delete_session)
    given = delete_session(SESSION_ID)
    receipt = given if isinstance(given, DeletionReceipt) else virtual_time.run(given)
    assert receipt.session_id == SESSION_ID


@both_use_cases
def test_a_journal_is_closed_even_if_the_transport_cannot_be(use_case: UseCase) -> None:
    transport, journal = ScriptedTransport(), Mock()
    transport.close = Mock(side_effect=OSError("it is stuck"))  # type: ignore[method-assign]
    with pytest.raises(OSError, match="it is stuck"):
        close(use_case(transport, API_KEY, journal=journal))
    journal.close.assert_called_once_with()


@on_virtual_time
async def test_a_journal_that_hangs_when_it_is_told_or_closed_is_a_line_of_the_log() -> None:
    def hang(*_: str) -> None:
        may_end.wait(10)
        raise OSError  # Nobody waits for it any more, nor does asyncio report it.

    may_end, journal, report = threading.Event(), Mock(), Mock()
    asyncio.get_running_loop().set_exception_handler(report)
    journal.gone.side_effect = journal.close.side_effect = hang
    delete_session = awaited(ScriptedTransport(DESTROYED, DESTROYED), API_KEY, journal=journal)
    with log_records(logging.WARNING) as records:
        await delete_session("a")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await delete_session("b")
        await delete_session.aclose()
    may_end.set()
    for thread in threading.enumerate():
        if thread.name == "firecrawl_interact":
            thread.join()
    await turns(3)
    gc.collect()
    assert report.call_args_list == []
    assert [record.getMessage() for record in records] == [
        "session 'a' is gone, but the journal may still hold it: it takes more than 5 s",
        "the journal takes more than 5 s to close: nobody waits for it any more",
    ]
    assert virtual_time.now() == 11


# What begins no more


@both_use_cases
def test_no_opener_runs_once_it_is_closed(use_case: UseCase) -> None:
    delete_session = use_case(ScriptedTransport(), API_KEY)
    opening = delete_session.opening(lambda: pytest.fail("it opens"))
    close(delete_session)
    with pytest.raises(RuntimeError, match=BEGINS_NO_MORE):
        play(opening, lambda: pytest.fail("it begins"))
    assert opening.outcome is None


@both_use_cases
@pytest.mark.parametrize(
    ("meets", "fate", "note"),
    [
        (DESTROYED, SessionFate.GONE, "The block did not begin. Session "),
        (ConnectFailedError("closed", transient=False), SessionFate.UNTOUCHED, "Session "),
    ],
)
def test_a_session_that_is_open_is_tried_all_the_same_and_it_is_said_what_came_of_it(
    meets: Any, fate: SessionFate, note: str, use_case: UseCase
) -> None:
    told: list[Outcome] = []
    delete_session = use_case(ScriptedTransport(meets), API_KEY, on_outcome=told.append)
    ending = delete_session.on_exit(SESSION_ID)
    close(delete_session)
    with pytest.raises(RuntimeError, match=BEGINS_NO_MORE) as raised:
        play(ending, lambda: pytest.fail("it begins"))
    assert note in raised.value.__notes__[0]
    assert told == [ending.outcome]
    assert told[0].session_fate is fate


@both_use_cases
@pytest.mark.parametrize(
    ("opened", "error"), [([Browser(SESSION_ID)], "DeleteSession is closed"), ([], "list index")]
)
def test_what_was_opened_while_it_was_closed_is_destroyed_and_an_opener_that_failed_says_how(
    opened: list[Browser], error: str, use_case: UseCase
) -> None:
    def close_and_open() -> Browser:
        close(delete_session)
        return opened[0]

    delete_session = use_case(ScriptedTransport(DESTROYED), API_KEY)
    opening = delete_session.opening(close_and_open)
    with pytest.raises((RuntimeError, IndexError), match=error):
        play(opening, lambda: pytest.fail("it begins"))
    assert (opening.receipt is not None) is bool(opened)


# What ends first: blocks of its event loop


@on_virtual_time
async def test_blocks_in_their_blocks_openers_and_deletes_end_first_each_once() -> None:
    program = Program()
    async with program.delete_session:
        in_block = asyncio.create_task(program.hold(3600))
        ends_later = asyncio.create_task(program.hold(60))
        in_delete = asyncio.create_task(program.hold(0))
        in_opener = asyncio.create_task(program.hold(3600, opens_after=5))
        await asyncio.sleep(1)
    assert program.is_closed
    assert program.open == set()
    assert set(program.sent.values()) == {1}
    in_block.cancel()
    with pytest.raises(asyncio.CancelledError):
        await in_block
    await in_delete
    await ends_later  # It finds its outcome, and goes on.
    with pytest.raises(RuntimeError, match=BEGINS_NO_MORE):
        await in_opener
    assert {block.outcome for block in program.blocks} == set(program.told)
    assert len(program.told) == 4


@pytest.mark.parametrize("count", range(6))
@on_virtual_time
async def test_a_delete_that_has_just_begun_is_given_the_whole_deadline(count: int) -> None:
    program = Program(latency=15, fails=1, retry=RetryPolicy(attempt_timeout=20))
    task = asyncio.create_task(program.hold(1))
    await asyncio.sleep(1)
    await turns(count)
    await program.delete_session.aclose()
    await task
    assert [outcome.session_fate for outcome in program.told] == [SessionFate.GONE]


@on_virtual_time
async def test_an_opener_that_takes_too_long_is_given_up_and_its_block_is_not_cancelled() -> None:
    program = Program()
    task = asyncio.create_task(program.hold(3600, opens_after=3600))
    await asyncio.sleep(1)
    program.delete_session.retry = RetryPolicy()  # is for later blocks
    await program.delete_session.aclose()
    assert virtual_time.now() == 21
    with pytest.raises(RuntimeError, match=BEGINS_NO_MORE):
        await task


@on_virtual_time
async def test_an_opener_that_closes_its_use_case_is_refused_and_nothing_is_closed() -> None:
    """It would wait for itself."""
    program = Program()
    with pytest.raises(RuntimeError, match="called by the opener of a block"):
        async with program.delete_session.opening(program.delete_session.aclose, id_of=str):
            pass
    assert not program.is_closed
    await program.hold(0)
    assert program.open == set()


@on_virtual_time
async def test_a_service_that_is_away_is_an_error_for_each_session_within_the_deadline() -> None:
    program = Program(fails=math.inf)
    tasks = [asyncio.create_task(program.hold(3600)) for _ in range(3)]
    await asyncio.sleep(1)
    with log_records(logging.ERROR) as records:
        await program.delete_session.aclose()
        assert virtual_time.now() == 11
        logged = [str(getattr(record, "session_id", None)) for record in records]
        assert sorted(logged) == ["session-0", "session-1", "session-2"]
        assert sorted(outcome.session_id for outcome in program.told) == sorted(logged)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert len(records) == len(program.told) == 3


@pytest.mark.parametrize(("are_all", "requests"), [(False, 1), (True, 2)], ids=["it", "all tasks"])
@on_virtual_time
async def test_a_closing_that_is_cancelled_is_so_when_all_is_done_and_each_delete_may_be_repeated(
    are_all: bool, requests: int
) -> None:
    program = Program()
    block = asyncio.create_task(program.hold(3600))
    await asyncio.sleep(1)
    closing = asyncio.create_task(program.delete_session.aclose())
    await asyncio.sleep(1)
    for task in asyncio.all_tasks() - {asyncio.current_task()} if are_all else [closing]:
        task.cancel("now")
    with pytest.raises(asyncio.CancelledError, match="now"):
        await closing
    assert (program.open, program.is_closed) == (set(), True)
    assert program.sent["session-0"] == requests
    block.cancel()
    await asyncio.wait([block])


@on_virtual_time
async def test_a_closing_that_is_cancelled_in_its_last_step_ends_that() -> None:
    program = Program()
    program.aclose = partial(asyncio.sleep, 5)  # type: ignore[method-assign]
    closing = asyncio.create_task(program.delete_session.aclose())
    await asyncio.sleep(1)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert virtual_time.now() == 5


# Others' blocks


@pytest.mark.parametrize("twin_of", [copy.copy, lambda one: pickle.loads(pickle.dumps(one))])  # noqa: S301 - our own
def test_a_copy_or_a_pickle_carries_no_open_block_and_is_not_closed(
    twin_of: Callable[[AsyncDeleteSession], AsyncDeleteSession],
) -> None:
    delete_session = awaited(ScriptedTransport(DESTROYED, DESTROYED), API_KEY)
    block = delete_session.on_exit(SESSION_ID)

    def close_twin() -> None:
        close(twin_of(delete_session))
        assert block.outcome is None

    play(block, close_twin)
    close(delete_session)
    play(twin_of(delete_session).on_exit(SESSION_ID), lambda: None)  # It begins.


@on_virtual_time
async def test_a_child_that_was_forked_in_a_block_ends_it_not() -> None:
    program = Program()
    task = asyncio.create_task(program.hold(3600))
    await asyncio.sleep(1)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(os, "getpid", lambda: -1)
        await program.delete_session.aclose()
    assert program.sent == Counter()
    task.cancel()
    await asyncio.wait([task])


def test_blocks_of_other_event_loops_are_left_alone_and_keep_no_other_from_its_delete() -> None:
    program = Program(turns, latency=1)
    ended, other = asyncio.new_event_loop(), asyncio.new_event_loop()
    lost = ended.create_task(program.hold(9, opens_after=9))
    ended.run_until_complete(turns(3))
    for task in asyncio.all_tasks(ended):
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # or asyncio reports it
    ended.close()
    held = other.create_task(program.hold(9))
    other.run_until_complete(turns(3))

    async def main() -> None:
        block = asyncio.create_task(program.hold(1_000))
        await turns(3)
        await program.delete_session.aclose()
        block.cancel()
        await asyncio.gather(block, return_exceptions=True)

    asyncio.run(main())
    assert (program.open, program.is_closed, lost.done()) == ({"session-1"}, True, False)
    with pytest.raises(UnreachableError) as raised:
        other.run_until_complete(held)
    other.close()
    assert program.told[1:] == [raised.value]
    assert raised.value.session_fate is SessionFate.UNTOUCHED


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_under_another_event_loop_an_interruption_repeats_one_delete_and_all_is_closed(
    error: type[BaseException], count: int
) -> None:
    transport, journal = ScriptedTransport(*map(error, range(count)), DESTROYED, DESTROYED), Mock()
    delete_session = awaited(transport, API_KEY, journal=journal)
    blocks = [delete_session.on_exit(session_id) for session_id in "ab"]

    async def main() -> None:
        async with blocks[0], blocks[1]:
            with pytest.raises(error):
                await delete_session.aclose()
            assert [block.receipt for block in blocks].count(None) == count - 1
            assert transport.closed == journal.close.call_count == 1

    with suppress(UnreachableError):  # of the block whose delete was interrupted twice
        run(main())


def test_a_delete_that_fails_elsewhere_keeps_no_other_one_from_its_end() -> None:
    """On an event loop that is not asyncio's, nothing has a task of its own."""
    transport = ScriptedTransport(ValueError("the transport's own"), DESTROYED, DESTROYED)
    delete_session = awaited(transport, API_KEY)

    async def main() -> None:
        async with delete_session.on_exit("a"), delete_session.on_exit("b"):
            await delete_session.aclose()
            assert (len(transport.requests), transport.closed) == (2, 1)

    run(main())
    assert len(transport.requests) == 3


def test_without_asyncio_each_thread_has_its_own_blocks() -> None:
    delete_session = awaited(ScriptedTransport(DESTROYED), API_KEY)
    block = delete_session.on_exit(SESSION_ID)

    async def main() -> None:
        async with block:
            with ThreadPoolExecutor(1) as another:
                another.submit(run, delete_session.aclose()).result()
            assert block.outcome is None

    run(main())
    assert block.receipt
