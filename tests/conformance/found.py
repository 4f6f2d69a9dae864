"""Which test finds a broken adapter, and what its message says; or what is right with it."""

from collections.abc import Callable
from typing import TypeVar

FOUND: list[tuple[type, str, str]] = []

T = TypeVar("T", bound=type)


def found_by(test: str, said: str) -> Callable[[T], T]:
    def note(broken: T) -> T:
        FOUND.append((broken, test, said))
        return broken

    return note
