"""Which case of the kit finds a transport that is broken on purpose."""

from collections.abc import Callable
from typing import TypeVar

from firecrawl_interact.adapters.conformance import Channel, MakeTransport

from .right_transport import RightTransport

FOUND: list[tuple[MakeTransport, str, str, Channel]] = []
"""A broken transport, the case that finds it, what that says to have seen, and over which way."""

_Broken = TypeVar("_Broken", bound=MakeTransport)


def found_by(case: str, seen: str, over: Channel = "http") -> Callable[[_Broken], _Broken]:
    """Note of a broken transport which case finds it, and what that says to have seen."""

    def note(broken: _Broken) -> _Broken:
        FOUND.append((broken, case, seen, over))
        return broken

    return note


def breaks(case: str, seen: str, over: Channel = "http", **attributes: object) -> None:
    """Note the same of a transport that differs from the right one in these attributes."""
    found_by(case, seen, over)(type("Broken", (RightTransport,), attributes))
