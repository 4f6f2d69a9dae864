"""What the command says of one outcome: a line, in columns or as JSON, and what to do."""

import json

from firecrawl_interact import core
from firecrawl_interact.core.headers import printable

_ADVICE_ON_TLS = {
    "CERTIFICATE_VERIFY_FAILED": "Let SSL_CERT_FILE name the authority that signed it,"
    " or correct the address.",
    "WRONG_VERSION_NUMBER": "The port speaks plain http: write http:// in --api-url or"
    " FIRECRAWL_API_URL.",
}
_ADVICE_ON_PREFLIGHT = {
    "address": "Check FIRECRAWL_API_URL or --api-url, and any proxy or gateway on the way.",
    "route": "Check the address: a server older than June 2026 does not know /v2/interact.",
    "right": "Use a key that may delete sessions.",
}


def advice_on(error: core.DeleteSessionError) -> str:
    """Return what whoever typed the command can do: what the error says, if no option helps."""
    if isinstance(error, core.SessionNotFoundError):
        return "Check the id, or allow it with --missing-ok."
    return _ADVICE_ON_TLS.get(getattr(_cause_of(error), "reason", ""), error.advice)


def short_reason(error: core.DeleteSessionError) -> str:
    """Return why an attempt failed, without the address: it is the same for all of a run."""
    cause = _cause_of(error)
    said = cause.strerror if isinstance(cause, OSError) else None
    return printable(said or error.args[0])


def _cause_of(error: core.DeleteSessionError) -> BaseException | None:
    """Return what the system said, if no response came."""
    return error.__cause__ and error.__cause__.__cause__


def kind(outcome: core.Outcome) -> str:
    """Return `deleted`, `not-tried` or the name of the error."""
    if isinstance(outcome, core.DeletionReceipt):
        return "deleted"
    return type(outcome).__name__ if outcome.attempts else "not-tried"


def json_line(outcome: core.Outcome, ended_at: str) -> str:
    """Return an outcome as a JSON object. Receipts and errors have the same keys."""
    receipt = outcome if isinstance(outcome, core.DeletionReceipt) else None
    error = outcome if isinstance(outcome, core.DeleteSessionError) else None
    return json.dumps(
        {
            "session_id": outcome.session_id,
            "outcome": kind(outcome),
            "session_fate": outcome.session_fate.value,
            "attempts": outcome.attempts,
            "http_status": 200 if receipt else getattr(error, "status", None),
            "message": error and printable(str(error)),
            **{name: getattr(error, name, None) for name in ("code", "request_id", "retry_after")},
            "transient": error and error.transient,
            "session_duration_ms": receipt and receipt.session_duration_ms,
            "credits_billed": receipt and receipt.credits_billed,
            "session_status": receipt and receipt.status,
            "ended_at": ended_at,
        }
    )


def plain_line(outcome: core.Outcome) -> str:
    """Return an outcome in columns, the same for all. Only the last one has blanks in it."""
    name, fate = kind(outcome), str(outcome.session_fate.value)
    billed = lived = None
    remarks = [f"{outcome.attempts} attempts"] if outcome.attempts > 1 else []
    if isinstance(outcome, core.DeletionReceipt):
        billed, lived = outcome.credits_billed, outcome.session_duration_ms
        remarks += ["the browser had crashed"] if outcome.status == "failed" else []
    elif name == "not-tried":
        fate = name
    else:
        fate = "not-found" if isinstance(outcome, core.SessionNotFoundError) else fate
        remarks.append(printable(outcome.args[0]))
    credits_billed = f"credits={'-' if billed is None else billed}"
    seconds = f"seconds={'-' if lived is None else lived // 1000}"
    columns = [outcome.session_id, fate, name, credits_billed, seconds, ": ".join(remarks)]
    return " ".join(columns).rstrip()


def verdict(error: core.DeleteSessionError) -> str:
    """Say in one line what is not good, beginning with the word for it, after a preflight."""
    what, advice = _what_is_wrong(error), advice_on(error)
    if advice == error.advice:  # There is nothing that fits better.
        advice = _ADVICE_ON_PREFLIGHT.get(what, advice)
    if what == "unknown":
        seconds = error.retry_after if isinstance(error, core.ResponseError) else None
        when = "later" if seconds is None else f"in {seconds:.0f} s"
        advice = f"This says nothing about the key or its right: check again {when}."
    return f"{what}: {error.args[0]}. {advice}"


def _what_is_wrong(error: core.DeleteSessionError) -> str:
    if isinstance(error, core.RateLimitError | core.ServiceUnavailableError | core.NotDeletedError):
        return "unknown"
    if not isinstance(error, core.ResponseError) or (
        error.transient and error.status in {401, 403}
    ):
        return "address"  # Nothing is there, or a gateway said it.
    by_status = {400: "route", 401: "key", 402: "right", 403: "right", 404: "route", 405: "route"}
    return by_status.get(error.status, "address")
