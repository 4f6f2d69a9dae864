"""The command as a process: what it shows on a terminal, and how a run ends early."""

import json
import math
import os
import re
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest

from firecrawl_interact.adapters import NoConnection, NoResponse, Reply

from .commands import (
    ONE_BY_ONE,
    Finished,
    Process,
    Run,
    Terminal,
    WatchedService,
    on_unix,
    rows,
    without_times,
)

pytestmark = [pytest.mark.enable_socket, on_unix]

NEXT = "Next: correct what you can, and type the same command again: a session is billed once."


def fates(done: Finished) -> list[str]:
    """The second column."""
    return [line.split()[1] for line in done.out.splitlines()]


# A terminal


def test_the_bar_is_below_each_line_at_once(service: WatchedService) -> None:
    session_ids = [service.open_session() for _ in range(200)]
    shown = Terminal("delete", *session_ids).finish().out
    assert len(re.findall(r"\x1b\[J\S+ gone deleted .*\n\d+ of 200 #*-*\r", shown)) == 200


def test_a_terminal_that_cannot_move_its_cursor_shows_the_same_without_a_bar(
    service: WatchedService,
) -> None:
    full = Terminal("delete", "a", columns=200).finish().out
    plain = Terminal("delete", "a", columns=200, variables={"TERM": "dumb"}).finish().out
    assert re.search(r"^\d\d:\d\d:\d\dZ ", plain, re.MULTILINE)  # without a date
    assert without_times(plain).splitlines() == without_times("\n".join(rows(full))).splitlines()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_bar_says_why_it_waits_and_a_signal_then_leaves_a_line_for_each_id(
    service: WatchedService, number: signal.Signals
) -> None:
    service.rate_limit = 3
    service.open_session("a")
    service.open_session("b", api_key="fc-another-team")
    terminal = Terminal("delete", *ONE_BY_ONE, *"abcd")
    terminal.await_text("rate limit: next request in ")
    terminal.await_text(" s; 3 of 4: HTTP 429: Rate limit exceeded")
    terminal.await_text("###############-----")
    terminal.send_signal(number)
    done = terminal.finish()
    assert done.status == 128 + number
    assert [row[0] for row in rows(done.out) if row[1] == " "] == [*"abcd"]


LONG = "Temporary failure in name resolution of the backend"
MANY_WORDS = " ".join("x" * 120)


@pytest.mark.parametrize(
    ("fault", "reason", "bar"),
    [
        (
            NoConnection(),
            "the connection ended before any response",
            ["next probe in [1-9] s; 0 of 9: the", "connection ended before any response", "-{20}"],
        ),
        (
            Reply(503, b'{"error": "%s"}' % LONG.encode()),
            f"HTTP 503: {LONG}",
            ["next probe in [1-9] s; 0 of 9: HTTP 503:", LONG[:39], f"{LONG[40:]} -{{20}}"],
        ),
        (  # No more than six rows are shown of it.
            Reply(503, b'{"error": "%s"}' % MANY_WORDS.encode()),
            f"HTTP 503: {MANY_WORDS}",
            ["next probe in [1-9] s; 0 of 9: HTTP 503: x", *["x[ x]+"] * 5],
        ),
        (  # Each character of its reason takes two columns.
            Reply(503, json={"success": False, "error": "サービスを利用できません"}),
            "HTTP 503: サービスを利用できません",
            ["next probe in . s;", "0 of 9: HTTP 503:", "サービスを利用できません -{6}", "-{14}"],
        ),
    ],
)
def test_at_40_columns_the_bar_says_why_and_until_when_and_a_line_of_it_stays(
    service: WatchedService, fault: NoConnection | Reply, reason: str, bar: list[str]
) -> None:
    service.outage(math.inf, fault)
    terminal = Terminal("delete", *map(str, range(9)), columns=40)
    terminal.await_text("next probe in")
    terminal.send_signal(signal.SIGTERM)
    done = terminal.finish()
    # The cursor waits at the beginning of the first row.
    assert re.search(" *\r\n".join(bar) + r"(\x1b\[A)" * (len(bar) - 1) + "\r", done.out)
    shown = without_times("\n".join(rows(done.out))).splitlines()
    [note] = [row for row in shown if row.startswith("outage: ")]
    assert note.startswith(f"outage: {reason}. Next request in ")
    assert note.endswith(" s; the run ends if this lasts beyond the deadline")
    assert not [row for row in shown if "next probe" in row]
    assert [row.split()[0] for row in shown[-3:]] == ["Stopped:", "None", "Next:"]


def test_no_bar_is_in_the_way_of_what_reads_the_output(service: WatchedService) -> None:
    read, write = os.pipe()
    command = ["delete", *ONE_BY_ONE, "--api-key", "fc-wrong", "a", "b"]
    shown = Terminal(*command, stdout=write).finish().out
    assert "--" not in shown
    assert "into a file" not in shown
    os.close(write)
    with open(read, encoding="utf-8") as output:
        lines = [line.split()[:2] for line in output]
    assert lines == [["a", "untouched"], ["b", "not-tried"]]


def test_nothing_is_shown_when_quiet(service: WatchedService) -> None:
    session_id = service.open_session()
    assert Terminal("delete", "--quiet", session_id).finish() == (0, "", "")


# Ids that are typed, and signals


def test_ids_typed_at_a_terminal_are_deleted_once_the_list_has_ended(
    service: WatchedService,
) -> None:
    terminal = Terminal("delete", "-")
    terminal.await_text("Ctrl-D ends the list.")
    terminal.type("a\n")
    terminal.type("b\n\x04")
    assert "2 not found" in terminal.finish().out


def test_ctrl_c_while_a_list_is_awaited_sends_nothing(tmp_path: Path) -> None:
    lists = [str(tmp_path / name) for name in ("first", "second")]
    for name in lists:
        os.mkfifo(name)
    with Process("delete", "--from", lists[0], "--from", lists[1]) as process:
        os.close(os.open(lists[0], os.O_WRONLY))  # It waits until the command opens it.
        assert process.end_by(signal.SIGINT) == 130
        assert without_times(process.finish().err) == "Interrupted. Nothing was sent.\n"


def test_ctrl_c_ends_a_check(service: WatchedService) -> None:
    service.responds.clear()
    with Process("check") as process:
        service.await_requests(1)
        assert process.end_by(signal.SIGINT) == 130
        assert process.finish() == (130, "", "")


def test_a_bar_beside_an_output_to_a_file_keeps_nothing_from_being_said_when_the_terminal_is_closed(
    service: WatchedService, tmp_path: Path
) -> None:
    service.responds.clear()
    with (tmp_path / "outcomes").open("wb") as outcomes:
        command = ["delete", *ONE_BY_ONE, "--missing-ok", "a", "b"]
        terminal = Terminal(*command, stdout=outcomes, variables={"PYTHONUNBUFFERED": "1"})
        terminal.await_text("0 of 2 ---")
        service.await_requests(1)
        terminal.send_signal(signal.SIGINT)
        terminal.await_text("Stopping")
        terminal.hang_up()
        service.responds.set()
        assert terminal.wait() == 130
    lines = (tmp_path / "outcomes").read_text(encoding="utf-8").splitlines()
    assert [line.split()[:2] for line in lines] == [["a", "not-found"], ["b", "not-tried"]]


# A run that ends early


SUMMARIES = {
    "gone": "2 of 4 sessions gone, 4 credits, 2 not tried, 2 may still be billing.",
    "unknown": "0 of 4 sessions gone, 2 failed, 2 not tried, 4 may still be billing.",
}


@pytest.mark.parametrize(
    ("signals", "status", "why", "fate"),
    [
        ([signal.SIGINT], 130, "Ctrl-C", "gone"),
        ([signal.SIGINT, signal.SIGINT], 130, "Ctrl-C", "unknown"),
        ([signal.SIGTERM, signal.SIGINT], 143, "SIGTERM", "unknown"),
        ([signal.SIGTERM, signal.SIGTERM], 143, "SIGTERM", "unknown"),  # as a parent sends it on
    ],
)
def test_a_signal_lets_what_is_in_flight_end_but_not_for_ever_and_names_all(
    service: WatchedService, signals: list[signal.Signals], status: int, why: str, fate: str
) -> None:
    session_ids = [service.open_session() for _ in range(4)]
    service.responds.clear()
    with Process("delete", "--concurrency", "2", *session_ids) as process:
        service.await_requests(2)
        process.send_signal(signals[0])
        process.await_note("Stopping")
        for number in signals[1:]:
            process.send_signal(number)
        if fate == "gone":
            service.responds.set()
        done = process.finish()
    assert (done.status, fates(done)) == (status, [fate, fate, "not-tried", "not-tried"])
    assert sorted(line.split()[0] for line in done.out.splitlines()) == sorted(session_ids)
    notes = without_times(done.err).splitlines()
    assert notes == [f"Stopped: {why}.", SUMMARIES[fate], NEXT]


def test_as_many_requests_are_in_flight_as_are_allowed_and_each_connection_is_kept(
    service: WatchedService, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    session_ids = [service.open_session() for _ in range(40)]
    service.responds.clear()

    def respond_to_all() -> None:
        service.await_requests(40)
        service.responds.set()

    with ThreadPoolExecutor() as pool:
        responded = pool.submit(respond_to_all)
        assert run("delete", "--concurrency", "40", *session_ids).status == 0
        responded.result()
    # urllib3 warns of each connection that it closes because it may keep no more.
    assert [record for record in caplog.records if record.name.startswith("urllib3")] == []


def test_ctrl_c_is_not_for_a_background_job(service: WatchedService) -> None:
    service.responds.clear()
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    with Process("delete", "--missing-ok", "a", before=ignoring) as process:
        service.await_requests(1)
        process.send_signal(signal.SIGINT)
        service.responds.set()
        assert process.finish().status == 0


def test_a_record_that_a_command_uses_is_refused_until_that_ends(
    service: WatchedService, run: Run, tmp_path: Path
) -> None:
    service.open_session("a")
    record = str(tmp_path / "record")
    service.responds.clear()
    with Process("delete", "--resume", record, "a") as process:
        service.await_requests(1)
        refused = run("delete", "--resume", record, "a", "b")
        service.responds.set()
        assert process.finish().status == 0
    who = f"process {process.pid}" if sys.platform == "linux" else "another command"
    assert refused.status == 2
    assert without_times(refused.err) == (
        f"Error: --resume {record}: {who} uses it. Wait for its end, or name another file."
        " Nothing was sent.\n"
    )
    assert run("delete", "--resume", record, "a").status == 0
    assert service.asked_for == ["a"]


def test_an_id_that_was_taken_in_an_outage_and_never_sent_is_not_in_the_record(
    service: WatchedService, tmp_path: Path
) -> None:
    record = tmp_path / "record"
    away = ["--api-url", "http://127.0.0.1:9", "--resume", str(record)]
    with Process("delete", "--verbose", *ONE_BY_ONE, *away, *map(str, range(20))) as process:
        process.await_note("session '16': attempt 1")  # It is the seventh: probes are for others.
        process.send_signal(signal.SIGINT)
        done = process.finish()
    outcomes = [json.loads(line)["outcome"] for line in record.read_text().splitlines()]
    assert outcomes == ["UnreachableError"] * fates(done).count("untouched")
    assert fates(done).count("not-tried") == 20 - len(outcomes)


def test_a_killed_run_is_resumed(service: WatchedService, run: Run, tmp_path: Path) -> None:
    session_ids = [service.open_session() for _ in range(4)]
    command = ["delete", *ONE_BY_ONE, "--resume", str(tmp_path / "record"), *session_ids]
    service.queue(Reply(200, b'{"success":true}'), NoResponse())
    with Process(*command) as process:
        assert process.stdout is not None
        process.stdout.readline()
        service.await_requests(2)  # Its fault would meet the next run otherwise.
        process.kill()
    done = run(*command)
    assert done.status == 0
    assert without_times(done.err) == "3 of 3 sessions gone, 6 credits, 1 done before.\n"
    first, second, third, last = session_ids
    assert service.asked_for == [last, first, third, first, second]


# Output that cannot be written


@pytest.fixture
def closed_pipe() -> Iterator[IO[bytes]]:
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as pipe:
        yield pipe


@pytest.fixture
def full_pipe() -> Iterator[IO[bytes]]:
    """Nobody reads from it."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    with open(write, "wb", buffering=0) as pipe, open(read, "rb"):
        while pipe.write(b"x" * 4096):
            pass
        os.set_blocking(write, True)
        yield pipe


def test_a_closed_pipe_stops_the_run_and_loses_nothing_that_was_done(
    service: WatchedService, closed_pipe: IO[bytes], tmp_path: Path
) -> None:
    session_ids = [service.open_session() for _ in range(30)]
    record = tmp_path / "record"
    service.responds.clear()
    command = ["delete", "--resume", str(record), *session_ids]
    with Process(*command, stdout=closed_pipe) as process:
        service.await_requests(8)
        service.responds.set()
        done = process.finish()
    outcomes = [line for line in done.err.splitlines() if line.startswith('{"session_id": ')]
    assert done.status == 1
    assert 8 <= len(outcomes) == 30 - len(service.sessions_left_open) < 30
    assert sorted(outcomes) == sorted(record.read_text(encoding="ascii").splitlines())
    assert "standard output cannot be written: Broken pipe." in done.err


@pytest.mark.parametrize(
    ("output", "number", "pause"),
    [
        ("closed_pipe", signal.SIGINT, 1),
        ("full_pipe", signal.SIGTERM, 1),
        ("full_pipe", signal.SIGINT, 0.1),  # The third one ends it at once.
    ],
)
def test_output_that_cannot_be_written_keeps_no_signal_waiting(
    service: WatchedService,
    request: pytest.FixtureRequest,
    output: str,
    number: signal.Signals,
    pause: float,
) -> None:
    pipe = request.getfixturevalue(output)
    service.responds.clear()
    with Process("delete", "a", "b", stdout=pipe, stderr=pipe) as process:
        service.await_requests(2)
        process.send_signal(number)
        service.responds.set()
        assert process.end_by(number, pause) == 128 + number
