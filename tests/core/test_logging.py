"""What is logged: each attempt, each retry with its reason, and nothing else."""

import logging
import subprocess
import sys

import pytest

from firecrawl_interact.core import ConnectionLostError, DeleteSessionError, Response

from .log_records import log_records
from .scripted_transport import (
    DESTROYED,
    SESSION_ID,
    UNAUTHORIZED,
    UNAVAILABLE,
    Delete,
    ScriptedTransport,
    both_ways,
    response,
)


def lines(records: list[logging.LogRecord]) -> list[tuple[str, str]]:
    assert {record.name for record in records} <= {"firecrawl_interact"}
    return [(record.levelname, record.getMessage()) for record in records]


@both_ways
def test_a_retry_is_a_line_at_warning_with_its_reason(delete: Delete) -> None:
    lost = ConnectionLostError("the service closed the connection", stale=True)
    busy = response(429, {"error": "Slow down."}, {"retry-after": "34"})
    with log_records() as records:
        delete(ScriptedTransport(lost, busy, UNAVAILABLE, DESTROYED))
    session = f"session '{SESSION_ID}'"
    assert lines(records) == [
        ("DEBUG", f"{session}: attempt 1 of 4"),
        ("WARNING", f"{session}: retry in 0.0 s: the service closed the connection"),
        ("DEBUG", f"{session}: attempt 2 of 4"),
        ("WARNING", f"{session}: retry in 34.0 s: HTTP 429: Slow down"),
        ("DEBUG", f"{session}: attempt 3 of 4"),
        ("WARNING", f"{session}: retry in 3.0 s: HTTP 502: Hangar is unavailable"),
        ("DEBUG", f"{session}: attempt 4 of 4"),
    ]


@both_ways
@pytest.mark.parametrize("script", [[UNAUTHORIZED], [UNAVAILABLE, UNAUTHORIZED]])
def test_an_error_that_is_raised_is_not_logged_too(script: list[Response], delete: Delete) -> None:
    with log_records(logging.INFO) as records, pytest.raises(DeleteSessionError):
        delete(ScriptedTransport(*script))
    assert len(records) == len(script) - 1


@both_ways
def test_a_line_stays_one_line_whatever_the_service_says(delete: Delete) -> None:
    forged = response(502, {"error": "down\nWARNING forged\x1b[2K"})
    with log_records() as records:
        delete(ScriptedTransport(forged, DESTROYED))
    for _, line in lines(records):
        assert line.isprintable()
    assert len(records) == 3


A_RETRY = """
from firecrawl_interact.core import DeleteSession, Response

class Transport:
    responses = [Response(502, {}, b""), Response(200, {}, b'{"success":true}')]
    def send(self, request, timeout):
        return self.responses.pop(0)
    def sleep(self, seconds):
        pass
    monotonic = float

print(DeleteSession(Transport(), "fc-key")("x").attempts)
"""


def test_an_application_that_asks_for_no_log_gets_none() -> None:
    # In a process of its own: pytest listens to every logger.
    process = subprocess.run(
        [sys.executable, "-c", A_RETRY], capture_output=True, text=True, check=True
    )
    assert (process.stdout, process.stderr) == ("2\n", "")
