"""A run that nobody iterated, or that was left half-way without `with`, is no silent mistake."""

import gc
from collections.abc import Callable
from contextlib import suppress

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


def blocking(how: str) -> None:
    match how:
        case "forgotten":
            run()
        case "forgotten in a block":
            with run():
                pass
        case "left half-way":
            for _ in run():
                break
        case "a block left half-way":
            with run() as deletions:
                next(deletions)
        case "a block that fails":
            with suppress(ZeroDivisionError), run():
                raise ZeroDivisionError
        case "stopped":
            with run() as deletions:
                deletions.stop()
        case "iterated to the end":
            list(run())


async def main(how: str) -> None:
    match how:
        case "forgotten":
            awaited_run()
        case "forgotten in a block":
            async with awaited_run():
                pass
        case "left half-way":
            async for _ in awaited_run():
                break
        case "a block left half-way":
            async with awaited_run() as deletions:
                await anext(deletions)
        case "a block that fails":
            with suppress(ZeroDivisionError):
                async with awaited_run():
                    raise ZeroDivisionError
        case "stopped":
            async with awaited_run() as deletions:
                deletions.stop()
        case "iterated to the end":
            await listed(awaited_run())


def awaited(how: str) -> None:
    virtual_time.run(main(how))


each_way = pytest.mark.parametrize("play", [blocking, awaited])


@each_way
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("forgotten", "never iterated: no session was destroyed"),
        ("forgotten in a block", "never iterated: no session was destroyed"),
        ("left half-way", "was left half-way: use `with`"),
    ],
)
def test_a_run_that_is_forgotten_warns_where_that_was(
    how: str, words: str, play: Callable[[str], None]
) -> None:
    with pytest.warns(RuntimeWarning, match=words) as warned:
        play(how)
    assert [warning.filename for warning in warned] == [__file__]
    assert [type(warning.source).__name__[-9:] for warning in warned] == ["Deletions"]


@pytest.mark.filterwarnings("error")
@each_way
@pytest.mark.parametrize(
    "how", ["a block left half-way", "a block that fails", "stopped", "iterated to the end"]
)
def test_a_run_that_was_left_on_purpose_or_has_ended_does_not_warn(
    how: str, play: Callable[[str], None]
) -> None:
    play(how)


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
