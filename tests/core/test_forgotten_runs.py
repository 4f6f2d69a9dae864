"""A run that nobody iterated, or that was left half-way without `with`, is no silent mistake."""

import gc
from collections.abc import Callable
from contextlib import suppress

import pytest

from firecrawl_interact.core import Outcome

from . import virtual_time
from .side_by_side import AsyncFunctionTransport, FunctionTransport, many, many_awaited


@pytest.fixture(autouse=True)
def _no_garbage_of_earlier_tests() -> None:
    """Collect it now. A generator that is collected while a run begins keeps the run alive."""
    gc.collect()


def forget_a_run() -> None:
    many(FunctionTransport())(["a"])


def forget_an_awaited_run() -> None:
    async def main() -> None:
        many_awaited(AsyncFunctionTransport())(["a"])

    virtual_time.run(main())


def forget_to_iterate_in_a_block() -> None:
    with many(FunctionTransport())(["a"]):
        pass


def forget_to_iterate_in_an_awaited_block() -> None:
    async def main() -> None:
        async with many_awaited(AsyncFunctionTransport())(["a"]):
            pass

    virtual_time.run(main())


def leave_a_run_half_way() -> None:
    for _ in many(FunctionTransport())(["a", "b", "c"]):
        break


def leave_an_awaited_run_half_way() -> None:
    async def main() -> None:
        async for _ in many_awaited(AsyncFunctionTransport())(["a", "b", "c"]):
            break

    virtual_time.run(main())


def leave_a_block_half_way() -> None:
    with many(FunctionTransport())(["a", "b", "c"]) as deletions:
        next(deletions)


def leave_an_awaited_block_half_way() -> None:
    async def main() -> None:
        async with many_awaited(AsyncFunctionTransport())(["a", "b", "c"]) as deletions:
            await anext(deletions)

    virtual_time.run(main())


def raise_in_a_block() -> None:
    with suppress(ZeroDivisionError), many(FunctionTransport())(["a"]):
        raise ZeroDivisionError


def raise_in_an_awaited_block() -> None:
    async def main() -> None:
        with suppress(ZeroDivisionError):
            async with many_awaited(AsyncFunctionTransport())(["a"]):
                raise ZeroDivisionError

    virtual_time.run(main())


def stop_in_a_block() -> None:
    with many(FunctionTransport())(["a"]) as deletions:
        deletions.stop()


def iterate_to_the_end() -> None:
    list(many(FunctionTransport())(["a", "b", "c"]))


@pytest.mark.parametrize(
    "forget",
    [
        forget_a_run,
        forget_an_awaited_run,
        forget_to_iterate_in_a_block,
        forget_to_iterate_in_an_awaited_block,
    ],
)
def test_a_run_that_was_never_iterated_warns_where_it_was_forgotten(
    forget: Callable[[], None],
) -> None:
    with pytest.warns(RuntimeWarning, match="never iterated: no session was destroyed") as warned:
        forget()
    assert [warning.filename for warning in warned] == [__file__]
    assert [type(warning.source).__name__[-9:] for warning in warned] == ["Deletions"]


@pytest.mark.parametrize("leave", [leave_a_run_half_way, leave_an_awaited_run_half_way])
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
        leave_an_awaited_block_half_way,
        raise_in_a_block,
        raise_in_an_awaited_block,
        stop_in_a_block,
        iterate_to_the_end,
    ],
)
def test_a_run_that_was_left_on_purpose_or_has_ended_does_not_warn(end: Callable[[], None]) -> None:
    end()


@pytest.mark.filterwarnings("error")
def test_a_warning_that_is_an_error_leaves_the_run_all_the_same() -> None:
    with pytest.raises(RuntimeWarning), many(FunctionTransport())(["a"]) as deletions:
        pass
    assert list(deletions) == []


@pytest.mark.filterwarnings("error")
def test_a_warning_that_is_an_error_leaves_the_awaited_run_all_the_same() -> None:
    async def main() -> list[Outcome]:
        with pytest.raises(RuntimeWarning):
            async with many_awaited(AsyncFunctionTransport())(["a"]) as deletions:
                pass
        return [outcome async for outcome in deletions]

    assert virtual_time.run(main()) == []
