"""What an error tracker may see of a failed request: the program's own frames, and no others.

HTTP libraries keep the API key in local variables, which error trackers print for each frame. Whose
code it is decides. The variables of a frame are never looked at, because they are the program's.

- Of a failed attempt, no frame below `send` is left. Its exception is one of this package or of the
  HTTP library. Instrumentation around the library holds the headers, too.
- Of a bug, and of what interrupts a request, the program's own frames are left. They belong to a
  callback of the library, or to a signal's handler.
- What the program was handling when it called `send` keeps all its frames.
"""

from types import TracebackType

_HTTP_LIBRARIES = frozenset({"firecrawl_interact", "httpcore", "httpcore2", "httpx", "httpx2"})
_HTTP_LIBRARIES |= {"aiohttp", "httpx_aiohttp", "urllib3"}
# It wraps their functions.
_INSTRUMENTATION = frozenset({"ddtrace", "opentelemetry", "sentry_sdk", "wrapt"})
# A program's own callback calls these for its own purposes, too.
_BELOW_THEM = frozenset({"anyio", "asyncio", "eventlet", "gevent", "h11", "http", "socket", "ssl"})


def drop_frames(error: BaseException, handled: BaseException | None) -> None:
    """Drop the frames of an exception and of its causes that are not the program's.

    Args:
        error: what `send` has caught.
        handled: what the program was handling when it called `send`: then `sys.exception()`.
    """
    has_failed = type(error).__module__.partition(".")[0] in _HTTP_LIBRARIES
    link: BaseException | None = error
    seen = {id(handled)}
    while link is not None and id(link) not in seen:  # A chain can be a circle.
        seen.add(id(link))
        link.__traceback__ = None if has_failed else _frames_of_program(link.__traceback__)
        link = link.__cause__ or link.__context__


def _frames_of_program(step: TracebackType | None) -> TracebackType | None:
    """Return the steps below the last one of an HTTP library, if they are the program's."""
    kept: list[TracebackType] = []
    while step is not None:
        package = step.tb_frame.f_globals.get("__name__", "").partition(".")[0]
        if package in _HTTP_LIBRARIES or package in _INSTRUMENTATION:
            kept = []
        elif package not in _BELOW_THEM:
            kept.append(step)
        step = step.tb_next
    below: TracebackType | None = None
    for step in reversed(kept):
        step.tb_next = below
        below = step
    return below
