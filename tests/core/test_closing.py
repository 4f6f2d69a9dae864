"""A use case that is closed: what it closes, and what it waits for. It forbids nothing."""

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
    both_use_cases,
    ended,
    play,
)
from .side_by_side import AsyncFunctionTransport, FunctionTransport
from .virtual_time import on_virtual_time


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
    receipt = given if isinstance(given, DeletionReceipt) else asyncio.run(given)
    assert receipt.session_id == SESSION_ID


@both_use_cases
def test_a_journal_is_closed_even_if_the_transport_cannot_be(use_case: UseCase) -> None:
    transport, journal = ScriptedTransport(), Mock()
    transport.close = Mock(side_effect=OSError("it is stuck"))  # type: ignore[method-assign]
    with pytest.raises(OSError, match="it is stuck"):
        close(use_case(transport, API_KEY, journal=journal))
    journal.close.assert_called_once_with()


# Blocks


@on_virtual_time
async def test_it_waits_for_deletes_and_openers_and_every_other_block_destroys_at_its_end() -> None:
    program = Program()
    async with program.delete_session:
        in_block = asyncio.create_task(program.hold(3600))
        ends_later = asyncio.create_task(program.hold(60))
        in_delete = asyncio.create_task(program.hold(0))
        in_opener = asyncio.create_task(program.hold(0, opens_after=15))
        await asyncio.sleep(1)
    assert program.is_closed
    assert program.cut == set()
    assert virtual_time.now() == 15  # The opener's.
    in_block.cancel()
    await asyncio.wait([in_block, ends_later, in_delete, in_opener])
    assert program.open == set()
    assert set(program.sent.values()) == {1}
    assert [outcome.session_fate for outcome in program.told] == [SessionFate.GONE] * 4


@pytest.mark.parametrize("opens_after", [None, 0])
@pytest.mark.parametrize("count", range(3))
@on_virtual_time
async def test_it_waits_for_the_delete_of_a_block_that_was_cancelled_just_before(
    count: int, opens_after: float | None
) -> None:
    program = Program()
    task = asyncio.create_task(program.hold(3600, opens_after=opens_after))
    await asyncio.sleep(1)
    task.cancel()
    await turns(count)
    await program.delete_session.aclose()
    assert (program.cut, program.open) == (set(), set())
    await asyncio.wait([task])


@on_virtual_time
async def test_a_closing_that_is_cancelled_goes_on_and_is_cancelled_afterwards() -> None:
    program = Program()
    task = asyncio.create_task(program.hold(0))
    await asyncio.sleep(1)
    closing = asyncio.create_task(program.delete_session.aclose())
    for _ in range(3):
        await asyncio.sleep(1)
        closing.cancel("now")
    with pytest.raises(asyncio.CancelledError, match="now"):
        await closing
    assert (program.cut, program.open, program.is_closed) == (set(), set(), True)
    await task


def test_a_block_in_the_background_destroys_its_session_when_the_event_loop_ends() -> None:
    program = Program(turns, latency=3)

    async def main() -> None:
        async with program.delete_session:
            program.task = asyncio.create_task(program.hold(1_000_000))  # type: ignore[attr-defined]
            await turns(3)

    asyncio.run(main())
    assert (program.is_closed, program.open) == (True, set())
    assert [outcome.session_fate for outcome in program.told] == [SessionFate.GONE]


def test_it_does_not_wait_for_deletes_of_another_event_loop() -> None:
    program, other = Program(turns, latency=50), asyncio.new_event_loop()
    held = other.create_task(program.hold(0))
    other.run_until_complete(turns(5))
    asyncio.run(program.delete_session.aclose())
    assert (program.cut, program.is_closed) == ({"session-0"}, True)
    other.run_until_complete(held)
    other.close()
    assert program.open == set()


@both_use_cases
def test_a_closed_one_destroys_sessions_all_the_same(use_case: UseCase) -> None:
    delete_session = use_case(ScriptedTransport(DESTROYED, DESTROYED), API_KEY)
    close(delete_session)
    ended(delete_session(SESSION_ID))
    play(delete_session.on_exit(SESSION_ID), list)


@both_use_cases
@pytest.mark.parametrize("twin_of", [copy.copy, copy.deepcopy])
def test_a_copy_is_one_of_its_own(twin_of: Callable[[Any], Any], use_case: UseCase) -> None:
    delete_session = twin_of(use_case(ScriptedTransport(DESTROYED), API_KEY))
    play(delete_session.on_exit(SESSION_ID), list)
