"""A session that ends with the block that used it, however the block ends."""

import uuid
from collections.abc import AsyncGenerator, Callable, Generator
from typing import NamedTuple, Protocol, TypeAlias

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
    UnreachableError,
)

from .scripted_transport import (
    API_KEY,
    DESTROYED,
    SESSION_ID,
    UNAUTHORIZED,
    UNAVAILABLE,
    AsyncScriptedTransport,
    ScriptedTransport,
    response,
    run,
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


class Leave(Protocol):
    """One block, left in one of the two ways."""

    def __call__(
        self,
        transport: ScriptedTransport,
        block: Callable[[Ending], object] = ...,
        *,
        retry: RetryPolicy = ...,
        missing_ok: bool = ...,
    ) -> Left: ...


def leave_blocking(
    transport: ScriptedTransport,
    block: Callable[[Ending], object] = lambda ending: None,
    *,
    retry: RetryPolicy = ONE_ATTEMPT,
    missing_ok: bool = False,
) -> Left:
    delete_session = DeleteSession(transport, API_KEY)
    ending = delete_session.on_exit(SESSION_ID, missing_ok=missing_ok, retry=retry)
    try:
        with ending as entered:
            assert entered is ending
            block(ending)
    except BaseException as raised:
        return Left(ending, raised)
    return Left(ending, None)


def leave_awaited(
    transport: ScriptedTransport,
    block: Callable[[Ending], object] = lambda ending: None,
    *,
    retry: RetryPolicy = ONE_ATTEMPT,
    missing_ok: bool = False,
) -> Left:
    delete_session = AsyncDeleteSession(AsyncScriptedTransport(transport), API_KEY)
    ending = delete_session.on_exit(SESSION_ID, missing_ok=missing_ok, retry=retry)

    async def main() -> None:
        async with ending as entered:
            assert entered is ending
            block(ending)

    try:
        run(main())
    except BaseException as raised:
        return Left(ending, raised)
    return Left(ending, None)


both_ways = pytest.mark.parametrize(
    "leave", [leave_blocking, leave_awaited], ids=["blocking", "awaited"]
)


def raising(error: BaseException) -> Callable[[Ending], object]:
    def block(ending: Ending) -> object:
        raise error

    return block


def notes(error: BaseException | None) -> list[str]:
    return list(getattr(error, "__notes__", []))


@both_ways
def test_a_block_that_ends_leaves_a_receipt(leave: Leave) -> None:
    transport = ScriptedTransport(DESTROYED)
    left = leave(transport)
    assert left.raised is None
    assert left.ending.receipt == RECEIPT
    assert left.ending.session_id == SESSION_ID
    assert [request.path for request in transport.requests] == [f"/v2/interact/{SESSION_ID}"]


@both_ways
def test_nothing_is_sent_before_the_block_ends(leave: Leave) -> None:
    transport = ScriptedTransport(DESTROYED)
    sent: list[int] = []
    leave(transport, lambda ending: sent.append(len(transport.requests)))
    assert sent == [0]


@both_ways
def test_in_the_block_there_is_no_receipt_yet(leave: Leave) -> None:
    receipts: list[object] = []
    leave(ScriptedTransport(DESTROYED), lambda ending: receipts.append(ending.receipt))
    assert receipts == [None]


@both_ways
@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("the work failed"),
        UnauthorizedError("another session's", session_id="another", attempts=1),
        KeyboardInterrupt(),
        SystemExit(3),
    ],
    ids=repr,
)
def test_what_the_block_raises_goes_on_and_the_session_is_destroyed(
    error: BaseException, leave: Leave
) -> None:
    left = leave(ScriptedTransport(DESTROYED), raising(error))
    assert left.raised is error
    assert left.ending.receipt == RECEIPT
    assert not notes(error)


@both_ways
def test_if_the_delete_fails_too_a_note_has_the_id_and_the_fate(leave: Leave) -> None:
    error = RuntimeError("the work failed")
    left = leave(ScriptedTransport(UNAVAILABLE), raising(error))
    assert left.raised is error
    assert left.ending.receipt is None
    (note,) = notes(error)
    assert f"Session '{SESSION_ID}': HTTP 502" in note
    assert "It may still be running and billing." in note
    assert API_KEY not in note


@both_ways
@pytest.mark.parametrize(
    ("response", "begins"),
    [
        (NOT_FOUND, "The session was gone already. Session"),
        (UNAUTHORIZED, "The session was not destroyed. Session"),
        (UNAVAILABLE, "The session may not have been destroyed. Session"),
    ],
    ids=["gone", "untouched", "unknown"],
)
def test_the_note_is_true_for_the_fate(response: Response, begins: str, leave: Leave) -> None:
    error = RuntimeError("the work failed")
    leave(ScriptedTransport(response), raising(error))
    (note,) = notes(error)
    assert note.startswith(begins)


@both_ways
def test_a_session_that_is_missing_is_an_error_unless_that_is_ok(leave: Leave) -> None:
    left = leave(ScriptedTransport(NOT_FOUND))
    assert isinstance(left.raised, SessionNotFoundError)
    left = leave(ScriptedTransport(NOT_FOUND), missing_ok=True)
    assert left.raised is None
    assert left.ending.receipt is None


@both_ways
def test_a_missing_session_that_is_ok_adds_no_note(leave: Leave) -> None:
    error = RuntimeError("the work failed")
    left = leave(ScriptedTransport(NOT_FOUND), raising(error), missing_ok=True)
    assert left.raised is error
    assert not notes(error)


@both_ways
def test_other_failures_are_not_ok(leave: Leave) -> None:
    left = leave(ScriptedTransport(UNAUTHORIZED), missing_ok=True)
    assert isinstance(left.raised, UnauthorizedError)


@both_ways
def test_if_only_the_delete_fails_its_error_is_raised(leave: Leave) -> None:
    left = leave(ScriptedTransport(UNAVAILABLE))
    assert isinstance(left.raised, ServiceUnavailableError)
    assert left.ending.receipt is None
    assert not notes(left.raised)


@both_ways
def test_the_delete_is_retried_as_its_policy_says(leave: Leave) -> None:
    transport = ScriptedTransport(UNAVAILABLE, DESTROYED)
    left = leave(transport, retry=RetryPolicy(max_attempts=2))
    assert left.ending.receipt == DeletionReceipt(session_id=SESSION_ID, attempts=2)


@both_ways
@pytest.mark.parametrize("error", [None, RuntimeError("the work failed")], ids=repr)
def test_the_delete_keeps_to_its_deadline(error: Exception | None, leave: Leave) -> None:
    transport = ScriptedTransport(*[TimedOutError("silence")] * 9, busy=[1.0] * 9)
    retry = RetryPolicy(max_attempts=9, attempt_timeout=90, deadline=240)
    left = leave(transport, raising(error) if error else lambda ending: None, retry=retry)
    assert isinstance(left.raised, type(error) if error else UnreachableError)
    assert transport.now - transport.started <= 240


use_cases = pytest.mark.parametrize(
    "delete_session",
    [
        DeleteSession(ScriptedTransport(), API_KEY),
        AsyncDeleteSession(AsyncScriptedTransport(ScriptedTransport()), API_KEY),
    ],
    ids=["blocking", "awaited"],
)


@use_cases
def test_a_bad_id_is_refused_before_the_block(
    delete_session: DeleteSession | AsyncDeleteSession,
) -> None:
    with pytest.raises(InvalidSessionIdError):
        delete_session.on_exit("..")


@use_cases
def test_a_policy_that_is_none_is_refused_before_the_block(
    delete_session: DeleteSession | AsyncDeleteSession,
) -> None:
    with pytest.raises(TypeError, match=r"^retry must be a RetryPolicy, not int"):
        delete_session.on_exit("a", retry=3)  # type: ignore[arg-type] # the point


@use_cases
def test_a_block_that_is_never_entered_warns(
    delete_session: DeleteSession | AsyncDeleteSession,
) -> None:
    with pytest.warns(RuntimeWarning, match=r"^on_exit\('a'\) was never entered") as warned:
        delete_session.on_exit("a")
    assert [type(warning.source).__name__[-12:] for warning in warned] == ["DeleteOnExit"]
    assert [warning.filename for warning in warned] == [__file__]


@use_cases
def test_it_takes_a_uuid_and_shows_what_it_is(
    delete_session: DeleteSession | AsyncDeleteSession,
) -> None:
    with pytest.warns(RuntimeWarning, match="never entered"):
        shown = repr(delete_session.on_exit(uuid.UUID(SESSION_ID)))
    assert shown.removeprefix("Async") == f"DeleteOnExit('{SESSION_ID}', receipt=None)"


# Interrupted while the delete is under way


@both_ways
@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), SystemExit(3), Interruption()])
def test_an_interruption_of_the_delete_begins_it_once_more(
    interruption: BaseException, leave: Leave
) -> None:
    transport = ScriptedTransport(interruption, DESTROYED)
    left = leave(transport)
    assert left.raised is interruption
    assert left.ending.receipt == RECEIPT
    assert not notes(interruption)


@both_ways
def test_the_delete_that_is_begun_once_more_has_a_deadline_of_its_own(leave: Leave) -> None:
    transport = ScriptedTransport(
        KeyboardInterrupt(), *[TimedOutError("silence")] * 9, busy=[1.0] * 10
    )
    retry = RetryPolicy(max_attempts=9, attempt_timeout=90, deadline=240)
    left = leave(transport, retry=retry)
    assert isinstance(left.raised, KeyboardInterrupt)
    assert transport.now - transport.began[1] <= 240


@both_ways
def test_an_interruption_takes_the_place_of_what_the_block_raised(leave: Leave) -> None:
    error, interruption = RuntimeError("the work failed"), KeyboardInterrupt()
    left = leave(ScriptedTransport(interruption, DESTROYED), raising(error))
    assert left.raised is interruption
    assert interruption.__context__ is error
    assert left.ending.receipt == RECEIPT


@both_ways
def test_if_it_fails_once_more_the_note_is_on_the_interruption(leave: Leave) -> None:
    error, interruption = RuntimeError("the work failed"), KeyboardInterrupt()
    left = leave(ScriptedTransport(interruption, UNAVAILABLE), raising(error))
    assert left.raised is interruption
    assert left.ending.receipt is None
    (note,) = notes(interruption)
    assert SESSION_ID in note
    assert "It may still be running and billing." in note
    assert not notes(error)


@both_ways
def test_after_an_interruption_no_fate_is_better_than_unknown(leave: Leave) -> None:
    interruption = KeyboardInterrupt()
    leave(ScriptedTransport(interruption, UNAUTHORIZED))
    (note,) = notes(interruption)
    assert note.startswith("The session may not have been destroyed.")
    assert "It may still be running and billing." in note


@both_ways
def test_a_second_interruption_ends_the_delete(leave: Leave) -> None:
    first, second = KeyboardInterrupt("first"), KeyboardInterrupt("second")
    transport = ScriptedTransport(first, second)  # a third request would fail
    left = leave(transport)
    assert left.raised is second
    assert second.__context__ is first
    assert left.ending.receipt is None
    assert notes(second) == [
        f"The delete of session '{SESSION_ID}' was interrupted. The session may still be running "
        "and billing. Delete it again: a retry is safe and shows whether it is gone."
    ]


@both_ways
@pytest.mark.parametrize("fault", [RuntimeError("a bug"), GeneratorExit()], ids=repr)
def test_a_fault_of_the_transport_passes_and_nothing_is_begun_again(
    fault: BaseException, leave: Leave
) -> None:
    transport = ScriptedTransport(fault)  # a second request would fail
    left = leave(transport)
    assert left.raised is fault
    assert left.ending.receipt is None


# The block is part of a generator or coroutine that is closed


def test_closing_a_generator_destroys_its_session() -> None:
    endings: list[DeleteOnExit] = []

    def work() -> Generator[None]:
        delete_session = DeleteSession(ScriptedTransport(DESTROYED), API_KEY)
        with delete_session.on_exit(SESSION_ID) as ending:
            endings.append(ending)
            yield

    working = work()
    next(working)
    working.close()
    assert endings[0].receipt == RECEIPT


def test_closing_an_asynchronous_generator_destroys_its_session() -> None:
    async def main() -> AsyncDeleteOnExit:
        transport = AsyncScriptedTransport(ScriptedTransport(DESTROYED))
        ending = AsyncDeleteSession(transport, API_KEY).on_exit(SESSION_ID)

        async def work() -> AsyncGenerator[None]:
            async with ending:
                yield

        working = work()
        await anext(working)
        await working.aclose()
        return ending

    assert run(main()).receipt == RECEIPT


def test_a_coroutine_that_is_closed_during_the_delete_begins_nothing_again() -> None:
    transport = ScriptedTransport(DESTROYED)
    ending = AsyncDeleteSession(AsyncScriptedTransport(transport), API_KEY).on_exit(SESSION_ID)

    async def main() -> None:
        async with ending:
            pass

    coroutine = main()
    coroutine.send(None)
    coroutine.close()  # is a RuntimeError if the coroutine goes on
    assert not transport.requests
    assert ending.receipt is None


def test_two_blocks_have_nothing_in_common() -> None:
    transport = ScriptedTransport(DESTROYED, UNAVAILABLE)
    delete_session = DeleteSession(transport, API_KEY, retry=ONE_ATTEMPT)
    with delete_session.on_exit("first") as first:
        pass
    with pytest.raises(DeleteSessionError), delete_session.on_exit("second") as second:
        pass
    assert first.receipt == DeletionReceipt(session_id="first")
    assert second.receipt is None
