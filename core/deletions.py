"""One run over many sessions: an iterator of outcomes that sends only while it is asked.

Daemon threads carry the requests, and nothing else: `Scheduler` decides who may send and when, and
ids are read where outcomes are asked for.
"""

import logging
import math
import os
import queue
import threading
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from itertools import islice
from typing import Any, Generic, Self, TypeVar

from .delete_session import AsyncDeleteSession, DeleteSession
from .errors import Outcome
from .job import Job, Requests, Results, Wakeups, carry_requests
from .log import log
from .receipt import SessionFate
from .scheduler import Pause, Scheduler
from .shielding import start_thread
from .use_case import JOURNAL_WAIT, Told

_LONGEST_SLEEP = 1.0
"""In seconds: `stop`, and a signal that came just before a wait began, take effect after it."""
_LATENESS = 1.0
"""Seconds that an attempt may take beyond its timeout."""
_LEAST_FOR_RECORDS = 1.0
"""Seconds for all records of a run that is left, however little time its requests have."""

DeleteSessionT = TypeVar("DeleteSessionT", DeleteSession, AsyncDeleteSession)


class Run(Generic[DeleteSessionT]):
    """What can be asked of a run, awaited or not."""

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
        self._is_journal_late = False
        self._process: int | None = None  # in which it has begun
        self._asked_by: object = None  # the thread or task that waits for an outcome
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
        if self._is_of_parent() or self._asked_by not in {None, asker}:
            raise RuntimeError("another process, thread or task waits for outcomes of this run")
        self._process = os.getpid()
        self._asked_by = asker

    def _hand_out(self, end: type[Exception]) -> Outcome:
        """Return an outcome that was told. If there is none, the run is over: raise."""
        if not self._to_hand_out:
            self._give_up_records()
            raise self._take_error() or end
        outcome = self._to_hand_out[0]
        del self._to_hand_out[0]  # No signal's handler runs after this statement.
        return outcome

    def _seconds_to_land(self) -> float:
        """Return the seconds that requests in flight may still take: infinity until it is stopped.

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
            return JOURNAL_WAIT  # for all of them
        return max(_LEAST_FOR_RECORDS, self._seconds_to_land())

    def _outcomes_to_tell(self) -> Iterator[Outcome]:
        """Return the next outcome; all of them, once the run is stopped."""
        return islice(self._scheduler.outcomes, None if self._is_stopped_by_caller else 1)

    def _notify_of_next(self) -> None:
        """Call `on_outcome`, and let the outcome be recorded and handed out."""
        outcome, use_case = self._scheduler.outcomes[0], self._delete_session
        try:
            use_case.notify(outcome, self._told)
        finally:
            if self._told.outcome is outcome:  # whatever has come out of it
                if use_case.journal_to_tell(outcome) is not None:
                    self._to_record.append(outcome)  # Twice, if interrupted: that does no harm.
                # One call that runs no Python, so that a Ctrl-C comes before it or after it.
                self._to_hand_out.extend(map(deque.popleft, [self._scheduler.outcomes]))
                self._told.outcome = None

    def _give_up_records(self) -> None:
        """What is still here had no time: log the number, and call the journal no more."""
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
            log(logging.WARNING, "the run had ended before it was left: %s", error)
        run, ended = self._scheduler, [*self._to_hand_out, *self._scheduler.outcomes]
        lost = [outcome for outcome in ended if outcome.session_fate is not SessionFate.GONE]
        count = len(lost) + len(run.in_flight) + run.waiting
        if count and not self._is_logged:
            self._is_logged = True
            text = "a run was left: nobody took the outcomes of %d sessions that may still run"
            log(logging.ERROR, text, count)

    def _warn_if_abandoned(self) -> None:
        """Warn, with the place where it was forgotten, that the run was not ended."""
        run = self._scheduler
        if self._is_stopped_by_caller or (run.is_finished and run.ended_by is None):
            return
        what = "never iterated: no session was destroyed"
        if self._process is not None:
            what = "left half-way: use `with`, so that what is in flight has its outcome"
        warnings.warn(f"{self!r} was {what}", RuntimeWarning, stacklevel=3, source=self)


class Deletions(Run[DeleteSession], Iterator[Outcome]):
    """The outcomes of one run of `DeleteManySessions`, as they end: one for each id taken.

    An error among them was not raised, so it has no traceback: thousands can be kept.

    Use it in a `with` block. At its end, however it ends, the run sends nothing new and waits for
    the requests in flight, at most `shutdown_timeout` seconds. A session whose request is in flight
    even then gets an `UnreachableError`, and its fate is unknown. `list(deletions)` afterwards
    gives the outcomes that were not taken yet. A Ctrl-C while an outcome is awaited does the same.

    An error that ends a run early is raised after the outcomes of all ids that were taken:
    `RunEndedError`, an error of the iterator of ids, or a `RuntimeError` if the transport cannot be
    used. If the run was left before that, the error is logged instead.
    """

    def __init__(
        self,
        session_ids: Iterator[str | uuid.UUID],
        delete_session: DeleteSession,
        concurrency: int,
        shutdown_timeout: float | None,
    ) -> None:
        super().__init__(delete_session, concurrency, shutdown_timeout)
        self._ids = session_ids
        self._threads = 0
        self._recording: threading.Thread | None = None
        # A transport whose time is not the system's gives queues that wait on its own clock. Its
        # class says so, since a mock has whatever attribute it is asked for.
        transport = delete_session.transport
        # Any: both queues
        new_queue: Any = getattr(type(transport), "new_queue", lambda _: queue.SimpleQueue())
        self._requests: Requests = new_queue(transport)
        self._results: Results = deque()
        self._wakeups: Wakeups = new_queue(transport)
        self._wake_up = partial(self._wakeups.put, None)

    def __next__(self) -> Outcome:
        self._begin(threading.get_ident())
        try:
            if not self._to_hand_out:
                self._wait_for_outcome()
                self._tell()
        except BaseException:  # of a signal's handler, for instance: the caller may go on
            self._close()
            raise
        finally:
            self._asked_by = None
        return self._hand_out(StopIteration)

    def close(self) -> None:
        """Leave the run, as the end of its `with` block does. The outcomes stay.

        While the run is at work, in `on_outcome`, the ids or a signal's handler, it only stops.
        """
        if self._asked_by is None:
            self._close()
        else:
            self.stop()

    def _close(self) -> None:
        self._asked_by = threading.get_ident()
        try:
            self.stop()
            if not self._is_of_parent():
                self._leave()
        finally:
            self._asked_by = None
            self._log_end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc_info: object) -> None:
        try:
            if kind is None and self._process is None:
                self._warn_if_abandoned()
        finally:  # A warning may be an exception. An interruption may have kept `_asked_by`.
            self._close()

    def __del__(self) -> None:
        self._release_threads()
        self._warn_if_abandoned()

    def _wait_for_outcome(self) -> None:
        """Go on until an outcome is there, or the run is over."""
        run = self._scheduler
        run.end_remaining()  # A Ctrl-C may have left a job half-way.
        while not (self._to_hand_out or run.outcomes or run.is_finished):
            if self._seconds_to_land() > 0:
                self._take_turn()
            else:
                self._leave()
        if run.is_finished:
            self._release_threads()

    def _take_turn(self) -> None:
        """Settle and send. Then take an id or wait, but not both."""
        self._settle()
        while (job := self._scheduler.next_job()) is not None:
            self._send(job)
        if self._scheduler.outcomes:
            return
        if self._scheduler.has_room():
            self._scheduler.admit(self._ids)
        else:
            self._wait(min(self._scheduler.due_in(), self._seconds_to_land()))

    def _settle(self) -> None:
        """Settle all requests that have ended."""
        with suppress(queue.Empty):
            while True:  # Each of them has woken the run, which may not have waited.
                self._wakeups.get(timeout=0)
        # A Ctrl-C may come between any two steps. What the one that is being read says is lost
        # then, and its session's fate is unknown. The others stay here.
        while self._results:
            self._scheduler.settle(*self._results[0])
            self._results.popleft()

    def _wait(self, seconds: float) -> None:
        """Wait until something happens, or for so many seconds of the transport's time."""
        transport, seconds = self._delete_session.transport, min(seconds, _LONGEST_SLEEP)
        began = transport.monotonic()
        if self._scheduler.in_flight:
            with suppress(queue.Empty):
                self._wakeups.get(timeout=seconds)
        else:
            transport.sleep(seconds)
        self._scheduler.waited += transport.monotonic() - began

    def _leave(self) -> None:
        """Wait for what is in flight, as long as it may take, end all that waits, and tell it."""
        try:
            self._settle()
            while self._scheduler.in_flight and (left := self._seconds_to_land()):
                self._wait(left)
                self._settle()
        finally:  # A second Ctrl-C ends the wait, and keeps back no outcome.
            self._settle()
            self._scheduler.end_remaining(even_in_flight=True)
            self._release_threads()
            self._tell()

    def _tell(self) -> None:
        """Call `on_outcome`, and then the journal. Each call is made, whatever others raise."""
        with ExitStack() as calls:
            calls.callback(self._record)
            for _ in self._outcomes_to_tell():
                calls.callback(self._notify_of_next)

    def _record(self) -> None:
        """Let the journal forget the sessions that are gone, as long as that may take."""
        if not self._is_stopped_by_caller:
            self._delete_session.forget_each(self._to_record)
        elif self._to_record:
            # A call of a journal cannot be cut short: a thread makes it, if one can start.
            if self._recording is None or not self._recording.is_alive():
                self._is_journal_late = False
                with suppress(RuntimeError):
                    forget_each = self._delete_session.forget_each
                    self._recording = start_thread(forget_each, self._to_record)
            if self._recording is not None and not self._is_journal_late:
                self._recording.join(self._seconds_for_records())
                self._is_journal_late = self._recording.is_alive()

    def _send(self, job: Job) -> None:
        """Give a request to a thread."""
        # Each thread has a request: one more is needed.
        if len(self._scheduler.in_flight) == self._threads:
            self._threads += 1  # First: one that starts is let go then, whatever is interrupted.
            try:
                start_thread(carry_requests, self._requests, self._results, self._wakeups)
            except RuntimeError as error:  # The system allows no more.
                self._threads -= 1
                self._scheduler.note_not_sent(job, error)
                return
        self._requests.put((self._delete_session.transport, job))
        self._scheduler.note_sent(job)

    def _release_threads(self) -> None:
        """Let each thread end after the request that it is in. Nobody waits for that."""
        for _ in range(self._threads):
            self._requests.put(None)
        self._threads = 0
