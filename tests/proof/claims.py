"""What is claimed of one call, and what shows that a claim does not hold.

`CLAIMS` has each in words; `broken_claims` holds them against a call.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from firecrawl_interact.core.retry import RetryPolicy

from .model import Fault, Seen

CLAIMS = {
    "gone": "A call reports GONE only if the session is certainly gone.",
    "untouched": "It reports UNTOUCHED only if no request of it changed the session, or ever will.",
    "no vaguer": "It reports UNKNOWN only where neither is certain, and GONE where that is.",
    "receipt": "It returns a receipt only for a delete that was confirmed, with the bill of that.",
    "one session": "Each of its requests is the one DELETE of this session.",
    "outcome": "Its error describes the last attempt, and counts all attempts.",
    "attempts": "It makes no more attempts than its policy allows.",
    "deadline": "It ends within its deadline, and each attempt within its timeout.",
    "retries": "It retries if and only if a retry can help, and attempts and time are left.",
    "pauses": "Before a retry it waits as long as the policy says, or longer if the service asked."
    " A 429 that asks decides the wait alone, and jitter lengthens that by a tenth at most.",
}

SESSION_ID, NO_UUID = "0199a7c4-5d1e-7b60-9f3a-2c8e4d6b1a57", "session-1"
_A_ROUNDING = 1e-9
TIMED_OUT = Fault("TimedOutError")  # It has no time of its own: it takes the whole timeout.


class Moment(NamedTuple):
    """What the sender of a request sees, and how many seconds after it was sent."""

    seen: Seen
    seconds: float
    is_held_back: bool = False
    """Whether the run that the call is part of has its own reasons to wait before a retry."""


class Attempt(NamedTuple):
    request: tuple[str, str]
    began: float
    timeout: float


class Call(NamedTuple):
    """One call as it went. No outcome: it wants another attempt than the schedule has."""

    session_id: str
    attempts: list[Attempt]
    waits: list[float]  # one before each retry
    outcome: object
    ended: float


class Knowledge(NamedTuple):
    """What somebody who knows the model can know after these attempts."""

    is_gone: bool
    is_untouched: bool


class ClaimBrokenError(AssertionError):
    """Claims do not hold, and what shows it."""

    def __init__(self, names: Set[str], claims: Mapping[str, str], *shown_by: str) -> None:
        super().__init__("\n    ".join([*(claims[name] for name in sorted(names)), *shown_by]))
        self.names = names


def count_attempts(schedule: Sequence[Moment]) -> int:
    """How many of its attempts the policy counts."""
    return len(schedule) - sum(_excused(schedule))


def _excused(schedule: Sequence[Moment]) -> list[bool]:
    """Whether a run excuses each attempt. It is not asked about the first stale connection."""
    first = _first_stale(schedule)
    return [moment.is_held_back and number != first for number, moment in enumerate(schedule)]


def _first_stale(schedule: Sequence[Moment]) -> int | None:
    for number, moment in enumerate(schedule):
        if isinstance(moment.seen, Fault) and moment.seen.is_stale:
            return number
    return None


def broken_claims(
    call: Call, schedule: Sequence[Moment], policy: RetryPolicy, knowledge: Knowledge, chance: float
) -> Iterator[str]:
    """Name the claims that a call breaks."""
    outcome, (*earlier, last) = call.outcome, schedule
    if outcome is None or count_attempts(schedule) > policy.max_attempts:
        yield "attempts"
        return
    request = ("DELETE", f"/v2/interact/{call.session_id}")
    if any(attempt.request != request for attempt in call.attempts):
        yield "one session"
    is_receipt = type(outcome).__name__ == "DeletionReceipt"
    if is_receipt and (
        last.seen.row != "DeletionReceipt"
        or getattr(outcome, "credits_billed", None) != getattr(last.seen, "credits", None)
    ):
        yield "receipt"
    yield from _broken_fate(getattr(outcome, "session_fate", None), knowledge)
    if (
        type(outcome).__name__ != last.seen.row
        or getattr(outcome, "attempts", None) != len(schedule)
        or getattr(outcome, "session_id", None) != call.session_id
    ):
        yield "outcome"
    if call.ended > policy.deadline + _A_ROUNDING or any(
        not 0 < attempt.timeout <= policy.attempt_timeout
        or attempt.began + attempt.timeout > policy.deadline + _A_ROUNDING
        for attempt in call.attempts
    ):
        yield "deadline"
    pauses = list(_pauses(schedule, policy, chance))
    if any(
        not least <= wait <= most
        for wait, (least, most) in zip(call.waits, pauses[:-1], strict=True)
    ):
        yield "pauses"
    shortest, _ = pauses[-1]
    may_go_on = (
        count_attempts(schedule) < policy.max_attempts and call.ended + shortest < policy.deadline
    )
    if not all(moment.seen.may_pass for moment in earlier) or (last.seen.may_pass and may_go_on):
        yield "retries"


def _broken_fate(session_fate: object, knowledge: Knowledge) -> Iterator[str]:
    fate = getattr(session_fate, "name", None)
    if fate == "GONE" and not knowledge.is_gone:
        yield "gone"
    if fate == "UNTOUCHED" and not knowledge.is_untouched:
        yield "untouched"
    if (fate != "GONE" and knowledge.is_gone) or (fate == "UNKNOWN" and knowledge.is_untouched):
        yield "no vaguer"


def _pauses(
    schedule: Sequence[Moment], policy: RetryPolicy, chance: float
) -> Iterator[tuple[float, float]]:
    """The shortest and the longest pause that may follow each attempt."""
    first_stale = _first_stale(schedule)
    for number, (moment, is_excused) in enumerate(zip(schedule, _excused(schedule), strict=True)):
        if is_excused or number == first_stale:
            yield 0.0, 0.0
            continue
        named = moment.seen.named_wait
        if moment.seen.row == "RateLimitError" and named is not None:
            yield named, named + chance * min(named / 10, 2)
            continue
        retry = count_attempts(schedule[: number + 1])
        longest = min(policy.longest_pause, policy.first_pause * 2**retry)
        pause = max(0.1, longest / 2 + longest / 2 * chance, named or 0)
        yield pause, pause
