"""One session of a run, on its way."""

from .conversation import Conversation, Send
from .errors import DeleteSessionError, Outcome, RateLimitError


class Job:
    """What a run knows of one session."""

    __slots__ = (
        "conversation",
        "error",
        "excused",
        "is_probe",
        "number",
        "outcome",
        "requests",
        "send",
        "sent_at",
        "session_id",
        "since",
    )

    conversation: Conversation
    number: int  # of its last request, among all of the run
    send: Send  # what the conversation wants next
    sent_at: float
    since: float  # when it began to wait, or was sent

    def __init__(self, session_id: str) -> None:
        self.session_id: str = session_id
        self.error: DeleteSessionError | None = None  # what the last attempt met
        self.excused: float = 0.0  # seconds that do not count against the deadline
        self.is_probe: bool = False  # whether the last request was a half-open probe
        self.outcome: Outcome | None = None
        self.requests: int = 0

    @property
    def has_failed(self) -> bool:
        """Whether the last attempt failed for another reason than the rate limit."""
        return self.error is not None and not isinstance(self.error, RateLimitError)
