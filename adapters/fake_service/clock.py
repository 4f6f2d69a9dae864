"""A clock that moves only when somebody waits."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class FakeClock:
    """Starts at 0, and moves on by what is slept; or runs on with the system's for a while."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waited = 0.0
        self._on_system_time = 0
        self._system_time_since = 0.0

    def monotonic(self) -> float:
        """Return the time, in seconds."""
        with self._lock:
            return self._now()

    def sleep(self, seconds: float) -> None:
        """Move on at once, or really wait while it runs on the system's time.

        Raises:
            ValueError: `seconds` is negative or not finite.
        """
        if not 0 <= seconds < math.inf:
            raise ValueError(f"cannot wait {seconds!r} seconds")
        with self._lock:
            if not self._on_system_time:
                self._waited += seconds
                return
        time.sleep(seconds)

    @contextmanager
    def system_time(self) -> Iterator[None]:
        """Run on with the system's time while a block lasts. It never jumps back."""
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
