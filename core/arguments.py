"""Checks of what users pass, before anything is sent, and of what their functions return."""

import inspect
import math
import uuid
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from types import CodeType
from typing import Any, Protocol

from .errors import NothingOpenedError
from .log import shown
from .wire import checked_session_id


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


def check_function(name: str, function: object, example: str) -> None:
    """Refuse what is not a function (`TypeError`). A coroutine is closed, so that it warns not."""
    if callable(function):
        return
    if isinstance(function, Coroutine):
        function.close()
    kind = type(function).__name__
    raise TypeError(f"{name} must be a function, such as {example}, not a {kind}")


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


def refuse_coroutine(returned: object, source: str, instead: str) -> None:
    """Refuse what nobody will ever run (`TypeError`). It is closed, so that it warns not."""
    if isinstance(returned, Coroutine):
        returned.close()
        raise TypeError(f"{source} returned a coroutine, which is not awaited: use {instead}")


class HasId(Protocol):
    """What a client returns that has opened a session, as firecrawl-py's does."""

    @property
    def id(self) -> str | uuid.UUID | None:
        """The session's id. None: nothing was opened, and a block does not begin."""


def checked_opened_id(
    opened: list[Any],  # Any: it holds at most one. A name of its own would show in a traceback.
    id_of: Callable[[Any], object],  # Any: as above
    mask: Callable[[str], str],
) -> str:
    """Return the id of the session that was opened.

    Raises:
        NothingOpenedError: it shows the `error` of what was opened, which says why, or the names of
            its attributes, and no other value.
    """
    try:
        return checked_session_id(id_of(opened[0]))
    except Exception as error:
        problem = type(error).__name__  # No more: the rest may hold a value.
    kind = type(opened[0]).__name__
    reason = f"open_session returned a {kind} without an id that can be sent ({problem})"
    advice = "If it opened a session, that one ends by its time-to-live."
    if says := shown(_error_text(opened, mask)).removesuffix("."):
        reason += f": {says}"
    else:
        reason += f"; its attributes: {', '.join(_names(opened[0])) or 'none'}"
        advice = f"Pass id_of=, a function that gives the id of what open_session returns. {advice}"
    raise NothingOpenedError(reason, opened=opened[0], advice=advice)


def _names(opened: object) -> list[str]:
    with suppress(Exception):  # of theirs
        names = opened if isinstance(opened, Mapping) else getattr(opened, "__dict__", dir(opened))
        public = [name for name in map(str, names) if name.isidentifier() and name[0] != "_"]
        return public[:20]
    return []


def _error_text(opened: list[Any], mask: Callable[[str], str]) -> str:  # Any: as above
    """Return the `error` of what was opened, if it is a text. It is masked before it has a name."""
    with suppress(Exception):  # of theirs
        if isinstance(getattr(opened[0], "error", None), str):
            return mask(opened[0].error)
        if isinstance(opened[0], Mapping) and isinstance(opened[0].get("error"), str):
            return mask(opened[0]["error"])
    return ""
