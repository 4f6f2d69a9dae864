"""A provider of browsers, as agents ask for one: it blocks, and is quick when the agent exits.

A session whose delete is not confirmed in time stays in the journal. The next start that lasts some
seconds deletes it, with the same FIRECRAWL_API_KEY.

SIGTERM ends Python without `atexit`. So let your agent have a handler, but not inside a server:

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
"""

import atexit
import logging
import os
import threading
import time

from firecrawl import Firecrawl  # type: ignore[import-untyped]  # it has no types

from firecrawl_interact import (
    DeleteSessionError,
    FileJournal,
    JournalError,
    RetryPolicy,
    RunEndedError,
    SessionFate,
    delete_session_from_environment,
)

API_URL = os.environ.get("FIRECRAWL_API_URL") or "https://api.firecrawl.dev"
TEN_SECONDS = RetryPolicy(deadline=9)  # and a second for all else
log = logging.getLogger(__name__)


class FirecrawlProvider:
    """Opens and closes sessions. Several agents may share the directory of its journal."""

    def __init__(self, directory: str = "~/.my-agent/open-sessions") -> None:
        self._firecrawl = Firecrawl(api_url=API_URL, max_retries=1)
        self._journal = FileJournal(directory, service=API_URL)
        self._delete_session = delete_session_from_environment(journal=self._journal)
        self._open: dict[str, int] = {}  # by session, the process that opened it
        threading.Thread(target=self._sweep, daemon=True).start()
        atexit.register(self.emergency_cleanup)

    def create_session(self, ttl: int = 300) -> dict[str, str]:
        """Open a session, and record it."""
        browser = self._firecrawl.browser(ttl=ttl)
        try:
            self._journal.opened(browser.id)
        except JournalError:
            self.close_session(browser.id)
            raise
        self._open[browser.id] = os.getpid()
        return {"session_id": browser.id, "cdp_url": browser.cdp_url}

    def close_session(self, session_id: str, retry: RetryPolicy = TEN_SECONDS) -> bool:
        """Delete a session, within ten seconds by default. Return whether it is gone."""
        try:
            self._delete_session(session_id, retry=retry)
        except DeleteSessionError as error:
            if error.session_fate is not SessionFate.GONE:
                log.warning("Not confirmed: %s", error)
                return False
        self._open.pop(session_id, None)
        return True

    def emergency_cleanup(self) -> None:
        """Make one attempt for each open session, all at once, within five seconds."""
        ends_at, calls = time.monotonic() + 5, []
        for session_id, process in self._open.copy().items():  # Threads may open others.
            left = ends_at - time.monotonic()
            if process != os.getpid() or left <= 0:  # A forked child leaves its parent's open.
                continue
            one_try = RetryPolicy(max_attempts=1, attempt_timeout=left)
            call = threading.Thread(target=self.close_session, args=(session_id, one_try))
            try:
                call.start()
                calls.append(call)
            except RuntimeError:  # At exit, Python 3.12.0 to 3.12.2 start no thread.
                self.close_session(session_id, one_try)
        for call in calls:
            call.join()

    def _sweep(self) -> None:
        """Delete what agents left that were killed, or had no time."""
        try:
            with self._delete_session.many(self._journal.adopt_orphans()) as swept:
                list(swept)
        except (RunEndedError, JournalError) as error:
            log.warning("The next start deletes the rest: %s", error)
