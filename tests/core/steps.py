"""Looks at the library, or breaks into it, at each line that it runs."""

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeAlias

from firecrawl_interact import core

FOLDER = core.__path__[0]
Trace: TypeAlias = Callable[[FrameType, str, object], "Trace | None"]


@contextmanager
def at_each_line(step: Callable[[FrameType], None], *modules: str) -> Iterator[None]:
    """Call a function with the frame of each line of the core, or of these modules of it."""
    names = {f"{FOLDER}/{module}.py" for module in modules}

    def line(frame: FrameType, event: str, argument: object) -> Trace:
        if event == "line":
            step(frame)
        return line

    def call(frame: FrameType, event: str, argument: object) -> Trace | None:
        path = frame.f_code.co_filename
        return line if (path in names if names else path.startswith(FOLDER)) else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        yield
    finally:
        sys.settrace(before)


@contextmanager
def at_each_call(step: Callable[[FrameType], None]) -> Iterator[None]:
    """Call a function where Python looks for signals in the core: where a call begins or ends."""

    def look(frame: FrameType, event: str, argument: object) -> None:
        if event in {"call", "c_return"} and frame.f_code.co_filename.startswith(FOLDER):
            step(frame)

    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(None)


class Interruption:
    """Raises what a signal's handler would raise, before the line of this number, from 1.

    Lines of functions that are `unseen` do not count.
    """

    def __init__(self, at: int, error: type[BaseException], unseen: Collection[str] = ()) -> None:
        self.moments, self.is_over = 0, False  # once it is over, nothing counts
        self.met: list[str] = []  # the function of that line, and its caller
        self._at, self._error, self._unseen = at, error, unseen

    def interrupt(self) -> None:
        raise self._error

    def __call__(self, frame: FrameType) -> None:
        if frame.f_code.co_name not in self._unseen and self.count():
            functions = list(_functions(frame))
            if "__del__" not in functions:  # Python shows its errors, and drops them.
                self.met = functions[:2]
                self.interrupt()

    def count(self) -> bool:
        """Count one more moment, and say whether it is the one."""
        self.moments += not self.is_over
        return self.moments == self._at and not self.is_over


def _functions(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        yield frame.f_code.co_name
        frame = frame.f_back
