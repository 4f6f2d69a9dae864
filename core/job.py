"""One session of a run: what the run knows of it, and what threads do for it."""

import queue
import uuid
from collections import deque
from typing import Any, TypeAlias

import msgspec

from .conversation import Conversation, Send
from .errors import DeleteSessionError, NotTriedError, Outcome, UnreachableError
from .transport import ConnectionLostError, Response, Transport, TransportError

LEFT = "the run was left before the response was read"

_LATER: Any = None  # Any: what has this default is set before anybody looks


class Job(msgspec.Struct, eq=False):
    """One session of a run. Times are in seconds on the transport's clock.

    It is a struct, so that no Python runs while one is made: see `Scheduler.admit`.
    """

    session_id: str | uuid.UUID  # as it was given
    conversation: Conversation = _LATER
    send: Send = _LATER  # what the conversation wants next
    due_at: float = _LATER  # when that may be sent, at the earliest
    goes_first: bool = _LATER  # before those that wait for their retry
    # Of its last request:
    timeout: float = _LATER
    number: int = _LATER  # its place among all requests of the run
    sent_at: float = _LATER
    landed_at: float = _LATER  # Whoever carries it sets this.

    requests: int = 0
    # Seconds of the policy's deadline that it has used: by its requests, and by pauses of its own.
    # Neither what holds the whole run back counts, nor what the caller does.
    charged: float = 0.0
    failing_since: float | None = None  # when its first attempt that failed was sent
    error: DeleteSessionError | None = None  # what it met last; None: it has not failed
    outcome: Outcome | None = None

    @property
    def latency(self) -> float:
        """How long its last request took, however late the run looks at it."""
        return self.landed_at - self.sent_at

    def if_left(self) -> DeleteSessionError:
        """Return the outcome of a session whose run is left: what its last request met, if any."""
        # An error counts the requests up to its own: if there are more, the last has no response.
        if self.error is not None and self.error.attempts == self.requests:
            return self.error
        if self.requests:
            return self.unreachable(ConnectionLostError(LEFT))
        reason = "the run ended before anything was sent for it"
        return NotTriedError(reason, session_id=str(self.session_id))

    def unreachable(self, failure: TransportError) -> UnreachableError:
        """Return the outcome of a session whose last request got no response that can be read."""
        session_id = str(self.session_id)
        error = UnreachableError(str(failure), session_id=session_id, attempts=self.requests)
        error.__cause__ = failure
        return error


Requests: TypeAlias = "queue.SimpleQueue[tuple[Transport, Job] | None]"
Results: TypeAlias = deque[tuple[Job, Response | BaseException]]
Wakeups: TypeAlias = "queue.SimpleQueue[None]"


def carry_requests(requests: Requests, results: Results, wakeups: Wakeups) -> None:
    """Send one request after the other, in a thread, until there is None."""
    while (work := requests.get()) is not None:
        transport, job = work
        try:
            try:
                result: Response | BaseException = transport.send(job.send.request, job.timeout)
            finally:
                job.landed_at = transport.monotonic()  # The run may look at it much later.
        except BaseException as error:
            result = error
        results.append((job, result))
        wakeups.put(None)
        del work, transport, job, result  # The request holds the key until the next one comes.
