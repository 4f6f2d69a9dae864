"""The bookkeeping of many conversations side by side. No I/O: its drivers carry and wait."""

import heapq
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

from . import wire
from .conversation import Conversation, Send, Wait
from .delete_session import AsyncDeleteSession, DeleteSession
from .errors import DeleteSessionError, UnreachableError
from .pacing import RateLimitGate, RepeatBudget
from .receipt import DeletionReceipt, SessionFate
from .transport import (
    ConnectFailedError,
    ConnectionLostError,
    Request,
    Response,
    TransportError,
)

Outcome: TypeAlias = DeletionReceipt | DeleteSessionError

_MOST_CLOSINGS = 10
"""How often in a row the rate limit may hold everything back, since a wait must have an end.
After that a refusal is its session's own affair, as in a call for one session."""

_ROUNDING = 0.5
"""Seconds. The wait that the service names is rounded: who believes it may come too early."""


class Job:
    """One session on its way."""

    __slots__ = (
        "conversation",
        "error",
        "held_back",
        "probe",
        "ready_at",
        "refusal",
        "send",
        "session_id",
    )

    conversation: Conversation
    send: Send  # what the conversation wants next

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.error: DeleteSessionError | None = None  # what the last try met
        self.held_back = 0.0  # seconds at the gate, which do not count against the deadline
        self.ready_at = 0.0
        self.probe = False
        self.refusal: Response | None = None  # a 429 that the conversation was not told of

    @property
    def send_arguments(self) -> tuple[Request, float]:
        """What `transport.send` is to be called with."""
        return self.send.request, self.send.timeout


class Scheduler:
    """Who may send now, who waits until when, and what came of whom."""

    def __init__(
        self, delete_session: DeleteSession | AsyncDeleteSession, concurrency: int
    ) -> None:
        self._delete_session = delete_session
        self._now = delete_session.transport.monotonic
        self._concurrency = concurrency
        self._gate = RateLimitGate()
        self._budget = RepeatBudget()
        self._refused: deque[Job] = deque()  # they go before those that are ready
        self._ready: deque[Job] = deque()
        self._waiting: list[tuple[float, int, Job]] = []  # a heap: due when, in which order
        self._waits = 0
        self._in_flight = 0
        self.outcomes: deque[Outcome] = deque()  #: of those that have ended
        self.stopped = False  #: nothing new is sent
        self.failure: Exception | None = None  #: what ended the run before the ids did
        self._more = True

    @property
    def finished(self) -> bool:
        """Whether nobody is on the way, and nobody will be."""
        under_way = self._in_flight or self._queue or self._waiting or self.outcomes
        return not under_way and (self.stopped or not self._more)

    @property
    def _queue(self) -> deque[Job]:
        return self._refused or self._ready

    @property
    def pause(self) -> float:
        """Seconds for which the rate limit holds everything back."""
        return max(0.0, self._gate.opens_at - self._now())

    def has_room(self) -> bool:
        """Tell whether one more id can be taken: nobody queues, and a request more may fly."""
        return (
            self._more
            and not self.stopped
            and not self._queue
            and self._in_flight + len(self._waiting) < self._concurrency
        )

    def due_in(self) -> float | None:
        """Return the seconds until something may be sent. None: an answer must come first."""
        now = self._now()
        due = [self._waiting[0][0]] if self._waiting else []
        if now < self._gate.opens_at:
            due.append(self._gate.opens_at)
        elif self._queue and self._gate.allows(now):
            due.append(now)
        return max(0.0, min(due) - now) if due else None

    def admit(self, next_id: Callable[[], str | uuid.UUID]) -> None:
        """Take the next id, if there is one, and begin its conversation."""
        try:
            session_id = next_id()
        except (StopIteration, StopAsyncIteration):
            self._more = False
            return
        except Exception as error:
            self._more = False
            self.failure = error
            return
        try:
            deletion = Job(wire.checked_session_id(session_id))
        except DeleteSessionError as error:
            self.outcomes.append(error)
            return
        deletion.conversation = self._delete_session.converse(
            deletion.session_id,
            monotonic=lambda: self._now() - deletion.held_back,
            may_retry=lambda error: self._may_repeat(deletion, error),
        )
        self._advance(deletion, deletion.conversation.__next__)

    def sends(self) -> Iterator[Job]:
        """Hand out those whose `send` may go now. Each is to be answered, or failed."""
        if self.stopped:
            self._end_all_that_wait()
        while self._waiting and self._waiting[0][0] <= self._now():
            deletion = heapq.heappop(self._waiting)[2]
            self._advance(deletion, deletion.conversation.__next__)
        while self._queue and self._gate.allows(now := self._now()):
            deletion = self._queue.popleft()
            deletion.refusal = None
            deletion.held_back += now - deletion.ready_at
            deletion.probe = self._gate.sent(now)
            self._in_flight += 1
            yield deletion

    def settle(self, deletion: Job, result: Callable[[], Response]) -> None:
        """Note what came of a request that was handed out."""
        try:
            response = result()
        except TransportError as failure:
            self._failed(deletion, failure)
        except Exception as error:
            self.not_carried(deletion, error, sent=True)
        else:
            self._answered(deletion, response)

    def not_carried(self, deletion: Job, error: Exception, *, sent: bool) -> None:
        """Note that an executor, or a faulty transport, did not do its part. The run ends."""
        reason = f"the request was not carried ({type(error).__name__})"
        kind = ConnectionLostError if sent else ConnectFailedError
        failure = kind(reason, transient=False)
        failure.__cause__ = error
        self._more = False
        self.failure = RuntimeError(f"{reason}: the executor or the transport cannot be used")
        self.failure.__cause__ = error
        self._failed(deletion, failure)

    def _answered(self, deletion: Job, response: Response) -> None:
        self._in_flight -= 1
        if response.status != 429:
            self._gate.accepted(probe=deletion.probe)
        elif self._on_rate_limited(deletion, response):
            return
        self._advance(deletion, partial(deletion.conversation.send, response))

    def _failed(self, deletion: Job, failure: TransportError) -> None:
        self._in_flight -= 1
        self._gate.accepted(probe=deletion.probe)
        self._advance(deletion, partial(deletion.conversation.throw, failure))

    def _on_rate_limited(self, deletion: Job, response: Response) -> bool:
        """Close the gate after a 429, and put the refused one first in the queue behind it."""
        now = self._now()
        refusal = wire.parse_error(
            response, request=deletion.send.request, session_id=deletion.session_id, attempts=0
        )
        retry = self._delete_session.retry
        if refusal.retry_after is None:
            wait = retry.pause(self._gate.closings + 1, self._delete_session.random)
        else:
            wait = refusal.retry_after + _ROUNDING
        too_long = wait > retry.deadline
        self._gate.refused(now, min(wait, retry.deadline), probe=deletion.probe)
        if self.stopped or too_long or self._gate.closings > _MOST_CLOSINGS:
            return False
        deletion.refusal = response
        deletion.ready_at = now
        self._refused.append(deletion)
        return True

    def _may_repeat(self, deletion: Job, error: DeleteSessionError) -> bool:
        deletion.error = error
        return not self.stopped and self._budget.may_repeat(error)

    def _advance(self, deletion: Job, resume: Callable[[], Send | Wait]) -> None:
        try:
            step = resume()
        except StopIteration as end:
            receipt: DeletionReceipt = end.value
            if receipt.attempts == 1:
                self._budget.refill()
            self.outcomes.append(receipt)
        except DeleteSessionError as error:
            self.outcomes.append(error)
        else:
            if isinstance(step, Wait):
                self._waits += 1
                due = self._now() + step.seconds
                heapq.heappush(self._waiting, (due, self._waits, deletion))
            else:
                deletion.send = step
                deletion.ready_at = self._now()
                self._ready.append(deletion)

    def _end_all_that_wait(self) -> None:
        waiting = [*self._refused, *self._ready, *(entry[2] for entry in self._waiting)]
        self._refused.clear()
        self._ready.clear()
        self._waiting.clear()
        for deletion in waiting:
            if deletion.refusal is not None:
                self._advance(deletion, partial(deletion.conversation.send, deletion.refusal))
            else:
                self.outcomes.append(deletion.error or _not_tried(deletion.session_id))


def _not_tried(session_id: str) -> UnreachableError:
    return UnreachableError(
        "stopped before anything was sent",
        session_id=session_id,
        session_fate=SessionFate.UNTOUCHED,
    )
