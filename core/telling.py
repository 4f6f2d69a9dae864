"""Who is told of an outcome, and when a journal forgets a session."""

import logging
from collections.abc import Callable, Mapping

from .errors import Outcome
from .journal import Recorder
from .log import log
from .receipt import SessionFate
from .wire import is_scrape


class Telling:
    """Tells of outcomes: the hook, the log and the journal of a use case."""

    def __init__(
        self, journal: Recorder | None, on_outcome: Callable[[Outcome], object] | None
    ) -> None:
        self.journal = journal
        self._on_outcome = on_outcome

    def journal_of(self, session_id: str) -> Recorder | None:
        """Return the journal. None for a scrape's session: an old record would end a later one."""
        return None if is_scrape(session_id) else self.journal

    def must_forget(self, outcome: Outcome) -> bool:
        """Say whether a journal may hold the session, which is gone."""
        is_gone = outcome.session_fate is SessionFate.GONE
        return is_gone and self.journal_of(outcome.session_id) is not None

    def forget(self, outcome: Outcome) -> None:
        """Let the journal forget a session that is gone. An error of the journal is logged."""
        journal = self.journal_of(outcome.session_id)
        if journal is None:
            return
        try:
            journal.gone(outcome.session_id)
        except Exception as error:
            text = "session %a is gone, but the journal may still hold it: %s"
            reason = str(error) or type(error).__name__
            log(logging.WARNING, text, outcome.session_id, reason, extra=_extra(outcome))

    def tell(self, outcome: Outcome, raised: BaseException | None = None) -> None:
        """Tell the hook of an outcome. What the hook raises is logged.

        Args:
            outcome: what became of the session.
            raised: what the caller will see in place of the outcome. If the session may be left,
                that gets a note, and the log a line at ERROR.
        """
        if self._on_outcome is not None:
            try:
                self._on_outcome(outcome)
            except Exception:
                text = "on_outcome failed for session %a"
                extra = _extra(outcome)
                log(logging.ERROR, text, outcome.session_id, extra=extra, exc_info=True)
        if raised is not None and outcome.session_fate is not SessionFate.GONE:
            raised.add_note(str(outcome))
            log(logging.ERROR, "%s", outcome, extra=_extra(outcome))


def _extra(outcome: Outcome) -> Mapping[str, object]:
    return {"session_id": outcome.session_id, "session_fate": outcome.session_fate}
