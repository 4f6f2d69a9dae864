"""The port `Journal`: what a process must remember so that no session is lost with it.

A killed process ends no block. What it had recorded here, a later process can delete.
"""

from typing import Protocol


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
