"""How a run of the command ends early: by a signal, an outage, a refused key, a full disk."""

import math
import os
import signal
import ssl
import subprocess
import time
from pathlib import Path

import pytest
import trustme

from firecrawl_interact.adapters import NoConnection, NoResponse, Reply
from firecrawl_interact.adapters.conformance.server import FaultServer

from .commands import (
    COMMAND,
    KEY,
    LONGEST_WAIT,
    ONE_BY_ONE,
    Process,
    Run,
    Terminal,
    WatchedService,
    ctrl_c_reaches_processes,
    file_of,
    on_unix,
    rows,
)

pytestmark = pytest.mark.enable_socket

NEXT = (
    "Next: type the same command again: a session is billed once."
    " With --resume FILE, it does only what is left."
)
STOPPING = "Stopping: what is in flight ends first. Ctrl-C ends it now."
needs_dev_full = pytest.mark.skipif(
    not os.path.exists("/dev/full"), reason="this system has no disk that is always full"
)


# An outage


def in_an_outage(
    service: WatchedService, tmp_path: Path, seconds: float, *options: str
) -> tuple[int, list[str], list[str]]:
    """Delete 400 sessions of a service that goes away; give status, terminal and output."""
    ids = file_of(tmp_path / "ids", [service.open_session() for _ in range(400)])
    with (tmp_path / "outcomes").open("wb") as outcomes:
        terminal = Terminal("delete", "--from", ids, *options, stdout=outcomes)
        service.await_requests(1)
        service.outage(seconds, NoConnection())
        done = terminal.finish()
    return done.status, rows(done.out), (tmp_path / "outcomes").read_text().splitlines()


@on_unix
@pytest.mark.parametrize("seconds", [2, 15])
def test_an_outage_costs_no_session_and_few_lines(
    service: WatchedService, tmp_path: Path, seconds: float
) -> None:
    status, shown, outcomes = in_an_outage(service, tmp_path, seconds)
    assert status == 0
    assert service.sessions_left_open == []
    assert len(outcomes) == 400
    assert len(shown) <= 40


@on_unix
@pytest.mark.parametrize("concurrency", ["8", "64"])
def test_a_service_away_for_good_is_one_message(
    service: WatchedService, tmp_path: Path, concurrency: str
) -> None:
    options = ("--deadline", "2", "--concurrency", concurrency)
    status, shown, outcomes = in_an_outage(service, tmp_path, math.inf, *options)
    gone = sum(line.split()[1] == "gone" for line in outcomes)
    failed = len(outcomes) - gone  # those whose connection was cut
    text = " ".join(map(str.strip, shown))
    assert status == 1
    assert text.startswith("Stopped: the service has been away for ")
    assert f"{gone} of 400 sessions gone" in text
    assert f"{failed} failed, {400 - gone - failed} not tried" in text
    assert len(shown) <= 40


@on_unix
def test_all_that_an_outage_leaves_on_one_terminal_is_at_most_40_lines(
    service: WatchedService, tmp_path: Path
) -> None:
    ids = file_of(tmp_path / "ids", [service.open_session() for _ in range(400)])
    service.outage(math.inf, Reply(503))
    done = Terminal("delete", "--from", ids, "--deadline", "2").finish()
    assert done.status == 1
    assert len(rows(done.out)) <= 40


@on_unix
def test_an_outage_is_shown_with_a_countdown(service: WatchedService, tmp_path: Path) -> None:
    ids = file_of(tmp_path / "ids", [service.open_session() for _ in range(40)])
    service.outage(math.inf, NoConnection())
    terminal = Terminal("delete", "--from", ids, "--deadline", "4")
    terminal.await_text("outage: 1 s; 0 of 40, 0 failed")
    assert terminal.finish().status == 1


def test_a_rate_limit_for_an_hour_ends_the_run_and_says_when_to_come_back(
    service: WatchedService, run: Run
) -> None:
    service.queue(Reply(429, b"{}", {"Retry-After": "3600"}))
    done = run("delete", *ONE_BY_ONE, "a", "b")
    assert (done.status, done.out) == (1, "")
    assert "Run it again in 3600 seconds." in done.err
    assert "0 failed, 2 not tried, 2 may still be billing." in done.err


# What is the same for every session


def test_a_refused_key_stops_the_run_with_one_message(
    service: WatchedService, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FIRECRAWL_API_KEY", "fc-wrong")
    done = run("delete", "--from", file_of(tmp_path / "ids", map(str, range(1000))))
    assert (done.status, done.out) == (1, "")
    assert len(service.requests) <= 8
    assert done.err.splitlines() == [
        "Stopped: HTTP 401: Unauthorized: Invalid token. Check the API key. Nothing more was sent.",
        "0 of 1000 sessions gone, 0 credits; 0 failed, 1000 not tried, 1000 may still be billing.",
        NEXT,
    ]


def test_without_a_key_the_message_says_so_and_where_one_is_put(
    service: WatchedService, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FIRECRAWL_API_KEY")
    done = run("delete", "a", "b")
    assert done.status == 1
    assert "No API key was set: put the service's key into FIRECRAWL_API_KEY." in done.err


def test_an_untrusted_certificate_stops_the_run_with_one_message(run: Run, tmp_path: Path) -> None:
    tls = trustme.CA().issue_cert("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.configure_cert(context)
    with FaultServer(tls=context) as server:
        options = ["--api-key", KEY, "--api-url", f"https://localhost:{server.port}"]
        ids = file_of(tmp_path / "ids", map(str, range(100)))
        done = run("delete", *options, "--from", ids)
    assert (done.status, done.out) == (1, "")
    first, summary, _ = done.err.splitlines()
    assert first.startswith("Stopped: no connection to localhost:")
    assert "CERTIFICATE_VERIFY_FAILED" in first
    assert "100 not tried" in summary


# Ctrl-C and SIGTERM


@on_unix
def test_ctrl_c_lets_what_is_in_flight_end(service: WatchedService) -> None:
    service.responds.clear()
    session_ids = [service.open_session() for _ in range(4)]
    with Process("delete", "--concurrency", "2", *session_ids) as process:
        service.await_requests(2)
        process.interrupt()
        service.responds.set()
        done = process.finish()
    assert done.status == 130
    assert {line.split()[0] for line in done.out.splitlines()} == set(session_ids[:2])
    assert done.err.splitlines() == [
        "Stopped: Ctrl-C.",
        "2 of 4 sessions gone, 4 credits; 0 failed, 2 not tried, 2 may still be billing.",
        NEXT,
    ]
    assert service.sessions_left_open == session_ids[2:]


@on_unix
@pytest.mark.parametrize("service", [1], indirect=True)
def test_ctrl_c_shows_no_failure_of_what_was_merely_waiting(service: WatchedService) -> None:
    session_ids = [service.open_session() for _ in range(20)]
    with Process("delete", "--concurrency", "3", *session_ids) as process:
        process.await_note("rate limit: nothing is sent for ")
        process.interrupt()
        done = process.finish()
    assert done.status == 130
    assert [line.split()[1] for line in done.out.splitlines()] == ["gone"]
    assert "1 of 20 sessions gone, 2 credits; 0 failed, 19 not tried" in done.err


@on_unix
def test_a_second_ctrl_c_ends_at_once_and_names_what_was_in_flight(
    service: WatchedService,
) -> None:
    service.queue(Reply(200, b'{"success":true}'), NoResponse())
    with Process("delete", *ONE_BY_ONE, "a", "b", "c") as process:
        assert process.next_line().startswith("a gone")
        service.await_requests(2)
        process.interrupt()
        process.send_signal(signal.SIGINT)
        done = process.finish()
    assert done.status == 130
    assert done.out.startswith("b unknown UnreachableError ")
    assert "1 of 3 sessions gone, 0 credits (1 unknown); 1 failed, 1 not tried" in done.err


@on_unix
def test_a_second_ctrl_c_leaves_the_terminal_clean(service: WatchedService) -> None:
    service.responds.clear()
    terminal = Terminal("delete", "a")
    terminal.await_text("0 of 1")
    terminal.send_signal(signal.SIGINT)
    terminal.await_text("stopping")
    terminal.send_signal(signal.SIGINT)
    done = terminal.finish()
    assert done.status == 130
    assert done.out.rindex("\x1b[?25h") > done.out.rindex("\x1b[?25l")
    assert rows(done.out)[0].startswith("a unknown UnreachableError")


@on_unix
def test_sigterm_ends_it_within_5_seconds_with_what_was_done(service: WatchedService) -> None:
    service.queue(Reply(200, b'{"success":true}'), NoResponse())
    with Process("delete", *ONE_BY_ONE, "a", "b", "c") as process:
        service.await_requests(2)
        process.terminate()
        began = time.monotonic()
        process.await_note("Stopping")
        process.terminate()  # the same one again, sent on by a parent
        done = process.finish()
        took = time.monotonic() - began
    assert done.status == 143
    assert took < 5
    assert [line.split()[1] for line in done.out.splitlines()] == ["gone", "unknown"]
    assert "Stopped: SIGTERM." in done.err
    assert "1 of 3 sessions gone" in done.err


@on_unix
def test_ctrl_c_is_not_for_a_background_job(service: WatchedService) -> None:
    service.responds.clear()
    background = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *COMMAND]
    with subprocess.Popen([*background, "delete", "--missing-ok", "a"]) as process:
        service.await_requests(1)
        process.send_signal(signal.SIGINT)
        service.responds.set()
        assert process.wait(LONGEST_WAIT) == 0


# Output that cannot be written


@on_unix
@pytest.mark.parametrize("option", ["--json", "--missing-ok"])
def test_a_closed_pipe_stops_the_run_and_loses_nothing(
    service: WatchedService, option: str
) -> None:
    session_ids = [service.open_session() for _ in range(3)]
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as closed_pipe:
        done = subprocess.run(
            [*COMMAND, "delete", option, *ONE_BY_ONE, *session_ids],
            stdout=closed_pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    outcome, *end = done.stderr.splitlines()
    assert session_ids[0] in outcome
    assert "deleted" in outcome
    assert end == [
        "Stopped: standard output cannot be written: Broken pipe.",
        "1 of 3 sessions gone, 2 credits; 0 failed, 2 not tried, 2 may still be billing.",
        NEXT,
    ]


@needs_dev_full
def test_a_full_disk_stops_the_run(service: WatchedService) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, "delete", *ONE_BY_ONE, "--missing-ok", "a", "b"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "Stopped: standard output cannot be written: No space left on device." in done.stderr
    assert service.asked_for == ["a"]


@on_unix
def test_closed_output_is_no_failure_of_its_own(service: WatchedService) -> None:
    service.responds.clear()
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as closed_pipe, ctrl_c_reaches_processes():
        process = subprocess.Popen(
            [*COMMAND, "delete", "a", "b"], stdout=closed_pipe, stderr=closed_pipe
        )
    with process:
        service.await_requests(2)
        process.send_signal(signal.SIGINT)
        service.responds.set()
        assert process.wait(LONGEST_WAIT) == 130


@on_unix
def test_a_reader_that_has_stopped_does_not_keep_sigterm_waiting(service: WatchedService) -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    try:
        while True:
            os.write(write, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(write, True)  # It is full, and nobody reads.
    with open(write, "wb") as pipe, open(read, "rb"):
        process = subprocess.Popen([*COMMAND, "delete", "a"], stdout=pipe, stderr=pipe)
        with process:
            service.await_requests(1)
            process.terminate()
            assert process.wait(10) == 143
