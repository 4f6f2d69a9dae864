"""A Ctrl-C at every line of a run and its scheduler: no id that was taken is forgotten.

A signal's handler runs between two steps of Python's. Here it does so before each line, once, in
small blocking runs. What it may cost is knowledge: the session whose response is being read is
`UNKNOWN`. Two things are not claimed. An id that the caller's iterator has just given, and that
the run has not noted yet, is in nobody's hands. And a request that was given to a thread in
that moment may go on.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TypeVar

from firecrawl_interact import core
from firecrawl_interact.core import RetryPolicy

from ..simulation.kinds import FAULTY, LIMITED_FOR_20, LOST, NOT_DELETED, SERVED, Kind
from ..simulation.play import perform, watch_over
from ..simulation.virtual_threads import NothingWillHappenError
from ..simulation.watch import Scenario
from ..simulation.ways import Blocking
from ..simulation.world import Flaw, Weather
from .claims_of_runs import ClaimBrokenError

_T = TypeVar("_T")

NOT_CLAIMED = {"the end", "attempts", "leaving"}
"""The line may lie before the run knows that it is left, or between a request and its count."""

_FOLDER = Path(core.__file__).parent
_MODULES = {str(_FOLDER / f"{name}.py") for name in ("deletions", "scheduler")}
"""Those that keep what a run knows from one moment to the next."""

SCHEDULES: Sequence[Sequence[Kind]] = (
    (LIMITED_FOR_20, LOST),
    (NOT_DELETED, LOST, LOST, FAULTY),
)


class CtrlC:
    """Raises KeyboardInterrupt before one of the lines that are passed while it is on.

    Args:
        at: before which, from 1. 0: before none.
    """

    def __init__(self, at: int) -> None:
        self.lines = 0
        self.met = ""  # the function of that line
        self._at = at

    def __enter__(self) -> "CtrlC":
        sys.settrace(self._call)
        return self

    def __exit__(self, *exc_info: object) -> None:
        sys.settrace(None)

    def _call(self, frame: FrameType, event: str, argument: object) -> "Trace | None":
        code = frame.f_code
        has_begun = code.co_name not in {"__init__", "_carry"}  # Signals meet the main thread.
        return self._line if code.co_filename in _MODULES and has_begun else None

    def _line(self, frame: FrameType, event: str, argument: object) -> "Trace":
        if event == "line":
            self.lines += 1
            if self.lines == self._at and not _is_collected(frame):
                self.met = frame.f_code.co_name
                raise KeyboardInterrupt
        return self._line


Trace = Callable[[FrameType, str, object], "Trace | None"]


def _is_collected(frame: FrameType | None) -> bool:
    """Whether it is called by `__del__`, whose errors Python shows and drops."""
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None


def play(kinds: Sequence[Kind], leave_at: int | None, at: int) -> tuple[int, list[Flaw]]:
    """Play one run, with a Ctrl-C before one of its lines.

    Returns:
        How many lines it passed, and what is not as it is claimed to be.
    """
    script = iter(kinds)
    options = (SERVED, LOST)

    def choose(given: Sequence[_T], /) -> _T:
        if given is options:
            return next(script, SERVED)  # type: ignore[return-value]  # one of the kinds
        return given[0]

    scenario = Scenario(
        ids=[f"id-{number}" for number in range(3)],
        weather=Weather(kinds=options),
        retry=RetryPolicy(max_attempts=3),
        concurrency=2,
        leave_at_outcome=leave_at,
    )
    way = Blocking()
    watch = watch_over(scenario, way, choose)
    world, watch.interrupted = watch.world, at > 0
    ctrl_c = CtrlC(at)
    try:
        with ctrl_c:
            way.play(watch, perform(watch, way))
    except KeyboardInterrupt:  # before the run began
        world.claim("one outcome", not watch.taken, "the run takes ids before it begins")
    except NothingWillHappenError as error:
        world.claim("one outcome", None, f"the run never ends: {error}")
    not_claimed = NOT_CLAIMED if ctrl_c.met else set()
    if ctrl_c.met == "admit":  # The run may not have noted the id yet.
        not_claimed = not_claimed | {"one outcome"}
    return ctrl_c.lines, [flaw for flaw in world.flaws if flaw.claim not in not_claimed]


def interrupt_each_line() -> int:
    """Interrupt runs before each of their lines, and return how many lines that were.

    Raises:
        ClaimBrokenError: something is not as it is claimed to be.
    """
    count = 0
    for number, kinds in enumerate(SCHEDULES):
        for leave_at in (None, 1):
            lines, at = 1, 0
            while at <= lines:
                passed, flaws = play(kinds, leave_at, at)
                lines = lines if at else passed
                if flaws:
                    how = f"play(SCHEDULES[{number}], {leave_at}, {at})"
                    raise ClaimBrokenError(f"Ctrl-C before line {at}", how, flaws)
                at += 1
            count += lines
    return count
