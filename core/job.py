"""One session of a run, and the two clocks of a run: what counts for a session, and for the run."""

import uuid
from collections.abc import Callable

from .conversation import Conversation, Send
from .errors import DeleteSessionError, NotTriedError, Outcome, UnreachableError
from .receipt import SessionFate


class Job:
    """One session of a run. Times are in seconds on the transport's clock."""

    conversation: Conversation
    send: Send  # what the conversation wants next
    due_at: float  # when that may be sent, at the earliest
    timeout: float  # of its last request, as all that follows
    number: int  # among all requests of the run
    sent_at: float
    landed_at: float  # Whoever carries the request notes it.

    def __init__(self, session_id: str | uuid.UUID) -> None:
        self.session_id: str | uuid.UUID = session_id  # as it was given
        self.requests: int = 0
        self.charged: float = 0.0  # seconds of the policy's deadline that it has used
        self.failing_since: float | None = None  # when its first request was sent that failed
        self.error: DeleteSessionError | None = None  # what its last attempt met
        self.outcome: Outcome | None = None

    @property
    def latency(self) -> float:
        """How long its last request took, whenever the run looks at it."""
        return self.landed_at - self.sent_at

    def charge(self, seconds: float) -> None:
        """Let a request or a pause of its own count against its deadline. Negative: not any more.

        Nothing else counts: neither what holds the whole run back, nor what the caller does.
        """
        self.charged += seconds

    def unreachable(self, reason: str) -> UnreachableError | NotTriedError:
        """Return the outcome of a session that got no response, for a reason of the run."""
        session_id = str(self.session_id)
        if not self.requests:
            return NotTriedError(reason, session_id=session_id)
        fate = SessionFate.UNKNOWN
        return UnreachableError(
            reason, session_id=session_id, session_fate=fate, attempts=self.requests
        )


class Stopwatch:
    """Counts the seconds in which a run is asked for outcomes, and none of the caller's own."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._counted = 0.0
        self._since: float | None = None  # None: it stands still

    @property
    def seconds(self) -> float:
        """What it shows."""
        if self._since is None:
            return self._counted
        return self._counted + self._monotonic() - self._since

    def start(self) -> None:
        """Let it run."""
        self._counted, self._since = self.seconds, self._monotonic()

    def stop(self) -> None:
        """Let it stand still."""
        self._counted, self._since = self.seconds, None
