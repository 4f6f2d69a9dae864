"""An `async with` block that is cancelled, under asyncio, anyio and trio, and by Ctrl-C."""

import asyncio
import functools
import signal
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import anyio
import pytest
import trio

from firecrawl_interact.core import (
    AsyncDeleteOnExit,
    AsyncDeleteSession,
    DeletionReceipt,
    Request,
    Response,
    RetryPolicy,
)

from . import virtual_time
from .scripted_transport import (
    API_KEY,
    DESTROYED,
    SESSION_ID,
    UNAVAILABLE,
    AsyncScriptedTransport,
    ScriptedTransport,
)
from .side_by_side import AsyncFunctionTransport

RECEIPT = DeletionReceipt(session_id=SESSION_ID)
ONE_ATTEMPT = RetryPolicy(max_attempts=1)


class SlowService(AsyncFunctionTransport):
    """Takes ten seconds for a request, on the clock of the event loop."""

    def __init__(self, response: Response = DESTROYED) -> None:
        super().__init__(self.respond)
        self.began: list[float] = []
        self.ended: list[float] = []
        self._response = response

    async def respond(self, session_id: str) -> Response:
        self.began.append(virtual_time.now())
        await asyncio.sleep(10)
        self.ended.append(virtual_time.now())
        return self._response

    def on_exit(self) -> AsyncDeleteOnExit:
        return AsyncDeleteSession(self, API_KEY, retry=ONE_ATTEMPT).on_exit(SESSION_ID)


Happens: TypeAlias = Callable[[asyncio.Task[None]], object]


def cancel(block: asyncio.Task[None]) -> None:
    block.cancel("by the caller")


def cancel_delete(block: asyncio.Task[None]) -> None:
    (delete,) = asyncio.all_tasks() - {block}
    delete.cancel("by somebody else")


def press_ctrl_c(block: asyncio.Task[None]) -> None:
    signal.raise_signal(signal.SIGINT)


class Block:
    """A block around some seconds of work, and the notes on what it is left with."""

    def __init__(self, response: Response = DESTROYED) -> None:
        self.service = SlowService(response)
        self.ending = self.service.on_exit()
        self.notes: list[str] = []

    async def play(self, seconds: float, happens: Sequence[tuple[float, Happens]] = ()) -> None:
        task = asyncio.current_task()
        assert task is not None
        for time, call in happens:
            asyncio.get_running_loop().call_at(time, call, task)
        try:
            async with self.ending:
                await asyncio.sleep(seconds)
        except BaseException as error:
            self.notes += getattr(error, "__notes__", [])
            raise


class Case(NamedTuple):
    """What happens to a block, and what comes of it."""

    seconds: float  # the block takes so many
    happens: Sequence[tuple[float, Happens]]
    began: list[float]  # when each delete did
    ended: list[float]
    left_with: str = "by the caller"
    note: str = ""
    response: Response = DESTROYED


INTERRUPTED = f"The delete of session '{SESSION_ID}' was interrupted."
FAILED = f"The session may not have been destroyed. Session '{SESSION_ID}'"
AGAIN_AND_AGAIN = [(time, cancel) for time in (3, 3, 4, 5, 6, 7, 8, 12.9)]

CASES = {
    "during the delete": Case(1, [(7, cancel)], [1], [11]),
    "twice during the delete": Case(1, [(7, cancel), (9, cancel)], [1], [11]),
    "once more during the delete": Case(100, [(3, cancel), (7, cancel)], [3], [13]),
    "again and again": Case(100, AGAIN_AND_AGAIN, [3], [13]),
    "and the delete fails": Case(100, [(3, cancel)], [3], [13], note=FAILED, response=UNAVAILABLE),
    "during a delete that fails": Case(
        1, [(7, cancel)], [1], [11], note=FAILED, response=UNAVAILABLE
    ),
    "while the delete runs anew": Case(1, [(5, cancel_delete), (7, cancel)], [1, 5], [15]),
    "and then its delete is": Case(1, [(5, cancel), (7, cancel_delete)], [1, 7], [17]),
    "by two cancellations of its delete": Case(
        1, [(5, cancel_delete), (10, cancel_delete)], [1, 5], [], left_with="", note=INTERRUPTED
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_cancelled_block_has_one_delete_that_goes_on_to_its_end(case: Case) -> None:
    block = Block(case.response)
    with pytest.raises(asyncio.CancelledError) as raised:
        virtual_time.run(block.play(case.seconds, case.happens))
    assert str(raised.value) == case.left_with
    check(block, case)


@pytest.mark.parametrize(
    "case",
    [
        Case(5, [(3, press_ctrl_c), (7, press_ctrl_c)], [3], [], note=INTERRUPTED),
        Case(5, [(6, press_ctrl_c), (7, press_ctrl_c)], [5], [], note=INTERRUPTED),
    ],
    ids=["block and delete", "delete twice"],
)
def test_a_second_ctrl_c_ends_the_delete(case: Case) -> None:
    block = Block()
    with pytest.raises(KeyboardInterrupt):
        virtual_time.run(block.play(case.seconds, case.happens))
    check(block, case)


def check(block: Block, case: Case) -> None:
    assert (block.service.began, block.service.ended) == (case.began, case.ended)
    assert bool(block.notes) is bool(case.note)
    assert all(note.startswith(case.note) for note in block.notes)
    is_destroyed = case.ended and case.response is DESTROYED
    assert block.ending.receipt == (RECEIPT if is_destroyed else None)


# The event loop ends


def test_a_delete_outlives_the_end_of_asyncio_run() -> None:
    block = Block()

    async def main() -> None:
        task = asyncio.ensure_future(block.play(3))
        await asyncio.sleep(5)
        assert not task.done()

    virtual_time.run(main())
    assert block.service.ended == [15]  # asyncio.run cancels the delete's own task: it begins anew.
    assert block.ending.receipt == RECEIPT


def test_the_end_of_asyncio_run_ends_the_delete_of_a_block_that_was_cancelled() -> None:
    block = Block()

    async def main() -> None:
        task = asyncio.ensure_future(block.play(100, [(1, cancel)]))
        await asyncio.sleep(5)
        assert not task.done()

    virtual_time.run(main())
    assert block.notes[0].startswith(INTERRUPTED)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_a_signal_that_lands_in_the_delete_s_task_keeps_no_other_task_from_its_end(
    kind: type[BaseException],
) -> None:
    transport = AsyncScriptedTransport(ScriptedTransport(kind(), DESTROYED))
    ending = AsyncDeleteSession(transport, API_KEY).on_exit(SESSION_ID)
    ended: list[str] = []

    async def other() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            for _ in range(50):
                await asyncio.sleep(0)
            ended.append("the other task")

    async def main() -> None:
        task = asyncio.ensure_future(other())
        try:
            async with ending:
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(0)
            ended.append("the block's")
            assert not task.done()

    with pytest.raises(kind):
        asyncio.run(main())
    assert ended == ["the block's", "the other task"]
    assert ending.receipt == RECEIPT


# anyio's cancel scopes cancel again and again, at every turn of the event loop


class BusyService(SlowService):
    """Takes 50 turns of the event loop for a request."""

    async def respond(self, session_id: str) -> Response:
        for _ in range(50):
            await asyncio.sleep(0)
        return DESTROYED


@pytest.mark.parametrize("early", [True, False], ids=["in the block", "in the delete"])
def test_an_anyio_scope_that_is_cancelled_lets_the_delete_end(early: bool) -> None:
    ending = BusyService().on_exit()

    async def main() -> bool:
        with anyio.CancelScope() as scope:
            asyncio.get_running_loop().call_soon(scope.cancel)
            async with ending:
                await anyio.sleep(3 if early else 0)
        await anyio.sleep(0)  # Whoever goes on afterwards is not cancelled.
        return scope.cancelled_caught

    assert virtual_time.run(main())
    assert ending.receipt == RECEIPT


# Other event loops


def test_under_trio_a_delete_that_a_scope_cancels_is_begun_once_more_and_shielding_saves_it() -> (
    None
):
    class Waiting(AsyncScriptedTransport):
        began = 0

        async def send(self, request: Request, timeout: float) -> Response:
            self.began += 1
            await trio.sleep(0)
            return DESTROYED

    async def main(*, shield: bool) -> tuple[int, DeletionReceipt | None]:
        transport = Waiting(ScriptedTransport(DESTROYED))
        ending = AsyncDeleteSession(transport, API_KEY).on_exit(SESSION_ID)
        with trio.CancelScope() as scope, trio.CancelScope(shield=shield):
            async with ending:
                scope.cancel()
        return transport.began, ending.receipt

    assert trio.run(functools.partial(main, shield=False)) == (2, None)
    assert trio.run(functools.partial(main, shield=True)) == (1, RECEIPT)
