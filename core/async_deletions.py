"""One awaited run over many sessions: `deletions`, on asyncio's event loop.

It brings asyncio, so it is imported where such a run begins.
"""

import asyncio
import contextvars
import math
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Self

from .asyncio_tasks import runs_on_asyncio, wait_for_end
from .delete_session import AsyncDeleteSession
from .deletions import LONGEST_SLEEP, Run
from .errors import Outcome
from .job import Job
from .scheduler import Stage
from .transport import Response


class AsyncDeletions(Run, AsyncIterator[Outcome]):
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
        super().__init__(delete_session, concurrency, shutdown_timeout)
        self._transport = delete_session.transport
        self._record_gone = delete_session.record_gone
        self._ids = session_ids
        self._context = contextvars.copy_context()  # of whoever began it: the ids are read there
        self._next_id: asyncio.Task[str | uuid.UUID] | None = None
        self._timer: asyncio.Future[None] | None = None
        self._in_flight: dict[asyncio.Future[Response], Job] = {}
        self._landed: deque[asyncio.Future[Response]] = deque()
        self._has_news = has_news = asyncio.Event()
        # It must not hold the run, which warns when nobody holds it any more.
        self._wake_up: Callable[[object], None] = lambda _: has_news.set()

    async def __anext__(self) -> Outcome:
        _check_event_loop()
        self._scheduler.reach(Stage.TAKES_IDS)
        try:
            return await self._next_outcome()
        except Exception:
            raise
        except BaseException:
            await self.aclose()
            raise

    def stop(self) -> None:
        """As `Deletions.stop`, from the event loop's own thread."""
        self._scheduler.reach(Stage.LEFT)
        self._has_news.set()

    async def aclose(self) -> None:
        """Leave the run, as the end of its `async with` block does. The outcomes stay."""
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
            if kind is None and self._scheduler.stage is Stage.NOT_BEGUN:
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
                await self._cancel_timer_and_next_id()
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
        self._has_news.clear()
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
            loop = asyncio.get_running_loop()
            self._next_id = loop.create_task(_next(self._ids), context=self._context)
            self._next_id.add_done_callback(self._wake_up)
        due_in = self._scheduler.due_in()
        await self._wait(min(math.inf if due_in is None else due_in, self._count_down()))

    def _admit_next_id(self) -> None:
        if self._next_id is not None and self._next_id.done():
            self._scheduler.admit(self._next_id.result)
            self._next_id = None

    async def _wait(self, seconds: float) -> None:
        """Wait until something happens, or for so many seconds of the transport's time."""
        if seconds < math.inf:
            self._timer = asyncio.ensure_future(self._transport.sleep(seconds))
            self._timer.add_done_callback(self._wake_up)
        await self._has_news.wait()
        if self._timer is not None:
            self._timer.remove_done_callback(self._wake_up)
            if self._timer.done():
                self._timer.result()
            self._timer.cancel()
            self._timer = None

    def _settle(self) -> None:
        while self._landed:
            task = self._landed[0]
            end = asyncio.CancelledError() if task.cancelled() else task.exception()
            self._scheduler.settle(self._in_flight[task], end or task.result())
            del self._in_flight[task]
            self._landed.popleft()

    def _send(self) -> None:
        landed, has_news = self._landed, self._has_news

        def note(task: asyncio.Future[Response]) -> None:
            landed.append(task)
            has_news.set()

        for job in self._scheduler.hand_out():
            task = asyncio.ensure_future(self._transport.send(*self._scheduler.arguments(job)))
            self._in_flight[task] = job
            task.add_done_callback(note)

    async def _cancel_timer_and_next_id(self) -> None:
        """Cancel the timer and the pending id. One that is there already is taken."""
        for waiting in (self._next_id, self._timer):
            if waiting is not None:
                waiting.cancel()
                await asyncio.wait([waiting])
        if self._next_id is not None and not self._next_id.cancelled():
            self._scheduler.admit(self._next_id.result)
        self._next_id = self._timer = None

    async def _leave(self) -> None:
        await self._cancel_timer_and_next_id()
        if self._in_flight:
            left = self._count_down()
            _, unfinished = await asyncio.wait(
                self._in_flight, timeout=None if left == math.inf else left
            )
            for task in unfinished:
                task.cancel()
            if unfinished:
                await asyncio.wait(unfinished, timeout=LONGEST_SLEEP)
        # A program that cancels all its tasks at once cancels requests, too.
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
