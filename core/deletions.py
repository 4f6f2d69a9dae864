"""One run over many sessions: an iterator of outcomes that sends only while it is asked.

Daemon threads carry the requests, and nothing else: `Scheduler` decides who may send and when, and
ids are read where outcomes are asked for.
"""

import logging
import math
import queue
import threading
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Generic, Self, TypeAlias, TypeVar

from .conversation import checked_response
from .delete_session import AsyncDeleteSession, DeleteSession
from .errors import Outcome
from .job import Job
from .receipt import SessionFate
from .scheduler import Pause, Scheduler
from .transport import Response, Transport
from .use_case import JOURNAL_WAIT

logger: logging.Logger = logging.getLogger("firecrawl_interact")

_LONGEST_SLEEP = 1.0
"""In seconds: `stop`, and a signal that came just before a wait began, take effect after it."""
_LATENESS = 1.0
"""Seconds that an attempt may take beyond its timeout."""
_LEAST_FOR_RECORDS = 1.0
"""Seconds for all records of a run that is left, however little time its requests have."""

DeleteSessionT = TypeVar("DeleteSessionT", DeleteSession, AsyncDeleteSession)
_Requests: TypeAlias = "queue.SimpleQueue[tuple[Transport, Job] | None]"
_Results: TypeAlias = deque[tuple[Job, Response | BaseException]]
_Wakeups: TypeAlias = "queue.SimpleQueue[None]"


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
        self._to_hand_out: deque[Outcome] = deque()  # what was told, or is being told
        self._records: deque[Callable[[], object]] = deque()  # calls of the journal
        self._has_begun = self._is_left = self._is_journal_late = self._is_logged = False
        self._left_at = math.inf

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
        self._is_left = True
        self._scheduler.stop()
        self._wake_up()

    def _seconds_to_land(self) -> float:
        """Return the seconds that requests in flight may still take: infinity until it is left.

        The first call after that starts the time, since a signal's handler looks at no clock.
        """
        if not self._is_left:
            return math.inf
        now = self._delete_session.transport.monotonic()
        self._left_at = min(self._left_at, now)
        longest = self._delete_session.retry.attempt_timeout + _LATENESS
        if self.shutdown_timeout is not None:
            longest = min(self.shutdown_timeout, longest)
        return max(0.0, self._left_at + longest - now)

    def _tell_all(self) -> None:
        """Tell all outcomes, so that they can be handed out. The journal is called later."""
        while self._scheduler.outcomes:
            self._tell_next()

    def _seconds_for_records(self) -> float:
        """Return the seconds that the journal has for what it must know."""
        if self._is_journal_late or not self._records:
            return 0.0
        if self.shutdown_timeout is None:
            return JOURNAL_WAIT  # for all of them
        return max(_LEAST_FOR_RECORDS, self._seconds_to_land())

    def _give_up(self, records: deque[Callable[[], object]]) -> None:
        """Let no call of the journal begin any more, if the time for them is over."""
        if records:
            text = "the journal was not told in time: it may still hold %d sessions that are gone"
            logger.warning(text, len(records))
            self._is_journal_late = True
            records.clear()

    def _tell_next(self) -> None:
        """Tell the next outcome, so that it can be handed out. The journal is called later."""
        outcome, use_case = self._scheduler.outcomes[0], self._delete_session
        # One call that runs no Python, so that a Ctrl-C comes before it or after it.
        self._to_hand_out.extend(map(deque.popleft, [self._scheduler.outcomes]))
        if use_case.journal_to_tell(outcome) is not None:
            self._records.append(partial(use_case.forget_if_gone, outcome))
        use_case.notify(outcome)

    def _take_error(self) -> Exception | None:
        """Return what ended the run early, once."""
        error, self._scheduler.ended_by = self._scheduler.ended_by, None
        return error

    def _log_end(self) -> None:
        """Log what nobody may learn otherwise, once the run is left."""
        if error := self._take_error():  # Raised, it would keep the outcomes back.
            logger.warning("the run had ended before it was left: %s", error)
        fates = [one.session_fate for one in (*self._to_hand_out, *self._scheduler.outcomes)]
        if (count := len(fates) - fates.count(SessionFate.GONE)) and not self._is_logged:
            self._is_logged = True
            text = "a run was left: nobody took the outcomes of %d sessions that may still run"
            logger.error(text, count)

    def _warn_if_abandoned(self) -> None:
        """Warn, with the place where it was forgotten, that the run was not ended."""
        run = self._scheduler
        if self._is_left or (run.is_finished and run.ended_by is None):
            return
        what = "never iterated: no session was destroyed"
        if self._has_begun:
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
        self._threads: list[threading.Thread] = []
        # A transport whose time is not the system's gives queues that wait on its own clock.
        new_queue = getattr(delete_session.transport, "new_queue", queue.SimpleQueue)
        self._requests: _Requests = new_queue()
        self._results: _Results = deque()
        self._wakeups: _Wakeups = new_queue()
        self._wake_up = partial(self._wakeups.put, None)

    def __next__(self) -> Outcome:
        self._has_begun = True
        try:
            if not self._to_hand_out:
                self._wait_for_outcome()
                self._tell()
        except Exception:
            raise
        except BaseException:
            self.close()
            raise
        return self._to_hand_out.popleft()

    def close(self) -> None:
        """Leave the run, as the end of its `with` block does. The outcomes stay."""
        self.stop()
        try:
            self._leave()
        finally:
            self._log_end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc_info: object) -> None:
        try:
            if kind is None and not self._has_begun:
                self._warn_if_abandoned()
        finally:  # A warning may be an exception.
            self.close()

    def __del__(self) -> None:
        self._release_threads()
        self._warn_if_abandoned()

    def _wait_for_outcome(self) -> None:
        """Go on until an outcome is there. At the end, raise."""
        self._scheduler.end_remaining()  # A Ctrl-C may have left a job half-way.
        while not (self._to_hand_out or self._scheduler.outcomes):
            if self._scheduler.is_finished:
                self._release_threads()
                raise self._take_error() or StopIteration
            if self._seconds_to_land():
                self._take_turn()
            else:
                self._leave()

    def _take_turn(self) -> None:
        """Settle and send. Then take an id or wait, but not both."""
        self._settle()
        while (job := self._scheduler.next_job()) is not None:
            self._send(job)
        if self._scheduler.outcomes:
            return
        if self._scheduler.has_room():
            self._scheduler.admit(partial(next, self._ids))
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
            while self._can_land() and (left := self._seconds_to_land()):
                self._wait(left)
                self._settle()
        finally:  # A second Ctrl-C ends the wait, and keeps back no outcome.
            self._settle()
            self._scheduler.end_remaining(even_in_flight=True)
            self._release_threads()
            self._tell()

    def _can_land(self) -> bool:
        """Say whether what is in flight can land: not in a child that was forked in the block."""
        is_alive = any(thread.is_alive() for thread in self._threads)
        return is_alive and bool(self._scheduler.in_flight)

    def _tell(self) -> None:
        """Tell the next outcome, so that it can be handed out; all, once the run is left."""
        if not self._is_left:
            self._tell_next()
            call_each(self._records)
            return
        try:
            self._tell_all()
            if seconds := self._seconds_for_records():
                # A call of a journal cannot be cut short: a thread makes it, if one can start.
                with suppress(RuntimeError):
                    _start_thread(call_each, self._records).join(seconds)
        finally:
            self._give_up(self._records)

    def _send(self, job: Job) -> None:
        """Give a request to a thread."""
        # Each thread has a request: one more is needed.
        if len(self._scheduler.in_flight) == len(self._threads):
            try:
                thread = _start_thread(_work, self._requests, self._results, self._wakeups)
            except RuntimeError as error:  # The system allows no more.
                self._scheduler.note_not_sent(job, error)
                return
            self._threads.append(thread)
        self._requests.put((self._delete_session.transport, job))
        self._scheduler.note_sent(job)

    def _release_threads(self) -> None:
        """Let each thread end after the request that it is in. Nobody waits for that."""
        for _ in self._threads:
            self._requests.put(None)
        self._threads.clear()


def call_each(calls: deque[Callable[[], object]]) -> None:
    """Make calls one after the other. Each stays there until it has ended."""
    while calls:
        calls[0]()
        with suppress(IndexError):  # They were given up meanwhile.
            calls.popleft()


def _start_thread(target: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, name="firecrawl_interact", daemon=True)
    thread.start()
    return thread


def _work(requests: _Requests, results: _Results, wakeups: _Wakeups) -> None:
    while (work := requests.get()) is not None:
        transport, job = work
        try:
            try:
                result: Response | BaseException = checked_response(
                    transport.send(job.send.request, job.timeout)
                )
            finally:
                job.landed_at = transport.monotonic()  # The run may look at it much later.
        except BaseException as error:
            result = error
        results.append((job, result))
        wakeups.put(None)
        del work, transport, job, result  # The request holds the key until the next one comes.
