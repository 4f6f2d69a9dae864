"""What no cancellation may reach, and what must not block an event loop.

asyncio is loaded only where it runs: the core is for all event loops.
"""

import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

_T = TypeVar("_T")


def runs_on_asyncio() -> bool:
    """Return whether the caller runs on an event loop of asyncio."""
    from asyncio import get_running_loop  # noqa: PLC0415 - see above

    try:
        get_running_loop()
    except RuntimeError:
        return False
    return True


async def shielded(
    function: Callable[[], Coroutine[Any, Any, _T]],
    interruptions: list[BaseException],
    *,
    timeout: float | None = None,
) -> _T:
    """Run to its end, under asyncio, what no cancellation of the caller may reach.

    `interruptions` takes the cancellations of the caller that come meanwhile, and the like. After
    the first of them the function has `timeout` seconds left (None: all that it takes). If it is
    interrupted itself, the caller's last interruption is raised, or else a `CancelledError`.
    Another event loop runs it in the caller's own task.
    """
    if not runs_on_asyncio():
        return await function()
    from asyncio import CancelledError, create_task, get_running_loop, wait  # noqa: PLC0415 - above

    task = create_task(function())
    timer = None
    while not task.done():
        try:
            await wait([task])
        except (Exception, GeneratorExit):
            raise
        except BaseException as interruption:
            if timeout is not None and not interruptions:
                timer = get_running_loop().call_later(timeout, task.cancel)
            interruptions.append(interruption)
    if timer is not None:
        timer.cancel()
    # Ctrl-C in a task of asyncio's is its exception: raised here, it would end the event loop.
    if task.cancelled() or not isinstance(task.exception() or Exception(), Exception):
        raise interruptions[-1] if interruptions else CancelledError
    return task.result()


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
    function: Callable[..., object], *arguments: object, timeout: float | None = None
) -> None:
    """Call a function in a new thread under asyncio. Another event loop waits for the call.

    After `timeout` seconds the thread goes on by itself. The loop's own threads may be busy.
    """
    if not runs_on_asyncio():
        function(*arguments)
        return
    from asyncio import get_running_loop, wait  # noqa: PLC0415 - see above

    try:
        call = get_running_loop().run_in_executor(
            _NewThread(),  # type: ignore[arg-type] # all that is asked of it is `submit`
            function,
            *arguments,
        )
    except RuntimeError:  # No thread can start: there are too many, or the interpreter ends.
        function(*arguments)
        return
    await wait([call], timeout=timeout)
    if call.done():
        call.result()
