"""No schedule of what may happen makes a call say what is not so. See `claims.CLAIMS`."""

from collections import Counter
from collections.abc import Sequence
from functools import partial

import pytest

from firecrawl_interact.core import DeleteSessionError, RetryPolicy

from .claims import Call, Moment
from .figures import NoteFigure
from .model import ALL, NAMED, REFUSED, Fault, Seen, Statuses, send, send_through_middle_box
from .schedules import Alphabet, Count, check_every_schedule

pytestmark = pytest.mark.usefixtures("quiet_log")


def note(note_figure: NoteFigure, what: str, count: Count) -> None:
    note_figure(f"calls played: {what}", count.played)
    note_figure(f"schedules that they stand for: {what}", count.schedules)


def test_every_claim_holds_for_whatever_may_happen_to_each_of_three_attempts(
    note_figure: NoteFigure,
) -> None:
    alphabets = [Alphabet(partial(send, statuses=NAMED))] * 3
    policy = RetryPolicy(max_attempts=3)
    note(note_figure, "three attempts", check_every_schedule(alphabets, policy=policy))


def test_every_claim_holds_for_one_of_each_kind_at_each_of_four_attempts(
    note_figure: NoteFigure,
) -> None:
    alphabets = [Alphabet(partial(send, statuses=NAMED), is_one_of_each=True)] * 4
    note(note_figure, "four attempts, one of each kind", check_every_schedule(alphabets))


def test_every_claim_holds_for_every_status_in_every_form(note_figure: NoteFigure) -> None:
    named, every = (Alphabet(partial(send, statuses=statuses)) for statuses in (NAMED, ALL))
    policy = RetryPolicy(max_attempts=2)
    first = check_every_schedule([every, named], policy=policy)
    second = check_every_schedule([named, every], policy=policy)
    note(note_figure, "every status", first.plus(second))


def is_one_of_its_kind(seen: Seen) -> bool:
    if isinstance(seen, Fault):
        return seen.is_transient and seen.kind != "BadResponseError"
    return (
        seen.named_wait in (7.5, 34.5)
        or (seen.status == 502 and b"nginx" in seen.body)
        or (seen.status in (401, 429) and b"Refused" in seen.body)
        or (seen.row == "DeletionReceipt" and seen.credits == 2 and b"stopped" in seen.body)
    )


def test_every_claim_holds_whenever_it_happens_and_whatever_the_policy(
    note_figure: NoteFigure,
) -> None:
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
            played = check_every_schedule(alphabets, policy=policy, chance=chance)
            total = total.plus(played)
    note(note_figure, "at any time", total)


def test_every_claim_holds_whenever_a_run_holds_a_call_back(note_figure: NoteFigure) -> None:
    alphabet = Alphabet(
        partial(send, statuses=NAMED), seconds=(50.0,), in_a_run=True, wanted=is_one_of_its_kind
    )
    policy = RetryPolicy(max_attempts=2)
    note(note_figure, "in a run", check_every_schedule([alphabet] * 4, policy=policy))


# RFC 9110, 9.2.2, lets a proxy retry a DELETE by itself, and some boxes put a page of their own in
# the place of a response. Nobody can see that, so `UNTOUCHED` can be wrong then, and nothing else.

STATUSES = Statuses(sent=(200, 400, 401, 402, 403, 404, 429, 502), from_backend=(429,))


def test_a_middle_box_can_make_us_say_untouched_of_what_it_destroyed_and_nothing_else(
    note_figure: NoteFigure,
) -> None:
    broken: Counter[tuple[str, str]] = Counter()

    def note(claim: str, schedule: Sequence[Moment], call: Call) -> None:
        broken[claim, type(call.outcome).__name__] += 1
        assert isinstance(call.outcome, DeleteSessionError)

    count = check_every_schedule(
        [Alphabet(partial(send_through_middle_box, statuses=STATUSES))] * 3,
        policy=RetryPolicy(max_attempts=3),
        note=note,
    )
    # UnreachableError: after such a response, the next attempts reached nothing.
    assert {error for _, error in broken} == {*REFUSED.values(), "UnreachableError"}
    assert {claim for claim, _ in broken} == {"untouched"}
    note_figure("calls played: middle-boxes", count.played)
    note_figure("of them, calls that may say `UNTOUCHED` wrongly", broken.total())
