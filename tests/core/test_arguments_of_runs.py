"""What the use cases for many sessions take and refuse, and what they say of themselves."""

import uuid
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest

from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    DeleteManySessions,
    DeleteSession,
)

from .side_by_side import KEY, AsyncFunctionTransport, FunctionTransport, many, unchecked

BLOCKING = DeleteSession(FunctionTransport(), KEY)
AWAITED = AsyncDeleteSession(AsyncFunctionTransport(), KEY)


both_kinds = pytest.mark.parametrize(
    "use_case",
    [partial(DeleteManySessions, BLOCKING), partial(AsyncDeleteManySessions, AWAITED)],
    ids=["blocking", "awaited"],
)


class AsynchronousIds:
    def __aiter__(self) -> AsyncIterator[str]:
        raise NotImplementedError


@both_kinds
@pytest.mark.parametrize("ids", ["an-id", b"an-id", 5, None, uuid.uuid4()], ids=type)
def test_what_is_no_iterable_of_ids_is_refused(
    ids: object, use_case: Callable[..., Callable[..., object]]
) -> None:
    with pytest.raises(TypeError, match="session_ids must be an iterable of ids, not "):
        use_case()(ids)


def test_the_error_for_a_single_id_says_what_to_call() -> None:
    with pytest.raises(TypeError, match="not str; for one session call DeleteSession"):
        many(FunctionTransport())("an-id")


def test_blocking_code_takes_no_asynchronous_iterable() -> None:
    with pytest.raises(TypeError, match="must be an iterable of ids, not AsynchronousIds"):
        many(FunctionTransport())(unchecked(AsynchronousIds()))


@both_kinds
@pytest.mark.parametrize(("concurrency", "error"), [(0, ValueError), ("8", TypeError)])
def test_a_concurrency_is_a_whole_number_from_one(
    concurrency: object, error: type[Exception], use_case: Callable[..., object]
) -> None:
    with pytest.raises(error, match=r"^concurrency must be "):
        use_case(concurrency=concurrency)


@both_kinds
def test_a_shutdown_timeout_is_none_or_seconds(use_case: Callable[..., object]) -> None:
    for seconds in (None, 0, 0.5):
        use_case(shutdown_timeout=seconds)
    with pytest.raises(ValueError, match=r"^shutdown_timeout must be seconds, at least 0"):
        use_case(shutdown_timeout=-1)
    with pytest.raises(TypeError, match=r"^shutdown_timeout must be seconds"):
        use_case(shutdown_timeout="5")


def test_a_use_case_of_the_other_kind_or_a_transport_is_refused() -> None:
    with pytest.raises(TypeError, match="must be of type DeleteSession, not AsyncDeleteSession"):
        DeleteManySessions(unchecked(AWAITED))
    with pytest.raises(TypeError, match="must be of type AsyncDeleteSession, not DeleteSession"):
        AsyncDeleteManySessions(unchecked(BLOCKING))
    with pytest.raises(TypeError, match="must be of type DeleteSession, not FunctionTransport"):
        DeleteManySessions(unchecked(FunctionTransport()))


def test_a_use_case_says_what_it_is_and_that_it_sends_eight_at_a_time() -> None:
    assert repr(DeleteManySessions(BLOCKING)) == f"DeleteManySessions({BLOCKING!r}, concurrency=8)"
    assert repr(AsyncDeleteManySessions(AWAITED)).startswith("AsyncDeleteManySessions(Async")
    assert repr(AsyncDeleteManySessions(AWAITED)).endswith("concurrency=8)")


def test_a_run_says_how_far_it_is() -> None:
    deletions = many(FunctionTransport())(["a"])
    assert repr(deletions) == "<Deletions: 0 in flight, 0 waiting, 0 ended>"
    assert deletions.pause is None
    deletions.close()


def test_a_use_case_can_run_several_times() -> None:
    delete_many = many(FunctionTransport())
    assert [len(list(delete_many(ids))) for ids in (["a"], ["a", "b"])] == [1, 2]
