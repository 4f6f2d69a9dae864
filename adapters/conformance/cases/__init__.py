"""The cases of the kit, each module about one thing that a transport promises."""

from collections.abc import Iterator
from types import ModuleType

from ..case import Case
from . import (
    bad_responses,
    connecting,
    handshakes,
    kept_connections,
    lifecycle,
    lost_responses,
    requests,
    responses,
)


def _cases_of(module: ModuleType) -> Iterator[Case]:
    """Give the functions that are cases, and then those of the table `CASES`, if there is one."""
    yield from (value for value in vars(module).values() if isinstance(value, Case))
    yield from getattr(module, "CASES", ())


_MODULES = (
    requests,
    responses,
    connecting,
    handshakes,
    lost_responses,
    bad_responses,
    kept_connections,
    lifecycle,
)
CASES: tuple[Case, ...] = tuple(one for module in _MODULES for one in _cases_of(module))

__all__ = ["CASES"]
