"""Many sessions: the same conversations side by side, over one transport.

What is awaited, or given to an executor, is `transport.send` alone; `Scheduler` says who may send.
"""

from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from .arguments import check_count
from .delete_session import AsyncDeleteSession, DeleteSession
from .scheduler import Job, Outcome, Scheduler
from .transport import Response

if TYPE_CHECKING:
    import asyncio
    import uuid
    from concurrent.futures import Executor, Future
    from queue import SimpleQueue

    SessionIds: TypeAlias = Iterable[str | uuid.UUID]
    AsyncSessionIds: TypeAlias = AsyncIterable[str | uuid.UUID]
    Answered: TypeAlias = SimpleQueue[tuple[Job, Future[Response]] | None]

_LONGEST_SLEEP = 1.0
"""In seconds, so that `stop` is heard while everything waits."""


class Deletions(Iterator[Outcome]):
    """The outcomes of one run of `DeleteManySessions`, as they end."""

    def __init__(
        self, batch: Scheduler, outcomes: Generator[Outcome], wake: Callable[[], None]
    ) -> None:
        self._batch = batch
        self._outcomes = outcomes
        self._wake = wake

    def __next__(self) -> Outcome:
        return next(self._outcomes)

    @property
    def pause(self) -> float:
        """The seconds for which the rate limit still holds everything back, or 0."""
        return self._batch.pause

    def stop(self) -> None:
        """Send nothing new; the iteration then ends with the outcomes of what is in flight.

        An id that was taken and is not in flight ends with what its last try met. May be
        called from a signal handler or another thread.
        """
        self._batch.stopped = True
        self._wake()

    def close(self) -> None:
        """Send nothing new, wait for what is in flight, and drop its outcomes."""
        self._outcomes.close()


class AsyncDeletions(AsyncIterator[Outcome]):
    """The outcomes of one run of `AsyncDeleteManySessions`, as they end."""

    def __init__(
        self, batch: Scheduler, outcomes: AsyncGenerator[Outcome], wake: Callable[[], None]
    ) -> None:
        self._batch = batch
        self._outcomes = outcomes
        self._wake = wake

    async def __anext__(self) -> Outcome:
        return await anext(self._outcomes)

    @property
    def pause(self) -> float:
        """As `Deletions.pause`."""
        return self._batch.pause

    def stop(self) -> None:
        """As `Deletions.stop`, from the event loop's own thread."""
        self._batch.stopped = True
        self._wake()

    async def aclose(self) -> None:
        """As `Deletions.close`. `contextlib.aclosing` does it when a block ends."""
        await self._outcomes.aclose()


class DeleteManySessions:
    """Destroys many sessions, several at a time.

    A rate limit pauses everyone and is nobody's failure. A service that is down is asked little
    more than once for each session. What is held in memory does not grow with the ids.

    Args:
        delete_session: destroys one. Its transport, key and policy are used.
        concurrency: the most requests in flight at a time.
        executor: any `concurrent.futures.Executor`; it is given `transport.send`, and stays
            open. None: threads, for as long as the run lasts. It must do each call anew: for
            Dask that is `client.get_executor(pure=False)`.
    """

    def __init__(
        self,
        delete_session: DeleteSession,
        *,
        concurrency: int = 8,
        executor: "Executor | None" = None,
    ) -> None:
        _check(delete_session, DeleteSession, concurrency)
        if executor is not None and not hasattr(executor, "submit"):
            raise TypeError(f"executor must be an Executor, not {type(executor).__name__}")
        self._delete_session = delete_session
        self._concurrency = concurrency
        self._executor = executor

    def __call__(self, session_ids: "SessionIds") -> Deletions:
        """Destroy the sessions, taking ids only as fast as they can be sent.

        Returns:
            An iterator with one receipt or error for each id taken, as they end. A bad id is
            an error among the others. What the ids or the executor raise is raised after the
            outcomes of what was in flight. Leaving the iteration early sends nothing new and
            waits for what is in flight.

        Raises:
            TypeError: `session_ids` is no iterable of ids.
        """
        from queue import SimpleQueue  # noqa: PLC0415 - one session needs no queue

        _check_ids(session_ids, Iterable)
        batch = Scheduler(self._delete_session, self._concurrency)
        answered: Answered = SimpleQueue()
        outcomes = self._outcomes(batch, iter(session_ids), answered)
        return Deletions(batch, outcomes, lambda: answered.put(None))

    def _outcomes(
        self, batch: Scheduler, ids: "Iterator[str | uuid.UUID]", answered: "Answered"
    ) -> Generator[Outcome]:
        from concurrent.futures import ThreadPoolExecutor, wait  # noqa: PLC0415

        transport = self._delete_session.transport
        executor = self._executor or ThreadPoolExecutor(self._concurrency, "firecrawl_interact")
        in_flight: set[Future[Response]] = set()

        def settle(timeout: float | None) -> None:
            for deletion, future in _answers(answered, timeout):
                in_flight.remove(future)
                batch.settle(deletion, future.result)

        try:
            while not batch.finished:
                settle(0)
                for deletion in batch.sends():
                    try:
                        future = executor.submit(transport.send, *deletion.send_arguments)
                    except Exception as error:
                        batch.not_carried(deletion, error, sent=False)
                        continue
                    in_flight.add(future)
                    future.add_done_callback(partial(_put, answered, deletion))
                while batch.outcomes:
                    yield batch.outcomes.popleft()
                if batch.has_room():
                    batch.admit(partial(next, ids))
                elif in_flight:
                    settle(batch.due_in())
                elif not batch.finished and (due_in := batch.due_in()):
                    transport.sleep(min(due_in, _LONGEST_SLEEP))
        finally:
            for future in in_flight:
                future.cancel()
            wait(in_flight)
            if executor is not self._executor:
                executor.shutdown()
        if batch.failure is not None:
            raise batch.failure


class AsyncDeleteManySessions:
    """The same as `DeleteManySessions`, on the running asyncio event loop.

    Args:
        delete_session: destroys one. Its transport, key and policy are used.
        concurrency: the most requests in flight at a time.
    """

    def __init__(self, delete_session: AsyncDeleteSession, *, concurrency: int = 8) -> None:
        _check(delete_session, AsyncDeleteSession, concurrency)
        self._delete_session = delete_session
        self._concurrency = concurrency

    def __call__(self, session_ids: "SessionIds | AsyncSessionIds") -> AsyncDeletions:
        """Destroy the sessions, as `DeleteManySessions` does.

        An iteration that is left early goes on with what is in flight until it is closed:
        use `contextlib.aclosing` where that matters. Cancelling it waits for what is in flight.
        """
        import asyncio  # noqa: PLC0415 - the core is for all, this class for asyncio

        _check_ids(session_ids, Iterable, AsyncIterable)
        ids = aiter(session_ids) if isinstance(session_ids, AsyncIterable) else iter(session_ids)
        batch = Scheduler(self._delete_session, self._concurrency)
        wake = asyncio.Event()
        return AsyncDeletions(batch, self._outcomes(batch, ids, wake), wake.set)

    async def _outcomes(  # noqa: PLR0912, PLR0915 - one loop: settle, send, hand out, take, wait
        self,
        batch: Scheduler,
        ids: "AsyncIterator[str | uuid.UUID] | Iterator[str | uuid.UUID]",
        wake: "asyncio.Event",
    ) -> AsyncGenerator[Outcome]:
        import asyncio  # noqa: PLC0415

        transport = self._delete_session.transport
        in_flight: dict[asyncio.Future[Response], Job] = {}
        answered: deque[asyncio.Future[Response]] = deque()
        taking: asyncio.Future[str | uuid.UUID] | None = None
        nap: asyncio.Future[None] | None = None
        task: asyncio.Future[Response]

        def note(task: "asyncio.Future[Response]") -> None:
            answered.append(task)
            wake.set()

        def rouse(_: object) -> None:
            wake.set()

        try:
            while not batch.finished or (taking is not None and taking.done()):
                wake.clear()
                while answered:
                    task = answered.popleft()
                    batch.settle(in_flight.pop(task), task.result)
                for deletion in batch.sends():
                    task = asyncio.ensure_future(transport.send(*deletion.send_arguments))
                    in_flight[task] = deletion
                    task.add_done_callback(note)
                while batch.outcomes:
                    yield batch.outcomes.popleft()
                if taking is not None and taking.done():
                    batch.admit(taking.result)
                    taking = None
                    continue
                if isinstance(ids, Iterator):  # It comes at once: a task would cost for nothing.
                    if batch.has_room():
                        batch.admit(partial(next, ids))
                        if batch.outcomes:  # A bad id ends at once: others shall have a turn.
                            await asyncio.sleep(0)
                        continue
                elif taking is None and batch.has_room():
                    taking = asyncio.ensure_future(anext(ids))
                    taking.add_done_callback(rouse)
                if (due_in := batch.due_in()) is not None:
                    nap = asyncio.ensure_future(transport.sleep(due_in))
                    nap.add_done_callback(rouse)
                if not batch.finished:
                    await wake.wait()
                if nap is not None:
                    nap.remove_done_callback(rouse)
                    if nap.done():
                        nap.result()
                    nap.cancel()
                    nap = None
        finally:
            for waiting in (taking, nap):
                if waiting is not None:
                    waiting.cancel()
                    await asyncio.wait([waiting])
            if in_flight:
                await asyncio.gather(*in_flight, return_exceptions=True)
        if batch.failure is not None:
            raise batch.failure


def _put(answered: "Answered", deletion: Job, future: "Future[Response]") -> None:
    answered.put((deletion, future))


def _answers(
    answered: "Answered", timeout: float | None
) -> "Iterator[tuple[Job, Future[Response]]]":
    from queue import Empty  # noqa: PLC0415

    with suppress(Empty):
        answer = answered.get(timeout=timeout)
        while True:
            if answer is not None:
                yield answer
            answer = answered.get_nowait()


def _check(delete_session: object, kind: type, concurrency: object) -> None:
    if not isinstance(delete_session, kind):
        found = type(delete_session).__name__
        raise TypeError(f"delete_session must be a {kind.__name__}, not {found}")
    check_count("concurrency", concurrency)


def _check_ids(session_ids: object, *kinds: type) -> None:
    if isinstance(session_ids, str | bytes) or not isinstance(session_ids, kinds):
        raise TypeError(
            f"session_ids must be an iterable of ids, not {type(session_ids).__name__}; "
            "for one session call DeleteSession"
        )
