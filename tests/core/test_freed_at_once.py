"""An error is freed with the last reference to it, and holds no more than itself.

A traceback holds the frames that it shows. So an error in a local of such a frame is a cycle, which
only the garbage collector frees; and an outcome with a traceback holds its whole run.
"""

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeAlias

import pytest

from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeletions,
    ConnectFailedError,
    ConnectionLostError,
    DeleteManySessions,
    DeleteSessionError,
    Deletions,
    OutageError,
    Outcome,
    Response,
    TransportError,
)

from . import virtual_time
from .scripted_transport import (
    UNAUTHORIZED,
    UNAVAILABLE,
    AsyncScriptedTransport,
    Delete,
    both_ways,
    response,
)
from .side_by_side import FunctionTransport, many, many_awaited

NOT_FOUND = response(404, {"success": False, "error": "Session not found."})

Ending: TypeAlias = Response | type[TransportError]

whatever_each_attempt_ends_in = pytest.mark.parametrize(
    "ending",
    [ConnectFailedError, ConnectionLostError, NOT_FOUND, UNAUTHORIZED, UNAVAILABLE],
    ids=["no connection", "no response", "404", "401", "502"],
)


def transport(ending: Ending) -> FunctionTransport:
    def respond(session_id: str) -> Response:
        if isinstance(ending, Response):
            return ending
        raise ending("it failed")

    return FunctionTransport(respond)


@pytest.fixture(autouse=True)
def _no_garbage_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@whatever_each_attempt_ends_in
@both_ways
def test_an_error_is_freed_with_the_last_reference(delete: Delete, ending: Ending) -> None:
    try:
        delete(transport(ending))
    except DeleteSessionError as error:
        freed = weakref.ref(error)
    assert freed() is None


async def take(deletions: Deletions | AsyncDeletions, outcomes: list[Outcome]) -> None:
    with suppress(OutageError):
        if isinstance(deletions, Deletions):
            outcomes.extend(deletions)
        else:
            async for outcome in deletions:
                outcomes.append(outcome)


@whatever_each_attempt_ends_in
@pytest.mark.parametrize(
    "delete_many",
    [many, lambda over: many_awaited(AsyncScriptedTransport(over))],
    ids=["blocking", "awaited"],
)
def test_outcomes_do_not_hold_their_run(
    delete_many: Callable[[FunctionTransport], DeleteManySessions | AsyncDeleteManySessions],
    ending: Ending,
) -> None:
    deletions = delete_many(transport(ending))(["a", ""])
    freed = weakref.ref(deletions)
    outcomes: list[Outcome] = []
    virtual_time.run(take(deletions, outcomes))
    del deletions
    assert freed() is None
    assert len(outcomes) == 2
