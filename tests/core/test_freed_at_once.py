"""An error is freed with the last reference to it, and holds no more than itself.

A traceback holds the frames that it shows. So an error in a local of such a frame is a cycle, which
only the garbage collector frees; and an outcome with a traceback holds its whole run.
"""

import gc
import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import TypeAlias

import pytest

from firecrawl_interact.core import (
    AsyncDeleteSession,
    ConnectFailedError,
    ConnectionLostError,
    DeleteSession,
    DeleteSessionError,
    OutageError,
    Outcome,
    Response,
    TransportError,
)

from . import virtual_time
from .scripted_transport import UNAUTHORIZED, UNAVAILABLE, response
from .side_by_side import (
    KEY,
    AsyncFunctionTransport,
    FunctionTransport,
    many,
    many_awaited,
)

NOT_FOUND = response(404, {"success": False, "error": "Session not found."})

Ending: TypeAlias = Response | type[TransportError]

whatever_each_attempt_ends_in = pytest.mark.parametrize(
    "ending",
    [ConnectFailedError, ConnectionLostError, NOT_FOUND, UNAUTHORIZED, UNAVAILABLE],
    ids=["no connection", "no response", "404", "401", "502"],
)


def end_in(ending: Ending) -> Response:
    if isinstance(ending, Response):
        return ending
    raise ending("it failed")


def transport(ending: Ending) -> FunctionTransport:
    return FunctionTransport(lambda session_id: end_in(ending))


def async_transport(ending: Ending) -> AsyncFunctionTransport:
    async def respond(session_id: str) -> Response:
        return end_in(ending)

    return AsyncFunctionTransport(respond)


@pytest.fixture(autouse=True)
def _no_garbage_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@whatever_each_attempt_ends_in
def test_an_error_is_freed_with_the_last_reference(ending: Ending) -> None:
    delete_session = DeleteSession(transport(ending), KEY)
    try:
        delete_session("a")
    except DeleteSessionError as error:
        freed = weakref.ref(error)
    assert freed() is None


@whatever_each_attempt_ends_in
def test_an_error_of_an_awaited_call_is_freed_with_the_last_reference(
    ending: Ending,
) -> None:
    async def main() -> None:
        delete_session = AsyncDeleteSession(async_transport(ending), KEY)
        try:
            await delete_session("a")
        except DeleteSessionError as error:
            freed = weakref.ref(error)
        assert freed() is None

    virtual_time.run(main())


@whatever_each_attempt_ends_in
def test_outcomes_do_not_hold_their_run(ending: Ending) -> None:
    deletions = many(transport(ending))(["a", ""])
    freed = weakref.ref(deletions)
    outcomes: list[Outcome] = []
    with suppress(OutageError):
        outcomes.extend(deletions)
    del deletions
    assert freed() is None
    assert len(outcomes) == 2


@whatever_each_attempt_ends_in
def test_outcomes_do_not_hold_their_awaited_run(ending: Ending) -> None:
    async def main() -> None:
        deletions = many_awaited(async_transport(ending))(["a", ""])
        freed = weakref.ref(deletions)
        outcomes: list[Outcome] = []
        with suppress(OutageError):
            async for outcome in deletions:
                outcomes.append(outcome)
        del deletions
        assert freed() is None
        assert len(outcomes) == 2

    virtual_time.run(main())
