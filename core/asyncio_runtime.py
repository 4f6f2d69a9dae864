"""How an asyncio driver waits. Import it late, because it brings asyncio."""

import asyncio
import contextvars
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, ClassVar, TypeVar

from .driver import Driver, Operation, Runtime
from .log import WARNING, log

T = TypeVar("T")

_LOOKS, _LOOK_SECONDS = 100, 0.01  # together a second, for open scopes to end


class AsyncioRuntime:
    """Runs in tasks of its own what no cancellation may cut."""

    is_awaited: ClassVar[bool] = True

    def __init__(self, parent: "AsyncioRuntime | None" = None) -> None:
        self._parent = parent  # Closing the parent ends the children's scopes, too.
        self._tasks: set[asyncio.Future[Any]] = set()  # Any: of each result
        # By open scope, with its event loop.
        self._open: dict[Operation, tuple[asyncio.AbstractEventLoop, Driver[Any]]] = {}

    def __reduce__(self) -> tuple[type[Runtime], tuple[()]]:  # A copy has no open scopes.
        return type(self), ()

    def child(self) -> "AsyncioRuntime":  # noqa: D102
        return AsyncioRuntime(self._parent or self)

    async def call_transport(  # noqa: D102
        self, method: Callable[..., Any], *arguments: object
    ) -> Any:
        return await method(*arguments)

    async def in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function in a new thread, because those of asyncio may all be busy."""
        result = Future[T]()
        result.set_running_or_notify_cancel()  # From now on no cancellation changes its state.

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
        """Run something in a task that no cancellation of the caller reaches.

        A cancelled caller waits for the task, however often it is cancelled, and is cancelled
        afterwards. From the first cancellation on, the task has `timeout` seconds. None: no limit.
        """
        task = self._task(awaitable)
        try:
            await asyncio.wait([task])  # A cancellation ends this wait, and not the task.
        except asyncio.CancelledError as cancellation:
            if timeout is not None:
                asyncio.get_running_loop().call_later(timeout, task.cancel)
            with _shield_of_anyio():
                while not task.done():
                    with suppress(asyncio.CancelledError):
                        await asyncio.wait([task])
            # Retrieve the exception, or asyncio logs it unmasked.
            failure = None if task.cancelled() else task.exception()
            raise cancellation from failure
        return task.result()

    def note_open(self, operation: Operation, driver: Driver[Any]) -> None:  # noqa: D102
        self._open[operation] = asyncio.get_running_loop(), driver
        if self._parent is not None:
            self._parent.note_open(operation, driver)

    def note_end(self, operation: Operation) -> None:  # noqa: D102
        self._open.pop(operation, None)
        if self._parent is not None:
            self._parent.note_end(operation)

    async def end_open(self) -> None:
        """Wait until the scopes of this event loop have ended. End those that stay open.

        A server cancels its handlers when it ends, and closes at once. Their blocks notice some
        turns of the event loop later, and may await something first, so this waits a second. A
        server cancels no background task, so this deletes the sessions that are open then.
        """
        loop = asyncio.get_running_loop()
        for _ in range(2):  # The second time is for openers that were running.
            for _ in range(_LOOKS):
                if not self._open_here():
                    break
                await asyncio.sleep(_LOOK_SECONDS)
            if left := self._open_here():
                text = "closing deletes the sessions of %d blocks that are still open"
                log(WARNING, text, len(left))
                for operation in left:
                    _, driver = self._open[operation]
                    operation.deleted_by_close = self._task(driver.end_scope(operation))
            if tasks := [task for task in [*self._tasks] if task.get_loop() is loop]:
                await asyncio.wait(tasks)

    def _open_here(self) -> list[Operation]:
        """Return the operations of this event loop's open scopes. Other loops have others."""
        here, scopes = asyncio.get_running_loop(), [*self._open.items()]  # Threads may change it.
        mine = [operation for operation, (loop, _) in scopes if loop is here]
        return [one for one in mine if one.deleted_by_close is None]

    def _task(self, awaitable: Awaitable[T]) -> asyncio.Future[T]:
        """Make a task, and keep it until it has ended."""
        task = asyncio.ensure_future(awaitable)
        for runtime in filter(None, [self, self._parent]):
            runtime._tasks.add(task)  # noqa: SLF001 - of the same class
            task.add_done_callback(runtime._tasks.discard)  # noqa: SLF001 - as above
        return task


def _shield_of_anyio() -> AbstractContextManager[object]:
    """Keep out a cancelled scope of anyio, if the program has loaded anyio.

    Such a scope cancels at each turn of the event loop, so that nothing in it can wait.
    """
    anyio: Any = sys.modules.get("anyio")  # Any: the core does not import it
    return nullcontext() if anyio is None else anyio.CancelScope(shield=True)
