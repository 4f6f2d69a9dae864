"""In memory, under each event loop: a wait lets other tasks run, and can be cancelled."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import pytest
import trio

from firecrawl_interact.adapters import AsyncInMemoryTransport, FakeService, HeldResponse

from .test_in_memory import request

RunLoop = Callable[[Callable[[], Awaitable[object]]], object]

event_loops = pytest.mark.parametrize(
    "run_loop",
    [
        lambda main: asyncio.run(main()),
        trio.run,
        partial(anyio.run, backend="asyncio"),
        partial(anyio.run, backend="trio"),
    ],
    ids=["asyncio", "trio", "anyio on asyncio", "anyio on trio"],
)


@event_loops
def test_a_request_takes_the_services_time(run_loop: RunLoop) -> None:
    service = FakeService(latency=70)
    session_id = service.open_session()

    async def main() -> None:
        await AsyncInMemoryTransport(service).send(request(session_id), 90)

    run_loop(main)
    assert service.monotonic() == 70
    assert not service.is_open(session_id)


@event_loops
def test_each_wait_lets_other_tasks_run(run_loop: RunLoop) -> None:
    order = []

    async def task() -> None:
        transport = AsyncInMemoryTransport(FakeService())
        order.append("sleep")
        await transport.sleep(0)
        order.append("send")
        await transport.send(request(), 90)
        order.append("end")

    async def both() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(task)
            tasks.start_soon(task)

    run_loop(both)
    assert order == ["sleep", "sleep", "send", "send", "end", "end"]


@event_loops
def test_a_request_of_a_task_that_is_cancelled_is_not_sent(run_loop: RunLoop) -> None:
    service = FakeService()

    async def main() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await AsyncInMemoryTransport(service).send(request(), 90)

    run_loop(main)
    assert service.requests == []


@event_loops
def test_a_held_request_is_in_flight_until_it_is_cancelled(run_loop: RunLoop) -> None:
    service = FakeService()
    session_id = service.open_session()
    service.queue(HeldResponse())

    async def main() -> None:
        transport = AsyncInMemoryTransport(service)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(transport.send, request(session_id), 90)
            await transport.sleep(10_000)
            assert len(service.requests) == 1
            tasks.cancel_scope.cancel()

    run_loop(main)
    assert service.monotonic() == 10_000


@event_loops
def test_of_several_waits_the_shortest_ends_first_and_one_that_is_cancelled_moves_no_clock(
    run_loop: RunLoop,
) -> None:
    service = FakeService()
    transport = AsyncInMemoryTransport(service)
    ended: list[tuple[float, float]] = []

    async def wait(seconds: float) -> None:
        await transport.sleep(seconds)
        ended.append((seconds, service.monotonic()))

    async def main() -> None:
        timer = anyio.CancelScope()

        async def wait_for_timer() -> None:
            with timer:
                await wait(240)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait_for_timer)
            for seconds in (3, 1, 2, 1):
                tasks.start_soon(wait, seconds)
            await wait(2)
            timer.cancel()

    run_loop(main)
    assert ended == [(1, 1), (1, 1), (2, 2), (2, 2), (3, 3)]
    assert service.monotonic() == 3
