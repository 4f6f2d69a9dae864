"""A clock that moves when everybody waits, and when a test advances it."""

import math
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Sized
from contextlib import closing
from typing import Generic, TypeVar

import msgspec

_LOOK = 0.01
"""Seconds between two looks of a thread. A task looks at each turn of its event loop."""
_QUIET_LOOKS = 25
"""A thread or a task that has something to do does it in fewer looks of the others, or waits."""

_T = TypeVar("_T")


class _Wait(msgspec.Struct, eq=False):
    until: float
    items: Sized = ()  # An item ends it earlier.
    thread: threading.Thread | None = None  # None: a task, or a thread that waits for no turn


class FakeClock:
    """Starts at 0. Once everybody waits, it moves to the end of the shortest wait.

    Threads whose waits have ended go on in that order, one by one: the next one when all others
    wait. A thread may do something else instead. After a quarter of a second of real time without
    any change, who does not wait counts as idle, and nobody waits for a turn.
    """

    def __init__(self) -> None:
        self.changed: threading.Condition = threading.Condition()  #: guards all that is here
        self._time = 0.0
        self._waits: list[_Wait] = []  # Those that have ended come first, in that order.
        self._quiet_looks = 0  # since the last change
        self._known: set[threading.Thread] = set()  # threads that have waited
        self._idle: set[threading.Thread] = set()
        self._users_of_real_time = 0
        self._real_since = 0.0

    def monotonic(self) -> float:
        """Return the time, in seconds."""
        with self.changed:
            if not self._users_of_real_time:
                return self._time
            return self._time + (time.monotonic() - self._real_since)

    def advance(self, seconds: float) -> None:
        """Move by so many seconds at once, whoever waits."""
        with self.changed:
            self._time += seconds
            self.note_change()

    def follow_system(self, users: int) -> None:
        """Note one user more, or less (-1), who needs real time. The clock never jumps back."""
        with self.changed:
            self._time, self._real_since = self.monotonic(), time.monotonic()
            self._users_of_real_time += users

    def note_change(self) -> None:
        """Let everybody look again, after the calling thread has changed something."""
        self._quiet_looks = 0
        self._idle.discard(threading.current_thread())
        self._waits.sort(key=self._lasts)
        self.changed.notify_all()

    def wait(self, seconds: float, items: Sized = ()) -> None:
        """Wait in this thread for so many seconds, or until there is an item."""
        if not seconds:
            return
        wait = _Wait(self.monotonic() + seconds, items, threading.current_thread())
        with self.changed, closing(self._looks(wait)) as looks:
            for _ in looks:
                self.changed.wait(_LOOK)

    async def wait_in_task(self, seconds: float) -> None:
        """Wait in a task for so many seconds. Other tasks run once at least."""
        wait = _Wait(self.monotonic() + seconds)
        await _take_turn()
        with closing(self._looks(wait)) as looks:
            for _ in looks:
                await _take_turn()

    def _looks(self, wait: _Wait) -> Generator[None]:
        """Look whether a wait is over, and yield before each further look."""
        try:  # A Ctrl-C may come at any line.
            with self.changed:
                if wait.thread is not None and wait.thread not in self._known:
                    self._known.add(wait.thread)
                    self._idle.clear()  # Who seemed idle has started it, and may start more.
                self._waits.append(wait)
                self.note_change()
            while not self._look(wait):
                yield
        finally:
            with self.changed:
                self._waits = [other for other in self._waits if other is not wait]
                self.note_change()

    def _look(self, wait: _Wait) -> bool:
        """Let time pass if nobody does anything else, and return whether a wait is over."""
        with self.changed:
            others = set(threading.enumerate()) - {other.thread for other in self._waits}
            busy = others - self._idle
            self._quiet_looks += 1
            if self._quiet_looks > _QUIET_LOOKS * len(self._waits):
                if busy & self._known:  # It has had its turn, and does something else.
                    for ended in self._ended():
                        ended.thread = None
                self._idle, busy = others, set()
            if not busy and not self._ended():
                self._let_time_pass()
            if self._lasts(wait):
                return False
            if wait.thread is None or self._users_of_real_time:
                return True
            return not busy and wait is self._ended()[0]

    def _lasts(self, wait: _Wait) -> bool:
        return self.monotonic() < wait.until and not wait.items

    def _ended(self) -> list[_Wait]:
        """Return the waits of threads that can go on."""
        return [wait for wait in self._waits if wait.thread and not self._lasts(wait)]

    def _let_time_pass(self) -> None:
        """Move to the end of the shortest wait."""
        until = min((wait.until for wait in self._waits if self._lasts(wait)), default=math.inf)
        if until < math.inf and not self._users_of_real_time:
            self._time = until
            self.note_change()


async def _take_turn() -> None:
    """Let the other tasks of the event loop run once, and notice a cancellation."""
    trio = sys.modules.get("trio")  # A program that runs it has imported it.
    if trio is not None and trio.lowlevel.in_trio_run():
        await trio.lowlevel.checkpoint()
        return
    import asyncio  # noqa: PLC0415 - a program that runs it has imported it

    await asyncio.sleep(0)


class ClockQueue(Generic[_T]):
    """A `queue.SimpleQueue` for the threads of a run, which wait on a clock."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._items: deque[_T] = deque()

    def put(self, item: _T) -> None:
        """Add an item."""
        with self._clock.changed:
            self._items.append(item)
            self._clock.note_change()

    def get(self, timeout: float = math.inf) -> _T:
        """Take an item, or raise `queue.Empty` after so many seconds."""
        with self._clock.changed:
            self._clock.wait(timeout, self._items)
            if not self._items:
                raise queue.Empty
            return self._items.popleft()
