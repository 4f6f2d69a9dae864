"""The cases of the kit, each module about one thing that a transport promises."""

from types import ModuleType

from ..case import Case
from . import (
    bad_responses,
    connecting,
    kept_connections,
    lifecycle,
    lost_responses,
    requests,
    responses,
)

_MODULES: tuple[ModuleType, ...] = (
    requests,
    responses,
    connecting,
    lost_responses,
    bad_responses,
    kept_connections,
    lifecycle,
)
# The functions that are cases, and then those of the table `CASES`, if there is one.
CASES: tuple[Case, ...] = tuple(
    one
    for module in _MODULES
    for one in (*vars(module).values(), *vars(module).get("CASES", ()))
    if isinstance(one, Case)
)
