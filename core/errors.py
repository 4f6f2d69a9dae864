"""Why a session was not destroyed, or why that is not known.

    FirecrawlInteractError
    ├── DeleteSessionError
    │   ├── InvalidSessionIdError     (ValueError) untouched   nothing was sent
    │   ├── NotTriedError                          untouched   a run ended before it was sent
    │   ├── UnreachableError             unknown or untouched  no response came
    │   └── ResponseError                                      a response came
    │       ├── BadRequestError                    untouched   400
    │       ├── UnauthorizedError                  untouched   401
    │       ├── PaymentRequiredError               untouched   402
    │       ├── ForbiddenError                     untouched   403
    │       ├── SessionNotFoundError               gone        404, 410 in the service's own words
    │       ├── RateLimitError                     untouched   429
    │       ├── ServiceUnavailableError            unknown     408, 409, 425, 5xx
    │       ├── NotDeletedError                    unknown     200 with `success` false
    │       └── UnexpectedResponseError            unknown     everything else
    ├── InvalidApiKeyError            (ValueError)             a key cannot be sent: headers.py
    ├── JournalError                  (OSError)                a journal failed: journal.py
    ├── NothingOpenedError                                     an opener gave no session's id
    └── RunEndedError                                          a run ended before its ids did

Each `DeleteSessionError` names its session; the last four need not.

After several attempts the least certain fate counts: a timeout and then a 401 are unknown. Gone
stays gone.

A call makes a retry after each error that leaves the fate unknown, since only a retry tells; after
a `RateLimitError`; after a connection that failed, if a retry can help; and after a 401 or 403 that
is not the service's JSON, since a gateway said it. A failure of the service's own backend is a
`ServiceUnavailableError` under any status.
"""

import copyreg
import math
from typing import Literal, TypeAlias

from .receipt import DeletionReceipt, SessionFate
from .transport import TransportError

_FATE_SENTENCES = {
    SessionFate.GONE: "Nothing is left to bill under this id.",
    SessionFate.UNTOUCHED: "This call did nothing to it: if it was running, it is still billed.",
    SessionFate.UNKNOWN: "It may still be running and billing.",
}


class FirecrawlInteractError(Exception):
    """The root of all errors of this library. They survive pickle and copy, and hold no key."""

    advice: str = ""  #: what the caller can do

    def __str__(self) -> str:
        return f"{self.args[0]}. {self.advice}" if self.advice else str(self.args[0])

    def __reduce__(self) -> tuple[object, object, dict[str, object]]:
        # Exception's own way calls the class with the message alone, and forgets the cause. A cause
        # that is not the library's may not be fit for a pickle.
        state = {**vars(self), "args": self.args}
        if isinstance(self.__cause__, TransportError):
            state["__cause__"] = _plain(self.__cause__)
        elif isinstance(self.__cause__, FirecrawlInteractError):
            state["__cause__"] = self.__cause__
        return copyreg.__newobj__, (type(self),), state  # type: ignore[attr-defined]  # typeshed leaves it out


class DeleteSessionError(FirecrawlInteractError):
    """What a call raises: it says what is known about one session."""

    session_fate: SessionFate = SessionFate.UNKNOWN  #: what is known about the session
    transient: bool = False  #: whether the same call may end otherwise later
    is_spoken: bool = False  #: whether it came as JSON that the service is known to send
    shows_service_works: bool = False  #: whether it is spoken, and no failure of the service
    advice: str = "Delete it again: a retry is safe and shows whether it is gone."
    _fate_sentence: str = ""  # instead of the usual one

    def __init__(self, reason: str, *, session_id: str, attempts: int = 0) -> None:
        super().__init__(reason)
        self.session_id: str = session_id  #: the session
        #: how many requests were sent for it, failed connections included
        self.attempts: int = attempts

    def __str__(self) -> str:
        is_long = len(self.session_id) > 80
        shown = f"{self.session_id[:77]}..." if is_long else self.session_id
        attempts = f" {self.attempts} attempts." if self.attempts > 1 else ""
        fate = self._fate_sentence or _FATE_SENTENCES[self.session_fate]
        return f"Session {shown!a}: {self.args[0]}.{attempts} {fate} {self.advice}"

    def forget_session(self) -> None:
        """Advise nothing about the session: `check` asks for one that never existed."""
        self._fate_sentence = "It never existed: nothing was at stake."
        if isinstance(self, BadRequestError):
            self.advice = "Check the address of the service."
        elif isinstance(self, ForbiddenError) and not self.transient:
            self.advice = "Use a key that may delete sessions."
        elif self.advice == DeleteSessionError.advice:
            self.advice = "Check again later."
        else:
            advice = self.advice.partition(" Then delete it again")[0]
            self.advice = advice.replace("Delete it again in", "Check again in")

    def __repr__(self) -> str:
        fate = f"SessionFate.{self.session_fate.name}"
        known = f"session_id={self.session_id!r}, session_fate={fate}"
        return f"{type(self).__name__}({self.args[0]!r}, {known}, attempts={self.attempts})"


class InvalidSessionIdError(DeleteSessionError, ValueError):
    """The id cannot name one session in a URL. Nothing was sent."""

    session_fate = SessionFate.UNTOUCHED
    advice = "Pass each id alone, as the service gave it: no quotes (jq -r), commas, spaces or URL."


class NotTriedError(DeleteSessionError):
    """A run took the id, and ended before it sent anything for it. The session is untouched."""

    session_fate = SessionFate.UNTOUCHED
    transient = True
    advice = "Delete it: nothing has been tried yet."


class UnreachableError(DeleteSessionError):
    """No response came. `__cause__` is the `TransportError` that says why.

    The session is untouched if that says that nothing reached the service, else its fate is
    unknown. If the delete was interrupted, or its run was left, before a response came, `__cause__`
    is None or says so: the fate is unknown then, even if the call was still connecting.
    """

    def __init__(
        self,
        reason: str,
        *,
        session_id: str,
        attempts: int = 0,
        session_fate: SessionFate = SessionFate.UNKNOWN,
        transient: bool = True,
    ) -> None:
        super().__init__(reason, session_id=session_id, attempts=attempts)
        self.session_fate = session_fate
        self.transient = transient
        if not transient:
            self.advice: str = "Correct that first: a retry will not help."


class ResponseError(DeleteSessionError):
    """A response came, and it is not a receipt."""

    def __init__(  # noqa: PLR0913 - what a response carries
        self,
        reason: str,
        *,
        session_id: str,
        attempts: int = 0,
        status: int = 0,
        message: str | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(reason, session_id=session_id, attempts=attempts)
        self.status: int = status  #: the HTTP status
        self.message: str | None = message  #: the service's own words, if it gave any
        self.code: str | None = code  #: the service's own code, if it gave one
        self.request_id: str | None = request_id  #: `X-Request-ID`, if something on the way set it
        #: seconds that the service asked to wait, if it did
        self.retry_after: float | None = retry_after
        if self.transient and retry_after is not None:
            self.advice: str = f"Delete it again {_in_seconds(retry_after)}."


class BadRequestError(ResponseError):
    """400: the service does not accept the request. The session is untouched."""

    session_fate = SessionFate.UNTOUCHED
    advice = "Check the session id."


class UnauthorizedError(ResponseError):
    """401: the key is missing, unknown or revoked. The session is untouched.

    It is `transient` if a gateway on the way said it.
    """

    session_fate = SessionFate.UNTOUCHED
    advice = "Check the API key."


class PaymentRequiredError(ResponseError):
    """402: the service wants payment first. The session is untouched."""

    session_fate = SessionFate.UNTOUCHED
    advice = "Check the account's plan and credits."


class ForbiddenError(ResponseError):
    """403: another team's session, or a key that may not delete it. The session is untouched.

    It is `transient` if a gateway on the way said it.
    """

    session_fate = SessionFate.UNTOUCHED
    advice = "Use a key of the team that opened the session."


class SessionNotFoundError(ResponseError):
    """404 or 410 in the service's own words: it knows no such session, so none is left to bill."""

    session_fate = SessionFate.GONE
    advice = "If the id or the address is wrong, the real session goes on: check them."


class RateLimitError(ResponseError):
    """429: the team's requests of this minute are used up. The session is untouched."""

    session_fate = SessionFate.UNTOUCHED
    transient = True
    advice = "Delete it again in a minute."


class ServiceUnavailableError(ResponseError):
    """408, 409, 425, 5xx, or a failure of the service's backend. The session's fate is unknown."""

    transient = True


class NotDeletedError(ResponseError):
    """200 with `success` false: not destroyed, says the service. The session's fate is unknown."""

    transient = True


class UnexpectedResponseError(ResponseError):
    """A response that the service is not known to send. The session's fate is unknown."""

    transient = True
    advice = (
        "Check the address of the service, and any proxy on the way to it. "
        "Then delete it again: a retry is safe and shows whether it is gone."
    )


class NothingOpenedError(FirecrawlInteractError):
    """What an opener returned names no session, so no block begins. `opening` raises it.

    If it opened a session all the same, that one ends by its time-to-live. A pickle or a copy of
    the error does not have `opened`, which may be a client that is connected.

    Args:
        reason: what is wrong, without any value of the result.
        opened: what the opener returned.
        advice: what the caller can do.
    """

    def __init__(self, reason: str, *, opened: object = None, advice: str = "") -> None:
        super().__init__(reason)
        self.opened = opened
        self.advice: str = advice

    def __reduce__(self) -> tuple[object, object, dict[str, object]]:
        make, kind, state = super().__reduce__()
        return make, kind, {**state, "opened": None}


EndReason: TypeAlias = Literal["outage", "rate limit", "address"]
"""What ends a run before its ids do."""


class RunEndedError(FirecrawlInteractError):
    """Something ended a run before its ids did, for instance an outage.

    An outage or a rate limit that lasts longer than the policy's deadline does that, and a rate
    limit whose wait is longer than the deadline does it at once. So does an address at which only
    other people's pages have responded for the first 30 seconds.

    This is raised when the outcomes of all ids that were taken have come; the other ids are still
    in the caller's iterator. `__cause__` is the last error.

    Args:
        message: what was seen.
        reason: "outage", "rate limit" or "address".
        lasted: for how many seconds no request got through.
        retry_after: the seconds that the service asked to wait, if it did.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: EndReason,
        lasted: float,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.lasted = lasted
        self.retry_after = retry_after
        when = "later" if retry_after is None else _in_seconds(retry_after)
        if reason == "address":
            when = "at the right address"
        self.advice: str = f"The run has ended. Run it again {when}."

    def __str__(self) -> str:
        cause = f" ({self.__cause__.args[0]})" if self.__cause__ else ""
        return f"{self.args[0]}{cause}. {self.advice}"


Outcome: TypeAlias = DeletionReceipt | DeleteSessionError
"""What becomes of one session: a receipt, or an error that says what is known about it."""


_PLAIN_HTTP = "The port speaks plain http: let the service's address begin with http://."
ADVICE_ON_LASTING_TLS_FAILURES = {
    "CERTIFICATE_VERIFY_FAILED": "Correct what that names: the certificate, the address, this"
    " machine's clock, or the trusted authorities (SSL_CERT_FILE or your ssl_context=).",
    "HTTP_REQUEST": _PLAIN_HTTP,
    "WRONG_VERSION_NUMBER": _PLAIN_HTTP,
}
_ADVICE_ON_NAMES = "Check that name, and this machine's connection. Then delete it again."


def advice_on(failure: TransportError, otherwise: str) -> str:
    """Return what the caller can do about a failure, from what a library or the system said."""
    cause: BaseException | None = failure
    while cause is not None:
        if (reason := getattr(cause, "reason", None)) in ADVICE_ON_LASTING_TLS_FAILURES:
            return ADVICE_ON_LASTING_TLS_FAILURES[reason]
        if type(cause).__name__ == "gaierror":  # of socket, which the core does not import
            return _ADVICE_ON_NAMES
        cause = cause.__cause__  # A context can be what the caller was handling.
    return otherwise


def _plain(failure: TransportError) -> TransportError:
    """Return it as the port's own class makes it: what a transport adds may not be picklable."""
    own = [kind for kind in type(failure).__mro__ if kind.__module__ == TransportError.__module__]
    plain: TransportError = own[0](str(failure))
    vars(plain).update({name: getattr(failure, name, flag) for name, flag in vars(plain).items()})
    return plain


def _in_seconds(seconds: float) -> str:
    whole = max(1, math.ceil(seconds))
    return f"in {whole} second{'' if whole == 1 else 's'}"
