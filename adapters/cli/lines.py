"""What the command says of one outcome: a line, in columns or as JSON."""

import json

from firecrawl_interact import core
from firecrawl_interact.core.headers import printable


def kind(outcome: core.Outcome) -> str:
    """Return `deleted`, `not-tried` or the name of the error."""
    if isinstance(outcome, core.DeletionReceipt):
        return "deleted"
    return type(outcome).__name__ if outcome.attempts else "not-tried"


def short_reason(error: core.DeleteSessionError) -> str:
    """Return why an attempt failed, without the address: it is the same for all of a run."""
    cause = error.__cause__ and error.__cause__.__cause__  # what the system said
    said = cause.strerror if isinstance(cause, OSError) else None
    return printable(said or error.args[0])


def json_line(outcome: core.Outcome, ended_at: str) -> str:
    """Return an outcome as a JSON object. Receipts and errors have the same keys."""
    is_receipt = isinstance(outcome, core.DeletionReceipt)
    names = ["code", "request_id", "retry_after", "transient"]
    names += ["session_duration_ms", "credits_billed"]
    return json.dumps(
        {
            "session_id": outcome.session_id,
            "outcome": kind(outcome),
            "session_fate": outcome.session_fate.value,
            "attempts": outcome.attempts,
            "http_status": 200 if is_receipt else getattr(outcome, "status", None),
            "message": None if is_receipt else printable(str(outcome)),
            **{name: getattr(outcome, name, None) for name in names},
            "session_status": getattr(outcome, "status", None) if is_receipt else None,
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
