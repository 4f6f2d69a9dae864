"""A run that nobody iterated, or that was left half-way without `with`, is no silent mistake."""

import asyncio
import gc
from collections.abc import Iterator
from typing import TypeAlias
from unittest.mock import Mock

import pytest

from firecrawl_interact.core import AsyncDeletions, Deletions, Response

from ..simulation import virtual_time
from .scripted_transport import DESTROYED, UNAVAILABLE, play
from .side_by_side import DeleteMany, FunctionTransport, both_kinds, listed

Run: TypeAlias = Deletions | AsyncDeletions
IDS = ["a", "b", "c"]
NEVER, HALF_WAY = "never iterated: no session was deleted", "was left half-way: use `with`"


@pytest.fixture(autouse=True)
def _no_garbage_is_collected() -> Iterator[None]:
    """A generator that is collected while a run begins keeps the run alive."""
    gc.disable()
    yield
    gc.enable()


async def take(run: Run, count: int, *, stops: bool) -> None:
    for _ in range(count):
        next(run, None) if isinstance(run, Deletions) else await anext(run, None)
    if stops:
        run.stop()


async def forget(delete_many: DeleteMany, takes: int, *, stops: bool, is_block: bool) -> None:
    """Take some outcomes of a run, whose first id waits for a retry, and lose the run."""

    def respond(session_id: str) -> Response:
        return UNAVAILABLE if transport.sent == ["a"] else DESTROYED

    transport = FunctionTransport(respond)
    run = delete_many(transport)(IDS)
    if not is_block:
        await take(run, takes, stops=stops)
    elif isinstance(run, Deletions):
        with run:
            await take(run, takes, stops=stops)
    else:
        async with run:
            await take(run, takes, stops=stops)
    del run


@both_kinds
@pytest.mark.parametrize(
    ("takes", "stops", "is_block"),
    [(0, False, False), (0, False, True), (1, False, False), (1, True, False)],
)
def test_a_forgotten_run_warns_where_that_was(
    takes: int, stops: bool, is_block: bool, delete_many: DeleteMany
) -> None:
    with pytest.warns(RuntimeWarning, match=HALF_WAY if takes else NEVER) as warned:
        virtual_time.run(forget(delete_many, takes, stops=stops, is_block=is_block))
    assert [warning.filename for warning in warned] == [__file__]


@both_kinds
def test_an_interruption_leaves_a_run_without_a_block_too(delete_many: DeleteMany) -> None:
    hook = Mock(side_effect=asyncio.CancelledError)
    run = delete_many(FunctionTransport(), concurrency=1, on_outcome=hook)(iter(IDS))
    with pytest.raises(asyncio.CancelledError):
        virtual_time.run(listed(run))
    [outcome] = virtual_time.run(listed(run))
    assert outcome.session_id == "a"
    hook.assert_called_once_with(outcome)
    run.stop()  # Its event loop is closed.


@pytest.mark.filterwarnings("error")
@both_kinds
@pytest.mark.parametrize(
    ("takes", "stops", "is_block"), [(1, False, True), (0, True, True), (4, False, False)]
)
def test_a_run_that_was_left_on_purpose_or_has_ended_does_not_warn(
    takes: int, stops: bool, is_block: bool, delete_many: DeleteMany
) -> None:
    virtual_time.run(forget(delete_many, takes, stops=stops, is_block=is_block))
    with pytest.raises(ZeroDivisionError):
        play(delete_many(FunctionTransport())(IDS), lambda: 1 / 0)
