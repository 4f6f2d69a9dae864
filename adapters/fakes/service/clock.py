"""A clock that moves only when somebody waits."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_QUIET_TURNS = 20
"""Turns of an event loop: a task that has something to do does it, or waits too, in fewer."""


class FakeClock:
    """Starts at 0 and advances by each sleep, or with the system's clock for a while."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waited = 0.0
        self._on_system_time = 0
        self._system_time_since = 0.0
        self._waits: list[float] = []  # of tasks: until when
        self._changes = 0  # of these

    def monotonic(self) -> float:
        """Return the time, in seconds."""
        with self._lock:
            return self._now()

    def sleep(self, seconds: float) -> None:
        """Advance at once, or really wait while it runs with the system's clock.

        Raises:
            ValueError: `seconds` is negative or not finite.
        """
        _check(seconds)
        with self._lock:
            if not self._on_system_time:
                self._waited += seconds
                return
        time.sleep(seconds)

    async def sleep_beside_others(self, seconds: float) -> None:
        """Sleep under asyncio: advance after the shorter sleeps of all other tasks."""
        import asyncio  # noqa: PLC0415 - whoever awaits this has it loaded

        _check(seconds)
        await asyncio.sleep(0)
        if not seconds:
            return
        until = self.monotonic() + seconds
        quiet_turns = seen = 0
        self._change(self._waits.append, until)
        try:
            while quiet_turns < _QUIET_TURNS and self.monotonic() < until:
                await asyncio.sleep(0)
                is_quiet = seen == self._changes and until == min(self._waits)
                quiet_turns, seen = (quiet_turns + 1 if is_quiet else 0), self._changes
        finally:
            self._change(self._waits.remove, until)
        self.sleep(max(0.0, until - self.monotonic()))

    def _change(self, change: Callable[[float], None], until: float) -> None:
        with self._lock:
            change(until)
            self._changes += 1

    @contextmanager
    def system_time(self) -> Iterator[None]:
        """Run with the system's clock while a block lasts. It never jumps back."""
        self._switch(1)
        try:
            yield
        finally:
            self._switch(-1)

    def _switch(self, users: int) -> None:
        with self._lock:
            self._waited, self._system_time_since = self._now(), time.monotonic()
            self._on_system_time += users

    def _now(self) -> float:
        if not self._on_system_time:
            return self._waited
        return self._waited + (time.monotonic() - self._system_time_since)


def _check(seconds: float) -> None:
    if not 0 <= seconds < math.inf:
        raise ValueError(f"cannot wait {seconds!r} seconds")
