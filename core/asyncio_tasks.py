"""What the awaited twins need of asyncio, which is loaded only where it runs."""

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import asyncio

_T = TypeVar("_T")


def runs_on_asyncio() -> bool:
    """Return whether the caller runs on an event loop of asyncio."""
    from asyncio import get_running_loop  # noqa: PLC0415 - the core is for all event loops

    try:
        get_running_loop()
    except RuntimeError:
        return False
    return True


async def wait_for_end(
    task: "asyncio.Future[_T]",
) -> "tuple[asyncio.CancelledError | None, bool]":
    """Wait until the task has ended, however often the waiting is cancelled.

    Returns:
        The last cancellation that came meanwhile, and whether there were several.
    """
    from asyncio import CancelledError, wait  # noqa: PLC0415 - see above

    last = None
    several = False
    while not task.done():
        try:
            await wait([task])
        except CancelledError as cancellation:
            several = last is not None
            last = cancellation
    return last, several
