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

from firecrawl_interact.core.shielding import is_trio_task

_POLL_INTERVAL = 0.01
"""Seconds between two polls of a thread. A task polls at each turn of its event loop."""
_QUIET_POLLS = 25
"""A thread or a task that has something to do does it in fewer polls of the others, or waits."""

_T = TypeVar("_T")


class _Wait(msgspec.Struct, eq=False):
    until: float
    thread: threading.Thread
    takes_turns: bool  # Tasks do not, nor do threads once somebody does something else.
    items: Sized = ()  # An item ends it earlier.


class FakeClock:
    """Starts at 0. Once everybody waits, it moves to the end of the shortest wait.

    Threads whose waits have ended go on in that order, one by one: the next one when all others
    wait. A thread may do something else instead. After a quarter of a second of real time without
    any change, who does not wait counts as idle, and nobody waits for a turn.
    """

    # Who freezes time in a test, as freezegun does, replaces what modules have, not classes.
    _system_time = staticmethod(time.monotonic)

    def __init__(self) -> None:
        # `with` takes it in one step. A condition's `with` is Python code, which an interruption
        # can leave with the lock taken.
        self.lock: threading.RLock = threading.RLock()  #: guards all that is here
        self._changed = threading.Condition(self.lock)
        self._time = 0.0
        self._waits: list[_Wait] = []  # Those that have ended come first, in that order.
        self._quiet_polls = 0  # since the last change
        self._known: set[threading.Thread] = set()  # threads that have waited
        self._idle: set[threading.Thread] = set()
        self._users_of_real_time = 0
        self._real_since = 0.0

    def monotonic(self) -> float:
        """Return the time, in seconds."""
        with self.lock:
            if not self._users_of_real_time:
                return self._time
            return self._time + (self._system_time() - self._real_since)

    def advance(self, seconds: float) -> None:
        """Move by so many seconds at once, whoever waits."""
        with self.lock:
            self._time += seconds
            self.note_change()

    def follow_system(self, users: int) -> None:
        """Note one user more, or less (-1), who needs real time. The clock never jumps back."""
        with self.lock:
            self._time, self._real_since = self.monotonic(), self._system_time()
            self._users_of_real_time += users

    def note_change(self) -> None:
        """Let everybody look again, after the calling thread has changed something."""
        self._quiet_polls = 0
        self._idle.discard(threading.current_thread())
        self._waits.sort(key=self._lasts)
        self._changed.notify_all()

    def wait(self, seconds: float, items: Sized = ()) -> None:
        """Wait in this thread for so many seconds, or until there is an item."""
        if not seconds:
            return
        wait = _Wait(self.monotonic() + seconds, threading.current_thread(), True, items)
        with self.lock, closing(self._poll(wait)) as polls:
            for _ in polls:
                self._changed.wait(_POLL_INTERVAL)

    async def wait_in_task(self, seconds: float) -> None:
        """Wait in a task for so many seconds. Other tasks run once at least."""
        wait = _Wait(self.monotonic() + seconds, threading.current_thread(), False)
        await _sleep(0)
        with closing(self._poll(wait)) as polls:
            for _ in polls:
                # Beside a real socket nothing ends a wait but real time.
                await _sleep(_POLL_INTERVAL if self._users_of_real_time else 0)

    def _poll(self, wait: _Wait) -> Generator[None]:
        """Yield for as long as a wait lasts, before each further poll."""
        try:  # A Ctrl-C may come at any line.
            with self.lock:
                if wait.takes_turns and wait.thread not in self._known:
                    self._known.add(wait.thread)
                    self._idle.clear()  # Who seemed idle has started it, and may start more.
                self._waits.append(wait)
                self.note_change()
            while True:
                with self.lock:
                    self._advance_if_idle()
                    if self._may_go_on(wait):
                        return
                yield
        finally:
            with self.lock:
                self._waits = [other for other in self._waits if other is not wait]
                self.note_change()

    def _advance_if_idle(self) -> None:
        """Move to the end of the shortest wait if nobody does anything else."""
        self._quiet_polls += 1
        if self._quiet_polls > _QUIET_POLLS * len(self._waits):
            busy = self._busy()
            if busy & self._known:  # One of them had its turn, and does something else.
                for ended in self._ended():
                    ended.takes_turns = False  # From now on turns hold nobody up.
            self._idle |= busy
        if self._users_of_real_time or self._busy() or self._ended():
            return
        until = min((wait.until for wait in self._waits if self._lasts(wait)), default=math.inf)
        if until < math.inf:
            self._time = until
            self.note_change()

    def _may_go_on(self, wait: _Wait) -> bool:
        if self._lasts(wait):
            return False
        if not wait.takes_turns or self._users_of_real_time:
            return True
        return not self._busy() and wait is self._ended()[0]

    def _busy(self) -> set[threading.Thread]:
        """Return the threads that neither wait for a turn nor count as idle."""
        waiting = {wait.thread for wait in self._waits if wait.takes_turns}
        return set(threading.enumerate()) - waiting - self._idle

    def _ended(self) -> list[_Wait]:
        """Return the waits of threads that can go on, once it is their turn."""
        return [wait for wait in self._waits if wait.takes_turns and not self._lasts(wait)]

    def _lasts(self, wait: _Wait) -> bool:
        return self.monotonic() < wait.until and not wait.items


async def _sleep(seconds: float) -> None:
    """Let the other tasks of the event loop run for so long, and notice a cancellation."""
    if is_trio_task():
        await sys.modules["trio"].sleep(seconds)
        return
    import asyncio  # noqa: PLC0415 - a program that runs it has imported it

    await asyncio.sleep(seconds)


class ClockQueue(Generic[_T]):
    """A `queue.SimpleQueue` for the threads of a run, which wait on a clock."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._items: deque[_T] = deque()

    def put(self, item: _T) -> None:
        """Add an item."""
        with self._clock.lock:
            self._items.append(item)
            self._clock.note_change()

    def get(self, timeout: float = math.inf) -> _T:
        """Take an item, or raise `queue.Empty` after so many seconds."""
        with self._clock.lock:
            self._clock.wait(timeout, self._items)
            if not self._items:
                raise queue.Empty
            return self._items.popleft()
