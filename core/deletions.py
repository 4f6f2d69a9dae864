"""One run over many sessions: an iterator of outcomes that sends only while it is asked.

Daemon threads carry the requests, and nothing else: `Scheduler` decides who may send and when, and
ids are read where outcomes are asked for.
"""

import queue
import threading
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, Self

from .delete_session import DeleteSession
from .errors import Outcome
from .job import Job, Requests, Results, Wakeups, carry_requests
from .run import NOBODY, Run
from .shielding import start_thread

_LONGEST_SLEEP = 1.0
"""In seconds: `stop`, and a signal that came just before a wait began, take effect after it."""


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
        # A fake whose time is not the system's gives queues that wait on its own clock: that is no
        # part of the port. Its class says so, since a mock has whatever attribute it is asked for.
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
                self._only_asker = NOBODY
                self._wait_for_outcome()
                self._tell()
                # `NOBODY` would refuse this thread for ever if a Ctrl-C skipped the `finally`.
                self._only_asker = threading.get_ident()
        except BaseException:  # of a signal's handler, for instance: the caller may go on
            self._close()
            raise
        finally:
            self._only_asker = None
        return self._hand_out_or_end(StopIteration)

    def close(self) -> None:
        """Leave the run, as the end of its `with` block does. The outcomes stay.

        While the run is at work, in `on_outcome`, the ids or a signal's handler, it only stops.
        """
        if self._only_asker is None:
            self._close()
        else:
            self.stop()

    def _close(self) -> None:
        try:
            self._only_asker = NOBODY
            self.stop()
            if not self._is_of_parent():
                self._leave()
            self._only_asker = threading.get_ident()  # As in `__next__`.
        finally:
            self._only_asker = None
            self._log_end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc_info: object) -> None:
        try:
            if kind is None and self._process is None:
                self._warn_if_abandoned()
        finally:  # A warning may be an exception. An interruption may have kept `_only_asker`.
            self._close()

    def __del__(self) -> None:
        if not hasattr(self, "_wake_up"):
            return  # It could not be made.
        self._release_threads()
        self._warn_if_abandoned()

    def _wait_for_outcome(self) -> None:
        """Go on until an outcome is there, or the run is over."""
        run = self._scheduler
        run.end_remaining()  # A Ctrl-C may have left a job half-way.
        while not (run.outcomes or run.is_finished):
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
        """Wait `_seconds_to_land` for what is in flight, end all that waits, and tell it."""
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
            calls.callback(self._record)  # An ExitStack calls the last one first.
            for _ in range(self._how_many_to_tell()):
                calls.callback(self._notify_of_next)

    def _record(self) -> None:
        """Let the journal forget what is gone: in limited time, once the caller has stopped."""
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
