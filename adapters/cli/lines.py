"""What the command says of outcomes: a line for each, in columns or as JSON, and their sums."""

import json

import msgspec

from firecrawl_interact import core


def kind(outcome: core.Outcome) -> str:
    """Return `deleted`, `not-tried` or the name of the error."""
    if isinstance(outcome, core.DeletionReceipt):
        return "deleted"
    return type(outcome).__name__ if outcome.attempts else "not-tried"


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
            "message": None if is_receipt else str(outcome),
            **{name: getattr(outcome, name, None) for name in names},
            "session_status": getattr(outcome, "status", None) if is_receipt else None,
            "ended_at": ended_at,
        }
    )


def plain_line(outcome: core.Outcome) -> str:
    """Return an outcome in columns, the same for all. Only the last one has blanks in it."""
    name = kind(outcome)
    fate = str(outcome.session_fate.value)
    billed = lived = None
    remarks = [f"{outcome.attempts} attempts"] if outcome.attempts > 1 else []
    if isinstance(outcome, core.DeletionReceipt):
        billed, lived = outcome.credits_billed, outcome.session_duration_ms
    elif name == "not-tried":
        fate = name
    else:
        fate = "not-found" if isinstance(outcome, core.SessionNotFoundError) else fate
        remarks.append(outcome.args[0])
    credits_billed = f"credits={'-' if billed is None else billed}"
    seconds = f"seconds={'-' if lived is None else lived // 1000}"
    columns = [outcome.session_id, fate, name, credits_billed, seconds, ": ".join(remarks)]
    return " ".join(columns).rstrip()


class Sums(msgspec.Struct):
    """Counts the outcomes of a run, and adds up what they cost. The summary has these names."""

    sessions: int
    gone: int = 0
    not_found: int = 0
    failed: int = 0
    not_tried: int = 0
    bill_unknown: int = 0
    may_still_be_billing: int = 0
    done_before: int = 0
    credits: float = 0
    credits_billed_before: float = 0

    def add(self, outcome: core.Outcome) -> None:
        """Count an outcome."""
        if isinstance(outcome, core.DeletionReceipt):
            self.gone += 1
            self._add_bill(outcome)
        elif isinstance(outcome, core.SessionNotFoundError):
            self.not_found += 1
        else:
            self.may_still_be_billing += 1
            if outcome.attempts:
                self.failed += 1
            else:
                self.not_tried += 1

    def _add_bill(self, receipt: core.DeletionReceipt) -> None:
        if receipt.credits_billed is None:
            self.bill_unknown += 1
        elif receipt.session_duration_ms is None and receipt.attempts == 1:
            # Only the call that settles a session gets its duration: another one had the bill.
            self.credits_billed_before += receipt.credits_billed
        else:
            self.credits += receipt.credits_billed

    def __str__(self) -> str:
        """Return the sums in words: only what is not zero."""
        words = f"{self.gone or 'None'} of {self.sessions} sessions gone"
        if not self.sessions:
            words = "Nothing to delete"
        if self.credits:
            words += f", {self.credits:.15g} credits"
        others = ["not_found", "bill_unknown", "done_before", "credits_billed_before"]
        rest = self._in_words(*others, "may_still_be_billing")
        if self.may_still_be_billing:
            rest += f" ({self._in_words('failed', 'not_tried')})"
        return f"{words}{'; ' if rest else ''}{rest}."

    def _in_words(self, *names: str) -> str:
        numbers = {name.replace("_", " "): getattr(self, name) for name in names}
        return ", ".join(f"{number:.15g} {name}" for name, number in numbers.items() if number)
