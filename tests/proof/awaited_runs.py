"""Awaited runs in a simulated world, on an event loop whose clock jumps."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    AsyncDeletions,
    Request,
    Response,
)

from ..core.virtual_time import VirtualTimeLoop
from .simulated_runs import LONG, Watch, ids

_T = TypeVar("_T")


class AsyncTransport:
    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._world = watch.world

    async def send(self, request: Request, timeout: float) -> Response:
        session_id = self._world.give(request, timeout)
        self._watch.given[session_id] += 1
        attempt = self._world.begin(session_id, timeout)
        try:
            await asyncio.sleep(attempt.seconds)
        except asyncio.CancelledError:
            has_time_limit = self._watch.plan.shutdown_timeout is not None
            may_be_cancelled = self._watch.leaves or (self._watch.interrupted and has_time_limit)
            self._world.claim("the end", may_be_cancelled, "a request is cancelled during the run")
            await asyncio.sleep(self._watch.plan.ends_when_cancelled_after)
            self._world.land(attempt)
            raise
        return attempt.end()

    def monotonic(self) -> float:
        return self._world.clock.now()

    async def sleep(self, seconds: float) -> None:
        self._watch.sleep_may_fail()
        await asyncio.sleep(seconds)


class LoopClock:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now = loop.time
        self.call_later = loop.call_later
        self.call_soon = loop.call_soon


class ThreadlessLoop(VirtualTimeLoop):
    """What a thread would do takes some seconds of virtual time."""

    thread_seconds: Callable[[], float] = staticmethod(lambda: 0.0)

    def run_in_executor(self, executor: object, func: Callable[..., _T], *args: Any) -> Any:  # type: ignore[override]  # Any: as typeshed has it
        future = self.create_future()

        def work() -> None:
            try:
                result = func(*args)  # Nobody can cancel a thread.
            except Exception as error:
                if not future.cancelled():
                    future.set_exception(error)
            else:
                if not future.cancelled():
                    future.set_result(result)

        self.call_later(self.thread_seconds(), work)
        return future


async def _awaited_ids(watch: Watch) -> AsyncGenerator[str]:
    for step in watch.plan.steps:
        if step.seconds:
            await asyncio.sleep(step.seconds)
        yield watch.take(step)
    watch.end_of_ids()


async def _consume(watch: Watch, deletions: AsyncDeletions) -> None:
    async with deletions:
        async for outcome in deletions:
            if not watch.receive(outcome):
                watch.leave()
                break
            await asyncio.sleep(watch.world.choose(watch.plan.busy))


async def _take_what_is_left(watch: Watch, deletions: AsyncDeletions) -> None:
    try:
        async for outcome in deletions:
            watch.receive(outcome)
    except Exception as error:
        watch.raised.append(error)


async def run_awaited(watch: Watch) -> None:
    """One run, from its first id until all that was under way has taken effect."""
    plan, world, loop = watch.plan, watch.world, asyncio.get_running_loop()
    delete_session = AsyncDeleteSession(
        AsyncTransport(watch),
        None,
        retry=plan.retry,
        journal=watch.journal,
        random=lambda: world.choose(plan.chances),
    )
    deletions = AsyncDeleteManySessions(
        delete_session, concurrency=plan.concurrency, shutdown_timeout=plan.shutdown_timeout
    )(_awaited_ids(watch) if plan.ids_are_awaited else ids(watch))

    def stop() -> None:
        world.send_no_more()
        watch.interrupted = True
        deletions.stop()

    def cancel() -> None:
        if not consumer.done():
            watch.leave()
            consumer.cancel()

    def note_request(number: int) -> None:
        if number == plan.stop_at_request:
            stop()

    world.on_request = note_request
    consumer = asyncio.ensure_future(_consume(watch, deletions))
    if plan.stop_at is not None:
        loop.call_later(plan.stop_at, stop)
    for seconds in plan.interrupt_at:
        loop.call_later(seconds, cancel)
    await asyncio.wait([consumer])
    watch.check_leaving()
    world.claim("the end", not world.in_flight, "requests are in flight after the run was left")
    if consumer.cancelled():
        watch.raised.append(asyncio.CancelledError())
    elif (error := consumer.exception()) is not None:
        watch.raised.append(error)
    await _take_what_is_left(watch, deletions)
    await asyncio.sleep(LONG)
    world.claim("the end", asyncio.all_tasks() == {asyncio.current_task()}, "a task is left")
    watch.check_end()
