"""What the use cases for many sessions take and refuse, and what they say of themselves."""

import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest

from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    DeleteManySessions,
    DeleteSession,
)

from .side_by_side import (
    KEY,
    AsyncFunctionTransport,
    FunctionTransport,
    many,
    unchecked,
)

BLOCKING = DeleteSession(FunctionTransport(), KEY)
AWAITED = AsyncDeleteSession(AsyncFunctionTransport(), KEY)
BOTH_KINDS: list[Callable[..., Any]] = [  # Any: of either kind
    partial(DeleteManySessions, BLOCKING),
    partial(AsyncDeleteManySessions, AWAITED),
]


class AsynchronousIds:
    def __aiter__(self) -> AsyncIterator[str]:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("arguments", "ids", "error", "words"),
    [
        ({}, "an-id", TypeError, "for one session call DeleteSession"),
        ({}, None, TypeError, "'NoneType' object is not iterable"),
        ({}, uuid.uuid4(), TypeError, "'UUID' object is not iterable"),
        ({"concurrency": 0}, [], ValueError, "^concurrency must be "),
        ({"shutdown_timeout": -1}, [], ValueError, "^shutdown_timeout must be seconds, at least 0"),
    ],
)
def test_what_cannot_work_is_refused(
    arguments: Mapping[str, object], ids: object, error: type[Exception], words: str
) -> None:
    for use_case in BOTH_KINDS:
        with pytest.raises(error, match=words):
            use_case(**arguments)(ids)


@pytest.mark.filterwarnings("ignore:<.* was never iterated")
def test_a_generator_that_has_ended_is_told_of() -> None:
    words = r"a generator that has ended: .* pass a list\."
    ids = (name for name in "a")
    for use_case in BOTH_KINDS:
        use_case()(ids)  # It has not ended.
    assert list(ids) == ["a"]
    for use_case in BOTH_KINDS:
        with pytest.warns(RuntimeWarning, match=words) as warned:
            use_case()(ids)
        assert warned[0].filename == __file__


def test_blocking_code_takes_no_asynchronous_iterable() -> None:
    words = "'AsynchronousIds' object is not iterable"
    with pytest.raises(TypeError, match=words):
        many(FunctionTransport())(unchecked(AsynchronousIds()))


def test_a_use_case_of_the_other_kind_or_a_transport_is_refused() -> None:
    with pytest.raises(TypeError, match="must be of type DeleteSession, not AsyncDeleteSession"):
        DeleteManySessions(unchecked(AWAITED))
    with pytest.raises(TypeError, match="must be of type AsyncDeleteSession, not DeleteSession"):
        AsyncDeleteManySessions(unchecked(BLOCKING))
    with pytest.raises(TypeError, match="must be of type DeleteSession, not FunctionTransport"):
        DeleteManySessions(unchecked(FunctionTransport()))
    DeleteManySessions(Mock(spec=DeleteSession))  # A subclass may take its place.


def test_a_use_case_says_what_it_is_and_that_it_sends_eight_at_a_time() -> None:
    assert repr(DeleteManySessions(BLOCKING)) == f"DeleteManySessions({BLOCKING!r}, concurrency=8)"
    awaited = AsyncDeleteManySessions(AWAITED)
    assert repr(awaited) == f"AsyncDeleteManySessions({AWAITED!r}, concurrency=8)"


def test_a_use_case_can_run_several_times_and_a_run_says_how_far_it_is() -> None:
    delete_many = many(FunctionTransport())
    for ids in (["a"], ["a", "b"]):
        deletions = delete_many(ids)
        assert repr(deletions) == "<Deletions: 0 in flight, 0 waiting>"
        assert deletions.pause is None
        assert len(list(deletions)) == len(ids)
