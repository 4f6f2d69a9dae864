"""Threads that carry requests, and that never keep a process from ending."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from queue import SimpleQueue

_Arguments = TypeVarTuple("_Arguments")
_T = TypeVar("_T")


class DaemonThreads:
    """Calls functions side by side, as a `concurrent.futures.ThreadPoolExecutor` does.

    Its threads are daemons: neither `shutdown` nor the end of the interpreter waits for a call
    that hangs. The interpreter does wait for the standard library's pool.

    Args:
        most: the most threads. Each starts when it is needed.
    """

    def __init__(self, most: int) -> None:
        from queue import SimpleQueue  # noqa: PLC0415 - one session needs none

        self._most = most
        self._started = 0
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def submit(self, function: Callable[[*_Arguments], _T], /, *args: *_Arguments) -> Future[_T]:
        """Let a thread call the function. The future holds what it returns or raises.

        Raises:
            RuntimeError: not one thread can be started. The function is not called.
        """
        from concurrent.futures import Future  # noqa: PLC0415
        from threading import Thread  # noqa: PLC0415

        future: Future[_T] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = function(*args)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        if self._started < self._most:
            self._started += 1
            try:
                Thread(
                    target=_work, args=(self._calls,), name="firecrawl_interact", daemon=True
                ).start()
            except RuntimeError:  # The system allows no more: those that run make all calls.
                self._started -= 1
                if not self._started:
                    raise
        self._calls.put(call)
        return future

    def shutdown(self) -> None:
        """Let each thread end after the call that it is in. Nobody waits for that."""
        for _ in range(self._started):
            self._calls.put(None)
        self._started = 0


def _work(calls: SimpleQueue[Callable[[], None] | None]) -> None:
    while (call := calls.get()) is not None:
        call()
        del call  # It holds the request, and with that the key, until the next one comes.
