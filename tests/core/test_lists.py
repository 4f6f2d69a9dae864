"""A run over a list gives each id exactly one outcome, whatever it meets, and raises nothing."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator

from hypothesis import given, strategies as st

from firecrawl_interact import core

from .scripted_transport import DESTROYED, NOT_FOUND, UNAVAILABLE, response
from .side_by_side import DeleteMany, FunctionTransport, both_kinds, listed

RATE_LIMITED = response(429, {"error": "Rate limit exceeded, please retry after 900s"})
ITEMS = ["a", "b", "c", None, "no id"]
IMPATIENT = core.RetryPolicy(deadline=2)


def service(*answers: core.Response) -> FunctionTransport:
    turns = itertools.cycle(answers)
    return FunctionTransport(lambda _: next(turns))


async def each(deletions: core.Deletions | core.AsyncDeletions) -> AsyncIterator[core.Outcome]:
    if isinstance(deletions, core.Deletions):
        for outcome in deletions:
            yield outcome
    else:
        async for outcome in deletions:
            yield outcome


@both_kinds
@given(
    items=st.lists(st.sampled_from(ITEMS), max_size=8),
    answers=st.lists(
        st.sampled_from([DESTROYED, NOT_FOUND, UNAVAILABLE, RATE_LIMITED]), min_size=1, max_size=4
    ),
    stops_after=st.none() | st.integers(0, 8),
)
def test_as_many_outcomes_as_items(
    delete_many: DeleteMany,
    items: list[str | None],
    answers: list[core.Response],
    stops_after: int | None,
) -> None:
    told: list[core.Outcome] = []
    transport = service(*answers)
    run = delete_many(transport, retry=IMPATIENT, concurrency=2, on_outcome=told.append)

    async def main() -> list[core.Outcome]:
        deletions, outcomes = run(items), list[core.Outcome]()
        if stops_after == 0:
            deletions.stop()
        async for outcome in each(deletions):
            outcomes.append(outcome)
            if len(outcomes) == stops_after:
                deletions.stop()
        return outcomes

    outcomes = asyncio.run(main())
    assert Counter(outcome.session_id for outcome in outcomes) == Counter(
        "<NoneType>" if item is None else item for item in items
    )
    assert told == outcomes
    assert sum(outcome.attempts for outcome in outcomes) == len(transport.sent)


@both_kinds
def test_what_a_run_that_gave_up_never_took(delete_many: DeleteMany) -> None:
    deletions = delete_many(service(RATE_LIMITED), concurrency=1)(["a", "b", "c"])
    outcomes = asyncio.run(listed(deletions))
    assert [type(one) for one in outcomes[1:]] == [core.NotTriedError] * 2
    assert deletions.ended is not None
    assert deletions.ended.reason == "rate limit"
    assert {getattr(one, "__cause__", None) for one in outcomes[1:]} == {deletions.ended}


@both_kinds
def test_what_a_run_that_was_stopped_never_took(delete_many: DeleteMany) -> None:
    deletions = delete_many(service(DESTROYED))(["a", "a"])
    deletions.stop()
    outcomes = asyncio.run(listed(deletions))
    assert [type(one) for one in outcomes] == [core.NotTriedError] * 2
    assert {getattr(one, "__cause__", "none") for one in outcomes} == {None}
    assert deletions.ended is None
