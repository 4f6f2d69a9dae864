"""A clock that moves when everybody waits, and when a test advances it."""

import math
import queue
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar, Generic, TypeVar

import msgspec

_TURN = 0.01
"""Seconds between two looks of a thread. A task looks at each turn of its event loop."""
_QUIET_TURNS = 25
"""A thread or a task that has something to do does it in fewer turns, or waits too."""

_T = TypeVar("_T")


class _Wait(msgspec.Struct, eq=False):
    until: float
    has_come: Callable[[], bool]  # what ends it earlier
    thread: threading.Thread | None  # None: a task waits


class FakeClock:
    """Starts at 0. Once everybody waits, it moves to the end of the shortest wait.

    A thread that waits here does nothing else at this moment. Any other thread of the process has a
    quarter of a second of real time to do something with this clock, and then counts as idle.
    """

    _waiting: ClassVar[set[threading.Thread | None]] = set()  # threads, for any such clock

    def __init__(self) -> None:
        self.changed: threading.Condition = threading.Condition()  #: guards all that is here
        self._time = 0.0
        self._waits: list[_Wait] = []
        self._changes = 0  # of what somebody may wait for
        self._threads: set[threading.Thread] = set()  # all that were alive when they were idle
        self._idle: set[threading.Thread] = set()
        self._runners: set[threading.Thread] = set()
        self._users_of_real_time = 0
        self._real_since = 0.0

    def monotonic(self) -> float:
        """Return the time, in seconds."""
        with self.changed:
            return self._now()

    def advance(self, seconds: float) -> None:
        """Move by so many seconds at once, whoever waits."""
        with self.changed:
            self._time += seconds
            self.note_change()

    def follow_system(self, users: int) -> None:
        """Note one user more, or less (-1), who needs real time. The clock never jumps back."""
        with self.changed:
            self._time, self._real_since = self._now(), time.monotonic()
            self._users_of_real_time += users
            self.note_change()

    def note_change(self) -> None:
        """Let everybody look again, after the calling thread has changed something."""
        self._idle.discard(threading.current_thread())
        self._waits.sort(key=self._lasts)  # Those that have ended come first, in that order.
        self._changes += 1
        self.changed.notify_all()

    def add_runner(self) -> None:
        """Note that the calling thread is one of a run. It does what it does in its turn."""
        self._runners.add(threading.current_thread())

    def wait(self, seconds: float, has_come: Callable[[], bool] = lambda: False) -> None:
        """Wait in this thread for so many seconds, or until something has come."""
        thread = threading.current_thread()
        with self.changed, self._turns(seconds, has_come, thread) as turns:
            for longest in turns:
                self.changed.wait(longest)

    async def wait_in_task(self, seconds: float, turn: Callable[[], Awaitable[object]]) -> None:
        """Wait in a task for so many seconds. `turn` awaits one turn of its event loop."""
        with self._turns(seconds, lambda: False, None) as turns:
            for _ in turns:
                await turn()

    @contextmanager
    def _turns(
        self, seconds: float, has_come: Callable[[], bool], thread: threading.Thread | None
    ) -> Iterator[Iterator[float | None]]:
        wait = _Wait(self.monotonic() + seconds, has_come, thread)
        with self.changed:
            self._waits.append(wait)
            FakeClock._waiting |= {thread}
            self.note_change()
        try:
            yield self._turns_of(wait)
        finally:
            with self.changed:
                self._waits.remove(wait)
                FakeClock._waiting -= {thread}
                self.note_change()

    def _turns_of(self, wait: _Wait) -> Iterator[float | None]:
        """Give the longest seconds of each turn, and let time pass between two."""
        quiet_turns = 0
        while self._lasts(wait) or not (self._is_next(wait) or quiet_turns >= _QUIET_TURNS):
            seen = self._changes
            self._let_time_pass(is_quiet=quiet_turns >= _QUIET_TURNS)
            if seen == self._changes:
                yield None if wait.until == math.inf and self._lasts(wait) else _TURN
            quiet_turns = quiet_turns + 1 if seen == self._changes else 0

    def _is_next(self, wait: _Wait) -> bool:
        """Say whether it is a wait's turn to end. Threads of runs go on one by one, in order."""
        if wait.thread not in self._runners:
            return True
        of_runs = [other for other in self._waits if other.thread in self._runners]
        running = self._runners - self._idle - {other.thread for other in of_runs}
        return not running and wait is next(other for other in of_runs if not self._lasts(other))

    def _lasts(self, wait: _Wait) -> bool:
        return self._now() < wait.until and not wait.has_come()

    def _let_time_pass(self, *, is_quiet: bool) -> None:
        """Move to the end of the shortest wait, if everybody waits, or nothing happens any more."""
        with self.changed:
            lasting = [wait for wait in self._waits if self._lasts(wait)]
            alive = {*threading.enumerate()}
            self._runners &= alive
            if not alive <= self._threads:  # Somebody who seemed idle has started another one.
                self._threads, self._idle = alive, set()
            busy = alive - self._idle - FakeClock._waiting
            # A thread whose wait has ended goes on, however late the system lets it.
            goes_on = any(wait.thread for wait in self._waits if wait not in lasting)
            until = min((wait.until for wait in lasting), default=math.inf)
            may_pass = until < math.inf and not goes_on and not self._users_of_real_time
            if may_pass and (is_quiet or not busy):
                self._idle |= busy
                self._time = until
                self.note_change()

    def _now(self) -> float:
        if not self._users_of_real_time:
            return self._time
        return self._time + (time.monotonic() - self._real_since)


class ClockQueue(Generic[_T]):
    """A `queue.SimpleQueue` for threads that wait on a clock."""

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
            self._clock.add_runner()
            if timeout:
                self._clock.wait(timeout, lambda: bool(self._items))
            if not self._items:
                raise queue.Empty
            return self._items.popleft()
