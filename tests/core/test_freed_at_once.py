"""An error is freed with the last reference to it, and holds no more than itself.

A traceback holds the frames that it shows. So an error in a local of such a frame is a cycle, which
only the garbage collector frees; and an outcome with a traceback holds its whole run.
"""

import gc
import weakref
from collections.abc import Iterator

import pytest

from firecrawl_interact.core import (
    ConnectFailedError,
    ConnectionLostError,
    DeleteSessionError,
    Outcome,
    Response,
)

from . import virtual_time
from .scripted_transport import (
    API_KEY,
    DESTROYED,
    SESSION_ID,
    UNAUTHORIZED,
    UNAVAILABLE,
    Delete,
    ScriptedTransport,
    UseCase,
    both_use_cases,
    both_ways,
    play,
    response,
)
from .side_by_side import DeleteMany, FunctionTransport, both_kinds, listed

NOT_FOUND = response(404, {"success": False, "error": "Session not found."})


@pytest.fixture(
    params=[ConnectFailedError, ConnectionLostError, NOT_FOUND, UNAUTHORIZED, UNAVAILABLE],
    ids=["no connection", "no response", "404", "401", "502"],
)
def transport(request: pytest.FixtureRequest) -> FunctionTransport:
    """What each of its attempts ends in."""

    def respond(session_id: str) -> Response:
        if isinstance(request.param, Response):
            return request.param
        raise request.param("it failed")

    return FunctionTransport(respond)


@pytest.fixture(autouse=True)
def _no_garbage_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@both_ways
def test_an_error_is_freed_with_the_last_reference(
    delete: Delete, transport: FunctionTransport
) -> None:
    try:
        delete(transport)
    except DeleteSessionError as error:
        freed = weakref.ref(error)
    assert freed() is None


@both_use_cases
def test_a_use_case_does_not_hold_a_block_that_is_over(use_case: UseCase) -> None:
    delete_session = use_case(ScriptedTransport(DESTROYED), API_KEY)
    block = delete_session.on_exit(SESSION_ID)
    play(block, lambda: None)
    freed = weakref.ref(block)
    del block
    assert freed() is None


@both_use_cases
def test_an_outcome_does_not_hold_its_use_case(use_case: UseCase) -> None:
    told: list[Outcome] = []
    delete_session = use_case(ScriptedTransport(NOT_FOUND), API_KEY, on_outcome=told.append)
    play(delete_session.on_exit(SESSION_ID, missing_ok=True), list)
    freed = weakref.ref(delete_session)
    del delete_session
    assert freed() is None
    assert len(told) == 1


@both_kinds
def test_outcomes_do_not_hold_their_run(
    delete_many: DeleteMany, transport: FunctionTransport
) -> None:
    deletions = delete_many(transport)(["a", ""])
    freed = weakref.ref(deletions)
    outcomes = virtual_time.run(listed(deletions))
    del deletions
    assert freed() is None
    assert len(outcomes) == 2
