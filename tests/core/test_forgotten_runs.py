"""A run that nobody iterated, or that was left half-way without `with`, is no silent mistake."""

import gc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import wraps

import pytest

from firecrawl_interact.core import AsyncDeletions, Deletions

from . import virtual_time
from .side_by_side import AsyncFunctionTransport, FunctionTransport, listed, many, many_awaited


@pytest.fixture(autouse=True)
def _no_garbage_of_earlier_tests() -> None:
    """Collect it now. A generator that is collected while a run begins keeps the run alive."""
    gc.collect()


def run() -> Deletions:
    return many(FunctionTransport())(["a", "b", "c"])


def awaited_run() -> AsyncDeletions:
    return many_awaited(AsyncFunctionTransport())(["a", "b", "c"])


def awaited(coroutine: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Let a coroutine function be called as the others are."""

    async def main() -> None:
        await coroutine()

    @wraps(coroutine)
    def play() -> None:
        virtual_time.run(main())

    return play


def forget() -> None:
    run()


async def forget_awaited() -> None:
    awaited_run()


def forget_in_a_block() -> None:
    with run():
        pass


async def forget_in_an_awaited_block() -> None:
    async with awaited_run():
        pass


def leave_half_way() -> None:
    for _ in run():
        break


async def leave_an_awaited_one_half_way() -> None:
    async for _ in awaited_run():
        break


def leave_a_block_half_way() -> None:
    with run() as deletions:
        next(deletions)


async def leave_an_awaited_block_half_way() -> None:
    async with awaited_run() as deletions:
        await anext(deletions)


def raise_in_a_block() -> None:
    with suppress(ZeroDivisionError), run():
        raise ZeroDivisionError


async def raise_in_an_awaited_block() -> None:
    with suppress(ZeroDivisionError):
        async with awaited_run():
            raise ZeroDivisionError


def stop_in_a_block() -> None:
    with run() as deletions:
        deletions.stop()


def iterate_to_the_end() -> None:
    list(run())


@pytest.mark.parametrize(
    "forget",
    [forget, awaited(forget_awaited), forget_in_a_block, awaited(forget_in_an_awaited_block)],
)
def test_a_run_that_was_never_iterated_warns_where_it_was_forgotten(
    forget: Callable[[], None],
) -> None:
    with pytest.warns(RuntimeWarning, match="never iterated: no session was destroyed") as warned:
        forget()
    assert [warning.filename for warning in warned] == [__file__]
    assert [type(warning.source).__name__[-9:] for warning in warned] == ["Deletions"]


@pytest.mark.parametrize("leave", [leave_half_way, awaited(leave_an_awaited_one_half_way)])
def test_a_run_that_was_left_half_way_warns_and_says_what_to_write(
    leave: Callable[[], None],
) -> None:
    with pytest.warns(RuntimeWarning, match="was left half-way: use `with`") as warned:
        leave()
    assert [warning.filename for warning in warned] == [__file__]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "end",
    [
        leave_a_block_half_way,
        awaited(leave_an_awaited_block_half_way),
        raise_in_a_block,
        awaited(raise_in_an_awaited_block),
        stop_in_a_block,
        iterate_to_the_end,
    ],
)
def test_a_run_that_was_left_on_purpose_or_has_ended_does_not_warn(end: Callable[[], None]) -> None:
    end()


@pytest.mark.filterwarnings("error")
def test_a_warning_that_is_an_error_leaves_the_run_all_the_same() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeWarning), run() as deletions:
            pass
        assert list(deletions) == []
        with pytest.raises(RuntimeWarning):
            async with awaited_run() as awaited_deletions:
                pass
        assert await listed(awaited_deletions) == []

    virtual_time.run(main())
