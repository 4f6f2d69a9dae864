"""What one call sends, how long it waits, and when it ends. Without I/O, except for log lines.

Its driver sends and waits:

    call = Call(session_id, headers=headers, retry=retry, random=random)
    ends_at = monotonic() + call.retry.deadline
    while timeout := call.begin_attempt(ends_at - monotonic()):
        try:
            result = send(call.request, timeout)
        except TransportError as error:
            result = error
        sleep(call.end_attempt(result, ends_at - monotonic()))
    return call.outcome

A run calls the two halves of `end_attempt`: `read`, and `back_off` if the attempt counts for its
session.
"""

import uuid
from collections.abc import Callable

from . import wire
from .errors import (
    DeleteSessionError,
    InvalidSessionIdError,
    NotTriedError,
    Outcome,
    RateLimitError,
    SessionNotFoundError,
    UnreachableError,
)
from .headers import RequestHeaders
from .log import DEBUG, INFO, WARNING, log
from .receipt import DeletionReceipt, SessionFate
from .retry import RetryPolicy
from .session_id import checked_session_id, is_scrape
from .transport import ConnectionLostError, Request, Response, TransportError

# How long Firecrawl may take to open a session, in seconds: it makes the browser and loads the
# scrape's page first, also if the client of `interact` has left.
LONGEST_OPENING = 60.0
# A program's own mistakes: `interact` did not raise them.
_MISTAKES = (
    AttributeError,
    NameError,
    TypeError,
    LookupError,
    ImportError,
    AssertionError,
)
_LONGEST_JITTER = 2.0  # seconds that a call waits longer than a 429 asks
_LONGEST_ASKED = 60.0  # seconds that any other response may ask for


def wait_asked_by(error: DeleteSessionError, seconds_left: float) -> float:
    """Return the seconds that a response asks to wait. 0: it does not ask.

    Some gateways ask for an hour in a short outage. So a response that is no 429 is granted at most
    a minute, and half of the seconds that are left of the deadline.
    """
    asked = error.retry_after or 0.0
    if isinstance(error, RateLimitError):
        return asked
    return min(asked, _LONGEST_ASKED, seconds_left / 2)


def opening_after(session_id: str, raised: BaseException | None) -> float:
    """Return the seconds in which Firecrawl may still be opening the session of a block.

    The block of a scrape raised, so its `interact` may have been interrupted, unless the exception
    is Firecrawl's answer to it (a status from 400 to 499) or a mistake of the program. After a
    gateway's 5xx the opening goes on. None: the block is interrupted now.
    """
    status = getattr(raised, "status_code", None)
    is_answer = isinstance(status, int) and 400 <= status < 500
    is_over = is_answer or isinstance(raised, _MISTAKES)
    return LONGEST_OPENING if is_scrape(session_id) and not is_over else 0.0


class Call:
    """The attempts to delete one session, and the waits between them.

    Args:
        session_id: the id that Firecrawl returned for the session. If it cannot be sent, the call
            has ended at once.
        headers: from `request_headers`.
        retry: how many attempts, how long each may take, and the backoff between them.
        random: returns a number from 0 to 1.
        attempts_before: requests of an interrupted call. The policy does not count them.
        opening: seconds in which Firecrawl may still be opening the session. Until they have
            passed, "not found" leaves its fate unknown, and the call asks again.
    """

    request: Request  #: what each attempt sends; none if the id cannot be sent
    outcome: Outcome  #: the receipt or the error, once the call has ended

    def __init__(  # noqa: PLR0913 - each is something that a driver must be able to say
        self,
        session_id: str | uuid.UUID,
        *,
        headers: RequestHeaders,
        retry: RetryPolicy,
        random: Callable[[], float],
        attempts_before: int = 0,
        opening: float = 0.0,
    ) -> None:
        self.retry: RetryPolicy = retry  #: the policy
        self.attempts: int = attempts_before  #: how many requests were sent
        self.error: DeleteSessionError | None = None  #: of the last attempt that failed
        self.has_ended: bool = False  #: whether it has its outcome
        self._headers = headers
        self._random = random
        self._counted = 0  # how many attempts count, without the one that is being made
        self._is_uncertain = attempts_before > 0
        self._was_stale = False
        self._opening = opening
        self._is_opening_told = False
        self._began_at = 0.0  # of the last attempt, in seconds since the call began
        try:
            self.session_id: str = checked_session_id(session_id)
        except InvalidSessionIdError as error:
            self.session_id = error.session_id
            self._end(error.with_traceback(None))  # Its frames hold the headers.
        else:
            self.request = wire.request(self.session_id, headers)

    def begin_attempt(self, seconds_left: float) -> float:
        """Begin an attempt. Return its timeout in seconds, or 0 if the call has ended.

        Args:
            seconds_left: of the policy's deadline. The call ends if there are none.
        """
        if seconds_left <= 0 and not self.has_ended:  # The wait took longer than asked.
            late = UnreachableError("the deadline has passed", self.session_id, self.attempts)
            self._end(self.error or late)
        if self.has_ended:
            return 0.0
        self.attempts += 1
        self._began_at = self.retry.deadline - seconds_left
        extra = {"session_id": self.session_id, "attempt": self.attempts}
        number, most = self._counted + 1, self.retry.max_attempts
        log(DEBUG, "session %a: attempt %d of %d", self.session_id, number, most, extra=extra)
        return min(self.retry.attempt_timeout, seconds_left)

    def end_attempt(self, result: Response | TransportError, seconds_left: float) -> float:
        """Take what came of the attempt. Return the seconds to wait before the next one."""
        error = self.read(result)
        return 0.0 if error is None else self.back_off(error, seconds_left)

    def read(self, result: Response | TransportError) -> DeleteSessionError | None:
        """Take what came of the attempt. End the call, or return an error that a retry may mend."""
        outcome = self._outcome_of(result)
        if isinstance(outcome, DeletionReceipt):
            self._end(outcome)
            return None
        if outcome.session_fate is SessionFate.UNKNOWN:
            self._is_uncertain = True  # A later attempt cannot say that the session is untouched.
        self.error = outcome
        if outcome.transient:
            return outcome
        self._end(outcome)
        return None

    def is_first_stale(self, error: DeleteSessionError) -> bool:
        """Whether it is the call's first kept connection that ended before any response.

        That says nothing about Firecrawl. The attempt counts, and the next one comes at once.
        """
        lost = error.__cause__
        return isinstance(lost, ConnectionLostError) and lost.stale and not self._was_stale

    def back_off(self, error: DeleteSessionError, seconds_left: float) -> float:
        """Count an attempt that failed. Return the seconds to wait before the next one.

        A 429 that asks for a wait decides it. Any other response only asks for a minimum, and the
        policy's backoff counts if it is longer. If no other attempt is allowed, the call ends.
        """
        asked = wait_asked_by(error, seconds_left)
        is_told = (
            isinstance(error, RateLimitError) and asked > 0
        )  # A `Retry-After` of 0 would be refused again.
        if self.is_first_stale(error):
            self._was_stale = True
            wait = 0.0
        elif is_told:
            wait = asked
        elif isinstance(
            error, SessionNotFoundError
        ):  # The session may be opening: wait longer each time.
            wait = min(max(1.0, self._began_at), self._opening - self._began_at)
        else:
            wait = max(asked, self.retry.pause(self._counted + 1, self._random))
        self._counted += 1
        if self._counted == self.retry.max_attempts or wait >= seconds_left:
            self._end(error)
            return 0.0
        if is_told:  # Callers that were refused together would return together.
            # Half of the time that is left stays for the attempt.
            jitter = min(asked / 10, _LONGEST_JITTER, (seconds_left - asked) / 2)
            wait += jitter * self._random()
        extra = {
            "session_id": error.session_id,
            "session_fate": error.session_fate,
            "attempt": error.attempts,
            "retry_in": wait,
        }
        text = "session %a: retry in %.1f s: %s"
        log(INFO, text, error.session_id, wait, error.args[0], extra=extra)
        if isinstance(error, SessionNotFoundError) and not self._is_opening_told:
            self._is_opening_told = True
            text = (
                "session %a: Firecrawl may still be opening it, so the delete looks for it for up"
                " to %.0f s. Ctrl-C ends that"
            )
            log(WARNING, text, error.session_id, self._opening - self._began_at, extra=extra)
        return wait

    def leave(self, reason: str) -> None:
        """End the call with what its session met last, or with a reason if that is not known."""
        if self.has_ended:
            return
        if not self.attempts:
            not_tried = "the run ended before anything was sent for it"
            self._end(NotTriedError(not_tried, self.session_id))
        # With more requests than the last error counted, the latest is still unanswered.
        elif self.error is not None and self.error.attempts == self.attempts:
            self._end(self.error)
        else:
            self._end(UnreachableError(reason, self.session_id, self.attempts))

    def _outcome_of(self, result: Response | TransportError) -> Outcome:
        if not isinstance(result, TransportError):
            return wire.parse_response(
                result,
                headers=self._headers,
                session_id=self.session_id,
                attempts=self.attempts,
                is_uncertain=self._is_uncertain,
                may_be_opening=self._began_at < self._opening,
            )
        is_unknown = result.sent or self._is_uncertain
        error = UnreachableError(
            str(result) or type(result).__name__,
            self.session_id,
            self.attempts,
            SessionFate.UNKNOWN if is_unknown else SessionFate.UNTOUCHED,
            transient=result.sent or result.transient,
        )
        error.__cause__ = result
        return error

    def _end(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.has_ended = True
