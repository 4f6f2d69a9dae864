"""One run over many sessions: an iterator of outcomes that sends only while it is asked.

What is awaited, or given to an executor, is `transport.send` alone; `Scheduler` decides who may
send and when.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Self

from .daemon_threads import DaemonThreads
from .job import Job
from .logger import logger
from .scheduler import Scheduler

if TYPE_CHECKING:
    import uuid
    from concurrent.futures import Executor, Future

    from .delete_session import AsyncDeleteSession, DeleteSession
    from .errors import Outcome
    from .pacing import Pause
    from .transport import Response

LONGEST_SLEEP = 1.0
"""In seconds, so that `stop` and a signal's handler take effect while everything waits. A signal
that arrives just before a wait begins does not end it."""
_LAST_ID_WAIT = 0.1
"""In seconds, for an id that is being read when a run ends: once it is read, it is taken."""


class Run:
    """What can be asked of a run, awaited or not."""

    def __init__(
        self,
        delete_session: DeleteSession | AsyncDeleteSession,
        concurrency: int,
        shutdown_timeout: float | None,
    ) -> None:
        #: as the use case has it; it may be changed until the run has ended
        self.shutdown_timeout: float | None = shutdown_timeout
        self._scheduler = Scheduler(delete_session, concurrency)
        self._monotonic = delete_session.transport.monotonic
        self._has_begun = False
        self._is_asked_to_stop = False
        self._stopped_at: float | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._scheduler.summary}>"

    @property
    def pause(self) -> Pause | None:
        """What holds the whole run back now: the rate limit, or an outage. None: nothing does."""
        return self._scheduler.pause

    def _end(self, end: type[Exception]) -> Exception | type[Exception]:
        """Return what the iteration raises at its end: what ended the run early, and then `end`."""
        failure, self._scheduler.failure = self._scheduler.failure, None
        return failure or end

    def _count_down(self) -> float:
        """Return the seconds that what is in flight may still take. They count from `stop`."""
        if not self._is_asked_to_stop or self.shutdown_timeout is None:
            return math.inf
        now = self._monotonic()
        if self._stopped_at is None:
            self._stopped_at = now
        return max(0.0, self._stopped_at + self.shutdown_timeout - now)

    def _log_failure(self) -> None:
        """Log what ended the run before it was left. Raised, it would keep the outcomes back."""
        failure, self._scheduler.failure = self._scheduler.failure, None
        if failure is not None:
            logger.warning("the run had ended before it was left: %s", failure)

    def _warn_if_left(self) -> None:
        """Warn, with the place where the run was forgotten."""
        if self._scheduler.is_stopped or self._scheduler.is_finished:
            return
        import warnings  # noqa: PLC0415 - only a mistake needs it

        what = (
            "left half-way: use `with`, so that what is in flight has its outcome"
            if self._has_begun
            else "never iterated: no session was destroyed"
        )
        warnings.warn(f"{self!r} was {what}", RuntimeWarning, stacklevel=3, source=self)


class Deletions(Run, Iterator["Outcome"]):
    """The outcomes of one run of `DeleteManySessions`, as they end: one for each id taken.

    An error among them was not raised, so it has no traceback: thousands can be kept.

    Use it in a `with` block. Leaving the block, however it ends, sends nothing new and waits for
    what is in flight, at most `shutdown_timeout` seconds; what is in flight even then is an
    `UnreachableError` whose fate is unknown. `list(deletions)` afterwards gives the outcomes that
    were not taken yet. A Ctrl-C that arrives while an outcome is awaited leaves the run likewise.

    What ends a run early is raised after the outcomes of all ids that were taken: `OutageError`,
    what the iterator of ids raised, or a `RuntimeError` if the executor or the transport cannot
    be used. If the run was left before that, it is logged instead.
    """

    def __init__(  # noqa: PLR0913 - what `DeleteManySessions` was given
        self,
        delete_session: DeleteSession,
        session_ids: Iterator[str | uuid.UUID],
        *,
        may_block: bool,
        concurrency: int,
        executor: Executor | None,
        shutdown_timeout: float | None,
    ) -> None:
        from queue import SimpleQueue  # noqa: PLC0415 - one session needs no queue

        super().__init__(delete_session, concurrency, shutdown_timeout)
        self._transport = delete_session.transport
        self._record_gone = delete_session.record_gone
        self._executor = executor or DaemonThreads(concurrency)
        self._ids = session_ids
        self._reader = DaemonThreads(1) if may_block else None
        self._next_id: Future[str | uuid.UUID] | None = None
        self._in_flight: dict[Future[Response], Job] = {}
        self._events: SimpleQueue[Future[Response] | None] = SimpleQueue()

    def __next__(self) -> Outcome:
        self._has_begun = True
        try:
            return self._next_outcome()
        except Exception:
            raise
        except BaseException:
            self.close()
            raise

    def stop(self) -> None:
        """Send nothing new. The iteration goes on with the outcomes of the ids that were taken.

        An id that waits ends with what its last attempt met. What is in flight has
        `shutdown_timeout` seconds. May be called from a signal handler or another thread.
        """
        self._is_asked_to_stop = self._scheduler.is_stopped = True
        self._events.put(None)

    def close(self) -> None:
        """Leave the run, as the end of its `with` block does. The outcomes stay."""
        try:
            self.stop()
            try:
                self._admit_next_id(timeout=_LAST_ID_WAIT)
            finally:  # The ids may raise what ends the program.
                for future in self._in_flight:
                    future.cancel()
                from concurrent.futures import wait  # noqa: PLC0415

                left = self._count_down()
                wait(self._in_flight, timeout=None if left == math.inf else left)
        finally:
            while self._in_flight:
                self._settle_at_the_end(*self._in_flight.popitem())
            self._scheduler.end_all()
            self._release_threads()
        self._log_failure()
        for outcome in self._scheduler.outcomes:
            self._record_gone(outcome)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc_info: object) -> None:
        try:
            if kind is None and not self._has_begun:
                self._warn_if_left()
        finally:  # A warning may be an exception.
            self.close()

    def __del__(self) -> None:
        self._warn_if_left()
        self._release_threads()

    def _next_outcome(self) -> Outcome:
        while True:
            if self._in_flight and not self._count_down():
                self.close()
            if self._scheduler.is_stopped and not self._in_flight:
                self._scheduler.end_all()  # An interruption may have left something half-way.
            if self._scheduler.outcomes:
                break
            if not self._scheduler.is_finished:
                self._take_turn()
                self._admit_next_id(timeout=0)
            elif self._next_id is None:
                self._release_threads()
                raise self._end(StopIteration)
            else:
                self._admit_next_id(timeout=_LAST_ID_WAIT)
                self._release_next_id()
        self._record_gone(self._scheduler.outcomes[0])
        return self._scheduler.outcomes.popleft()

    def _take_turn(self) -> None:
        """Settle and send. Then take an id or wait, but not both."""
        self._settle(timeout=0)
        self._send()
        if self._scheduler.outcomes:
            return
        if self._next_id is None and self._scheduler.has_room():
            if self._reader is None:
                self._scheduler.admit(partial(next, self._ids))
                return
            wake = self._events.put
            self._next_id = self._reader.submit(next, self._ids)
            self._next_id.add_done_callback(lambda _: wake(None))
        due_in = self._scheduler.due_in()
        seconds = LONGEST_SLEEP if due_in is None else min(due_in, LONGEST_SLEEP)
        if self._in_flight or self._next_id is not None:
            self._settle(timeout=min(seconds, self._count_down()))
        elif due_in:
            self._transport.sleep(seconds)

    def _admit_next_id(self, *, timeout: float) -> None:
        """Take the id that is read ahead, if it comes within so many seconds."""
        if self._next_id is None:
            return
        if timeout:
            from concurrent.futures import wait  # noqa: PLC0415

            wait([self._next_id], timeout=timeout)
        if self._next_id.done():
            self._scheduler.admit(self._next_id.result)
            self._next_id = None

    def _settle(self, *, timeout: float) -> None:
        """Wait until something happens, and settle all requests that have ended."""
        from queue import Empty  # noqa: PLC0415

        try:
            future = self._events.get(timeout=timeout)
            while True:
                if future in self._in_flight:  # Not if `close` has settled it.
                    self._scheduler.settle(self._in_flight.pop(future), future.result)
                future = self._events.get_nowait()
        except Empty:
            pass

    def _send(self) -> None:
        for job in self._scheduler.hand_out():
            arguments = self._scheduler.arguments(job)
            try:
                future = self._executor.submit(self._transport.send, *arguments)
            except Exception as error:
                self._scheduler.give_up_carrier(job, error, sent=False)
            else:
                self._in_flight[future] = job
                future.add_done_callback(self._events.put)

    def _settle_at_the_end(self, future: Future[Response], job: Job) -> None:
        if future.cancelled():
            self._scheduler.withdraw(job)
        elif future.done():
            self._scheduler.settle(job, future.result)

    def _release_threads(self) -> None:
        if isinstance(self._executor, DaemonThreads):
            self._executor.shutdown()
        if self._reader is not None:
            self._reader.shutdown()
        self._release_next_id()

    def _release_next_id(self) -> None:
        if self._next_id is not None:
            self._next_id.add_done_callback(_warn_of_id)
            self._next_id = None


def _warn_of_id(future: Future[str | uuid.UUID]) -> None:
    """Warn of an id that was read after the run was left: nobody deletes it."""
    if future.exception() is None:
        logger.warning(
            "session %a: its id was read after the run was left; nothing was sent for it",
            str(future.result()),
        )
