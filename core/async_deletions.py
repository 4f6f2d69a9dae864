"""One awaited run over many sessions: `deletions`, on asyncio's event loop."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Self

from .asyncio_tasks import runs_on_asyncio, wait_for_end
from .deletions import LONGEST_SLEEP, Run
from .job import Job

if TYPE_CHECKING:
    import asyncio
    import uuid

    from .delete_session import AsyncDeleteSession
    from .errors import Outcome
    from .transport import Response


class AsyncDeletions(Run, AsyncIterator["Outcome"]):
    """The outcomes of one run of `AsyncDeleteManySessions`: `Deletions`, awaited.

    Use it in an `async with` block. A cancellation leaves the run as the end of the block does,
    and is raised when what was in flight has ended. What is in flight after `shutdown_timeout`
    seconds is cancelled: it is an `UnreachableError` whose fate is unknown.

    Under another event loop than asyncio's, the iteration raises a `RuntimeError`.
    """

    def __init__(
        self,
        delete_session: AsyncDeleteSession,
        session_ids: Iterator[str | uuid.UUID] | AsyncIterator[str | uuid.UUID],
        *,
        concurrency: int,
        shutdown_timeout: float | None,
    ) -> None:
        import asyncio  # noqa: PLC0415 - the core is for all, this class for asyncio

        super().__init__(delete_session, concurrency, shutdown_timeout)
        self._transport = delete_session.transport
        self._record_gone = delete_session.record_gone
        self._ids = session_ids
        self._next_id: asyncio.Future[str | uuid.UUID] | None = None
        self._nap: asyncio.Future[None] | None = None
        self._in_flight: dict[asyncio.Future[Response], Job] = {}
        self._landed: deque[asyncio.Future[Response]] = deque()
        self._wake = wake = asyncio.Event()
        # It must not hold the run, which warns when nobody holds it any more.
        self._rouse: Callable[[object], None] = lambda _: wake.set()

    async def __anext__(self) -> Outcome:
        _check_event_loop()
        self._has_begun = True
        try:
            return await self._next_outcome()
        except Exception:
            raise
        except BaseException:
            await self.aclose()
            raise

    def stop(self) -> None:
        """As `Deletions.stop`, from the event loop's own thread."""
        self._is_asked_to_stop = self._scheduler.is_stopped = True
        self._wake.set()

    async def aclose(self) -> None:
        """Leave the run, as the end of its `async with` block does. The outcomes stay."""
        import asyncio  # noqa: PLC0415

        self.stop()
        if not runs_on_asyncio():  # Then nothing was ever sent.
            return
        leaving = asyncio.ensure_future(self._leave())
        cancellation, _ = await wait_for_end(leaving)
        leaving.result()
        if cancellation is not None:
            raise cancellation

    async def __aenter__(self) -> Self:
        _check_event_loop()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *exc_info: object) -> None:
        try:
            if kind is None and not self._has_begun:
                self._warn_if_left()
        finally:  # A warning may be an exception.
            await self.aclose()

    def __del__(self) -> None:
        self._warn_if_left()

    async def _next_outcome(self) -> Outcome:
        self._admit_next_id()
        while not self._scheduler.outcomes:
            if self._in_flight and not self._count_down():
                await self.aclose()
            elif not self._scheduler.is_finished:
                await self._take_turn()
            elif self._next_id is None:
                raise self._end(StopAsyncIteration)
            else:
                await self._cancel_what_waits()
            self._admit_next_id()
        outcome = self._scheduler.outcomes.popleft()
        try:
            await self._record_gone(outcome)
        except BaseException:
            self._scheduler.outcomes.appendleft(outcome)
            raise
        return outcome

    async def _take_turn(self) -> None:
        """Settle and send. Then take an id or wait, but not both."""
        import asyncio  # noqa: PLC0415

        self._wake.clear()
        self._settle()
        self._send()
        if self._scheduler.outcomes:
            return
        if self._next_id is None and self._scheduler.has_room():
            if isinstance(self._ids, Iterator):  # It comes at once, without a task.
                self._scheduler.admit(partial(next, self._ids))
                if self._scheduler.outcomes:  # A bad id ends at once: let other tasks run.
                    await asyncio.sleep(0)
                return
            self._next_id = asyncio.ensure_future(_next(self._ids))
            self._next_id.add_done_callback(self._rouse)
        due_in = self._scheduler.due_in()
        await self._wait(min(math.inf if due_in is None else due_in, self._count_down()))

    def _admit_next_id(self) -> None:
        if self._next_id is not None and self._next_id.done():
            self._scheduler.admit(self._next_id.result)
            self._next_id = None

    async def _wait(self, seconds: float) -> None:
        """Wait until something happens, or for so many seconds of the transport's time."""
        import asyncio  # noqa: PLC0415

        if seconds < math.inf:
            self._nap = asyncio.ensure_future(self._transport.sleep(seconds))
            self._nap.add_done_callback(self._rouse)
        await self._wake.wait()
        if self._nap is not None:
            self._nap.remove_done_callback(self._rouse)
            if self._nap.done():
                self._nap.result()
            self._nap.cancel()
            self._nap = None

    def _settle(self) -> None:
        import asyncio  # noqa: PLC0415

        while self._landed:
            task = self._landed[0]
            job = self._in_flight[task]
            if task.cancelled():  # This run has not done it.
                self._scheduler.give_up_carrier(job, asyncio.CancelledError(), sent=True)
            else:
                self._scheduler.settle(job, task.result)
            del self._in_flight[task]
            self._landed.popleft()

    def _send(self) -> None:
        import asyncio  # noqa: PLC0415

        landed, wake = self._landed, self._wake

        def note(task: asyncio.Future[Response]) -> None:
            landed.append(task)
            wake.set()

        for job in self._scheduler.hand_out():
            arguments = self._scheduler.arguments(job)
            task = asyncio.ensure_future(self._transport.send(*arguments))
            self._in_flight[task] = job
            task.add_done_callback(note)

    async def _cancel_what_waits(self) -> None:
        """Wait no longer for time to pass, nor for an id. One that is there already is taken."""
        import asyncio  # noqa: PLC0415

        for waiting in (self._next_id, self._nap):
            if waiting is not None:
                waiting.cancel()
                await asyncio.wait([waiting])
        if self._next_id is not None and not self._next_id.cancelled():
            self._scheduler.admit(self._next_id.result)
        self._next_id = self._nap = None

    async def _leave(self) -> None:
        import asyncio  # noqa: PLC0415

        await self._cancel_what_waits()
        if self._in_flight:
            left = self._count_down()
            _, unfinished = await asyncio.wait(
                self._in_flight, timeout=None if left == math.inf else left
            )
            for task in unfinished:
                task.cancel()
            if unfinished:
                await asyncio.wait(unfinished, timeout=LONGEST_SLEEP)
        # Who cancels all tasks at once cancels requests too.
        self._landed = deque(task for task in self._landed if not task.cancelled())
        self._settle()
        self._in_flight.clear()
        self._scheduler.end_all()
        self._log_failure()
        for outcome in list(self._scheduler.outcomes):
            await self._record_gone(outcome)


async def _next(session_ids: AsyncIterator[str | uuid.UUID]) -> str | uuid.UUID:
    return await anext(session_ids)  # It may raise at once, instead of when it is awaited.


def _check_event_loop() -> None:
    if not runs_on_asyncio():
        raise RuntimeError(
            "AsyncDeleteManySessions needs asyncio's event loop. Under another event loop,"
            " call AsyncDeleteSession for each session."
        )
