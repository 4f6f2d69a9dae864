"""A session that ends with the block that used it, or opened it, however the block ends."""

import logging
import uuid
from collections.abc import Awaitable
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, call

import pytest

from firecrawl_interact import core

from .scripted_transport import (
    API_KEY,
    DESTROYED,
    NOT_FOUND,
    SESSION_ID,
    UNAUTHORIZED,
    UNAVAILABLE,
    ScriptedTransport,
    UseCase,
    log_records,
    play,
)

RECEIPT = core.DeletionReceipt(session_id=SESSION_ID)
ONCE = core.RetryPolicy(max_attempts=1)


# What it opens


def test_it_destroys_a_session_and_has_its_receipt_afterwards(use_case: UseCase) -> None:
    told: list[object] = []
    delete_session = use_case(ScriptedTransport(DESTROYED), API_KEY, on_outcome=told.append)
    block: Any = delete_session.on_exit(uuid.UUID(SESSION_ID))  # Any: of either kind
    given = play(block, lambda: told.append(block.receipt))
    assert [given] == [block]
    assert (block.session_id, block.receipt, block.outcome) == (SESSION_ID, RECEIPT, RECEIPT)
    assert told == [None, RECEIPT]


@pytest.mark.parametrize(
    ("opened", "options"),
    [
        (SESSION_ID, {}),
        (uuid.UUID(SESSION_ID), {}),
        (SimpleNamespace(id=SESSION_ID), {}),
        (SimpleNamespace(id=uuid.UUID(SESSION_ID)), {}),
        ({"id": SESSION_ID, "liveViewUrl": "https://..."}, {}),
        (["session", SESSION_ID], {"id_of": lambda opened: opened[1]}),
    ],
)
def test_the_id_is_what_was_opened_or_in_it(
    opened: object, options: dict[str, Any], use_case: UseCase
) -> None:
    block = use_case(ScriptedTransport(DESTROYED), API_KEY).opening(lambda: opened, **options)
    assert play(block, list) is opened
    assert (block.session_id, block.receipt) == (SESSION_ID, RECEIPT)


PASS_ID_OF = ". Pass id_of=, a function from what open_session returns to the id."
NO_CREDITS, SHOWN = f"No credits for {API_KEY}\n.", ": No credits for ***\\n"


@pytest.mark.parametrize(
    ("opened", "options", "problem", "says"),
    [
        (None, {}, "TypeError", PASS_ID_OF),
        ({"ID": "x"}, {}, "KeyError", PASS_ID_OF),
        ({"error": {"code": 7}}, {}, "KeyError", PASS_ID_OF),
        (SimpleNamespace(id=""), {}, "InvalidSessionIdError", PASS_ID_OF),
        (["a"], {"id_of": lambda opened: opened[1 // 0]}, "ZeroDivisionError", "."),
        ({"success": False, "error": NO_CREDITS}, {}, "KeyError", SHOWN),
        (SimpleNamespace(id=None, error=NO_CREDITS), {}, "InvalidSessionIdError", SHOWN),
    ],
)
def test_an_opener_without_an_id_is_an_error_that_says_why(
    opened: Any, options: dict[str, Any], problem: str, says: str
) -> None:
    transport = ScriptedTransport()
    block = core.DeleteSession(transport, API_KEY).opening(lambda: opened, **options)
    with pytest.raises(core.NothingOpenedError) as raised, block:
        raise NotImplementedError
    words, kind = str(raised.value), type(opened).__name__
    assert words.startswith(
        f"open_session returned a {kind} without a valid session id ({problem}){says}"
    )
    assert type(raised.value.__cause__).__name__ == problem
    assert words.endswith("If a session was opened, it runs until its TTL expires.")
    assert raised.value.opened is opened
    assert (block.session_id, block.outcome, transport.requests) == (None, None, [])


def test_a_blocking_block_does_not_take_what_must_be_awaited() -> None:
    opened = Mock(spec=Awaitable, id=SESSION_ID)
    block = core.DeleteSession(ScriptedTransport(), API_KEY).opening(lambda: opened)
    says = "must be awaited, which AsyncDeleteSession does"
    with pytest.raises(core.NothingOpenedError, match=says) as raised:
        block.__enter__()
    assert raised.value.opened is opened


def test_what_an_opener_raises_is_raised_and_nothing_is_told(use_case: UseCase) -> None:
    hook = Mock()
    delete_session = use_case(ScriptedTransport(), API_KEY, on_outcome=hook)
    with pytest.raises(ZeroDivisionError) as raised:
        play(delete_session.opening(Mock(side_effect=ZeroDivisionError)), list)
    assert not hasattr(raised.value, "__notes__")
    hook.assert_not_called()


def test_an_id_that_cannot_be_sent_is_refused_before_the_block(use_case: UseCase) -> None:
    with pytest.raises(core.InvalidSessionIdError):
        use_case(ScriptedTransport(), API_KEY).on_exit("a/b")


# Its end


def test_what_was_opened_is_destroyed_by_the_options_of_its_block(use_case: UseCase) -> None:
    transport = ScriptedTransport(NOT_FOUND, NOT_FOUND)
    policy = core.RetryPolicy(attempt_timeout=7)
    delete_session = use_case(transport, API_KEY, retry=core.RetryPolicy(attempt_timeout=9))
    block = delete_session.opening(lambda: "a", missing_ok=True, retry=policy)
    play(block, list)
    assert isinstance(block.outcome, core.SessionNotFoundError)
    with pytest.raises(core.SessionNotFoundError):
        play(delete_session.opening(lambda: "a"), list)
    assert transport.timeouts == [7, 9]


@pytest.mark.parametrize(
    "raised", [None, ZeroDivisionError, KeyboardInterrupt, SystemExit, GeneratorExit]
)
@pytest.mark.parametrize(
    ("meets", "options", "kind"),
    [
        (DESTROYED, {}, None),
        (NOT_FOUND, {"missing_ok": True}, None),
        (NOT_FOUND, {}, core.SessionNotFoundError),
        (UNAUTHORIZED, {"missing_ok": True}, core.UnauthorizedError),
        (UNAVAILABLE, {}, core.ServiceUnavailableError),
    ],
)
def test_the_blocks_exception_is_raised_with_a_note(
    meets: core.Response,
    options: dict[str, Any],
    kind: type[core.DeleteSessionError] | None,
    raised: type[BaseException] | None,
    use_case: UseCase,
) -> None:
    told: list[core.Outcome] = []
    delete_session = use_case(ScriptedTransport(meets), API_KEY, on_outcome=told.append)
    block = delete_session.on_exit(SESSION_ID, retry=ONCE, **options)
    error: BaseException | None = None
    with log_records(logging.ERROR) as records:
        try:
            play(block, Mock(side_effect=raised))
        except BaseException as caught:
            error = caught
    assert type(error) is (raised or kind or type(None))
    [outcome] = told
    assert block.outcome is outcome
    assert raised is None or getattr(outcome, "__traceback__", None) is None  # It can be kept.
    is_left = outcome.session_fate is not core.SessionFate.GONE
    says = [str(outcome)] if raised and is_left else []
    assert getattr(error, "__notes__", []) == says
    assert [record.getMessage() for record in records] == says
    assert (block.receipt is not None) is (meets is DESTROYED)


def test_a_transport_that_breaks_the_port_ends_the_delete_and_is_told(use_case: UseCase) -> None:
    told: list[core.Outcome] = []
    transport = ScriptedTransport(ZeroDivisionError("first"), ZeroDivisionError("second"))
    delete_session = use_case(transport, API_KEY, on_outcome=told.append)
    with pytest.raises(ZeroDivisionError, match="first"), log_records(logging.ERROR) as records:
        play(delete_session.on_exit(SESSION_ID), list)
    assert [outcome.session_fate for outcome in told] == [core.SessionFate.UNKNOWN]
    assert (len(transport.requests), len(records)) == (2, 1)  # One more attempt, as after Ctrl-C.


class TimeLimitError(Exception):
    """What the handler of a signal raises in a job of Celery or RQ that has used up its time."""


CTRL_C, EXIT, TIME_LIMIT = KeyboardInterrupt(), SystemExit(), TimeLimitError()


@pytest.mark.parametrize(
    ("in_block", "script", "fate"),
    [
        (None, [CTRL_C, DESTROYED], core.SessionFate.GONE),
        (None, [EXIT, DESTROYED], core.SessionFate.GONE),
        (None, [TIME_LIMIT, DESTROYED], core.SessionFate.GONE),
        (None, [UNAVAILABLE, CTRL_C, DESTROYED], core.SessionFate.GONE),
        (None, [CTRL_C, UNAVAILABLE], core.SessionFate.UNKNOWN),  # It has one attempt.
        (None, [CTRL_C, UNAUTHORIZED], core.SessionFate.UNKNOWN),
        (None, [CTRL_C, CTRL_C], core.SessionFate.UNKNOWN),
        (None, [CTRL_C, ZeroDivisionError()], core.SessionFate.UNKNOWN),
        (None, [GeneratorExit()], core.SessionFate.UNKNOWN),  # The event loop is gone.
        (ZeroDivisionError(), [CTRL_C, DESTROYED], core.SessionFate.GONE),
        (SystemExit(), [CTRL_C, DESTROYED], core.SessionFate.GONE),
        (KeyboardInterrupt(), [CTRL_C], core.SessionFate.UNKNOWN),
    ],
    ids=repr,
)
def test_an_interrupted_delete_is_made_once_more(
    in_block: BaseException | None, script: list[Any], fate: core.SessionFate
) -> None:
    told: list[core.Outcome] = []
    transport = ScriptedTransport(*script)
    delete_session = core.DeleteSession(transport, API_KEY, on_outcome=told.append)
    block = delete_session.on_exit(SESSION_ID, retry=core.RetryPolicy(attempt_timeout=7))
    with pytest.raises(BaseException) as raised:  # noqa: PT011 - of several kinds
        play(block, Mock(side_effect=in_block))
    assert raised.value in script
    [outcome] = told
    assert outcome is block.outcome
    assert (outcome.session_fate, outcome.attempts) == (fate, len(script))
    assert transport.timeouts == [7] * len(script)


# Its journal


def test_a_block_records_first_and_forgets_last(use_case: UseCase) -> None:
    journal = Mock(spec=["opened", "gone", "in_the_block"])
    delete_session = use_case(ScriptedTransport(DESTROYED), API_KEY, journal=journal)
    play(delete_session.opening(lambda: SESSION_ID), journal.in_the_block)
    assert journal.mock_calls == [
        call.opened(SESSION_ID),
        call.in_the_block(),
        call.gone(SESSION_ID),
    ]


@pytest.mark.parametrize("meets", [DESTROYED, UNAUTHORIZED], ids=["destroyed", "not destroyed"])
@pytest.mark.parametrize("is_open", [True, False], ids=["on_exit", "opening"])
def test_what_cannot_be_recorded_is_destroyed(
    is_open: bool, meets: core.Response, use_case: UseCase
) -> None:
    error = core.JournalError("the disk is full")
    journal = Mock(opened=Mock(side_effect=error))
    delete_session = use_case(ScriptedTransport(meets), API_KEY, journal=journal)
    on_exit = delete_session.on_exit
    block = on_exit(SESSION_ID) if is_open else delete_session.opening(lambda: SESSION_ID)
    with pytest.raises(core.JournalError) as raised, log_records(logging.ERROR) as records:
        play(block, Mock(side_effect=NotImplementedError))
    assert raised.value is error
    not_begun = f"The block did not begin. Session '{SESSION_ID}' was deleted."
    assert error.__notes__ == [not_begun if meets is DESTROYED else str(block.outcome)]
    assert len(records) == (meets is not DESTROYED)


def test_an_interrupted_journal_causes_no_second_delete(
    use_case: UseCase,
) -> None:
    told: list[core.Outcome] = []
    journal = Mock(gone=Mock(side_effect=KeyboardInterrupt))
    options = {"journal": journal, "on_outcome": told.append}
    delete_session = use_case(ScriptedTransport(DESTROYED), API_KEY, **options)
    with pytest.raises(KeyboardInterrupt) as raised:
        play(delete_session.on_exit(SESSION_ID), list)
    assert told == [RECEIPT]
    assert not hasattr(raised.value, "__notes__")


# What is never entered, or entered twice


def test_a_block_is_entered_once_or_nothing_is_opened(use_case: UseCase) -> None:
    opener = Mock(return_value=SESSION_ID)
    block = use_case(ScriptedTransport(DESTROYED), API_KEY).opening(opener)
    play(block, list)
    with pytest.raises(RuntimeError, match=r"this was entered before\. Call on_exit or opening"):
        play(block, list)
    opener.assert_called_once_with()


def test_a_block_that_is_not_entered_says_by_what(use_case: UseCase) -> None:
    block = use_case(ScriptedTransport(DESTROYED), API_KEY).opening(lambda: SESSION_ID)
    keyword = "with" if isinstance(block, core.OpeningScope) else "async with"
    assert repr(block).endswith(f"OpeningScope(None, not entered: use `{keyword}`)")
    play(block, list)
    assert repr(block).endswith(f"OpeningScope({SESSION_ID!r}, outcome={RECEIPT!r})")


def test_a_block_that_is_never_entered_warns_where_it_was_forgotten(use_case: UseCase) -> None:
    says = rf"This block was never entered: \w*SessionScope\('{SESSION_ID}', "
    with pytest.warns(RuntimeWarning, match=says) as warned:
        use_case(ScriptedTransport(), API_KEY).on_exit(SESSION_ID)
    assert [warning.filename for warning in warned] == [__file__]
