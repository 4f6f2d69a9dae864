"""What no cancellation may reach, and what must not block an event loop.

asyncio is loaded only where it runs: the core is for all event loops. anyio and trio are used only
where a program has loaded them.
"""

import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

_T = TypeVar("_T")


def event_loop() -> object:
    """Return asyncio's running loop. Another event loop is known by the number of its thread."""
    from asyncio import get_running_loop  # noqa: PLC0415 - see above

    try:
        return get_running_loop()
    except RuntimeError:
        return threading.get_ident()


def runs_on_asyncio() -> bool:
    """Return whether the caller runs on an event loop of asyncio."""
    return not isinstance(event_loop(), int)


async def shielded(
    function: Callable[[], Coroutine[Any, Any, _T]],
    interruptions: list[BaseException],
    *,
    timeout: float | None = None,
    tasks: "list[asyncio.Task[Any]] | None" = None,  # Any: of several kinds
) -> _T:
    """Run to its end what no cancellation of the caller may reach.

    Under asyncio it runs in a task of its own, under trio in a shield, unless there is a `timeout`:
    the shield would keep that out. Any other event loop runs it in the caller's own task.

    Args:
        function: what runs. If it is interrupted itself, the caller's last interruption is raised,
            or else a `CancelledError`.
        interruptions: takes the cancellations of the caller that come meanwhile, and the like.
        timeout: how many seconds it has after the first of them. None: all that it takes.
        tasks: takes its task, so that others can wait for that.
    """
    if not runs_on_asyncio():
        with nullcontext() if timeout is not None else _trio_shield():
            return await function()
    from asyncio import CancelledError, create_task  # noqa: PLC0415 - see above

    tasks = [] if tasks is None else tasks
    # In one line: an interruption between two lines would leave a task that nobody knows.
    tasks.append(create_task(function()))
    task: asyncio.Task[_T] = tasks[-1]
    await wait_shielded(task, interruptions, timeout=timeout)
    # Ctrl-C in a task of asyncio's is its exception: raised here, it would end the event loop.
    if task.cancelled() or not isinstance(task.exception() or Exception(), Exception):
        raise interruptions[-1] if interruptions else CancelledError
    return task.result()


async def wait_shielded(
    task: "asyncio.Task[Any]",  # Any: its result does not matter
    interruptions: list[BaseException],
    *,
    timeout: float | None = None,
) -> None:
    """Wait for the end of a task, as `shielded` does, whatever cancels the caller."""
    from asyncio import get_running_loop, wait  # noqa: PLC0415 - see above

    timer = None
    while not task.done():
        try:
            with _anyio_shield() if interruptions else nullcontext():
                await wait([task])
        except (Exception, GeneratorExit):
            raise
        except BaseException as interruption:
            if timeout is not None and not interruptions:
                timer = get_running_loop().call_later(timeout, task.cancel)
            interruptions.append(interruption)
    if timer is not None:
        timer.cancel()


async def insist(
    function: Callable[[], Coroutine[Any, Any, object]], interruptions: list[BaseException]
) -> None:
    """Run, shielded, what must be done, and once more if it is interrupted itself.

    A program that cancels all its tasks at once does that.
    """
    try:
        await shielded(function, interruptions)
    except (Exception, GeneratorExit):
        raise
    except BaseException as interruption:
        interruptions.append(interruption)
        await shielded(function, interruptions)


async def cancel_after(task: "asyncio.Task[Any]", seconds: float) -> None:  # Any: as above
    """Wait for a task, then cancel it, and wait for one second more."""
    from asyncio import wait  # noqa: PLC0415 - see above

    await wait([task], timeout=seconds)
    if task.cancel():
        await wait([task], timeout=1)


async def run_all(functions: Sequence[Callable[[], Coroutine[Any, Any, object]]]) -> None:
    """Run them side by side under asyncio, and elsewhere one after the other."""
    if not runs_on_asyncio():
        for function in functions:
            await function()
    elif functions:
        from asyncio import gather  # noqa: PLC0415 - see above

        await gather(*(function() for function in functions), return_exceptions=True)


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


class NewThread:
    """What asyncio asks of an executor. A call that hangs keeps no process from ending."""

    def submit(self, function: Callable[..., object], /, *arguments: object) -> "Future[object]":
        """Start the call. It is a `RuntimeError` if no thread can start."""
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
    function: Callable[..., object],
    *arguments: object,
    timeout: float | None = None,
    timeout_when_cancelled: float = 0,
) -> None:
    """Call a function in a new thread under asyncio. Another event loop waits for the call.

    The loop's own threads may be busy. After `timeout` seconds the thread goes on by itself, and
    so it does if the caller is cancelled, so many seconds later.
    """
    if not runs_on_asyncio():
        function(*arguments)
        return
    from asyncio import CancelledError, get_running_loop, wait  # noqa: PLC0415 - see above

    try:
        call = get_running_loop().run_in_executor(
            NewThread(),  # type: ignore[arg-type] # all that is asked of it is `submit`
            function,
            *arguments,
        )
    except RuntimeError:  # No thread can start: there are too many, or the interpreter ends.
        function(*arguments)
        return
    # asyncio would report the error of a call that nobody waits for any more.
    call.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        await wait([call], timeout=timeout)
    except CancelledError:
        await wait([call], timeout=timeout_when_cancelled)
        raise
    if call.done():
        call.result()
