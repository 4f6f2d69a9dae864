"""What the runs over many sessions have in common, awaited or not: what is told, and when."""

import logging
import math
import os
import warnings
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from .delete_session import AsyncDeleteSession, DeleteSession
from .errors import Outcome
from .log import log
from .receipt import SessionFate
from .scheduler import Pause, Scheduler
from .use_case import JOURNAL_WAIT, Told

NOBODY = object()
"""Who may ask a run while its ids, `on_outcome` or the journal are called."""
_LATENESS = 1.0
"""Seconds that an attempt may take beyond its timeout."""
_LEAST_FOR_RECORDS = 1.0
"""Seconds for all records of a run that is left, however little time its requests have."""

DeleteSessionT = TypeVar("DeleteSessionT", DeleteSession, AsyncDeleteSession)


class Run(Generic[DeleteSessionT]):
    """What can be asked of a run, awaited or not."""

    _is_journal_late: bool  # set when the journal is told of something
    _wake_up: Callable[..., object]  # ends the wait of the run, or its next one

    def __init__(
        self, delete_session: DeleteSessionT, concurrency: int, shutdown_timeout: float | None
    ) -> None:
        #: as the use case has it; it may be changed until the run has ended
        self.shutdown_timeout: float | None = shutdown_timeout
        self._delete_session: DeleteSessionT = delete_session
        self._scheduler = Scheduler(delete_session, concurrency)
        self._told = Told()
        self._to_hand_out: deque[Outcome] = deque()
        self._to_record: deque[Outcome] = deque()  # of sessions that the journal must forget
        self._process: int | None = None  # in which it has begun
        #: the thread or task that alone may ask it, or `NOBODY`; None: it is not at work
        self._only_asker: object = None
        self._is_stopped_by_caller = False
        self._stopped_at = math.inf
        self._is_logged = False

    def __repr__(self) -> str:
        run, ended = self._scheduler, len(self._to_hand_out) + len(self._scheduler.outcomes)
        shown = f"{len(run.in_flight)} in flight, {run.waiting} waiting, {ended} ended"
        return f"<{type(self).__name__}: {shown}>"

    @property
    def pause(self) -> Pause | None:
        """What holds the whole run back now: the rate limit, or an outage. None: nothing does."""
        return self._scheduler.pause

    def stop(self) -> None:
        """Send nothing new. The iteration goes on with the outcomes of the ids that were taken.

        An id that waits ends with the error of its last attempt. The requests in flight have
        `shutdown_timeout` seconds. A signal's handler may call this, and so may another thread if
        the run is not awaited; it acts once the iterator of ids has returned.
        """
        self._scheduler.stop()  # First: a run that is stopped ends, whatever is interrupted then.
        self._is_stopped_by_caller = True
        self._wake_up()

    def _is_of_parent(self) -> bool:
        """Say whether this process was forked from the one in which the run has begun."""
        return self._process not in {None, os.getpid()}

    def _begin(self, asker: object) -> None:
        """Begin to wait for an outcome, as one thread or task at a time may."""
        if self._is_of_parent():
            raise RuntimeError("this run was begun in another process")
        if self._only_asker not in {None, asker}:
            raise RuntimeError("this run is asked already, in this or another thread or task")
        self._process = os.getpid()
        self._only_asker = asker

    def _hand_out_or_end(self, end: type[Exception]) -> Outcome:
        """Return an outcome that was told. If there is none, the run is over: raise."""
        if not self._to_hand_out:
            self._give_up_records()
            raise self._take_error() or end
        outcome = self._to_hand_out[0]
        del self._to_hand_out[0]  # No signal's handler runs after this statement.
        return outcome

    def _seconds_to_land(self) -> float:
        """Return the seconds that requests in flight still have: infinity until the caller stops.

        The first call after that starts the time, since a signal's handler looks at no clock.
        """
        if not self._is_stopped_by_caller:
            return math.inf
        now = self._delete_session.transport.monotonic()
        self._stopped_at = min(self._stopped_at, now)
        longest = self._delete_session.retry.attempt_timeout + _LATENESS
        if self.shutdown_timeout is not None:
            longest = min(self.shutdown_timeout, longest)
        return max(0.0, self._stopped_at + longest - now)

    def _seconds_for_records(self) -> float:
        """Return the seconds that the journal has for what it must know."""
        if self.shutdown_timeout is None or not self._is_stopped_by_caller:
            return JOURNAL_WAIT  # for each outcome; for all together once the caller has stopped
        return max(_LEAST_FOR_RECORDS, self._seconds_to_land())

    def _how_many_to_tell(self) -> int:
        """Return how many outcomes to tell now: the next one, which is handed out after that.

        All, once the caller has stopped the run: nobody may ask for another one.
        """
        count = len(self._scheduler.outcomes)
        return count if self._is_stopped_by_caller else min(count, 1)

    def _notify_of_next(self) -> None:
        """Call `on_outcome`, and let the outcome be recorded and handed out."""
        outcome = self._scheduler.outcomes[0]
        try:
            self._delete_session.notify(outcome, self._told)
        finally:
            self._release(outcome)  # whatever has come out of it

    def _release(self, outcome: Outcome) -> None:
        """Let an outcome be recorded and handed out, if `on_outcome` was called with it."""
        if self._told.outcome is not outcome:
            return
        if self._delete_session.journal_to_tell(outcome) is not None:
            self._to_record.append(outcome)  # Twice, if interrupted: that does no harm.
        # One call that runs no Python, so that a Ctrl-C comes before it or after it.
        self._to_hand_out.extend(map(deque.popleft, [self._scheduler.outcomes]))
        self._told.outcome = None

    def _give_up_records(self) -> None:
        """Log how many sessions the journal was not told of, and drop them."""
        if count := len(self._to_record):
            self._to_record.clear()
            text = "the journal was not told in time: it may still hold %d sessions that are gone"
            log(logging.WARNING, text, count)

    def _take_error(self) -> Exception | None:
        """Return what ended the run early, once."""
        error, self._scheduler.ended_by = self._scheduler.ended_by, None
        return error

    def _log_end(self) -> None:
        """Log what nobody may learn otherwise, once the run is left."""
        if self._is_of_parent():
            return
        self._give_up_records()
        if error := self._take_error():  # Raised, it would keep the outcomes back.
            text = "the run had ended before it was left: %s: %s"
            log(logging.WARNING, text, type(error).__name__, error)
        run, ended = self._scheduler, [*self._to_hand_out, *self._scheduler.outcomes]
        lost = [outcome for outcome in ended if outcome.session_fate is not SessionFate.GONE]
        count = len(lost) + len(run.in_flight) + run.waiting
        if count and not self._is_logged:
            self._is_logged = True
            what = "a run was left. Outcomes of sessions that may still run, not taken yet: %d."
            log(logging.ERROR, f"{what} Iterate over it to get them", count)

    def _warn_if_abandoned(self) -> None:
        """Warn, with the place where it was forgotten, that the run was not ended."""
        run = self._scheduler
        if self._is_of_parent() or (run.is_finished and run.ended_by is None):
            return
        what = "never iterated: no session was destroyed"
        if self._process is not None:
            what = "left half-way: use `with`, so that what is in flight has its outcome"
        warnings.warn(f"{self!r} was {what}", RuntimeWarning, stacklevel=3, source=self)
