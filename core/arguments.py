"""Checks of what users pass, before anything is sent."""

import inspect
import math
from collections.abc import Awaitable, Mapping
from types import CodeType, CoroutineType


def check_count(name: str, value: object) -> None:
    """Refuse what is not a whole number of at least 1 (`TypeError`, `ValueError`)."""
    if type(value) is not int:
        raise TypeError(f"{name} must be an int, not {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value}")


def check_seconds(
    name: str, value: object, *, may_be_zero: bool = False, longest: float = math.inf
) -> None:
    """Refuse what is not a finite number of seconds in the range (`TypeError`, `ValueError`)."""
    if type(value) is not int and type(value) is not float:
        raise TypeError(f"{name} must be seconds, not {value!r}")
    if not 0 <= value <= longest or value == math.inf or (value == 0 and not may_be_zero):
        least = "at least 0" if may_be_zero else "more than 0"
        most = "finite" if longest == math.inf else f"at most {longest:,.0f}"
        raise ValueError(f"{name} must be seconds, {least} and {most}, not {value!r}")


def check_methods(name: str, value: object, methods: Mapping[str, bool], advice: str) -> None:
    """Refuse an object whose methods are missing or of the wrong kind, and a class (`TypeError`).

    `methods` says of each whether it must be a coroutine function: else a call fails half-way.
    """
    if isinstance(value, type):
        kind = value.__name__
        raise TypeError(f"{name} must be an object, not the class {kind}: pass {kind}()")
    for method, is_awaited in methods.items():
        function = getattr(value, method, None)
        if is_coroutine_function(function) is not is_awaited or not callable(function):
            kind = "a coroutine function (async def)" if is_awaited else "an ordinary function"
            raise TypeError(f"{name}: {type(value).__name__}.{method} must be {kind}. {advice}")


def is_coroutine_function(function: object) -> bool:
    """Say whether a call of this must be awaited, as `inspect.iscoroutinefunction` does.

    Unlike that function, it is right about an object with an `async def __call__` (True), and
    about a mock of a blocking function (False).
    """
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType | None):  # `inspect` takes whatever a mock has for true
        return False
    called = getattr(type(function), "__call__", None)  # noqa: B004 - it is looked at, not called
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


def refuse_awaitable(returned: object, source: str, instead: str) -> None:
    """Refuse what must be awaited (`TypeError`). A coroutine is closed, so that it does nothing."""
    if not isinstance(returned, Awaitable):
        return
    if isinstance(returned, CoroutineType):
        returned.close()
    what = f"{source} returned a {type(returned).__name__}"
    raise TypeError(f"{what}, which DeleteSession does not await: use {instead}")
