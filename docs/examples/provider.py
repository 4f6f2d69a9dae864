"""A provider of browsers, as agents ask for one: it blocks, and is quick when the agent exits.

A session whose delete is not confirmed in time stays in the journal, and the next start of the
agent deletes it. Set FIRECRAWL_API_KEY.
"""

import atexit
import logging
import os
import threading
from collections.abc import Iterable

from firecrawl import Firecrawl  # type: ignore[import-untyped]  # it has no types

from firecrawl_interact import (
    DeleteManySessions,
    DeleteSession,
    DeleteSessionError,
    FileJournal,
    JournalError,
    RetryPolicy,
    RunEndedError,
    SessionFate,
    delete_session_from_environment,
)

API_URL = os.environ.get("FIRECRAWL_API_URL") or "https://api.firecrawl.dev"
ONE_TRY = RetryPolicy(max_attempts=1, attempt_timeout=5, deadline=5)
TEN_SECONDS = RetryPolicy(deadline=9)  # and a second for all else
log = logging.getLogger(__name__)


class FirecrawlProvider:
    """Opens and closes sessions. Several agents may share the directory of its journal."""

    def __init__(self, directory: str = "~/.my-agent/open-sessions") -> None:
        self._firecrawl = Firecrawl(api_url=API_URL, max_retries=1)
        self._journal = FileJournal(directory, service=API_URL)
        self._delete_session = delete_session_from_environment(journal=self._journal)
        self._open: set[str] = set()
        # What agents left that were killed, or had no time.
        sweep = (self._delete_session, self._journal.adopt_orphans())
        threading.Thread(target=self._delete, args=sweep, daemon=True).start()
        atexit.register(self.emergency_cleanup)

    def create_session(self, ttl: int = 300) -> dict[str, str]:
        """Open a session, and record it."""
        browser = self._firecrawl.browser(ttl=ttl)
        try:
            self._journal.opened(browser.id)
        except JournalError:
            self.close_session(browser.id)
            raise
        self._open.add(browser.id)
        return {"session_id": browser.id, "cdp_url": browser.cdp_url}

    def close_session(self, session_id: str) -> bool:
        """Delete a session within ten seconds. Return whether it is gone."""
        try:
            self._delete_session(session_id, retry=TEN_SECONDS)
        except DeleteSessionError as error:
            if error.session_fate is not SessionFate.GONE:
                log.warning("The next start deletes it: %s", error)
                return False
        self._open.discard(session_id)
        return True

    def emergency_cleanup(self) -> None:
        """Make one attempt for each open session, all at once, within five seconds."""
        once = delete_session_from_environment(journal=self._journal, retry=ONE_TRY)
        self._delete(once, list(self._open))

    def _delete(self, delete_session: DeleteSession, session_ids: Iterable[str]) -> None:
        try:
            with DeleteManySessions(delete_session, concurrency=32)(session_ids) as deletions:
                for outcome in deletions:
                    if outcome.session_fate is SessionFate.GONE:
                        self._open.discard(outcome.session_id)
        except (RunEndedError, JournalError) as error:
            log.warning("The next start deletes the rest: %s", error)
