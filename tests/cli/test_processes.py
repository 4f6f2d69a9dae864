"""The command as a process: what it shows on a terminal, and how a run ends early."""

import json
import os
import re
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from firecrawl_interact import NoResponse, Reply

from .commands import ONE_BY_ONE, Process, Run, Terminal, WatchedService, rows

if sys.platform == "win32":
    pytest.skip("it has other signals, and no pseudo-terminals", allow_module_level=True)

pytestmark = pytest.mark.enable_socket

NEXT = "Run the same command again. Each session is billed once."


# A terminal


def test_the_bar_is_below_each_line_at_once_and_fits_into_40_columns(
    service: WatchedService,
) -> None:
    session_ids = [service.open_session() for _ in range(200)]
    shown = Terminal("delete", *session_ids, columns=40).finish().out
    drawn = re.findall(
        r"\x1b\[2K\x1b\[G\S+ \S+gone\S+ deleted .*\r\n\r\x1b\[\?25l(\[[^\x1b\r]*\d+/200[^\x1b\r]*)",
        shown,
    )
    assert len(drawn) == 200
    assert max(map(len, drawn)) <= 40


def test_a_bar_says_how_far_it_is_while_the_lines_go_into_a_file(
    service: WatchedService, tmp_path: Path
) -> None:
    session_ids = [service.open_session() for _ in range(20)]
    with (tmp_path / "outcomes").open("wb") as outcomes:
        shown = Terminal("delete", *session_ids, stdout=outcomes).finish().out
    assert rows(shown) == ["[############] 20/20", "20 of 20 sessions gone, 40 credits."]
    lines = (tmp_path / "outcomes").read_text(encoding="ascii").splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted(session_ids)


def test_no_bar_is_in_the_way_of_what_reads_a_pipe(service: WatchedService) -> None:
    read, write = os.pipe()
    command = ["delete", *ONE_BY_ONE, "--api-key", "fc-wrong", "a", "b"]
    shown = Terminal(*command, stdout=write).finish().out
    os.close(write)
    assert "--" not in shown
    with open(read, encoding="utf-8") as output:
        lines = [line.split()[:2] for line in output]
    assert lines == [["a", "untouched"], ["b", "not-tried"]]


@pytest.mark.parametrize(
    ("reply", "reason", "note", "then"),
    [
        (Reply(429, headers={"Retry-After": "3"}), "rate limit", r"3\.[0-3] s: HTTP 429\.", "   "),
        (Reply(503, b'{"error": "Away."}'), "outage", r"[\d.]+ s: HTTP 503: Away", "  outage, "),
    ],
)
def test_a_line_and_the_bar_say_why_and_how_long_a_run_waits(
    service: WatchedService, reply: Reply, reason: str, note: str, then: str
) -> None:
    session_ids = [service.open_session() for _ in range(2)]
    service.outage(3600, reply)
    terminal = Terminal("delete", *session_ids, columns=60)
    for seconds in (2, 1):
        terminal.await_text(f"[------------] 0/2  {reason}, retry in {seconds} s")
    service.outage(0)
    service.responds.clear()
    terminal.await_text(f"[------------] 0/2{then}")
    service.responds.set()
    shown = rows(terminal.finish().out)
    assert shown[-2:] == ["[############] 2/2", "2 of 2 sessions gone, 4 credits."]
    [line, *_] = [row for row in shown if re.match(rf"\S+Z {reason}, retry in {note}", row)]
    assert line.endswith("...")
    assert len(line) <= 60


def test_the_bar_says_that_a_failing_id_is_still_tried(
    service: WatchedService,
) -> None:
    session_ids = [service.open_session() for _ in range(2)]
    service.queue(*[Reply(503)] * 100, session_id=session_ids[0])
    terminal = Terminal("delete", *session_ids)
    for seconds in (3, 4):
        terminal.await_text(f"[######------] 1/2  still trying, {seconds} s")
    terminal.send_signal(signal.SIGTERM)
    assert terminal.finish().status == 143


@pytest.mark.parametrize("columns", [20, 40])
def test_a_bar_never_wraps(service: WatchedService, columns: int) -> None:
    service.outage(3600, Reply(429, headers={"Retry-After": "60"}))
    terminal = Terminal("delete", *map(str, range(200)), columns=columns)
    terminal.await_text("0/200  rate"[: columns - 15])
    terminal.send_signal(signal.SIGTERM)
    shown = terminal.finish().out
    assert max(map(len, re.findall(r"\[-+\][^\x1b\r]*", shown))) <= columns


def test_a_terminal_shows_fates_in_colours_and_ids_shortened(service: WatchedService) -> None:
    session_id = service.open_session("0199a7c4-5d1e-7b60-9f3a-2c8e4d6b1a57")
    service.queue(Reply(200, b'{"success":true}'), Reply(403, b'{"success":false}'))
    shown = Terminal(
        "delete", *ONE_BY_ONE, session_id, "scrape:0199a7c4-5d1e-7b60-9f3a-2c8e4d6b1a58"
    ).finish()
    assert "0199a7c4..6b1a57 \x1b[38;5;28mgone\x1b[0m deleted" in shown.out
    assert "scrape:0199a7c4..6b1a58 \x1b[38;5;130muntouched\x1b[0m ForbiddenError" in shown.out


def test_no_color_leaves_out_the_colours_alone(
    service: WatchedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = Terminal("delete", "a", "b").finish().out
    assert "2/2" in shown
    assert "\x1b[2K" in shown
    assert not re.search(r"\x1b\[[\d;]*m", shown)


def test_a_dumb_terminal_gets_lines_alone(service: WatchedService) -> None:
    shown = Terminal("delete", "a", "b", term="dumb").finish().out
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 4


def test_ids_typed_at_a_terminal_are_deleted_once_the_list_has_ended(
    service: WatchedService,
) -> None:
    terminal = Terminal("delete", "-")
    terminal.await_text("Press Ctrl-D to end the list.")
    terminal.type("a\n")
    terminal.type("b\n\x04")
    assert "2 not found" in terminal.finish().out


# Signals


def test_ctrl_c_while_a_list_is_awaited_sends_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "list")
    with Process("delete", "--from", str(tmp_path / "list"), "--from", "-") as process:
        os.close(os.open(tmp_path / "list", os.O_WRONLY))  # It waits until the command opens it.
        assert process.end_by(signal.SIGINT) == 130
        assert process.finish().err == "Interrupted. Nothing was sent.\n"


def test_ctrl_c_ends_a_check(service: WatchedService) -> None:
    service.responds.clear()
    with Process("check") as process:
        service.await_requests(1)
        assert process.end_by(signal.SIGINT) == 130
        assert process.finish() == (130, "", "")


SUMMARIES = {
    "gone": "2 of 4 sessions gone, 4 credits, 2 not tried, 2 may still be billing.",
    "unknown": "0 of 4 sessions gone, 2 failed, 2 not tried, 4 may still be billing.",
}


@pytest.mark.parametrize(
    ("signals", "status", "why", "fate"),
    [
        ([signal.SIGINT], 130, "Ctrl-C", "gone"),
        ([signal.SIGINT, signal.SIGINT], 130, "Ctrl-C", "unknown"),
        ([signal.SIGTERM], 143, "SIGTERM", "gone"),
        ([signal.SIGTERM], 143, "SIGTERM", "unknown"),  # after 3 s
        ([signal.SIGTERM, signal.SIGINT], 143, "SIGTERM", "unknown"),
        ([signal.SIGHUP], 129, "SIGHUP", "gone"),
    ],
)
def test_a_signal_waits_for_requests_in_flight_and_names_all(
    service: WatchedService, signals: list[signal.Signals], status: int, why: str, fate: str
) -> None:
    session_ids = [service.open_session() for _ in range(4)]
    service.responds.clear()
    with Process("delete", "--concurrency", "2", *session_ids) as process:
        service.await_requests(2)
        process.send_signal(signals[0])
        process.await_note("Waiting for requests in flight.")
        for number in signals[1:]:
            process.send_signal(number)
        if fate == "gone":
            service.responds.set()
        done = process.finish()
    lines = [line.split() for line in done.out.splitlines()]
    assert done.status == status
    assert [line[1] for line in lines] == [fate, fate, "not-tried", "not-tried"]
    assert sorted(line[0] for line in lines) == sorted(session_ids)
    assert done.err.splitlines() == [f"Stopped: {why}.", SUMMARIES[fate], NEXT]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_the_command_was_told_to_ignore_is_ignored(
    service: WatchedService, number: signal.Signals
) -> None:
    service.responds.clear()
    ignoring = ["sh", "-c", f'trap "" {number.value}; exec "$@"', "sh"]
    with Process("delete", "--missing-ok", "a", before=ignoring) as process:
        service.await_requests(1)
        process.send_signal(number)
        service.responds.set()
        assert process.finish().status == 0


@pytest.mark.parametrize("is_output_on_terminal", [True, False])
def test_a_terminal_that_is_closed_costs_no_outcome(
    service: WatchedService, tmp_path: Path, is_output_on_terminal: bool
) -> None:
    service.responds.clear()
    record, output = tmp_path / "record", tmp_path / "output"
    command = ["delete", "--concurrency", "2", "--resume", str(record), *"abcd"]
    with output.open("wb") as file:
        streams: dict[str, Any] = {} if is_output_on_terminal else {"stdout": file}
        terminal = Terminal(*command, **streams)
        service.await_requests(2)
        terminal.hang_up()
        service.responds.set()
        assert terminal.wait() == 129
    recorded = {json.loads(line)["session_id"] for line in record.read_text().splitlines()}
    assert recorded == set(service.asked_for) == {"a", "d"}
    lines = [line.split()[:2] for line in output.read_text().splitlines()]
    named = [["a", "not-found"], ["b", "not-tried"], ["c", "not-tried"], ["d", "not-found"]]
    assert sorted(lines) == ([] if is_output_on_terminal else named)


# A run that ends early, and goes on


def test_concurrency_limits_requests_and_connections_are_kept(
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
    assert (done.status, done.err) == (0, "3 of 3 sessions gone, 6 credits, 1 done before.\n")
    first, second, third, last = session_ids
    assert service.asked_for == [last, first, third, first, second]


def test_a_closed_pipe_stops_the_run_and_stderr_names_all(
    service: WatchedService, tmp_path: Path
) -> None:
    read, write = os.pipe()
    os.close(read)
    session_ids = [service.open_session() for _ in range(30)]
    record = tmp_path / "record"
    service.responds.clear()
    with Process("delete", "--resume", str(record), *session_ids, stdout=write) as process:
        os.close(write)
        service.await_requests(8)
        service.responds.set()
        done = process.finish()
    *lines, stopped, summary, following = done.err.splitlines()
    gone = [line.split()[0] for line in lines if line.split()[1] == "gone"]
    assert done.status == 1
    assert sorted(line.split()[0] for line in lines) == sorted(session_ids)
    assert sorted(gone) == sorted({*session_ids} - {*service.sessions_left_open})
    assert 8 <= len(gone) == len(record.read_text(encoding="ascii").splitlines()) < 30
    assert stopped == "Stopped: cannot write to standard output (Broken pipe)."
    assert summary.startswith(f"{len(gone)} of 30 sessions gone, ")
    assert following == NEXT


def test_a_pipe_that_nobody_reads_floods_no_terminal(service: WatchedService) -> None:
    read, write = os.pipe()
    os.close(read)
    shown = Terminal("delete", "--json", *map(str, range(30)), stdout=write)
    os.close(write)
    [summary] = rows(shown.finish().out)
    assert json.loads(summary)["sessions"] == 30
