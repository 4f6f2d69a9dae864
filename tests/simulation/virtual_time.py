"""An event loop on a clock of its own, which jumps to whatever is due next: nothing ever waits."""

import asyncio
import contextvars
import selectors
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar, TypeVarTuple

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class NothingWillHappenError(Exception):
    """Every task waits, and for nothing that could come: a real loop would hang for ever."""


class NothingEverPassesError(Exception):
    """No task waits for anything: a real loop would be busy for ever, or until time passes."""


_MOST_TURNS = 100_000


class _Selector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise NothingWillHappenError
        self._turns = 0 if timeout else self._turns + 1
        if self._turns > _MOST_TURNS:
            self._turns = 0
            raise NothingEverPassesError
        self.now += timeout
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Its time is in seconds, from 0."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        def call() -> None:
            # asyncio calls back up to a nanosecond too early: for ever, if time stood still.
            self._clock.now = max(self._clock.now, when)
            callback(*args)

        return super().call_at(when, call, context=context)


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine as `asyncio.run` does, in no time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


def on_virtual_time(test: Callable[_P, Coroutine[Any, Any, None]]) -> Callable[_P, None]:
    """Let a test be a coroutine that runs in no time."""

    @wraps(test)
    def play(*args: _P.args, **kwargs: _P.kwargs) -> None:
        run(test(*args, **kwargs))

    return play


def now() -> float:
    """The running loop's time."""
    return asyncio.get_running_loop().time()
