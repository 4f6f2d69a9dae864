"""Looks at the library, or breaks into it, at each line that it runs."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TypeAlias

from firecrawl_interact import core

FOLDER = str(Path(core.__file__).parent)
Trace: TypeAlias = Callable[[FrameType, str, object], "Trace | None"]


@contextmanager
def at_each_line(step: Callable[[FrameType], None], *modules: str) -> Iterator[None]:
    """Call a function before each line of the core.

    Args:
        step: is given the frame.
        modules: whose lines count; none named: all.
    """
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
