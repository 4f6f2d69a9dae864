"""An `async with` block that is cancelled, under asyncio, anyio and trio, and by Ctrl-C."""

import asyncio
import functools
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

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


async def work(ending: AsyncDeleteOnExit, seconds: float = 100) -> None:
    async with ending:
        await asyncio.sleep(seconds)


class Watched:
    """A block, and the notes on what it is left with."""

    def __init__(self, ending: AsyncDeleteOnExit, seconds: float) -> None:
        self.notes: list[str] = []
        self._block = work(ending, seconds)

    async def leave(self) -> None:
        try:
            await self._block
        except BaseException as error:
            self.notes += getattr(error, "__notes__", [])
            raise


def cancelled_at(*times: float) -> Callable[[Awaitable[None]], Coroutine[Any, Any, None]]:
    """Run something, cancelling it at these times."""

    async def main(coroutine: Awaitable[None]) -> None:
        task = asyncio.ensure_future(coroutine)
        for time in times:
            asyncio.get_running_loop().call_at(time, task.cancel)
        await asyncio.wait([task])
        assert task.cancelled()

    return main


@pytest.mark.parametrize(
    ("seconds", "times"),
    [(1, [7]), (1, [7, 9]), (100, [3, 7]), (100, [3, 3, 4, 5, 6, 7, 8, 12.9])],
    ids=str,
)
def test_however_often_the_block_is_cancelled_one_delete_goes_on_to_its_end(
    seconds: float, times: list[float]
) -> None:
    service = SlowService()
    ending = service.on_exit()
    virtual_time.run(cancelled_at(*times)(work(ending, seconds)))
    began = min(seconds, times[0])
    assert (service.began, service.ended) == ([began], [began + 10])
    assert ending.receipt == RECEIPT


@pytest.mark.parametrize(("seconds", "time"), [(100, 3), (1, 7)], ids=["block", "delete"])
def test_a_delete_that_fails_after_a_cancellation_leaves_a_note_on_it(
    seconds: float, time: float
) -> None:
    watched = Watched(SlowService(UNAVAILABLE).on_exit(), seconds)
    virtual_time.run(cancelled_at(time)(watched.leave()))
    (note,) = watched.notes
    assert note.startswith("The session may not have been destroyed.")
    assert SESSION_ID in note


# The delete's own task is cancelled


def delete_task(block: asyncio.Task[None]) -> asyncio.Task[None]:
    (task,) = asyncio.all_tasks() - {asyncio.current_task(), block}
    return task


def test_a_block_that_is_cancelled_while_its_delete_runs_anew_is_cancelled_afterwards() -> None:
    service = SlowService()
    ending = service.on_exit()

    async def main() -> None:
        block = asyncio.ensure_future(work(ending, seconds=1))
        await asyncio.sleep(5)
        delete_task(block).cancel()
        await asyncio.sleep(2)
        block.cancel()
        await asyncio.wait([block])
        assert block.cancelled()

    virtual_time.run(main())
    assert (service.began, service.ended) == ([1, 5], [15])
    assert ending.receipt == RECEIPT


def test_a_block_is_left_with_its_own_cancellation_and_not_with_that_of_its_delete() -> None:
    service = SlowService()

    async def main() -> None:
        block = asyncio.ensure_future(work(service.on_exit(), seconds=1))
        await asyncio.sleep(5)
        block.cancel("by whoever waits for the block")
        await asyncio.sleep(2)
        delete_task(block).cancel()
        with pytest.raises(asyncio.CancelledError, match="by whoever waits for the block"):
            await block

    virtual_time.run(main())
    assert (service.began, service.ended) == ([1, 7], [17])


def test_a_delete_whose_task_is_cancelled_twice_ends_the_block_as_cancelled() -> None:
    service = SlowService()

    async def main() -> None:
        block = asyncio.ensure_future(work(service.on_exit(), seconds=1))
        for _ in range(2):
            await asyncio.sleep(5)
            delete_task(block).cancel()
        await asyncio.wait([block])
        assert block.cancelled()

    virtual_time.run(main())
    assert (service.began, service.ended) == ([1, 5], [])


# The event loop ends


def test_a_delete_outlives_the_end_of_asyncio_run() -> None:
    service = SlowService()
    ending = service.on_exit()

    async def main() -> None:
        task = asyncio.ensure_future(work(ending, seconds=3))
        await asyncio.sleep(5)
        assert not task.done()

    virtual_time.run(main())
    assert service.ended == [15]  # asyncio.run cancels the delete's own task: it begins anew.
    assert ending.receipt == RECEIPT


def test_the_end_of_asyncio_run_ends_the_delete_of_a_block_that_was_cancelled() -> None:
    watched = Watched(SlowService().on_exit(), 100)

    async def main() -> None:
        task = asyncio.ensure_future(watched.leave())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.sleep(4)

    virtual_time.run(main())
    assert "was interrupted" in watched.notes[0]


# Ctrl-C


async def with_ctrl_c_at(times: list[float], block: Coroutine[Any, Any, None]) -> None:
    for time in times:
        asyncio.get_running_loop().call_at(time, signal.raise_signal, signal.SIGINT)
    await block


@pytest.mark.parametrize("times", [[3, 7], [6, 7]], ids=["block and delete", "delete twice"])
def test_a_second_ctrl_c_ends_the_delete(times: list[float]) -> None:
    service = SlowService()
    ending = service.on_exit()
    watched = Watched(ending, 5)
    with pytest.raises(KeyboardInterrupt):
        virtual_time.run(with_ctrl_c_at(times, watched.leave()))
    assert (len(service.began), service.ended) == (1, [])
    assert ending.receipt is None
    assert "was interrupted" in watched.notes[-1]


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
