"""How what awaits is run: at once, where no cancellation reaches it, or in a thread.

asyncio is loaded only where it runs: the core is for all event loops. anyio and trio are used only
where a program has loaded them.
"""

import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

_T = TypeVar("_T")


def finish(function: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """Run to its end, at once, a coroutine function that awaits nothing that waits.

    So a blocking method and its awaited twin are written once. The function is a method or a
    lambda: Python may look for signals when a `partial` has returned, before the coroutine begins.
    """
    try:
        function().send(None)  # In one line, for the same reason.
    except StopIteration as end:
        result: _T = end.value
        return result
    raise RuntimeError("this must be awaited")


def running_asyncio_loop() -> "asyncio.AbstractEventLoop | None":
    """Return asyncio's event loop, if it is what awaits the caller: trio may be its guest."""
    from asyncio import get_running_loop  # noqa: PLC0415 - see above

    try:
        return None if is_trio_task() else get_running_loop()
    except RuntimeError:
        return None


def loop_or_thread() -> object:
    """Return what awaits the caller: asyncio's event loop. Without one, it is the thread."""
    return running_asyncio_loop() or threading.get_ident()


def is_trio_task() -> bool:
    """Return whether trio is what awaits the caller."""
    # Another thread may be just importing trio: then nothing runs on it. Before 0.23 it cannot say.
    lowlevel = getattr(sys.modules.get("trio"), "lowlevel", None)
    in_trio_task: Callable[[], bool] = getattr(lowlevel, "in_trio_task", lambda: False)
    return in_trio_task()


class Shield:
    """Runs to its end what no cancellation of the caller may reach, one function at a time.

    Under asyncio each runs in a task of its own, under trio in a shield of trio's. Any other event
    loop, and whoever does not await, runs it in the caller's own task.
    """

    def __init__(self, *, awaits: bool = True) -> None:
        self._awaits = awaits
        self.tasks: list[asyncio.Task[object]] = []  #: the last one may go on

    def start(self, function: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Under asyncio, let a new task run this, unless another one goes on."""
        if running_asyncio_loop() and all(task.done() for task in self.tasks[-1:]):
            from asyncio import create_task  # noqa: PLC0415 - see above

            # In one line: an interruption between two lines would leave a task that nobody knows.
            self.tasks.append(create_task(function()))

    def runs_caller(self) -> bool:
        """Return whether the caller is in a task of its own, which it would wait for."""
        from asyncio import current_task  # noqa: PLC0415 - see above

        return running_asyncio_loop() is not None and current_task() in self.tasks

    async def run(
        self,
        function: Callable[[], Coroutine[Any, Any, object]],
        interruptions: list[BaseException],
        timeout: float | None = None,
    ) -> BaseException | None:
        """Run this: return how it fails, and add to `interruptions` what interrupts the caller.

        Under asyncio it first waits until what was started before has ended.

        Args:
            function: what runs.
            interruptions: the cancellations of the caller that come meanwhile.
            timeout: how many seconds it has after the first of them. None: no limit. With a
                timeout it is not shielded under trio: the shield would keep the first one out.

        Returns:
            The `Exception` that the function raised, if it did. If the function itself was
            interrupted, under asyncio, this is the caller's last interruption, or else a
            `CancelledError`. Elsewhere the interruption of the function is raised.
        """
        if not self._awaits or running_asyncio_loop() is None:
            is_shielded = timeout is None and is_trio_task()
            try:
                with _shield_of("trio") if is_shielded else nullcontext():
                    await function()
            except Exception as failure:
                return failure
            return None
        from asyncio import CancelledError  # noqa: PLC0415 - see above

        while self.tasks and not self.tasks[-1].done():
            await self._wait(interruptions, timeout)
        self.start(function)
        task = self.tasks[-1]  # It is this one: nothing was awaited since the last one ended.
        await self._wait(interruptions, timeout)
        error = CancelledError() if task.cancelled() else task.exception()
        if error is None or isinstance(error, Exception):
            return error
        # Ctrl-C in a task of asyncio's is its exception: raised here, it would end the event loop.
        return interruptions[-1] if interruptions else CancelledError()

    async def _wait(self, interruptions: list[BaseException], timeout: float | None) -> None:
        from asyncio import wait  # noqa: PLC0415 - see above

        task = self.tasks[-1]
        while not task.done():
            try:
                # A shield from the start would hide the first one, which starts the timeout.
                with _shield_of("anyio") if interruptions else nullcontext():
                    await wait([task])
            except (Exception, GeneratorExit):
                raise
            except BaseException as interruption:
                if timeout is not None and not interruptions:
                    task.get_loop().call_later(timeout, task.cancel)
                interruptions.append(interruption)


def raise_last(*errors: BaseException | None) -> None:
    """Raise the last of them, if there is any."""
    for error in reversed(errors):
        if error is not None:
            raise error


def _shield_of(library: str) -> AbstractContextManager[object]:
    """Keep out a cancelled scope of anyio or trio, where a program has imported it.

    In such a scope nothing can wait: trio raises at once, anyio at each turn of the event loop.
    """
    make_scope: Any = getattr(sys.modules.get(library), "CancelScope", None)
    # Any: the core imports neither. Another thread may be just importing it.
    return nullcontext() if make_scope is None else make_scope(shield=True)


def start_thread(
    target: Callable[..., object], *arguments: object, name: str = "firecrawl_interact"
) -> threading.Thread:
    """Start a daemon thread. A `RuntimeError` says that the system allows no more."""
    thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
    handled = sys.exception()
    try:
        thread.start()
    except (RuntimeError, KeyError) as error:
        # An interruption while it starts comes out as an error of its lock, or of its register.
        interruption = error.__context__
        if interruption is None or interruption is handled:
            raise
        raise interruption from None
    return thread


class _NewThread:
    """What asyncio asks of an executor. A call that hangs keeps no process from ending."""

    def submit(self, function: Callable[..., object], /, *arguments: object) -> "Future[object]":
        from concurrent.futures import Future  # noqa: PLC0415 - one session needs none

        future: Future[object] = Future()

        def call() -> None:
            try:
                future.set_result(function(*arguments))
            except BaseException as error:
                future.set_exception(error)

        start_thread(call)
        return future


def begin_in_thread(function: Callable[..., _T], *arguments: object) -> "asyncio.Future[_T]":
    """Call a function in a new thread, under asyncio. If none can start, call it here."""
    from asyncio import get_running_loop  # noqa: PLC0415 - see above

    executor: Any = _NewThread()  # Any: all that is asked of it is `submit`
    try:
        call = get_running_loop().run_in_executor(executor, function, *arguments)
    except RuntimeError:  # There are too many, or the interpreter ends.
        call = get_running_loop().create_future()
        call.set_result(function(*arguments))
    # asyncio would report the error of a call that nobody waits for any more.
    call.add_done_callback(lambda done: done.cancelled() or done.exception())
    return call


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
    if running_asyncio_loop() is None:
        return function(*arguments)
    from asyncio import CancelledError, wait  # noqa: PLC0415 - see above

    call = begin_in_thread(function, *arguments)
    try:
        await wait([call], timeout=timeout)
    except CancelledError:
        await wait([call], timeout=timeout_when_cancelled)
        raise
    return call.result() if call.done() else None


async def ends_in_thread(call: Callable[..., object], *arguments: object, timeout: float) -> bool:
    """Call a function as `in_thread` does, and return whether it has ended in time."""
    return await in_thread(lambda: [call(*arguments)], timeout=timeout) is not None
