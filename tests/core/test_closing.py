"""A use case that is closed: what it closes, and what it waits for. It forbids nothing."""

import asyncio
import pickle
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from firecrawl_interact import core

from ..simulation import virtual_time
from ..simulation.virtual_time import on_virtual_time
from .programs import Program, turns
from .scripted_transport import (
    API_KEY,
    DESTROYED,
    SESSION_ID,
    UNAVAILABLE,
    ScriptedTransport,
    UseCase,
    ended,
    play,
)
from .side_by_side import AsyncFunctionTransport, FunctionTransport

# What it closes


def test_its_block_closes_transport_and_journal(use_case: UseCase) -> None:
    transport, journal = ScriptedTransport(), Mock()
    delete_session = use_case(transport, API_KEY, journal=journal)
    assert play(delete_session, list) is delete_session
    with pytest.raises(ZeroDivisionError):
        play(delete_session, lambda: 1 / 0)
    assert (transport.closed, journal.close.call_count) == (2, 2)


def test_a_transport_that_cannot_be_closed_leaves_no_journal_open(use_case: UseCase) -> None:
    transport, journal = ScriptedTransport(), Mock()
    transport.close = Mock(side_effect=ZeroDivisionError)  # type: ignore[method-assign] # the point
    with pytest.raises(ZeroDivisionError):
        play(use_case(transport, API_KEY, journal=journal), list)
    journal.close.assert_called_once_with()


@pytest.mark.parametrize(
    ("use_case", "transport"),
    [
        (core.DeleteSession, FunctionTransport()),
        (core.AsyncDeleteSession, AsyncFunctionTransport()),
    ],
)
def test_what_cannot_be_closed_sends_all_the_same(use_case: UseCase, transport: object) -> None:
    journal = SimpleNamespace(opened=print, gone=lambda session_id: None)
    delete_session = use_case(transport, API_KEY, journal=journal)
    play(delete_session, list)
    assert ended(delete_session(SESSION_ID)) == core.DeletionReceipt(session_id=SESSION_ID)
    play(delete_session.on_exit(SESSION_ID), list)


def test_a_replaced_one_closes_a_journal_of_its_own_and_nothing_else(use_case: UseCase) -> None:
    transport, shared, its_own = ScriptedTransport(), Mock(), Mock()
    first = use_case(transport, API_KEY, journal=shared)
    for replaced in (first.replace(on_outcome=print), first.replace(journal=shared)):
        play(replaced, list)
    play(first.replace(journal=its_own).replace(on_outcome=print), list)
    assert (transport.closed, shared.close.call_count, its_own.close.call_count) == (0, 0, 0)
    play(first.replace(journal=its_own), list)
    assert (transport.closed, shared.close.call_count, its_own.close.call_count) == (0, 0, 1)


# What it waits for


@on_virtual_time
async def test_a_replaced_one_ends_its_own_blocks_alone() -> None:
    program, other = Program(), Program()
    other.delete_session = program.delete_session.replace(on_outcome=other.told.append)
    blocks = [asyncio.create_task(one.hold(3600)) for one in (program, other)]
    await asyncio.sleep(1)
    await other.delete_session.aclose()
    assert (len(program.told), len(other.told), program.is_closed) == (0, 1, False)
    for block in blocks:
        block.cancel()
    await asyncio.wait(blocks)
    assert (len(program.told), len(other.told)) == (1, 1)


@on_virtual_time
async def test_it_waits_for_deletes_and_openers_and_ends_blocks() -> None:
    program = Program()
    async with program.delete_session:
        holds = asyncio.create_task(program.hold(3600))
        in_delete = asyncio.create_task(program.hold(0))
        in_opener = asyncio.create_task(program.hold(0, opens_after=15))
        await asyncio.sleep(1)
    assert (program.is_closed, program.cut, program.open) == (True, set(), set())
    assert virtual_time.now() == pytest.approx(25)  # The opener, a second, and two deletes at once.
    holds.cancel()
    await asyncio.wait([holds, in_delete, in_opener])
    assert program.came == (set(), 3, [core.SessionFate.GONE] * 3)
    await program.delete_session.aclose()
    assert virtual_time.now() == pytest.approx(25)


@on_virtual_time
async def test_it_ends_the_blocks_of_another_one_that_replaced_it() -> None:
    told: list[core.Outcome] = []
    program = Program()
    first = program.delete_session
    program.delete_session = first.replace(on_outcome=told.append)
    block = asyncio.create_task(program.hold(3600))
    await asyncio.sleep(1)
    await first.aclose()
    assert (program.open, program.told, len(told)) == (set(), [], 1)
    block.cancel()
    await asyncio.wait([block])


@on_virtual_time
async def test_it_ends_although_other_tasks_open_one_block_after_the_other() -> None:
    async def consume(seconds: float) -> None:
        while True:
            await program.hold(seconds, opens_after=1)

    program = Program(latency=2)
    consumers = [asyncio.create_task(consume(3 + number / 4)) for number in range(10)]
    await asyncio.sleep(60)
    async with asyncio.timeout(10):
        await program.delete_session.aclose()
    for consumer in consumers:
        consumer.cancel()
    await asyncio.wait(consumers)
    assert program.open == set()


@on_virtual_time
async def test_a_block_that_ends_while_it_is_ended_sends_nothing() -> None:
    program = Program()
    block = asyncio.create_task(program.hold(5))
    await asyncio.sleep(0)
    closings = [asyncio.create_task(program.delete_session.aclose()) for _ in range(2)]
    await asyncio.wait([block, *closings])
    assert block.exception() is None
    assert program.came == (set(), 1, [core.SessionFate.GONE])
    assert virtual_time.now() == pytest.approx(11)


@on_virtual_time
async def test_a_block_that_could_not_be_ended_destroys_at_its_own_end() -> None:
    program = Program(response=UNAVAILABLE)
    block = asyncio.create_task(program.hold(50))
    await asyncio.sleep(1)
    await program.delete_session.aclose()
    assert len(program.told) == 1
    program._response = DESTROYED
    await asyncio.wait([block])
    assert [outcome.session_fate.name for outcome in program.told] == ["UNKNOWN", "GONE"]


@on_virtual_time
async def test_it_waits_for_a_block_that_cleans_up_before_its_delete() -> None:
    async def hold() -> None:
        async with program.delete_session.on_exit("a"):
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(0.5)

    program = Program()
    task = asyncio.create_task(hold())
    await asyncio.sleep(1)
    task.cancel()
    await program.delete_session.aclose()
    assert virtual_time.now() == pytest.approx(11.5)
    assert len(program.told) == 1
    await asyncio.wait([task])


@on_virtual_time
async def test_it_waits_for_nothing_if_no_block_is_open() -> None:
    program = Program()
    await program.hold(0)
    with pytest.raises(core.NothingOpenedError):
        await program.delete_session.opening(lambda: {"a": "b"}).__aenter__()
    await program.delete_session.aclose()
    assert virtual_time.now() == 10


def test_it_does_not_wait_for_deletes_of_another_event_loop() -> None:
    program, other = Program(turns, latency=50), asyncio.new_event_loop()
    held = other.create_task(program.hold(0))
    other.run_until_complete(turns(5))
    virtual_time.run(program.delete_session.aclose())
    assert (program.cut, program.is_closed) == ({"session-0"}, True)
    other.run_until_complete(held)
    other.close()
    assert program.open == set()


# At each turn of the event loop


async def close_and_cancel(program: Program, cancelled: str, cancel_at: int) -> None:
    async def close() -> None:
        async with program.delete_session:
            await turns(4)

    block = asyncio.create_task(program.hold(50))
    opener = asyncio.create_task(program.hold(50, opens_after=8))
    closer = asyncio.create_task(close())
    tasks = {"block": [block], "opener": [opener], "closer": [closer]}
    await turns(cancel_at)
    for task in tasks.get(cancelled, asyncio.all_tasks() - {asyncio.current_task()}):
        task.cancel()
    await asyncio.wait([closer], timeout=60)
    for task in (block, opener):
        task.cancel()
    await asyncio.gather(block, opener, closer, return_exceptions=True)


@pytest.mark.parametrize("cancelled", ["block", "opener", "closer", "all"])
def test_whatever_is_cancelled_each_session_is_gone_after_one_delete(cancelled: str) -> None:
    are_all = cancelled == "all"  # That may cut a delete, and the closing itself.
    for cancel_at in range(1, 30):
        program = Program(turns, latency=4)
        virtual_time.run(close_and_cancel(program, cancelled, cancel_at))
        at = f"cancelled at {cancel_at}"
        assert (program.open, program.is_closed or are_all) == (set(), True), at
        assert are_all or not program.cut, at
        assert set(program.sent.values()) <= {1, 1 + are_all}, at
        assert sorted(program.sent) == sorted(outcome.session_id for outcome in program.told), at


def test_a_pickle_has_no_open_block(use_case: UseCase, capsys: pytest.CaptureFixture[str]) -> None:
    def open_session() -> str:
        pickles.append(pickle.dumps(delete_session))
        return SESSION_ID

    pickles: list[bytes] = []
    delete_session = use_case(ScriptedTransport(DESTROYED), API_KEY, on_outcome=print)
    play(delete_session.opening(open_session), list)
    twin = pickle.loads(pickles[0])  # noqa: S301 - our own
    key_and_policy = repr(delete_session).partition(", ")[2]
    assert repr(twin).endswith(key_and_policy)
    capsys.readouterr()
    receipt = ended(twin(SESSION_ID))
    assert capsys.readouterr().out == f"{receipt}\n"
