"""What no cancellation may reach, and what must not block an event loop.

asyncio is loaded only where it runs: the core is for all event loops. anyio and trio are used only
where a program has loaded them.
"""

import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

_T = TypeVar("_T")
Task: TypeAlias = "asyncio.Task[Any]"  # Any: of several kinds


def runs_on_asyncio() -> bool:
    """Return whether the caller runs on an event loop of asyncio."""
    from asyncio import get_running_loop  # noqa: PLC0415 - see above

    try:
        get_running_loop()
    except RuntimeError:
        return False
    return True


def start(function: Callable[[], Coroutine[Any, Any, object]], tasks: "list[Task]") -> None:
    """Under asyncio, let a new task run this, unless the last one of `tasks` goes on."""
    if runs_on_asyncio() and all(task.done() for task in tasks[-1:]):
        from asyncio import create_task  # noqa: PLC0415 - see above

        # In one line: an interruption between two lines would leave a task that nobody knows.
        tasks.append(create_task(function()))


async def shielded(
    function: Callable[[], Coroutine[Any, Any, object]],
    interruptions: list[BaseException],
    *,
    timeout: float | None = None,
    tasks: "list[Task] | None" = None,
) -> BaseException | None:
    """Run to its end what no cancellation of the caller may reach.

    Under asyncio it runs in a task of its own, under trio in a shield, unless there is a `timeout`:
    the shield would keep that out. Any other event loop runs it in the caller's own task.

    Args:
        function: what runs.
        interruptions: takes the cancellations of the caller that come meanwhile, and the like.
        timeout: how many seconds it has after the first of them. None: all that it takes.
        tasks: takes its task. If the last one of these goes on, that is waited for instead.

    Returns:
        What it raised, under asyncio. If it was interrupted itself, this is the caller's last
        interruption, or else a `CancelledError`.
    """
    if not runs_on_asyncio():
        with nullcontext() if timeout is not None else _trio_shield():
            await function()
        return None
    from asyncio import CancelledError, wait  # noqa: PLC0415 - see above

    tasks = [] if tasks is None else tasks
    start(function, tasks)
    task = tasks[-1]
    while not task.done():
        try:
            with _anyio_shield() if interruptions else nullcontext():
                await wait([task])
        except (Exception, GeneratorExit):
            raise
        except BaseException as interruption:
            if timeout is not None and not interruptions:
                task.get_loop().call_later(timeout, task.cancel)
            interruptions.append(interruption)
    error = CancelledError() if task.cancelled() else task.exception()
    if error is None or isinstance(error, Exception):
        return error
    # Ctrl-C in a task of asyncio's is its exception: raised here, it would end the event loop.
    return interruptions[-1] if interruptions else CancelledError()


def raise_last(interruptions: list[BaseException], error: BaseException | None) -> None:
    """Raise the caller's last interruption, or else what the shielded function raised."""
    if interruptions:
        raise interruptions[-1]
    if error is not None:
        raise error


def _anyio_shield() -> AbstractContextManager[object]:
    """Keep out a cancelled scope of anyio, which cancels again at each turn of the event loop."""
    anyio: Any = sys.modules.get("anyio")  # Any: the core does not import it
    shield: AbstractContextManager[object] = (
        anyio.CancelScope(shield=True) if anyio else nullcontext()
    )
    return shield


def _trio_shield() -> AbstractContextManager[object]:
    """Keep out a cancelled scope of trio, under which nothing can wait."""
    trio: Any = sys.modules.get("trio")  # Any: the core does not import it
    if trio is None or not trio.lowlevel.in_trio_run():
        return nullcontext()
    shield: AbstractContextManager[object] = trio.CancelScope(shield=True)
    return shield


class _NewThread:
    """What asyncio asks of an executor. A call that hangs keeps no process from ending."""

    def submit(self, function: Callable[..., object], /, *arguments: object) -> "Future[object]":
        from concurrent.futures import Future  # noqa: PLC0415 - one session needs none

        future: Future[object] = Future()
        future.set_running_or_notify_cancel()

        def call() -> None:
            try:
                future.set_result(function(*arguments))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=call, name="firecrawl_interact", daemon=True).start()
        return future


async def in_thread(
    function: Callable[..., _T],
    *arguments: object,
    timeout: float | None = None,
    timeout_when_cancelled: float = 0,
) -> _T | None:
    """Call a function in a new thread under asyncio. Another event loop waits for the call.

    The loop's own threads may be busy, and end with the main thread. After `timeout` seconds the
    new one goes on by itself, and None is returned. If the caller is cancelled, it waits for
    `timeout_when_cancelled` seconds more before it raises. The call itself is never stopped.
    """
    if not runs_on_asyncio():
        return function(*arguments)
    from asyncio import CancelledError, get_running_loop, wait  # noqa: PLC0415 - see above

    executor: Any = _NewThread()  # Any: all that is asked of it is `submit`
    try:
        call = get_running_loop().run_in_executor(executor, function, *arguments)
    except RuntimeError:  # No thread can start: there are too many, or the interpreter ends.
        return function(*arguments)
    # asyncio would report the error of a call that nobody waits for any more.
    call.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        await wait([call], timeout=timeout)
    except CancelledError:
        await wait([call], timeout=timeout_when_cancelled)
        raise
    return call.result() if call.done() else None
