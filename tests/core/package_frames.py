"""What a traceback that shows local variables says of this library's own frames."""

import traceback
from collections.abc import Iterator
from pathlib import Path

import firecrawl_interact.core

PACKAGE = str(Path(firecrawl_interact.core.__file__).parent)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, with its causes and contexts."""
    if error is not None:
        yield error
        yield from chain(error.__cause__)
        yield from chain(error.__context__)


def shown_locals(error: BaseException) -> str:
    """The locals in our frames, through causes and contexts, as error trackers print them."""
    shown = [
        f"{name}={value!r}"
        for one in chain(error)
        for frame, _ in traceback.walk_tb(one.__traceback__)
        if frame.f_code.co_filename.startswith(PACKAGE)
        for name, value in frame.f_locals.items()
    ]
    assert shown, "no frame of ours: nothing was checked"
    return "\n".join(shown)
