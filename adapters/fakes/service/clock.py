"""A clock that moves when everybody waits, and when a test advances it."""

import math
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from typing import ClassVar, Generic, TypeVar

import msgspec

_LOOK = 0.01
"""Seconds between two looks of a thread. A task looks at each turn of its event loop."""
_QUIET_LOOKS = 25
"""A thread or a task that has something to do does it in fewer looks of the others, or waits."""

_T = TypeVar("_T")


class _Wait(msgspec.Struct, eq=False):
    until: float
    items: Sized  # An item ends it earlier.
    thread: threading.Thread | None  # None: a task waits
    seen_change: int = 0
    quiet_looks: int = 0


class FakeClock:
    """Starts at 0. Once everybody waits, it moves to the end of the shortest wait.

    A thread that waits here does nothing else at this moment. Any other thread of the process has a
    quarter of a second of real time to do something with this clock, and then counts as idle.
    """

    #: guards all that is here, of every such clock
    changed: ClassVar[threading.Condition] = threading.Condition()
    _waiting: ClassVar[set[threading.Thread | None]] = set()

    def __init__(self) -> None:
        self.runners: set[threading.Thread] = set()  #: threads of a run: they go on in their turn
        self._time = 0.0
        self._waits: list[_Wait] = []
        self._changes = 0  # of what somebody may wait for
        self._threads: set[threading.Thread] = set()  # that have waited
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

    def follow_system(self, users: int) -> None:
        """Note one user more, or less (-1), who needs real time. The clock never jumps back."""
        with self.changed:
            self._time, self._real_since = self.monotonic(), time.monotonic()
            self._users_of_real_time += users

    def note_change(self) -> None:
        """Let everybody look again, after the calling thread has changed something."""
        self._idle.discard(threading.current_thread())
        self._waits.sort(key=self._lasts)  # Those that have ended come first, in that order.
        self._changes += 1
        self.changed.notify_all()

    def wait(self, seconds: float, items: Sized = ()) -> None:
        """Wait in this thread for so many seconds, or until there is an item."""
        with self.changed, self._noted(seconds, items, threading.current_thread()) as wait:
            while not self._look(wait):
                nothing_to_see = wait.until == math.inf and self._lasts(wait)
                self.changed.wait(None if nothing_to_see else _LOOK)

    async def wait_in_task(self, seconds: float) -> None:
        """Wait in a task for so many seconds. Other tasks run once at least."""
        with self._noted(seconds, (), None) as wait:
            await _take_turn()
            while not self._look(wait):
                await _take_turn()

    @contextmanager
    def _noted(
        self, seconds: float, items: Sized, thread: threading.Thread | None
    ) -> Iterator[_Wait]:
        wait = _Wait(self.monotonic() + seconds, items, thread)
        try:  # A Ctrl-C may come at any line.
            with self.changed:
                if thread is not None and thread not in self._threads:
                    self._threads.add(thread)
                    self._idle.clear()  # Who seemed idle has started it, and may start more.
                self._waits.append(wait)
                self._waiting.add(thread)
                self.note_change()
            yield wait
        finally:
            with self.changed:
                self._waits = [other for other in self._waits if other is not wait]
                self._waiting.discard(thread)
                self.note_change()

    def _look(self, wait: _Wait) -> bool:
        """Return whether a wait has ended. Let time pass if nobody else does anything."""
        with self.changed:
            alive = set(threading.enumerate())
            self.runners &= alive
            busy = alive - self._idle - self._waiting
            wait.quiet_looks = wait.quiet_looks + 1 if wait.seen_change == self._changes else 0
            if wait.quiet_looks > _QUIET_LOOKS:
                self._idle |= busy
                busy.clear()
            if self._lasts(wait) and not busy:
                self._let_time_pass()
            wait.seen_change = self._changes
            return not self._lasts(wait) and self._is_next(wait)

    def _is_next(self, wait: _Wait) -> bool:
        """Say whether it is a wait's turn to end. Threads of runs go on one by one, in order."""
        if wait.thread not in self.runners:
            return True
        of_runs = [other for other in self._waits if other.thread in self.runners]
        running = self.runners - self._idle - {other.thread for other in of_runs}
        return not running and wait is of_runs[0]

    def _lasts(self, wait: _Wait) -> bool:
        return self.monotonic() < wait.until and not wait.items

    def _let_time_pass(self) -> None:
        """Move to the end of the shortest wait."""
        lasting = [wait for wait in self._waits if self._lasts(wait)]
        # A thread whose wait has ended goes on, however late the system lets it.
        goes_on = any(wait.thread for wait in self._waits if wait not in lasting)
        until = min(wait.until for wait in lasting)
        if until < math.inf and not goes_on and not self._users_of_real_time:
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
            self._clock.runners.add(threading.current_thread())
            if timeout:
                self._clock.wait(timeout, self._items)
            if not self._items:
                raise queue.Empty
            return self._items.popleft()
