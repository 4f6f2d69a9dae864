"""The port `Journal`: what a process must remember, since a killed process ends no block."""

from collections.abc import Iterator
from typing import Protocol

from .errors import FirecrawlInteractError


class Recorder(Protocol):
    """What a `DeleteSession` asks of a `Journal`. Safe to share among threads."""

    def opened(self, session_id: str, /) -> None:
        """Record that a session is open, so that it outlives this process.

        Raises:
            InvalidSessionIdError: no session has such an id.
            JournalError: it may not be recorded, and the message names the session. A block
                destroys it then; whoever else calls this deletes it.
        """

    def gone(self, session_id: str, /) -> None:
        """Forget a session that is destroyed. An unknown id changes nothing.

        Raises:
            JournalError: it may still hold the id. A sweep deletes it once more, which is safe.
        """


class Journal(Recorder, Protocol):
    """Remembers which sessions are open. `conformance.check_journal` checks one of your own.

    A session has one owner: the journal that recorded it last; in a `FileJournal`, each that
    recorded it, until all have ended. The sessions of a closed journal or a dead process are
    orphans. These methods raise `JournalError` alone.
    """

    def orphans(self) -> list[str]:
        """List the orphans of now. Nothing is changed."""

    def adopt_orphans(self) -> Iterator[str]:
        """Become the owner of all orphans, and yield each once. This may wait.

        An id is this journal's, durably, before it is yielded. No other journal gets it then.
        """

    def close(self) -> None:
        """Give up what is still open: from now on these are orphans."""


class JournalError(FirecrawlInteractError, OSError):
    """The journal could not do what was asked."""

    def __init__(self, message: str, *, session_id: str | None = None) -> None:
        super().__init__(message)
        self.session_id: str | None = session_id  #: None: it concerns the journal alone
