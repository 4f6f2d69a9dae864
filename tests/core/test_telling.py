"""Who is told what became of a session: `on_outcome`, the log, and whoever reads standard error.

What is told at a block's end, every block of `test_blocks` shows; of a run: test_ways_to_end.
"""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from unittest.mock import Mock

import pytest

from firecrawl_interact.core import (
    ConnectionLostError,
    DeleteSession,
    DeleteSessionError,
    DeletionReceipt,
    InvalidSessionIdError,
    Outcome,
    SessionFate,
    UnauthorizedError,
    UnreachableError,
)

from .log_records import log_records
from .scripted_transport import (
    API_KEY,
    DESTROYED,
    SESSION_ID,
    UNAUTHORIZED,
    UNAVAILABLE,
    OneTurn,
    ScriptedTransport,
    UseCase,
    awaited,
    both_use_cases,
    ended,
    error_of,
    play,
    response,
)
from .steps import Interruption, at_each_call

KNOWN_GONE = {"session_id": SESSION_ID, "session_fate": "gone"}
ODD_BILL = response(200, {"success": True, "creditsBilled": "two"})


@both_use_cases
@pytest.mark.parametrize(
    ("session_id", "meets", "kind"),
    [
        (SESSION_ID, DESTROYED, DeletionReceipt),
        (SESSION_ID, UNAUTHORIZED, UnauthorizedError),
        ("a b", None, InvalidSessionIdError),
    ],
)
def test_a_call_tells_its_outcome_once_before_it_returns_or_raises(
    session_id: str, meets: Any, kind: type[Outcome], use_case: UseCase
) -> None:
    told: list[Outcome] = []
    delete_session = use_case(ScriptedTransport(meets), API_KEY, on_outcome=told.append)
    try:
        end = ended(delete_session(session_id))
    except DeleteSessionError as error:
        end = error
    assert told == [end]
    assert isinstance(end, kind)


@both_use_cases
@pytest.mark.parametrize(
    "interruption",
    [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, RuntimeError],
)
def test_a_call_that_is_interrupted_has_an_unknown_outcome_that_is_told_and_logged(
    interruption: type[BaseException], use_case: UseCase
) -> None:
    told: list[Outcome] = []
    error = interruption()
    transport = ScriptedTransport(UNAVAILABLE, error)
    delete_session = use_case(transport, API_KEY, on_outcome=told.append)
    with pytest.raises(interruption) as raised, log_records(logging.ERROR) as records:
        ended(delete_session(SESSION_ID))
    assert raised.value is error
    [outcome] = told
    assert isinstance(outcome, UnreachableError)
    assert (outcome.session_id, outcome.attempts) == (SESSION_ID, 2)
    assert outcome.session_fate is SessionFate.UNKNOWN
    after = "after: HTTP 502: Hangar is unavailable. 2 attempts."
    assert f"the delete was interrupted ({interruption.__name__}) {after}" in str(outcome)
    assert [record.getMessage() for record in records] == [str(outcome)]


def call(delete_session: Any) -> None:  # Any: of either kind
    ended(delete_session(SESSION_ID))


def leave(block: Any) -> None:  # Any: as above
    play(block, lambda: None)


def leave_block(delete_session: Any) -> None:  # Any: as above
    leave(delete_session.on_exit(SESSION_ID))


@both_use_cases
@pytest.mark.parametrize(("delete", "is_begun_anew"), [(call, False), (leave_block, True)])
def test_an_interruption_while_the_journal_is_told_costs_no_outcome(
    use_case: UseCase, delete: Callable[..., None], is_begun_anew: bool
) -> None:
    told: list[Outcome] = []
    transport, journal = ScriptedTransport(DESTROYED), Mock()
    journal.gone.side_effect = [KeyboardInterrupt, None]
    delete_session = use_case(transport, API_KEY, journal=journal, on_outcome=told.append)
    with pytest.raises(KeyboardInterrupt), log_records(logging.ERROR) as records:
        delete(delete_session)
    assert [outcome.session_fate for outcome in told] == [SessionFate.GONE]
    assert (len(transport.requests), records) == (1, [])
    assert journal.gone.call_count == 1 + is_begun_anew


@both_use_cases
@pytest.mark.parametrize("delete", [call, leave_block])
@pytest.mark.parametrize(
    ("make", "fate"),
    [
        (StopIteration, SessionFate.UNKNOWN),
        (ValueError, SessionFate.UNKNOWN),
        (GeneratorExit, SessionFate.UNKNOWN),
        (lambda: ODD_BILL, SessionFate.GONE),
    ],
)
def test_whatever_a_transport_does_ends_a_delete_and_is_told_even_if_each_line_of_the_log_fails(
    use_case: UseCase, delete: Callable[..., None], make: Callable[[], Any], fate: SessionFate
) -> None:
    told: list[Outcome] = []
    transport = ScriptedTransport(UNAVAILABLE, make())
    delete_session = use_case(transport, API_KEY, on_outcome=told.append)
    logger, fails = logging.getLogger("firecrawl_interact"), Mock()
    fails.filter.side_effect = ZeroDivisionError
    logger.addFilter(fails)
    logger.setLevel(logging.DEBUG)
    try:
        with suppress(RuntimeError, ValueError, GeneratorExit):
            delete(delete_session)
    finally:
        logger.setLevel(logging.NOTSET)
        logger.removeFilter(fails)
    assert [outcome.session_fate for outcome in told] == [fate]


@pytest.mark.filterwarnings("ignore:on_exit.* was never:RuntimeWarning")
# Python takes what is raised while it collects a generator, and says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("use_case", "make", "use"),
    [
        (DeleteSession, lambda delete_session: delete_session, call),
        (awaited, lambda delete_session: delete_session, call),
        (DeleteSession, lambda delete_session: delete_session.on_exit(SESSION_ID), leave),
    ],
    ids=["call", "awaited call", "block"],
)
def test_a_ctrl_c_at_any_moment_of_a_delete_costs_no_word_of_what_is_known(
    use_case: UseCase, make: Callable[[Any], Any], use: Callable[[Any], None]
) -> None:
    for moment in range(1, 1_000):
        transport, told = ScriptedTransport(*[UNAUTHORIZED] * 3), list[Outcome]()
        used = make(use_case(transport, API_KEY, on_outcome=told.append))
        interruption, is_seen = Interruption(moment, KeyboardInterrupt), False
        with log_records(logging.ERROR) as records:
            try:
                with at_each_call(interruption):
                    use(used)
            except (UnauthorizedError, KeyboardInterrupt) as raised:
                is_seen = isinstance(raised, UnauthorizedError)
            del used  # A block that was not left says so.
        must_be_told = bool(transport.requests) or use is leave
        assert must_be_told <= is_seen + len(records) <= 1
        assert len(told) <= 1
        if interruption.moments < moment:
            break
    assert 50 < moment < 999


@both_use_cases
def test_bad_input_and_a_preflight_have_no_outcome(use_case: UseCase) -> None:
    told: list[Outcome] = []
    gone = response(404, {"success": False, "error": "Browser session not found."})
    delete_session = use_case(ScriptedTransport(gone), API_KEY, on_outcome=told.append)
    ended(delete_session.check())
    with pytest.raises(TypeError, match="retry"):
        ended(delete_session(SESSION_ID, retry=3))
    assert told == []


async def awaited_hook(outcome: Outcome) -> None: ...


@both_use_cases
def test_what_on_outcome_raises_is_logged_and_changes_nothing(use_case: UseCase) -> None:
    says = [f"on_outcome failed for session '{SESSION_ID}'"]
    for does, expected in (
        (ZeroDivisionError, says),
        (awaited_hook, says),
        ([OneTurn()], []),  # A task, for instance: it runs by itself.
    ):
        on_outcome = Mock(side_effect=does)
        delete_session = use_case(ScriptedTransport(DESTROYED), API_KEY, on_outcome=on_outcome)
        with log_records(logging.ERROR) as records:
            receipt = ended(delete_session(SESSION_ID))
        assert receipt == DeletionReceipt(session_id=SESSION_ID)
        assert [record.getMessage() for record in records] == expected
        assert all(record.exc_info for record in records)
        assert [extras(record) for record in records] == [KNOWN_GONE] * len(expected)


# What the log carries


def extras(record: logging.LogRecord) -> dict[str, object]:
    """What a record has that an ordinary one has not."""
    plain = vars(logging.makeLogRecord({}))
    plain["message"] = ""  # A formatter adds it.
    return {name: value for name, value in vars(record).items() if name not in plain}


def test_each_attempt_and_each_retry_is_a_record_with_its_reason_and_what_is_known() -> None:
    busy = response(429, {"error": "Slow\nWARNING down\x1b[2K."}, {"retry-after": "34"})
    away = response(503, {"error": "Hangar is away."}, {"retry-after": "5"})
    stale = ConnectionLostError("the service closed the connection", stale=True)
    with log_records() as records:
        error_of(UnauthorizedError, busy, stale, away, UNAUTHORIZED)
    places = {(record.name, record.module) for record in records}
    assert places == {("firecrawl_interact", "conversation")}
    assert [record.levelname for record in records] == ["DEBUG", "WARNING"] * 3 + ["DEBUG"]
    retries = [
        (34.0, "untouched", "HTTP 429: Slow\\nWARNING down\\x1b[2K"),
        (0.0, "unknown", "the service closed the connection"),
        (5.0, "unknown", "HTTP 503: Hangar is away"),
    ]
    session, session_id = f"session '{SESSION_ID}'", {"session_id": SESSION_ID}
    for number, record in enumerate(records[::2], start=1):
        assert record.getMessage() == f"{session}: attempt {number} of 4"
        assert extras(record) == session_id | {"attempt": number}
    for number, (seconds, fate, reason) in enumerate(retries, start=1):
        record = records[2 * number - 1]
        assert record.getMessage() == f"{session}: retry in {seconds} s: {reason}"
        known = session_id | {"session_fate": fate, "attempt": number, "retry_in": seconds}
        assert json.loads(json.dumps(extras(record))) == known


def test_the_record_of_what_the_journal_may_still_hold_says_so_too() -> None:
    journal = Mock(gone=Mock(side_effect=ZeroDivisionError))
    delete_session = DeleteSession(ScriptedTransport(ODD_BILL), API_KEY, journal=journal)
    with log_records(logging.WARNING) as records:
        delete_session(SESSION_ID)
    assert [extras(record) for record in records] == [KNOWN_GONE] * 2


def test_a_record_of_an_application_that_has_such_names_keeps_its_words_and_its_traceback() -> None:
    def own_record(*given: Any) -> logging.LogRecord:  # Any: as Python calls it
        record = logging.LogRecord(*given)
        record.session_id = "theirs"
        return record

    delete_session = DeleteSession(
        ScriptedTransport(DESTROYED), API_KEY, on_outcome=Mock(side_effect=ZeroDivisionError)
    )
    logging.setLogRecordFactory(own_record)
    try:
        with log_records(logging.ERROR) as records:
            delete_session(SESSION_ID)
    finally:
        logging.setLogRecordFactory(logging.LogRecord)
    [record] = records
    assert record.getMessage() == f"on_outcome failed for session '{SESSION_ID}'"
    assert (record.module, bool(record.exc_info)) == ("use_case", True)


# Who sees it

PROGRAM = """
import logging, sys
from tests.core.scripted_transport import *
from firecrawl_interact.core import DeleteSession, RetryPolicy
logger = logging.getLogger("firecrawl_interact")
{}
script = UNAVAILABLE, UNAUTHORIZED
with DeleteSession(ScriptedTransport(*script), "fc-test", random=lambda: 0).on_exit("a"):
    sys.exit()
"""
ERROR = "Session 'a': HTTP 401: Unauthorized: Invalid token."
FILTER_OF_THEIRS = """
logging.basicConfig()
last = logging.StreamHandler()
last.addFilter(lambda record: record.__dict__["request_id"])
logging.getLogger().addHandler(last)"""


@pytest.mark.parametrize(
    ("configure", "shown", "has_warning"),
    [
        ("", ERROR, False),
        ("logging.basicConfig()", f"ERROR:firecrawl_interact:{ERROR}", True),
        ("logging.getLogger().addHandler(logging.NullHandler())", "", False),
        ("logging.basicConfig(); logger.propagate = False", ERROR, False),
        ("logger.addHandler(logging.NullHandler())", "", False),
        ("logger.setLevel(logging.CRITICAL)", "", False),
        ("logging.lastResort = None", "", False),
        (FILTER_OF_THEIRS, f"ERROR:firecrawl_interact:{ERROR}", True),
    ],
)
def test_an_error_is_seen_where_nobody_has_configured_logging_and_a_warning_is_not(
    configure: str, shown: str, has_warning: bool
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(configure)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert any("retry in" in line for line in lines) is has_warning
    errors = [line for line in lines if "retry in" not in line]
    assert len(errors) == bool(shown)
    assert not errors or errors[0].startswith(shown)
