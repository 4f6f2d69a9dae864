"""One session of a run: what the run knows of it."""

import uuid

from .conversation import Conversation, Send
from .errors import DeleteSessionError, NotTriedError, Outcome, UnreachableError

LEFT = "the run was left before the response was read"


class Job:
    """One session of a run. Times are in seconds on the transport's clock."""

    conversation: Conversation
    send: Send  # what the conversation wants next
    due_at: float  # when that may be sent, at the earliest
    goes_first: bool  # It got a 429, or it is new, and only a new one shows what an outage is.
    # Of its last request:
    timeout: float
    number: int  # its place among all requests of the run
    sent_at: float
    landed_at: float  # Whoever carries it sets this.

    def __init__(self, session_id: str | uuid.UUID) -> None:
        self.session_id: str | uuid.UUID = session_id  # as it was given
        self.requests: int = 0
        self.charged: float = 0.0  # seconds of the policy's deadline that it has used
        self.failing_since: float | None = None  # when its first attempt that failed was sent
        self.error: DeleteSessionError | None = None  # what it met last; None: it has not failed
        self.outcome: Outcome | None = None

    @property
    def latency(self) -> float:
        """How long its last request took, however late the run looks at it."""
        return self.landed_at - self.sent_at

    def charge(self, seconds: float) -> None:
        """Count a request or a pause of its own against its deadline. Seconds below 0 take it back.

        Nothing else counts: neither what holds the whole run back, nor what the caller does.
        """
        self.charged += seconds

    def if_left(self) -> DeleteSessionError:
        """Return the outcome of a session whose run is left: what its last request met, if any."""
        # An error counts the requests up to its own: if there are more, the last has no response.
        if self.error is not None and self.error.attempts == self.requests:
            return self.error
        if self.requests:
            return UnreachableError(LEFT, session_id=str(self.session_id), attempts=self.requests)
        reason = "the run ended before anything was sent for it"
        return NotTriedError(reason, session_id=str(self.session_id))
