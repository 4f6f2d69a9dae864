"""Checks of what callers pass, each with a message that names the argument."""

import inspect
import math


def check_count(name: str, value: object) -> None:
    """Refuse what is not a whole number of at least 1.

    Raises:
        TypeError, ValueError: it names the argument.
    """
    if type(value) is not int:
        raise TypeError(f"{name} must be an int, not {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value}")


def check_seconds(
    name: str, value: object, *, may_be_zero: bool = False, longest: float = math.inf
) -> None:
    """Refuse what is not a finite number of seconds in the range.

    Args:
        name: the argument.
        value: what was passed for it.
        may_be_zero: whether 0 is in the range.
        longest: the most seconds that are allowed.

    Raises:
        TypeError, ValueError: it names the argument.
    """
    if type(value) is not int and type(value) is not float:
        raise TypeError(f"{name} must be seconds, not {value!r}")
    if not 0 <= value <= longest or value == math.inf or (value == 0 and not may_be_zero):
        least = "at least 0" if may_be_zero else "more than 0"
        most = "finite" if longest == math.inf else f"at most {longest:,.0f}"
        raise ValueError(f"{name} must be seconds, {least} and {most}, not {value!r}")


def check_transport(transport: object, *, awaits: bool) -> None:
    """Refuse what is not a transport, and one of the other kind: it would fail half-way.

    Args:
        transport: what was passed for it.
        awaits: whether the use case awaits `send` and `sleep`.

    Raises:
        TypeError: it says which class to take.
    """
    kind = type(transport).__name__
    example = "AsyncioTransport" if awaits else "Urllib3Transport"
    if isinstance(transport, type):
        name = transport.__name__
        raise TypeError(f"transport must be an object, not the class {name}: pass {name}()")
    for verb in ("send", "monotonic", "sleep"):
        if not callable(getattr(transport, verb, None)):
            raise TypeError(
                "transport must have the methods send, monotonic and sleep, as "
                f"{example} has them: {kind} has no {verb}"
            )
    for verb in ("send", "sleep"):
        if is_coroutine_function(getattr(transport, verb)) is awaits:
            continue
        if awaits:
            raise TypeError(
                f"AsyncDeleteSession awaits {kind}.{verb}, which is not a coroutine function "
                f"(async def): use DeleteSession, or an asynchronous transport such as {example}"
            )
        raise TypeError(
            f"DeleteSession does not await {kind}.{verb}, which is a coroutine function: "
            f"use AsyncDeleteSession, or a blocking transport such as {example}"
        )


def check_journal(journal: object) -> None:
    """Refuse what is no journal, and one that must be awaited (`TypeError`)."""
    if isinstance(journal, type):
        raise TypeError(f"journal must be an object, not the class {journal.__name__}")
    for verb in ("opened", "gone"):
        method = getattr(journal, verb, None)
        if not callable(method) or is_coroutine_function(method):
            raise TypeError(
                "journal must have the methods opened and gone, which are not coroutine functions, "
                f"as FileJournal(directory) has them: {type(journal).__name__}.{verb} is not one"
            )


def is_coroutine_function(function: object) -> bool:
    """Say whether a call of this must be awaited, as `inspect.iscoroutinefunction` does.

    Unlike that function, it is right about an object with an `async def __call__` (True), and
    about a mock of a blocking function (False).
    """
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    if not isinstance(flags, int):  # of a mock: `inspect` takes whatever they hold for true
        return False
    called = getattr(type(function), "__call__", None)  # noqa: B004 - it is looked at, not called
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)
