"""A session that ends with the block that used it, however the block ends."""

import gc
import os
import uuid
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import pytest

from firecrawl_interact.core import (
    AsyncDeleteOnExit,
    AsyncDeleteSession,
    DeleteOnExit,
    DeleteSession,
    DeleteSessionError,
    DeletionReceipt,
    InvalidSessionIdError,
    Response,
    RetryPolicy,
    ServiceUnavailableError,
    SessionNotFoundError,
    TimedOutError,
    UnauthorizedError,
)

from .scripted_transport import (
    API_KEY,
    DESTROYED,
    SESSION_ID,
    UNAUTHORIZED,
    UNAVAILABLE,
    AsyncScriptedTransport,
    ScriptedTransport,
    UseCase,
    both_use_cases,
    play,
    response,
)

RECEIPT = DeletionReceipt(session_id=SESSION_ID)
NOT_FOUND = response(404, {"success": False, "error": "Browser session not found."})
ONE_ATTEMPT = RetryPolicy(max_attempts=1)


class Interruption(BaseException):
    """What neither the library nor a program expects, as Ctrl-C or a cancellation."""


Ending: TypeAlias = DeleteOnExit | AsyncDeleteOnExit


class Left(NamedTuple):
    """What is there after the block."""

    ending: Ending
    raised: BaseException | None


def leave(
    use_case: UseCase,
    transport: ScriptedTransport,
    block: Callable[[Ending], object] = lambda ending: None,
    *,
    retry: RetryPolicy = ONE_ATTEMPT,
    missing_ok: bool = False,
) -> Left:
    """Play one block in one of the two ways."""
    delete_session = use_case(transport, API_KEY)
    ending = delete_session.on_exit(SESSION_ID, missing_ok=missing_ok, retry=retry)
    try:
        play(ending, lambda: block(ending))
    except BaseException as raised:
        return Left(ending, raised)
    return Left(ending, None)


def raising(error: BaseException) -> Callable[[Ending], object]:
    def block(ending: Ending) -> object:
        raise error

    return block


def notes(error: BaseException | None) -> list[str]:
    return list(getattr(error, "__notes__", []))


@both_use_cases
def test_a_block_that_ends_leaves_a_receipt_and_sends_nothing_before(use_case: UseCase) -> None:
    transport = ScriptedTransport(DESTROYED)
    before: list[object] = []
    left = leave(
        use_case, transport, lambda ending: before.extend([ending.receipt, *transport.began])
    )
    assert before == [None]
    assert left.raised is None
    assert left.ending.receipt == RECEIPT
    assert left.ending.session_id == SESSION_ID
    assert [request.path for request in transport.requests] == [f"/v2/interact/{SESSION_ID}"]


@both_use_cases
@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("the work failed"),
        UnauthorizedError("another session's", session_id="another", attempts=1),
        KeyboardInterrupt(),
        SystemExit(3),
        GeneratorExit(),
    ],
    ids=repr,
)
def test_what_the_block_raises_goes_on_and_the_session_is_destroyed(
    error: BaseException, use_case: UseCase
) -> None:
    left = leave(use_case, ScriptedTransport(DESTROYED), raising(error))
    assert left.raised is error
    assert left.ending.receipt == RECEIPT
    assert not notes(error)


@both_use_cases
@pytest.mark.parametrize(
    ("response", "begins", "error"),
    [
        (NOT_FOUND, "The session was gone already. Session", SessionNotFoundError),
        (UNAUTHORIZED, "The session was not destroyed. Session", UnauthorizedError),
        (UNAVAILABLE, "The session may not have been destroyed. Session", ServiceUnavailableError),
    ],
    ids=["gone", "untouched", "unknown"],
)
def test_a_delete_that_fails_is_raised_or_a_true_note_on_what_the_block_raised(
    response: Response, begins: str, error: type[DeleteSessionError], use_case: UseCase
) -> None:
    left = leave(use_case, ScriptedTransport(response))
    assert isinstance(left.raised, error)
    assert not notes(left.raised)
    failure = RuntimeError("the work failed")
    left = leave(use_case, ScriptedTransport(response), raising(failure))
    assert left.raised is failure
    assert left.ending.receipt is None
    (note,) = notes(failure)
    assert note.startswith(f"{begins} '{SESSION_ID}'")
    assert API_KEY not in note


@both_use_cases
@pytest.mark.parametrize(
    ("response", "error"), [(NOT_FOUND, type(None)), (UNAUTHORIZED, UnauthorizedError)]
)
def test_missing_ok_is_for_a_session_that_is_missing_alone(
    response: Response, error: type[object], use_case: UseCase
) -> None:
    left = leave(use_case, ScriptedTransport(response), missing_ok=True)
    assert type(left.raised) is error
    assert left.ending.receipt is None
    failure = RuntimeError("the work failed")
    leave(use_case, ScriptedTransport(response), raising(failure), missing_ok=True)
    assert len(notes(failure)) == (response is not NOT_FOUND)


@both_use_cases
def test_what_cannot_work_is_refused_before_the_block(use_case: UseCase) -> None:
    delete_session = use_case(ScriptedTransport(), API_KEY)
    with pytest.raises(InvalidSessionIdError):
        delete_session.on_exit("..")
    with pytest.raises(TypeError, match=r"^retry must be a RetryPolicy, not int"):
        delete_session.on_exit("a", retry=3)


# Forgotten


@both_use_cases
def test_a_block_that_is_never_entered_warns_where_it_was_made(use_case: UseCase) -> None:
    with pytest.warns(RuntimeWarning, match=r"^on_exit\('a'\) was never entered") as warned:
        use_case(ScriptedTransport(), API_KEY).on_exit("a")
    assert [warning.filename for warning in warned] == [__file__]


def test_a_block_that_is_entered_and_never_left_warns() -> None:
    with pytest.warns(RuntimeWarning, match=r"^on_exit\('a'\) was never left\. "):
        DeleteSession(ScriptedTransport(), API_KEY).on_exit("a").__enter__()


@both_use_cases
def test_it_takes_a_uuid_and_shows_what_it_is(use_case: UseCase) -> None:
    with pytest.warns(RuntimeWarning, match="never entered"):
        shown = repr(use_case(ScriptedTransport(), API_KEY).on_exit(uuid.UUID(SESSION_ID)))
    assert shown.removeprefix("Async") == f"DeleteOnExit('{SESSION_ID}', receipt=None)"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("end", [None, RuntimeError("the child failed")], ids=repr)
@both_use_cases
def test_a_child_that_was_forked_inside_leaves_its_parent_s_session_alone(
    end: Exception | None, use_case: UseCase
) -> None:
    child = 0

    def fork(ending: Ending) -> object:
        nonlocal child
        child = os.fork()
        if not child and end is not None:
            raise end
        return None

    transport = ScriptedTransport(DESTROYED)
    left = leave(use_case, transport, fork)
    if not child:
        is_right = not transport.requests and left.raised is end
        del left
        os._exit(0 if is_right else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert left.ending.receipt == RECEIPT


@both_use_cases
def test_a_block_that_ends_in_another_process_sends_nothing(
    use_case: UseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = ScriptedTransport()  # a request would fail
    left = leave(use_case, transport, lambda _: monkeypatch.setattr(os, "getpid", lambda: -1))
    assert left.raised is None


# Interrupted while the delete is under way. At which line and await: test_interrupted_blocks


@both_use_cases
def test_the_delete_that_is_begun_once_more_has_a_deadline_of_its_own(use_case: UseCase) -> None:
    transport = ScriptedTransport(
        KeyboardInterrupt(), *[TimedOutError("silence")] * 9, busy=[1.0] * 10
    )
    retry = RetryPolicy(max_attempts=9, attempt_timeout=90, deadline=240)
    left = leave(use_case, transport, retry=retry)
    assert isinstance(left.raised, KeyboardInterrupt)
    assert transport.now - transport.began[1] <= 240


@both_use_cases
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, Interruption])
@pytest.mark.parametrize(
    ("response", "begins"),
    [
        (DESTROYED, ""),
        (UNAVAILABLE, "The session may not have been destroyed."),
        (UNAUTHORIZED, "The session may not have been destroyed."),
        (NOT_FOUND, "The session was gone already."),
    ],
    ids=["destroyed", "unknown", "untouched", "gone"],
)
def test_an_interrupted_delete_is_begun_once_more_and_a_note_says_what_is_known_after_both(
    response: Response, begins: str, kind: type[BaseException], use_case: UseCase
) -> None:
    error, interruption = RuntimeError("the work failed"), kind()
    left = leave(use_case, ScriptedTransport(interruption, response), raising(error))
    assert left.raised is interruption
    assert interruption.__context__ is error
    assert left.ending.receipt == (RECEIPT if response is DESTROYED else None)
    assert [note.partition(" Session")[0] for note in notes(interruption)] == [begins] * bool(
        begins
    )
    may_bill = ["It may still be running and billing." in note for note in notes(interruption)]
    assert any(may_bill) is (begins == "The session may not have been destroyed.")
    assert not notes(error)


@both_use_cases
@pytest.mark.parametrize(
    ("kind", "is_blocks"),
    [(KeyboardInterrupt, False), (SystemExit, False), (KeyboardInterrupt, True)],
)
def test_the_second_ctrl_c_ends_the_delete(
    kind: type[BaseException], is_blocks: bool, use_case: UseCase
) -> None:
    first, second = kind("first"), KeyboardInterrupt("second")
    script = [second] if is_blocks else [first, second]  # one request more would fail
    left = leave(
        use_case, ScriptedTransport(*script), raising(first) if is_blocks else lambda _: None
    )
    assert left.raised is second
    assert left.ending.receipt is None
    assert notes(second) == [
        f"The delete of session '{SESSION_ID}' was interrupted. The session may still be running "
        "and billing. Delete it again: a retry is safe and shows whether it is gone."
    ]


@both_use_cases
def test_a_fault_of_the_transport_passes_with_a_note_and_nothing_is_begun_again(
    use_case: UseCase,
) -> None:
    fault = RuntimeError("a bug, or what Celery raises when time is up")
    left = leave(use_case, ScriptedTransport(fault))  # a second request would fail
    assert left.raised is fault
    assert left.ending.receipt is None
    (note,) = notes(fault)
    assert note.startswith(f"The delete of session '{SESSION_ID}' was interrupted. ")


# The block is part of a generator or coroutine that is closed


def test_a_coroutine_that_is_closed_during_the_delete_begins_nothing_again_and_warns() -> None:
    transport = ScriptedTransport(DESTROYED)
    delete_session = AsyncDeleteSession(AsyncScriptedTransport(transport), API_KEY)

    async def main() -> None:
        async with delete_session.on_exit(SESSION_ID):
            pass

    def begin_and_close() -> None:
        coroutine = main()
        coroutine.send(None)
        coroutine.close()  # is a RuntimeError if the coroutine goes on
        gc.collect()

    with pytest.warns(RuntimeWarning, match="was never left"):
        begin_and_close()
    assert not transport.requests
