"""No schedule of what may happen makes a call say what is not so. See `claims.CLAIMS`."""

from collections.abc import Iterator, Sequence
from itertools import product

import pytest

from firecrawl_interact import RetryPolicy

from .claims import NO_UUID
from .model import ALL, NAMED, Fault, Seen
from .schedules import Alphabet, alphabet, check_every_schedule, one_of_each_kind

TWO, THREE = RetryPolicy(max_attempts=2), RetryPolicy(max_attempts=3)
POLICIES = (
    RetryPolicy(max_attempts=4),
    RetryPolicy(max_attempts=3, attempt_timeout=30, deadline=60, first_pause=20),
    RetryPolicy(max_attempts=4, deadline=75, first_pause=0, longest_pause=0),
    RetryPolicy(max_attempts=1, attempt_timeout=300, deadline=30),
)


def plays_of(what: str) -> Iterator[tuple[Sequence[Alphabet], RetryPolicy, float]]:
    """Yield what may happen to each attempt, under which policy, and what is drawn."""
    named = alphabet(NAMED)
    kinds = one_of_each_kind(named)
    match what:
        case "two attempts":
            yield [named] * 2, TWO, 0.5
        case "three attempts, two of them one of each kind":
            yield [kinds, kinds, named], THREE, 0.5
        case "three attempts":
            yield [named] * 3, THREE, 0.5
        case "four attempts, one of each kind":
            yield [kinds] * 4, RetryPolicy(), 0.5
        case "every status":
            every = alphabet(ALL)
            yield [every, kinds], TWO, 0.5
            yield [kinds, every], TWO, 0.5
        case "at any time":
            at_any_time = alphabet(NAMED, seconds=(0.0, 70.0), wanted=is_one_of_its_kind)
            for policy, chance in product(POLICIES, (0.0, 1.0)):
                yield [at_any_time] * policy.max_attempts, policy, chance
        case "in a run":
            held = alphabet(NAMED, seconds=(50.0,), in_a_run=True, wanted=is_one_of_its_kind)
            yield [held] * 4, TWO, 0.5


def is_one_of_its_kind(seen: Seen) -> bool:
    if isinstance(seen, Fault):
        return seen.is_transient and seen.kind != "BadResponseError"
    return (
        seen.named_wait in (7.5, 34.5)
        or (seen.status == 502 and b"nginx" in seen.body)
        or (seen.status in (401, 429) and b"Refused" in seen.body)
        or (seen.row == "DeletionReceipt" and seen.credits == 2 and b"stopped" in seen.body)
    )


@pytest.mark.parametrize(
    "what",
    [
        "two attempts",
        "three attempts, two of them one of each kind",
        pytest.param("three attempts", marks=pytest.mark.exhaustive),
        pytest.param("four attempts, one of each kind", marks=pytest.mark.exhaustive),
        "every status",
        pytest.param("at any time", marks=pytest.mark.exhaustive),
        "in a run",
    ],
)
def test_every_claim_holds_for_all_that_may_happen(what: str) -> None:
    assert all(check_every_schedule(*play) for play in plays_of(what))


def test_every_claim_holds_for_an_id_that_is_no_uuid() -> None:
    moments = alphabet(NAMED, is_uuid=False)
    check_every_schedule([moments] * 2, TWO, session_id=NO_UUID)
