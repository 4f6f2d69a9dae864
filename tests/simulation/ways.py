"""The two ways to play a run or a block: blocking and awaited, each on a clock that jumps.

What is played is a coroutine. A blocking one is never suspended: it waits on the clock itself.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any, Self, TypeAlias
from unittest import mock

import pytest

from firecrawl_interact import (
    AsyncDeleteSession,
    DeleteSession,
    Outcome,
)
from firecrawl_interact.core import Request, Response
from firecrawl_interact.core.asyncio_runtime import AsyncioRuntime
from firecrawl_interact.core.driver import run_sync

from .virtual_time import VirtualTimeLoop
from .watch import Watch


class AwaitedTransport:
    def __init__(self, watch: Watch, way: "Way") -> None:
        self._watch, self._world, self._sleep = watch, watch.world, way.sleep

    async def send(self, request: Request, timeout: float) -> Response:
        attempt = self._world.begin(request, timeout)
        try:
            await self._sleep(attempt.seconds)
        except asyncio.CancelledError:
            scenario = self._watch.scenario
            may_be_cancelled = self._watch.leaves or scenario.shutdown_timeout is not None
            self._world.claim("the end", may_be_cancelled, "a request is cancelled during the run")
            await self._sleep(scenario.ends_when_cancelled_after)
            self._world.land(attempt.session)
            raise
        except KeyboardInterrupt:
            self._world.land(attempt.session)
            raise
        return attempt.end()

    def monotonic(self) -> float:
        return self._world.clock.time()

    async def sleep(self, seconds: float) -> None:
        await self._sleep(seconds)


class BlockingTransport:
    def __init__(self, watch: Watch, way: "Way") -> None:
        self._awaited = AwaitedTransport(watch, way)
        self.monotonic = self._awaited.monotonic

    def send(self, request: Request, timeout: float) -> Response:
        return run_sync(self._awaited.send(request, timeout))

    def sleep(self, seconds: float) -> None:
        run_sync(self._awaited.sleep(seconds))


class Blocking:
    """In the caller's thread. The threads that carry requests are greenlets."""

    use_case: Any = DeleteSession  # Any: it fits the transport beside it
    transport = BlockingTransport
    cancels = False  # a request that outlives `shutdown_timeout`

    def __init__(self) -> None:
        pytest.importorskip("greenlet")  # Pyodide has none, and no threads either.
        from .virtual_threads import BlockingClock, virtual_waits

        self.clock, self._virtual_waits = BlockingClock(), virtual_waits
        self.is_performing = False

    def play(self, watch: Watch, main: Coroutine[Any, Any, None]) -> None:
        with self._virtual_waits(self.clock):
            run_sync(main)

    async def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    async def perform(self, main: Coroutine[Any, Any, None]) -> BaseException | None:
        """Play what may be interrupted, and return what it raises."""
        self.is_performing = True
        try:
            await main
        except (Exception, KeyboardInterrupt, asyncio.CancelledError) as error:
            return error
        finally:
            self.is_performing = False
        return None

    def interrupt(self) -> None:
        raise KeyboardInterrupt

    def ids(self, watch: Watch) -> Generator[object]:
        return _ids(watch, self.clock.sleep)

    def as_awaited(self, blocking: object) -> Any:  # Any: a run or a block
        return _AsIfAwaited(blocking)

    def is_alone(self) -> bool:
        return True


class _AsIfAwaited:
    """A blocking run or block, with the methods of an awaited one."""

    def __init__(self, blocking: Any) -> None:  # Any: a run or a block
        self._blocking = blocking

    def __getattr__(self, name: str) -> Any:  # Any: see above
        return getattr(self._blocking, name)

    async def __aenter__(self) -> Self:
        self._blocking.__enter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._blocking.__exit__(*exc_info)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        for outcome in self._blocking:
            result: Outcome = outcome
            return result
        raise StopAsyncIteration


class Awaited:
    """On an event loop."""

    use_case: Any = AsyncDeleteSession  # Any: it fits the transport beside it
    transport = AwaitedTransport
    cancels = True  # a request that outlives `shutdown_timeout`

    def __init__(self) -> None:
        self.clock = VirtualTimeLoop()
        self.sleep = asyncio.sleep

    @property
    def is_performing(self) -> bool:
        return not self._performed.done()

    def play(self, watch: Watch, main: Coroutine[Any, Any, None]) -> None:
        async def in_thread(_: object, forget: Callable[..., object], *given: object) -> None:
            """Take some seconds of virtual time. Nobody can cancel a thread."""
            has_ended = asyncio.Event()

            def work() -> None:
                forget(*given)
                has_ended.set()

            self.clock.call_later(watch.world.choose(watch.scenario.journal_seconds), work)
            await has_ended.wait()

        with (
            mock.patch.object(AsyncioRuntime, "in_thread", in_thread),
            asyncio.Runner(loop_factory=lambda: self.clock) as runner,
        ):
            runner.run(main)

    async def perform(self, main: Coroutine[Any, Any, None]) -> BaseException | None:
        """Play what may be cancelled, and return what it raises."""
        self._performed = asyncio.ensure_future(main)
        await asyncio.wait([self._performed])
        try:
            return self._performed.exception()
        except asyncio.CancelledError as cancellation:
            return cancellation

    def interrupt(self) -> None:
        self._performed.cancel()

    def ids(self, watch: Watch) -> Generator[object] | AsyncGenerator[object]:
        if not watch.scenario.ids_are_awaited:
            return _ids(watch, lambda seconds: None)  # It would hold up the event loop.
        return _awaited_ids(watch)

    def as_awaited(self, awaited: object) -> Any:  # Any: a run or a block
        return awaited

    def is_alone(self) -> bool:
        """Return whether no task is left but the one that asks."""
        return asyncio.all_tasks() == {asyncio.current_task()}


def _ids(watch: Watch, sleep: Callable[[float], object]) -> Generator[object]:
    for step in watch.scenario.steps:
        if step.seconds:
            sleep(step.seconds)
        yield watch.take(step)
    watch.end_of_ids()


async def _awaited_ids(watch: Watch) -> AsyncGenerator[object]:
    for step in watch.scenario.steps:
        if step.seconds:
            await asyncio.sleep(step.seconds)
        yield watch.take(step)
    watch.end_of_ids()


Way: TypeAlias = Blocking | Awaited
WAYS: dict[str, type[Way]] = {"blocking": Blocking, "awaited": Awaited}
