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
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import ClassVar, Generic, Self, TypeAlias, TypeVar

from .arguments import check_count, check_seconds
from .delete_session import AsyncDeleteSession, DeleteSession
from .errors import Outcome
from .pacing import Job, Pause
from .scheduler import Scheduler
from .transport import Transport

logger: logging.Logger = logging.getLogger("firecrawl_interact")

LONGEST_SLEEP = 1.0
"""In seconds: `stop`, and a signal that came just before a wait began, take effect after it."""

DeleteSessionT = TypeVar("DeleteSessionT", DeleteSession, AsyncDeleteSession)
_Requests: TypeAlias = "queue.SimpleQueue[tuple[Transport, Job] | None]"
_Landed: TypeAlias = deque[tuple[Job, object]]


class ManySessions(Generic[DeleteSessionT]):
    """What the two use cases of many sessions share, and each run is made from."""

    _kind: ClassVar[type]

    def __init__(
        self,
        delete_session: DeleteSessionT,
        *,
        concurrency: int = 8,
        shutdown_timeout: float | None = None,
    ) -> None:
        if not isinstance(delete_session, self._kind):
            found = type(delete_session).__name__
            raise TypeError(f"delete_session must be of type {self._kind.__name__}, not {found}")
        check_count("concurrency", concurrency)
        if shutdown_timeout is not None:
            check_seconds("shutdown_timeout", shutdown_timeout, may_be_zero=True)
        self.delete_session: DeleteSessionT = delete_session  #: destroys one
        self.concurrency: int = concurrency  #: the most requests in flight at a time
        self.shutdown_timeout: float | None = shutdown_timeout  #: in seconds

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.delete_session!r}, concurrency={self.concurrency})"


class Run(Generic[DeleteSessionT]):
    """What can be asked of a run, awaited or not."""

    def __init__(self, use_case: ManySessions[DeleteSessionT]) -> None:
        #: as the use case has it; it may be changed until the run has ended
        self.shutdown_timeout: float | None = use_case.shutdown_timeout
        self._delete_session: DeleteSessionT = use_case.delete_session
        self._scheduler = Scheduler(use_case.delete_session, use_case.concurrency)
        self._has_begun = self._is_left = False
        self._left_at = math.inf

    def __repr__(self) -> str:
        run = self._scheduler
        shown = f"{len(run.in_flight)} in flight, {run.waiting} waiting, {len(run.outcomes)} ended"
        return f"<{type(self).__name__}: {shown}>"

    @property
    def pause(self) -> Pause | None:
        """What holds the whole run back now: the rate limit, or an outage. None: nothing does."""
        return self._scheduler.pause

    def _count_down(self) -> float:
        """Return the seconds that requests in flight may still take."""
        if not self._is_left:
            return math.inf
        now = self._delete_session.transport.monotonic()
        self._left_at = min(self._left_at, now)  # A signal's handler looks at no clock.
        longest = self._delete_session.retry.attempt_timeout + LONGEST_SLEEP
        if self.shutdown_timeout is not None:
            longest = min(self.shutdown_timeout, longest)
        return max(0.0, self._left_at + longest - now)

    def _take_failure(self) -> Exception | None:
        """Return what ended the run early, once."""
        failure, self._scheduler.failure = self._scheduler.failure, None
        return failure

    def _log_failure(self) -> None:
        """Log what ended the run before it was left. Raised, it would keep the outcomes back."""
        if failure := self._take_failure():
            logger.warning("the run had ended before it was left: %s", failure)

    def _warn_if_left(self) -> None:
        """Warn, with the place where the run was forgotten."""
        if self._scheduler.is_stopped or self._scheduler.is_finished:
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
        self, use_case: ManySessions[DeleteSession], session_ids: Iterator[str | uuid.UUID]
    ) -> None:
        super().__init__(use_case)
        self._ids = session_ids
        self._threads: list[threading.Thread] = []
        # A transport whose time is not the system's gives queues that wait on its own clock.
        new_queue = getattr(self._delete_session.transport, "new_queue", queue.SimpleQueue)
        self._requests: _Requests = new_queue()
        self._landed: _Landed = deque()
        self._news: queue.SimpleQueue[None] = new_queue()

    def __next__(self) -> Outcome:
        self._has_begun = True
        try:
            self._scheduler.end_what_is_left()  # An interruption may have left one half-way.
            while not self._scheduler.outcomes:
                self._take_turn()
            self._delete_session.record_gone(self._scheduler.outcomes[0])
        except BaseException as error:
            if not isinstance(error, Exception):
                self.close()
            raise
        return self._scheduler.outcomes.popleft()

    def stop(self) -> None:
        """Send nothing new. The iteration goes on with the outcomes of the ids that were taken.

        An id that waits ends with the error of its last attempt. The requests in flight have
        `shutdown_timeout` seconds. Signal handlers and other threads may call this; it acts once
        the iterator of ids has returned.
        """
        self._is_left = True
        self._scheduler.stop()
        self._news.put(None)

    def close(self) -> None:
        """Leave the run, as the end of its `with` block does. The outcomes stay."""
        try:
            self.stop()
            self._settle(timeout=0)
            while self._scheduler.in_flight and (left := self._count_down()):
                if not any(thread.is_alive() for thread in self._threads):
                    break  # This is a child that was forked within the block.
                self._settle(timeout=min(left, LONGEST_SLEEP))
        finally:
            self._scheduler.stop()  # A Ctrl-C may have come before that.
            self._scheduler.end_what_is_left(even_in_flight=True)
            self._release_threads()
        self._log_failure()
        for outcome in self._scheduler.outcomes:
            self._delete_session.record_gone(outcome)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc_info: object) -> None:
        try:
            if kind is None and not self._has_begun:
                self._warn_if_left()
        finally:  # A warning may be an exception.
            self.close()

    def __del__(self) -> None:
        self._release_threads()
        self._warn_if_left()

    def _take_turn(self) -> None:
        """Settle and send. Then take an id or wait, but not both. At the end, raise."""
        if self._scheduler.is_finished:
            self._release_threads()
            raise self._take_failure() or StopIteration
        if self._scheduler.in_flight and not self._count_down():
            self.close()
        self._settle(timeout=0)
        for job in self._scheduler.hand_out():
            if not self._send(job):
                break
        if self._scheduler.outcomes:
            return
        if self._scheduler.has_room():
            self._scheduler.admit(partial(next, self._ids))
            return
        seconds = min(self._scheduler.due_in(), self._count_down(), LONGEST_SLEEP)
        if self._scheduler.in_flight:
            self._settle(timeout=seconds)
        elif seconds:
            self._delete_session.transport.sleep(seconds)

    def _settle(self, *, timeout: float) -> None:
        """Wait until something happens, and settle all requests that have ended."""
        with suppress(queue.Empty):
            self._news.get(timeout=0 if self._landed else timeout)
        while self._landed:  # A Ctrl-C between any two steps must lose none of them.
            self._scheduler.settle(*self._landed[0])
            self._landed.popleft()

    def _send(self, job: Job) -> bool:
        """Give a request to a thread, and return whether there is one."""
        if len(self._scheduler.in_flight) == len(self._threads):
            queues = self._requests, self._landed, self._news
            thread = threading.Thread(
                target=_carry, args=queues, name="firecrawl_interact", daemon=True
            )
            self._threads.append(thread)
            try:
                thread.start()
            except RuntimeError as error:  # The system allows no more.
                self._threads.pop()
                self._scheduler.note_not_sent(job, error)
                return False
        self._requests.put((self._delete_session.transport, job))
        return True

    def _release_threads(self) -> None:
        """Let each thread end after the request that it is in. Nobody waits for that."""
        for _ in self._threads:
            self._requests.put(None)
        self._threads.clear()


def _carry(requests: _Requests, landed: _Landed, news: "queue.SimpleQueue[None]") -> None:
    while (work := requests.get()) is not None:
        transport, job = work
        try:
            end: object = transport.send(job.send.request, job.timeout)
        except BaseException as error:
            end = error
        landed.append((job, end))
        news.put(None)
        del work, transport, job, end  # The request holds the key until the next one comes.
