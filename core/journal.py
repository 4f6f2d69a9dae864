"""The port `Journal`: what a process must remember so that no session is lost with it.

A killed process ends no block. A later process can delete what it had recorded here.
"""

from collections.abc import Callable
from typing import Protocol

from .arguments import is_coroutine_function
from .asyncio_tasks import runs_on_asyncio
from .errors import Outcome
from .logger import logger
from .receipt import SessionFate


class Journal(Protocol):
    """Remembers which sessions are open. Safe to share among threads."""

    def opened(self, session_id: str, /) -> None:
        """Record that a session is open, so that it outlives this process.

        Recording it twice changes nothing.

        Raises:
            JournalError: it is not recorded for certain. The session itself is untouched.
        """

    def gone(self, session_id: str, /) -> None:
        """Forget a session that is surely destroyed. An id that is not held changes nothing.

        Raises:
            JournalError: the journal may still hold the id. Somebody then deletes the session
                once more, which is safe.
        """


class JournalError(OSError):
    """The journal could not do what was asked. Survives pickle and copy.

    It says nothing about the service: no request was sent for it.
    """

    def __init__(self, message: str, *, session_id: str | None = None) -> None:
        super().__init__(message)
        self.session_id = session_id  #: the session; None if it concerns the journal alone


def check_journal(journal: object) -> None:
    """Refuse what is no journal, and one that must be awaited.

    Raises:
        TypeError: it says what a journal is.
    """
    if isinstance(journal, type):
        raise TypeError(f"journal must be an object, not the class {journal.__name__}")
    for verb in ("opened", "gone"):
        method = getattr(journal, verb, None)
        if not callable(method) or is_coroutine_function(method):
            raise TypeError(
                "journal must have the methods opened and gone, which are not coroutine functions, "
                f"as FileJournal(directory) has them: {type(journal).__name__}.{verb} is not one"
            )


def record_gone(journal: Journal, outcome: Outcome) -> None:
    """Let a journal forget a session, if the outcome says that it is gone.

    A failure is logged and not raised: the outcome is true all the same.
    """
    if outcome.session_fate is not SessionFate.GONE:
        return
    try:
        journal.gone(outcome.session_id)
    except Exception as error:
        logger.warning(
            "session %a is gone, but the journal may still hold it: %s", outcome.session_id, error
        )


async def in_thread(function: Callable[..., None], *arguments: object) -> None:
    """Call a journal in a thread under asyncio. Another event loop waits for the call."""
    if runs_on_asyncio():
        from asyncio import to_thread  # noqa: PLC0415 - the core is for all event loops

        await to_thread(function, *arguments)
    else:
        function(*arguments)
