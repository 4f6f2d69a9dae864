"""Who is told what became of a session: `on_outcome`, the journal, the log, and standard error.

What is told at a block's end: `test_blocks`. Of a run: `test_runs`.
"""

import asyncio
import json
import logging
import subprocess
import sys
import threading
import uuid
from typing import Any
from unittest.mock import Mock, call

import pytest

from firecrawl_interact import core

from ..simulation import virtual_time
from .scripted_transport import (
    API_KEY,
    DESTROYED,
    SESSION_ID,
    UNAUTHORIZED,
    UNAVAILABLE,
    ScriptedTransport,
    UseCase,
    ended,
    error_of,
    log_records,
    response,
)
from .side_by_side import DeleteMany, FunctionTransport, both_kinds, listed

KNOWN_GONE = {"session_id": SESSION_ID, "session_fate": "gone"}


@pytest.mark.parametrize(
    ("session_id", "meets", "kind"),
    [
        (SESSION_ID, DESTROYED, core.DeletionReceipt),
        (SESSION_ID, UNAUTHORIZED, core.UnauthorizedError),
        ("a b", None, core.InvalidSessionIdError),
    ],
)
def test_a_call_tells_its_outcome_once_before_it_returns_or_raises(
    session_id: str, meets: Any, kind: type[core.Outcome], use_case: UseCase
) -> None:
    told: list[object] = []
    delete_session = use_case(
        ScriptedTransport(meets),
        API_KEY,
        on_outcome=lambda outcome: told.extend([outcome, threading.current_thread()]),
    )
    with log_records(logging.ERROR) as records:
        try:
            end = ended(delete_session(session_id))
        except core.DeleteSessionError as error:
            end = error
    assert told == [end, threading.current_thread()]
    assert isinstance(end, kind)
    assert records == []  # The caller sees it.


@pytest.mark.parametrize(
    "interruption", [KeyboardInterrupt, SystemExit, asyncio.CancelledError, RuntimeError]
)
def test_an_interrupted_call_reports_unknown(
    interruption: type[BaseException], use_case: UseCase
) -> None:
    told: list[core.Outcome] = []
    error = interruption()
    transport = ScriptedTransport(UNAVAILABLE, error)
    delete_session = use_case(transport, API_KEY, on_outcome=told.append)
    with pytest.raises(interruption) as raised, log_records(logging.ERROR) as records:
        ended(delete_session(uuid.UUID(SESSION_ID)))
    assert raised.value is error
    [outcome] = told
    assert isinstance(outcome, core.UnreachableError)
    assert (outcome.session_id, outcome.attempts) == (SESSION_ID, len(transport.requests))
    assert (outcome.session_fate, outcome.transient) == (core.SessionFate.UNKNOWN, True)
    assert f"the delete was interrupted ({interruption.__name__}). 2 attempts." in str(outcome)
    assert [record.getMessage() for record in records] == error.__notes__ == [str(outcome)]
    assert extras(records[0]) == {"session_id": SESSION_ID, "session_fate": "unknown"}


# The journal


@pytest.mark.parametrize(
    ("error", "words"), [(OSError("the disk is full"), "the disk is full"), (KeyError(), "Key")]
)
def test_a_journal_s_error_is_a_warning(error: Exception, words: str, use_case: UseCase) -> None:
    journal = Mock(gone=Mock(side_effect=error))
    delete_session = use_case(ScriptedTransport(DESTROYED), API_KEY, journal=journal)
    with log_records(logging.WARNING) as records:
        assert ended(delete_session(SESSION_ID)) == core.DeletionReceipt(session_id=SESSION_ID)
    [record] = records
    says = f"session '{SESSION_ID}' is gone, but the journal may still have its record: {words}"
    assert record.getMessage().startswith(says)
    assert extras(record) == KNOWN_GONE


def test_everybody_is_told_before_the_journal_forgets(use_case: UseCase) -> None:
    # A crash in between costs one more delete, which is billed once, and not the telling.
    seen = Mock()
    seen.journal = Mock(spec=["opened", "gone"])
    others = {"journal": seen.journal, "on_outcome": seen.on_outcome}
    receipt = ended(use_case(ScriptedTransport(DESTROYED), API_KEY, **others)(SESSION_ID))
    assert seen.mock_calls == [call.on_outcome(receipt), call.journal.gone(SESSION_ID)]


# The hook


def test_what_on_outcome_raises_is_logged_and_changes_nothing(use_case: UseCase) -> None:
    hook = Mock(side_effect=ZeroDivisionError)
    delete_session = use_case(ScriptedTransport(DESTROYED), API_KEY, on_outcome=hook)
    with log_records(logging.ERROR) as records:
        assert ended(delete_session(SESSION_ID)) == core.DeletionReceipt(session_id=SESSION_ID)
    [record] = records
    assert record.getMessage() == f"on_outcome failed for session '{SESSION_ID}'"
    assert record.exc_info is not None
    assert extras(record) == KNOWN_GONE


# What the log carries


def extras(record: logging.LogRecord) -> dict[str, object]:
    """What a record has that an ordinary one has not."""
    plain = vars(logging.makeLogRecord({}))
    plain["message"] = ""  # A formatter adds it.
    return {name: value for name, value in vars(record).items() if name not in plain}


def test_each_attempt_and_each_retry_is_logged() -> None:
    busy = response(429, {"error": "Slow\nWARNING down\x1b[2K."}, {"retry-after": "34"})
    away = response(503, {"error": "Hangar is away."}, {"retry-after": "5"})
    stale = core.ConnectionLostError("the service closed the connection", stale=True)
    with log_records() as records:
        error_of(core.UnauthorizedError, busy, stale, away, UNAUTHORIZED)
    assert {(one.name, one.module) for one in records} == {("firecrawl_interact", "call")}
    assert [record.levelname for record in records] == ["DEBUG", "INFO"] * 3 + ["DEBUG"]
    retries = [
        (35.0, "untouched", "HTTP 429: Slow\\nWARNING down\\x1b[2K"),
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


@both_kinds
def test_a_filter_that_raises_costs_a_run_no_outcome(delete_many: DeleteMany) -> None:
    """Each outcome is ready for its caller before anything is told or logged."""
    logger, fails = logging.getLogger("firecrawl_interact"), Mock()
    fails.filter.side_effect = lambda record: 1 / 0 if record.levelno == logging.ERROR else True
    hook = Mock(side_effect=OSError)
    run = delete_many(FunctionTransport(), on_outcome=hook)(iter(["a", "b"]))
    logger.addFilter(fails)
    try:
        with pytest.raises(ZeroDivisionError):
            virtual_time.run(listed(run))
    finally:
        logger.removeFilter(fails)
    outcomes = virtual_time.run(listed(run))
    assert [outcome.session_id for outcome in outcomes] == ["a", "b"]


def test_a_log_record_factory_with_our_names_loses_no_line() -> None:
    def own_record(*given: Any) -> logging.LogRecord:  # Any: as Python calls it
        record = logging.LogRecord(*given)
        record.session_id = "theirs"
        return record

    hook = Mock(side_effect=ZeroDivisionError)
    delete_session = core.DeleteSession(ScriptedTransport(DESTROYED), API_KEY, on_outcome=hook)
    logging.setLogRecordFactory(own_record)
    try:
        with log_records(logging.ERROR) as records:
            delete_session(SESSION_ID)
    finally:
        logging.setLogRecordFactory(logging.LogRecord)
    [record] = records
    assert record.getMessage() == f"on_outcome failed for session '{SESSION_ID}'"
    assert (record.module, bool(record.exc_info)) == ("driver", True)


# Who sees it

PROGRAM = """
import sys
from tests.core.scripted_transport import *
from firecrawl_interact.core import DeleteSession
with DeleteSession(ScriptedTransport(UNAUTHORIZED), "fc-test").on_exit("a"):
    sys.exit()
"""


def test_what_may_be_left_is_seen_without_a_configuration() -> None:
    code = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(code, capture_output=True, text=True, check=True)
    [line] = done.stderr.splitlines()
    assert line.startswith("Session 'a': HTTP 401: Unauthorized: Invalid token.")
