"""An awaited run over many sessions. It brings asyncio, so it is imported where one begins."""

import asyncio
import math
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from typing import Any, Self

from .delete_session import AsyncDeleteSession
from .errors import Outcome
from .job import LEFT, Job
from .run import Run
from .scheduler import Scheduler
from .shielding import Shield, begin_in_thread, raise_last, running_asyncio_loop
from .transport import AsyncTransport, ConnectionLostError, Response

_LONGEST_CANCELLATION = 1.0
"""Seconds in which what was cancelled may end."""


class AsyncDeletions(Run[AsyncDeleteSession], AsyncIterator[Outcome]):
    """The outcomes of one run of `AsyncDeleteManySessions`: `Deletions`, awaited.

    Use it in an `async with` block. A cancellation leaves the run as the end of the block does,
    and is raised when the requests in flight have ended. After `shutdown_timeout` seconds they are
    cancelled: their sessions get an `UnreachableError`, and their fate is unknown.

    Under another event loop than asyncio's, the iteration raises a `RuntimeError`.
    """

    def __init__(
        self,
        session_ids: Iterator[str | uuid.UUID] | AsyncIterable[str | uuid.UUID],
        delete_session: AsyncDeleteSession,
        concurrency: int,
        shutdown_timeout: float | None,
    ) -> None:
        super().__init__(delete_session, concurrency, shutdown_timeout)
        self._ids = session_ids
        self._reader: asyncio.Task[None] | None = None
        self._is_reader_cancelled = False  # by this run; a timeout of the ids may cancel it as well
        self._is_id_wanted = asyncio.Event()
        self._recording: asyncio.Future[None] | None = None
        self._requests: dict[asyncio.Future[Response], Job] = {}
        is_awake = asyncio.Event()
        self._is_awake = is_awake
        # The function must not hold the run, which warns when nobody holds it any more.
        self._wake_up = lambda *_: is_awake.set()

    async def __anext__(self) -> Outcome:
        _check_event_loop()
        self._begin(asyncio.current_task())
        try:
            if not self._to_hand_out:
                await self._wait_for_outcome()
                await self._tell()
        except BaseException:  # of a signal's handler, for instance: the caller may go on
            await self.aclose()
            raise
        finally:
            self._only_asker = None
        return self._hand_out_or_end(StopAsyncIteration)

    def stop(self) -> None:  # noqa: D102 - as it is inherited
        super().stop()
        with suppress(RuntimeError):  # No event loop runs.
            # A signal's handler does not wake a loop that waits.
            asyncio.get_running_loop().call_soon_threadsafe(self._wake_up)

    async def aclose(self) -> None:
        """Leave the run, as the end of its `async with` block does. The outcomes stay."""
        try:
            self.stop()
            if not self._is_of_parent():
                await self._leave()
        finally:
            self._log_end()

    async def __aenter__(self) -> Self:
        _check_event_loop()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *exc_info: object) -> None:
        try:
            if kind is None and self._process is None:
                self._warn_if_abandoned()
        finally:  # A warning may be an exception.
            await self.aclose()

    def __del__(self) -> None:
        if not hasattr(self, "_wake_up"):
            return  # It could not be made.
        if self._reader is not None and not self._reader.done():
            with suppress(RuntimeError):  # The event loop is closed.
                self._reader.get_loop().call_soon_threadsafe(self._reader.cancel)
        self._warn_if_abandoned()

    async def _wait_for_outcome(self) -> None:
        """Go on until an outcome is there, or the run is over."""
        run = self._scheduler
        run.end_remaining()  # An interruption may have left a job half-way.
        while not (run.outcomes or run.is_finished):
            if self._seconds_to_land() > 0:
                await self._take_turn()
            else:
                await self._leave()
        if run.is_finished:
            if reader := self._end_reader():
                # A stopped run has its `shutdown_timeout`. One that ended by itself has no limit:
                # the reader gets a second.
                left = self._seconds_to_land()
                most = _LONGEST_CANCELLATION if left == math.inf else left
                await asyncio.wait(reader, timeout=most)
            self._settle()  # It may have failed.
            run.end_remaining()  # An id may have come, although it was cancelled.

    async def _take_turn(self) -> None:
        """Settle and send. Then take an id or wait, but not both."""
        self._is_awake.clear()
        self._settle()
        while (job := self._scheduler.next_job()) is not None:
            self._send(job)
        if self._scheduler.outcomes:
            return
        if self._scheduler.has_room():
            if not isinstance(self._ids, AsyncIterable):  # It comes at once, without a task.
                self._scheduler.admit(self._ids)
                if self._scheduler.outcomes:  # A bad id ends at once: let other tasks run.
                    await asyncio.sleep(0)
                return
            self._read_next_id(self._ids)
        if not self._scheduler.is_finished:
            await self._wait(min(self._scheduler.due_in(), self._seconds_to_land()))

    async def _wait(self, seconds: float) -> None:
        """Wait until something happens, or for so many seconds of the transport's time."""
        transport, timer = self._delete_session.transport, None
        began = transport.monotonic()
        is_for_id = self._is_id_wanted.is_set() and self._scheduler.needs_new_id
        if seconds < math.inf:
            timer = asyncio.ensure_future(transport.sleep(seconds))
            timer.add_done_callback(self._wake_up)
        try:
            await self._is_awake.wait()
            if timer is not None and timer.done():
                timer.result()
        finally:
            if timer is not None:
                timer.remove_done_callback(self._wake_up)
                timer.cancel()
        if not is_for_id:
            self._scheduler.waited += transport.monotonic() - began

    def _settle(self) -> None:
        """Settle all requests that have ended, and note the end of the ids."""
        ended = [task for task in self._requests if task.done()]
        for task in sorted(ended, key=lambda task: self._requests[task].landed_at):
            self._scheduler.settle(self._requests.pop(task), self._result(task))
        reader, run = self._reader, self._scheduler
        if reader is not None and reader.done() and run.has_ids:
            # If somebody else has cancelled it, this raises `CancelledError`: the run is left.
            is_ended_here = reader.cancelled() and run.is_stopped
            run.note_end_of_ids(None if is_ended_here else reader.exception())

    def _result(self, task: "asyncio.Future[Response]") -> Response | BaseException:
        if not task.cancelled():
            return task.exception() or task.result()
        # Once the run is left, it has cancelled the request itself, or a program cancels all its
        # tasks. Before that, nobody may: it ends the run as a fault of the transport does.
        return ConnectionLostError(LEFT) if self._is_stopped_by_caller else asyncio.CancelledError()

    def _end_reader(self) -> list[asyncio.Task[None]]:
        """Cancel what reads the ids, once, and return it. An id that comes then is taken."""
        if self._reader is None or self._reader.done():
            return []
        if not self._is_reader_cancelled:
            self._is_reader_cancelled = True
            self._reader.cancel()
        return [self._reader]

    def _send(self, job: Job) -> None:
        task = asyncio.ensure_future(_work(self._delete_session.transport, job))
        self._requests[task] = job
        task.add_done_callback(self._wake_up)
        self._scheduler.note_sent(job)

    async def _tell(self) -> None:
        """Call `on_outcome`, and then the journal. Each call is made, whatever others raise."""
        async with AsyncExitStack() as calls:
            calls.push_async_callback(self._record)  # The last one is called first.
            for _ in range(self._how_many_to_tell()):
                calls.callback(self._notify_of_next)

    async def _record(self) -> None:
        """Let a thread call the journal, and wait for it, unless it was too slow before."""
        if not self._to_record:
            return
        if self._recording is None or self._recording.done():
            forget_each = self._delete_session.forget_each
            self._is_journal_late = False
            self._recording = begin_in_thread(forget_each, self._to_record)
        if not self._is_journal_late:
            await asyncio.wait([self._recording], timeout=self._seconds_for_records())
            self._is_journal_late = not self._recording.done()

    def _read_next_id(self, session_ids: AsyncIterable[str | uuid.UUID]) -> None:
        """Let one more id be read, beside the run, unless one is wanted already."""
        self._is_id_wanted.set()
        if self._reader is None:
            reading = _read(session_ids, self._is_id_wanted, self._scheduler, self._is_awake)
            self._reader = asyncio.ensure_future(reading)
            self._reader.add_done_callback(self._wake_up)
            # The event loop logs an error that nobody looks at.
            self._reader.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def _leave(self) -> None:
        """End the requests, as no cancellation can prevent, and be cancelled afterwards."""
        interruptions: list[BaseException] = []
        raise_last(await Shield().run(self._end_requests, interruptions), *interruptions)

    async def _end_requests(self) -> None:
        """Wait `_seconds_to_land` for what is in flight, end all that waits, and tell it."""
        try:
            # Any: the results do not matter
            unfinished: list[asyncio.Future[Any]] = [*self._requests, *self._end_reader()]
            if unfinished:
                await asyncio.wait(unfinished, timeout=self._seconds_to_land())
        finally:
            try:
                for task in self._requests:
                    task.cancel()
                if self._requests:
                    await asyncio.wait(self._requests, timeout=_LONGEST_CANCELLATION)
            finally:
                self._settle()
                self._requests.clear()  # One that has ignored its cancellation is not waited for.
                self._scheduler.end_remaining(even_in_flight=True)
                await self._tell()


async def _work(transport: AsyncTransport, job: Job) -> Response:
    try:
        return await transport.send(job.send.request, job.timeout)
    finally:
        job.landed_at = transport.monotonic()  # The run may look at it much later.


async def _read(
    session_ids: AsyncIterable[str | uuid.UUID],
    is_wanted: asyncio.Event,
    scheduler: Scheduler,
    is_awake: asyncio.Event,
) -> None:
    """Let the run take each id when it is wanted.

    One task reads them all, so that a timeout or a task group may stand around a `yield`. It must
    not hold the run, which warns when nobody holds it any more.
    """
    ids = aiter(session_ids)
    throw = getattr(ids, "athrow", None)  # of a generator
    next_id = anext(ids)
    with suppress(StopAsyncIteration):
        while True:
            scheduler.admit(iter([await next_id]))  # After a timeout of theirs it comes unasked.
            is_wanted.clear()
            is_awake.set()
            if (task := asyncio.current_task()) and task.cancelling():  # That did not stop the ids.
                raise asyncio.CancelledError
            try:
                await is_wanted.wait()
            except asyncio.CancelledError as cancellation:
                if scheduler.is_stopped or throw is None:
                    raise
                next_id = throw(cancellation)  # A timeout or a task group makes its error of it.
            else:
                next_id = anext(ids)


def _check_event_loop() -> None:
    if running_asyncio_loop() is None:
        raise RuntimeError(
            "AsyncDeleteManySessions needs asyncio's event loop. Under another event loop,"
            " call AsyncDeleteSession for each session."
        )
