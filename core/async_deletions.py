"""An awaited run over many sessions. It brings asyncio, so it is imported where one begins."""

import asyncio
import contextvars
import math
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Self

from .delete_session import AsyncDeleteSession
from .deletions import LONGEST_SLEEP, ManySessions, Run
from .errors import Outcome
from .pacing import Job
from .shielding import runs_on_asyncio, shielded
from .transport import Response


class AsyncDeletions(Run[AsyncDeleteSession], AsyncIterator[Outcome]):
    """The outcomes of one run of `AsyncDeleteManySessions`: `Deletions`, awaited.

    Use it in an `async with` block. A cancellation leaves the run as the end of the block does,
    and is raised when the requests in flight have ended. After `shutdown_timeout` seconds they are
    cancelled: their sessions get an `UnreachableError`, and their fate is unknown.

    Under another event loop than asyncio's, the iteration raises a `RuntimeError`.
    """

    def __init__(
        self,
        use_case: ManySessions[AsyncDeleteSession],
        session_ids: Iterator[str | uuid.UUID] | AsyncIterator[str | uuid.UUID],
    ) -> None:
        super().__init__(use_case)
        self._ids = session_ids
        self._context = contextvars.copy_context()  # of the caller: the ids are read there
        self._next_id: asyncio.Task[str | uuid.UUID] | None = None
        self._requests: dict[asyncio.Future[Response], Job] = {}
        self._has_news = has_news = asyncio.Event()
        # It must not hold the run, which warns when nobody holds it any more.
        self._wake_up: Callable[[object], None] = lambda _: has_news.set()

    async def __anext__(self) -> Outcome:
        _check_event_loop()
        self._has_begun = True
        try:
            self._scheduler.end_what_is_left()  # An interruption may have left one half-way.
            while not self._scheduler.outcomes:
                await self._take_turn()
            await self._delete_session.record_gone(self._scheduler.outcomes[0])
        except BaseException as error:
            if not isinstance(error, Exception):
                await self.aclose()
            raise
        return self._scheduler.outcomes.popleft()

    def stop(self) -> None:
        """As `Deletions.stop`, from the event loop's own thread."""
        self._is_left = True
        self._scheduler.stop()
        self._has_news.set()

    async def aclose(self) -> None:
        """Leave the run, as the end of its `async with` block does. The outcomes stay."""
        self.stop()
        interruptions: list[BaseException] = []
        try:
            await shielded(self._settle_what_is_in_flight, interruptions)
        finally:  # An interruption stops the event loop. Nothing may be left on it.
            for waiting in (*self._requests, self._next_id):
                if waiting is not None:
                    waiting.cancel()
            self._requests.clear()
            self._scheduler.end_what_is_left(even_in_flight=True)
        self._log_failure()
        for outcome in list(self._scheduler.outcomes):
            record = partial(self._delete_session.record_gone, outcome)
            await shielded(record, interruptions)
        if interruptions:
            raise interruptions[-1]

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

    async def _take_turn(self) -> None:
        """Settle and send. Then take an id or wait, but not both. At the end, raise."""
        self._admit_next_id()
        if self._scheduler.is_finished:
            await self._end_next_id()
            if self._scheduler.is_finished:
                raise self._take_failure() or StopAsyncIteration
        if self._scheduler.in_flight and not self._count_down():
            await self.aclose()
        self._has_news.clear()
        self._settle()
        for job in self._scheduler.hand_out():
            self._send(job)
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
        await self._wait(min(self._scheduler.due_in(), self._count_down()))

    async def _wait(self, seconds: float) -> None:
        """Wait until something happens, or for so many seconds of the transport's time."""
        if seconds == math.inf:
            await self._has_news.wait()
            return
        timer = asyncio.ensure_future(self._delete_session.transport.sleep(seconds))
        timer.add_done_callback(self._wake_up)
        try:
            await self._has_news.wait()
            if timer.done():
                timer.result()
        finally:
            timer.remove_done_callback(self._wake_up)
            timer.cancel()

    def _settle(self) -> None:
        for task in [task for task in self._requests if task.done()]:
            end = asyncio.CancelledError() if task.cancelled() else task.exception()
            self._scheduler.settle(self._requests.pop(task), end or task.result())

    def _send(self, job: Job) -> None:
        transport = self._delete_session.transport
        task = asyncio.ensure_future(transport.send(job.send.request, job.timeout))
        self._requests[task] = job
        task.add_done_callback(self._wake_up)

    def _admit_next_id(self) -> None:
        """Take the pending id, if it has come."""
        if self._next_id is None or not self._next_id.done():
            return
        next_id, self._next_id = self._next_id, None
        has_failed = next_id.cancelled() or not isinstance(next_id.exception(), Exception | None)
        if self._scheduler.takes_ids or not has_failed:  # A run that has ended cancels it.
            self._scheduler.admit(next_id.result)

    async def _end_next_id(self) -> None:
        """Cancel the pending id, once. One that comes all the same is taken."""
        if self._next_id is not None:
            if not self._next_id.cancelling():
                self._next_id.cancel()
            await asyncio.wait([self._next_id])
            self._admit_next_id()

    async def _settle_what_is_in_flight(self) -> None:
        """Wait for it, at most for as long as it may take, and cancel the rest."""
        await self._end_next_id()
        if self._requests:
            await asyncio.wait(self._requests, timeout=self._count_down())
        for task in self._requests:
            task.cancel()
        if self._requests:
            await asyncio.wait(self._requests, timeout=LONGEST_SLEEP)
        # A program that cancels all its tasks at once cancels requests, too.
        ended = self._requests.items()
        self._requests = {task: job for task, job in ended if not task.cancelled()}
        self._settle()
        self._requests.clear()  # The others were cancelled once: that is enough.


async def _next(session_ids: AsyncIterator[str | uuid.UUID]) -> str | uuid.UUID:
    return await anext(session_ids)  # It may raise at once, instead of when it is awaited.


def _check_event_loop() -> None:
    if not runs_on_asyncio():
        raise RuntimeError(
            "AsyncDeleteManySessions needs asyncio's event loop. Under another event loop,"
            " call AsyncDeleteSession for each session."
        )
