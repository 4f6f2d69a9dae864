"""Awaited blocks that are cancelled, whose event loop ends, or whose scope of anyio is cancelled.

Time is virtual: a program that is busy at each turn ends with `NothingEverPassesError`.
"""

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator
from unittest.mock import Mock, call

import anyio
import pytest

from firecrawl_interact import InMemoryJournal
from firecrawl_interact.core import Response, RetryPolicy, SessionFate

from ..simulation import virtual_time
from ..simulation.virtual_time import now, on_virtual_time
from .programs import Program, turns
from .scripted_transport import DESTROYED, UNAVAILABLE, log_records

GONE, UNKNOWN = SessionFate.GONE, SessionFate.UNKNOWN


async def cancel(task: asyncio.Task[None], *times: float) -> asyncio.CancelledError:
    """Cancel a task at these times, in seconds, and return what it raises."""
    for number, time in enumerate(times, start=1):
        await asyncio.sleep(time - now())
        task.cancel(f"number {number}")
    await asyncio.wait([task])
    with pytest.raises(asyncio.CancelledError) as raised:
        task.result()
    return raised.value


# Cancelled


@pytest.mark.parametrize(("response", "fate"), [(DESTROYED, GONE), (UNAVAILABLE, UNKNOWN)])
@pytest.mark.parametrize(
    ("times", "over_at"), [([3], 13), ([7], 15), ([3, 7], 13), ([3, 3, 4, 5, 6, 7, 8, 9], 13)]
)
@on_virtual_time
async def test_a_cancelled_block_waits_for_its_delete(
    times: list[float], over_at: float, response: Response, fate: SessionFate
) -> None:
    program = Program(response=response)
    task = asyncio.create_task(program.hold(5))
    with log_records(logging.ERROR) as records:
        error = await cancel(task, *times)
    assert now() == over_at
    assert program.came[1:] == (1, [fate])
    says = [str(program.told[0])] if fate is UNKNOWN else []
    assert getattr(error, "__notes__", []) == [one.getMessage() for one in records] == says


@pytest.mark.parametrize(
    ("opens_after", "times", "over_at", "sent"),
    [
        (10, [4], 20, 1),
        (10, [4, 5, 9], 20, 1),
        (21, [2], 31, 1),
        (23, [2], 22, 0),  # It has `attempt_timeout` after the first cancellation.
        (23, [2, 12], 22, 0),
    ],
)
@on_virtual_time
async def test_a_cancelled_block_waits_for_its_opener(
    opens_after: float, times: list[float], over_at: float, sent: int
) -> None:
    program = Program()
    task = asyncio.create_task(program.hold(5, opens_after=opens_after))
    error = await cancel(task, *times)
    assert now() == over_at
    assert program.came == (set(), sent, [GONE] * sent)
    note = "The block did not begin. Session 'session-0' was deleted."
    assert getattr(error, "__notes__", []) == [note] * sent


@on_virtual_time
async def test_what_an_opener_meets_after_the_cancellation_is_its_cause() -> None:
    async def open_session() -> None:
        await asyncio.sleep(10)
        raise ZeroDivisionError

    block = Program().delete_session.opening(open_session)
    error = await cancel(asyncio.create_task(block.__aenter__()), 3)
    assert isinstance(error.__cause__, ZeroDivisionError)


def test_a_journal_is_called_in_threads_that_finish() -> None:
    is_cancelled, threads = threading.Event(), set[threading.Thread]()

    def note_thread(*session_id: str) -> None:
        assert is_cancelled.wait(60)
        threads.add(threading.current_thread())

    names = ["opened", "gone", "close"]
    journal = Mock(spec=names, **{name: Mock(side_effect=note_thread) for name in names})
    program = Program(turns, journal=journal)

    async def main() -> None:
        task = asyncio.create_task(program.hold(1_000_000))
        while not journal.opened.called:
            await asyncio.sleep(0)
        task.cancel()
        await turns(3)
        is_cancelled.set()
        await asyncio.wait([task])
        await program.delete_session.aclose()

    asyncio.run(main())
    assert journal.mock_calls == [call.opened("session-0"), call.gone("session-0"), call.close()]
    assert threading.main_thread() not in threads
    assert program.came == (set(), 1, [GONE])


# The end of the event loop


# A second delete has one attempt.
@pytest.mark.parametrize(("response", "fate"), [(DESTROYED, GONE), (UNAVAILABLE, UNKNOWN)])
def test_a_delete_cut_by_the_loops_end_is_made_once_more(
    response: Response, fate: SessionFate
) -> None:
    program = Program(response=response, retry=RetryPolicy())

    async def main() -> None:
        program.task = asyncio.create_task(program.hold(0))  # type: ignore[attr-defined]
        await asyncio.sleep(3)

    virtual_time.run(main())
    assert program.came[1:] == (2, [fate])
    assert program.told[0].attempts == 2


def test_a_block_deletes_what_a_cut_close_has_left() -> None:
    program = Program()

    async def main() -> None:
        program.tasks = [  # type: ignore[attr-defined]
            asyncio.create_task(program.hold(3600)),
            asyncio.create_task(program.delete_session.aclose()),
        ]
        await asyncio.sleep(3)

    virtual_time.run(main())
    assert program.came == (set(), 2, [UNKNOWN, GONE])


def test_a_block_in_a_left_generator_ends_with_the_loop() -> None:
    async def pages() -> AsyncIterator[int]:
        async with program.delete_session.on_exit("a"):
            yield 1

    async def main() -> None:
        async for _ in pages():
            break

    program = Program()
    virtual_time.run(main())
    assert program.came == (set(), 1, [GONE])


@pytest.mark.parametrize(("times", "sent"), [([3], 1), ([7], 1), ([3, 7], 2)])
def test_a_second_ctrl_c_lets_a_delete_be_made_once_more(times: list[float], sent: int) -> None:
    program = Program()

    async def main() -> None:
        for time in times:
            asyncio.get_running_loop().call_later(time, signal.raise_signal, signal.SIGINT)
        await program.hold(5)

    with pytest.raises(KeyboardInterrupt):
        virtual_time.run(main())
    assert program.came == (set(), sent, [GONE])


# anyio, whose cancelled scope cancels again at each turn of the event loop


@pytest.mark.parametrize("cancelled_at", [1, 5, 25])
@pytest.mark.parametrize("opens_after", [None, 3])
def test_a_cancelled_scope_of_anyio_costs_no_session(
    opens_after: float | None, cancelled_at: float
) -> None:
    program = Program(latency=40)

    async def main() -> bool:
        with anyio.CancelScope() as scope:
            asyncio.get_running_loop().call_later(cancelled_at, scope.cancel)
            await program.hold(10, opens_after=opens_after)
        await anyio.sleep(0)  # Whoever goes on afterwards is not cancelled.
        return scope.cancelled_caught

    assert virtual_time.run(main())
    assert program.came == (set(), 1, [GONE])


# At each turn of the event loop


@pytest.mark.parametrize("opens_after", [None, 3])
def test_a_cancellation_at_any_turn_leaves_no_session(
    opens_after: float | None,
) -> None:
    async def main(turn: int) -> bool:
        task = asyncio.create_task(program.hold(3, opens_after=opens_after))
        await turns(turn)
        is_cancelled = task.cancel()
        await asyncio.wait([task])
        return is_cancelled

    turn, is_cancelled = 1, True  # In turn 0 the block has not begun.
    while is_cancelled:
        journal = InMemoryJournal()
        program = Program(turns, latency=4, journal=journal)
        is_cancelled = asyncio.run(main(turn))
        assert program.came == (set(), 1, [GONE]), turn
        assert journal.sessions_left_open == [], turn
        turn += 1
    assert turn > 10
