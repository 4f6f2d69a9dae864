"""Blocking waits on a clock that jumps to whatever is due next: nothing really waits.

A blocking run waits for `queue.SimpleQueue`, and its requests are carried by `threading.Thread`.
While `virtual_waits` lasts, those of the standard library are greenlets that let this clock's time
pass, so that requests overlap as they would on threads, and each run of a seed is the same.
"""

import heapq
import math
import queue
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Generic, TypeVar, TypeVarTuple
from unittest import mock

from greenlet import getcurrent, greenlet

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_MOST_LOOKS = 10_000


class NothingWillHappenError(BaseException):
    """The run waits for ever, or asks for ever without waiting."""


class BlockingClock:
    """Its time is in seconds, from 0. What is due is called while somebody waits."""

    def __init__(self) -> None:
        self._now = 0.0
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._calls = self._looks = 0

    def time(self) -> float:
        return self._now

    def call_later(self, seconds: float, callback: Callable[[], object]) -> None:
        self._calls += 1
        heapq.heappush(self._due, (self._now + seconds, self._calls, callback))

    def call_soon(self, callback: Callable[[], object]) -> None:
        callback()

    def sleep(self, seconds: float) -> None:
        current = getcurrent()
        if current.parent is None:  # the thread of the caller, which lets the time pass
            self.wait_for(lambda: False, seconds)
        else:
            self.call_later(seconds, current.switch)
            current.parent.switch()

    def wait_for(self, has_happened: Callable[[], bool], seconds: float | None) -> None:
        """Let time pass until something has happened, at most so many seconds."""
        self._looks += 1
        if self._looks > _MOST_LOOKS:
            raise NothingWillHappenError("the run looks again and again, and no time passes")
        end = math.inf if seconds is None else self._now + seconds
        if seconds and end == self._now:  # Too little for a float: a real clock moves all the same.
            end = math.nextafter(end, math.inf)
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
        self._items, self._waiting = deque[_T](), deque[greenlet]()

    def put(self, item: _T) -> None:
        self._items.append(item)
        if self._waiting:
            self._waiting.popleft().switch()

    def get(self, timeout: float | None = None) -> _T:
        current = getcurrent()
        if current.parent is None:
            self._clock.wait_for(lambda: bool(self._items), timeout)
        elif not self._items:
            self._waiting.append(current)
            current.parent.switch()
        if not self._items:
            raise queue.Empty
        return self._items.popleft()


class _Thread:
    """Begins at once, and goes on whenever the others wait."""

    def __init__(
        self, *, target: Callable[[*_Ts], None], args: tuple[*_Ts], **others: object
    ) -> None:
        assert others["daemon"], "it would keep the process from ending"
        self._greenlet = greenlet(lambda: target(*args))

    def start(self) -> None:
        self._greenlet.switch()


@contextmanager
def virtual_waits(clock: BlockingClock) -> Iterator[None]:
    """Let the waits and the threads of the standard library pass on this clock."""
    with (
        mock.patch("queue.SimpleQueue", partial(_Queue, clock)),
        mock.patch("threading.Thread", _Thread),
    ):
        yield
