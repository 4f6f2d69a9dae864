"""Which case of the kit finds a transport that is broken on purpose."""

from collections.abc import Callable
from typing import TypeVar

from .right_transport import RightTransport

FOUND: list[tuple[type[RightTransport], str, str]] = []
"""A broken transport, the case that finds it, and what the case says to have seen."""

_Broken = TypeVar("_Broken", bound=type[RightTransport])


def found_by(case: str, seen: str) -> Callable[[_Broken], _Broken]:
    """Note of a broken transport which case finds it, and what that says to have seen."""

    def note(broken: _Broken) -> _Broken:
        FOUND.append((broken, case, seen))
        return broken

    return note
