"""How an awaited deleter waits. This brings asyncio: import it late."""

import asyncio
import contextvars
import logging
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, TypeVar

from .deleter import Deletion, Runtime
from .log import log

T = TypeVar("T")

_LOOKS = 100  # of `end_open`, each 0.01 s, for an open scope that has begun to end


class AsyncioRuntime(Runtime):
    """Runs what no cancellation may cut in tasks of its own."""

    is_awaited = True

    def __init__(self) -> None:
        self._tasks: set[asyncio.Future[Any]] = set()  # Any: of each result
        self._open: dict[Deletion, asyncio.AbstractEventLoop] = {}  # by open scope, with its loop

    def __reduce__(self) -> tuple[type[Runtime], tuple[()]]:  # A pickle has no open scopes.
        return type(self), ()

    async def call(self, function: Callable[..., Any], *arguments: object) -> Any:  # noqa: D102
        return await function(*arguments)

    async def in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        """Call this in a thread of its own. Those of asyncio are few, and may all be busy."""
        result = Future[T]()
        result.set_running_or_notify_cancel()

        def call() -> None:
            try:
                result.set_result(function(*arguments))
            except BaseException as error:
                result.set_exception(error)

        context = contextvars.copy_context()
        name = "firecrawl_interact"
        threading.Thread(target=context.run, args=[call], name=name, daemon=True).start()
        return await asyncio.wrap_future(result)

    async def shield(self, awaitable: Awaitable[T], timeout: float | None = None) -> T:
        """Run this in a task that no cancellation of the caller reaches.

        However often the caller is cancelled, it waits for the task, and is cancelled afterwards.
        After the first of these cancellations, the task has `timeout` seconds. None: no limit.
        """
        task = self._task(awaitable)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as cancellation:
            if timeout is not None:
                asyncio.get_running_loop().call_later(timeout, task.cancel)
            with _shield_of_anyio():
                while not task.done():
                    with suppress(asyncio.CancelledError):
                        await asyncio.wait([task])
            # asyncio would log an error that nobody has looked at, with whatever its text holds.
            failure = None if task.cancelled() else task.exception()
            raise cancellation from failure
        return task.result()

    def note_open(self, deletion: Deletion) -> None:  # noqa: D102
        self._open[deletion] = asyncio.get_running_loop()

    def note_end(self, deletion: Deletion) -> None:  # noqa: D102
        self._open.pop(deletion, None)

    async def end_open(self, end: Callable[[Deletion], Coroutine[Any, Any, None]]) -> None:
        """Wait for the tasks of this event loop, and for those that its open scopes start soon.

        A server ends like this: it cancels its handlers, and closes at once. Their blocks hear of
        that some turns of the event loop later, maybe clean up, and only then start their deletes.
        Nobody may ever cancel what it has begun beside its handlers: what stays open is ended here.
        """
        loop, looks = asyncio.get_running_loop(), _LOOKS
        while True:
            if running := [task for task in [*self._tasks] if task.get_loop() is loop]:
                await asyncio.wait(running)
                looks = _LOOKS
                continue
            scopes = [*self._open.items()]  # Other event loops have others.
            left = [one for one, its_loop in scopes if its_loop is loop and one.ending is None]
            if not left:
                return
            if looks:
                await asyncio.sleep(0.01)
                looks -= 1
                continue
            text = "closing destroys the sessions of blocks that are still open: %d"
            log(logging.WARNING, text, len(left))
            for deletion in left:
                deletion.ending = self._task(end(deletion))

    def _task(self, awaitable: Awaitable[T]) -> asyncio.Future[T]:
        """Make a task of this, and keep it until it has ended."""
        task = asyncio.ensure_future(awaitable)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _shield_of_anyio() -> AbstractContextManager[object]:
    """Keep out a cancelled scope of anyio, if a program has loaded that.

    Such a scope cancels at each turn of the event loop: nothing in it can wait.
    """
    anyio: Any = sys.modules.get("anyio")  # Any: the core does not import it
    return nullcontext() if anyio is None else anyio.CancelScope(shield=True)
