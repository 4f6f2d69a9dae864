"""Blocking waits on a clock that jumps to whatever is due next: no thread, and nothing waits.

The blocking run waits for `queue.SimpleQueue` and `concurrent.futures.wait`. While `virtual_waits`
lasts, those of the standard library let this clock's time pass instead, so that requests overlap
as they would on threads, and each run of a seed is the same.
"""

import concurrent.futures
import heapq
import math
import queue
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar
from unittest import mock

_T = TypeVar("_T")

_MOST_LOOKS = 10_000


class NothingWillHappenError(BaseException):
    """The run waits for ever, or asks for ever without waiting."""


class BlockingClock:
    """Its time is in seconds, from 0. What is due is called while somebody waits."""

    def __init__(self) -> None:
        self._now = 0.0
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._calls = 0
        self._looks = 0

    def now(self) -> float:
        return self._now

    def call_later(self, seconds: float, callback: Callable[[], object]) -> None:
        self._calls += 1
        heapq.heappush(self._due, (self._now + seconds, self._calls, callback))

    def call_soon(self, callback: Callable[[], object]) -> None:
        callback()

    def sleep(self, seconds: float) -> None:
        self.wait_for(lambda: False, seconds)

    def wait_for(self, has_happened: Callable[[], bool], seconds: float | None) -> None:
        """Let time pass until something has happened, at most so many seconds."""
        self._looks += 1
        if self._looks > _MOST_LOOKS:
            raise NothingWillHappenError("the run looks again and again, and no time passes")
        end = math.inf if seconds is None else self._now + seconds
        while not has_happened():
            if not self._due or self._due[0][0] > end:
                if end == math.inf:
                    raise NothingWillHappenError("the run waits, and nothing will happen")
                self._move_to(end)
                return
            due, _, callback = heapq.heappop(self._due)
            self._move_to(due)
            callback()

    def _move_to(self, time: float) -> None:
        if time > self._now:
            self._now, self._looks = time, 0


class _Queue(Generic[_T]):
    def __init__(self, clock: BlockingClock) -> None:
        self._clock = clock
        self._items: deque[_T] = deque()

    def put(self, item: _T) -> None:
        self._items.append(item)

    def get(self, timeout: float | None = None) -> _T:
        self._clock.wait_for(lambda: bool(self._items), timeout)
        return self.get_nowait()

    def get_nowait(self) -> _T:
        if not self._items:
            raise queue.Empty
        return self._items.popleft()


@contextmanager
def virtual_waits(clock: BlockingClock) -> Iterator[None]:
    """Let the waits of the standard library pass on this clock."""

    def wait(
        futures: Collection[concurrent.futures.Future[object]], timeout: float | None = None
    ) -> None:
        clock.wait_for(lambda: all(future.done() for future in futures), timeout)

    def new_queue() -> _Queue[object]:
        return _Queue(clock)

    with (
        mock.patch("queue.SimpleQueue", new_queue),
        mock.patch("concurrent.futures.wait", wait),
    ):
        yield
