"""A run that nobody iterated, or that was left half-way without `with`, is no silent mistake."""

import gc
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

import pytest

from firecrawl_interact.core import AsyncDeletions, Deletions, Response

from . import virtual_time
from .side_by_side import DeleteMany, FunctionTransport, both_kinds, listed

Run: TypeAlias = Deletions | AsyncDeletions


@pytest.fixture(autouse=True)
def _no_garbage_of_earlier_tests() -> None:
    """Collect it now. A generator that is collected while a run begins keeps the run alive."""
    gc.collect()


async def work(how: str, deletions: Run) -> None:
    if "half-way" in how:
        next(deletions) if isinstance(deletions, Deletions) else await anext(deletions)
        if "stopped" in how:
            deletions.stop()
    elif "end" in how:
        await listed(deletions)
    elif "fails" in how:
        raise ZeroDivisionError
    elif "stopped" in how:
        deletions.stop()


async def play(how: str, new_run: Callable[[], Run]) -> None:
    deletions = new_run()
    with suppress(ZeroDivisionError):
        if "block" not in how:
            await work(how, deletions)
        elif isinstance(deletions, Deletions):
            with deletions:
                await work(how, deletions)
        else:
            async with deletions:
                await work(how, deletions)
    del deletions


@both_kinds
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("forgotten", "never iterated: no session was destroyed"),
        ("forgotten in a block", "never iterated: no session was destroyed"),
        ("left half-way", "was left half-way: use `with`"),
        ("left half-way and stopped", "was left half-way: use `with`"),
    ],
)
def test_a_forgotten_run_warns_where_that_was(
    how: str, words: str, delete_many: DeleteMany
) -> None:
    with pytest.warns(RuntimeWarning, match=words) as warned:
        virtual_time.run(play(how, lambda: delete_many(FunctionTransport())(["a", "b", "c"])))
    assert [warning.filename for warning in warned] == [__file__]
    assert [type(warning.source).__name__[-9:] for warning in warned] == ["Deletions"]


@both_kinds
def test_a_run_that_ended_itself_and_is_left_half_way_warns_too(delete_many: DeleteMany) -> None:
    def fail(session_id: str) -> Response:
        raise MemoryError

    with pytest.warns(RuntimeWarning, match="was left half-way"):
        virtual_time.run(play("left half-way", lambda: delete_many(FunctionTransport(fail))(["a"])))


@pytest.mark.filterwarnings("error")
@both_kinds
@pytest.mark.parametrize(
    "how",
    ["a block left half-way", "a block that fails", "a block, stopped", "iterated to the end"],
)
def test_a_run_that_was_left_on_purpose_does_not_warn(how: str, delete_many: DeleteMany) -> None:
    virtual_time.run(play(how, lambda: delete_many(FunctionTransport())(["a", "b", "c"])))
