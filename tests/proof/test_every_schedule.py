"""No schedule of what may happen makes a call say what is not so. See `claims.CLAIMS`."""

from functools import partial

import pytest

from firecrawl_interact.core import RetryPolicy

from .figures import check_figure
from .model import ALL, NAMED, Fault, Seen, send
from .schedules import Alphabet, Count, check_every_schedule

pytestmark = pytest.mark.usefixtures("quiet_log")


def note(what: str, count: Count) -> None:
    print(f"{what}: {count.played:,} calls for {count.schedules:,} schedules")
    check_figure(f"calls played: {what}", count.played)
    check_figure(f"schedules that they stand for: {what}", count.schedules)


def test_every_claim_holds_for_whatever_may_happen_to_each_of_four_attempts() -> None:
    note("four attempts", check_every_schedule([Alphabet(partial(send, statuses=NAMED))] * 4))


def test_every_claim_holds_for_every_status_in_every_form() -> None:
    named, every = (Alphabet(partial(send, statuses=statuses)) for statuses in (NAMED, ALL))
    policy = RetryPolicy(max_attempts=2)
    first = check_every_schedule([every, named], policy=policy)
    second = check_every_schedule([named, every], policy=policy)
    note("every status", first.plus(second))


def is_one_of_its_kind(seen: Seen) -> bool:
    if isinstance(seen, Fault):
        return seen.may_pass and seen.kind != "BadResponseError"
    return (
        seen.named_wait in (7.5, 34.5)
        or (seen.status == 502 and b"nginx" in seen.body)
        or (seen.status in (401, 429) and b"Refused" in seen.body)
        or (seen.row == "DeletionReceipt" and seen.credits == 2 and b"stopped" in seen.body)
    )


def test_every_claim_holds_whenever_it_happens_and_whatever_the_policy() -> None:
    alphabet = Alphabet(
        partial(send, statuses=NAMED), seconds=(0.0, 70.0), wanted=is_one_of_its_kind
    )
    total = Count(0, 0)
    for policy in (
        RetryPolicy(),
        RetryPolicy(max_attempts=3, attempt_timeout=30, deadline=60, first_pause=20),
        RetryPolicy(max_attempts=4, deadline=75, first_pause=0, longest_pause=0),
        RetryPolicy(max_attempts=1, attempt_timeout=300, deadline=30),
    ):
        for chance in (0.0, 1.0):
            alphabets = [alphabet] * policy.max_attempts
            count = check_every_schedule(alphabets, policy=policy, chance=chance)
            total = total.plus(count)
    note("at any time", total)


def test_every_claim_holds_whenever_a_run_holds_a_call_back() -> None:
    alphabet = Alphabet(
        partial(send, statuses=NAMED), seconds=(50.0,), in_a_run=True, wanted=is_one_of_its_kind
    )
    policy = RetryPolicy(max_attempts=2)
    note("in a run", check_every_schedule([alphabet] * 4, policy=policy))
