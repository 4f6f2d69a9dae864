"""How a run ends early: by a signal, an outage, an untrusted certificate, a full disk."""

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
    Finished,
    Process,
    Run,
    WatchedService,
    file_of,
    on_unix,
    signals_reach_processes,
)

pytestmark = pytest.mark.enable_socket

NEXT = (
    "type the same command again: a session is billed once."
    " With --resume FILE, it does only what is left."
)
needs_dev_full = pytest.mark.skipif(
    not os.path.exists("/dev/full"), reason="this system has no disk that is always full"
)


def fates(done: Finished) -> list[str]:
    """The second column."""
    return [line.split()[1] for line in done.out.splitlines()]


def test_an_untrusted_certificate_stops_the_run_with_one_message(run: Run, tmp_path: Path) -> None:
    tls = trustme.CA().issue_cert("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.configure_cert(context)
    with FaultServer(tls=context) as server:
        options = ["--api-key", KEY, "--api-url", f"https://localhost:{server.port}"]
        ids = file_of(tmp_path / "ids", map(str, range(100)))
        done = run("delete", *ONE_BY_ONE, *options, "--from", ids)
    assert (done.status, fates(done)) == (1, ["untouched"] + ["not-tried"] * 99)
    first, summary, following = done.err.splitlines()
    assert first.startswith("Stopped: no connection to localhost:")
    assert "CERTIFICATE_VERIFY_FAILED" in first
    assert "Let SSL_CERT_FILE name the authority that signed it, or correct the address." in first
    assert summary.startswith("None of 100 sessions gone; 1 failed, 99 not tried, ")
    assert following == f"Next: correct that, and {NEXT}"


def test_a_service_away_for_good_is_one_message_and_a_line_for_each_id(
    service: WatchedService, tmp_path: Path, run: Run
) -> None:
    ids = file_of(tmp_path / "ids", [service.open_session() for _ in range(400)])
    service.outage(math.inf, NoConnection())
    done = run("delete", "--from", ids, "--deadline", "1")
    tried = 400 - fates(done).count("not-tried")
    assert (done.status, len(fates(done))) == (1, 400)
    assert 2 <= tried <= 16
    assert "gone" not in fates(done)
    assert done.err.count("Outage: ") == 1
    assert "\nStopped: the service has been away for " in done.err
    assert f"{tried} failed, {400 - tried} not tried, 400 may still be billing." in done.err
    assert done.err.endswith(f"Next: {NEXT}\n")


# Signals


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
    assert fates(done) == ["gone", "gone", "not-tried", "not-tried"]
    assert [line.split()[0] for line in done.out.splitlines()[2:]] == session_ids[2:]
    assert done.err.splitlines() == [
        "Stopped: Ctrl-C.",
        "2 of 4 sessions gone, 4 credits; 2 not tried, 2 may still be billing.",
        f"Next: {NEXT}",
    ]
    assert service.sessions_left_open == session_ids[2:]


@on_unix
@pytest.mark.parametrize("service", [1], indirect=True)
def test_ctrl_c_in_a_rate_limit_leaves_a_line_for_each_id(service: WatchedService) -> None:
    session_ids = [service.open_session() for _ in range(20)]
    with Process("delete", "--concurrency", "3", *session_ids) as process:
        process.await_note("rate limit: nothing is sent for ")
        process.interrupt()
        done = process.finish()
    assert done.status == 130
    assert fates(done)[0] == "gone"
    assert set(fates(done)[1:]) <= {"untouched", "not-tried"}
    assert sorted(line.split()[0] for line in done.out.splitlines()) == sorted(session_ids)


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
    assert (done.status, fates(done)) == (130, ["unknown", "not-tried"])
    assert "1 of 3 sessions gone; 1 failed, 1 not tried, 1 bill unknown, 2 may" in done.err


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
    assert (done.status, fates(done)) == (143, ["gone", "unknown", "not-tried"])
    assert took < 5
    assert "Stopped: SIGTERM." in done.err


@on_unix
def test_sighup_ends_it_with_a_summary(service: WatchedService) -> None:
    service.responds.clear()
    with Process("delete", *ONE_BY_ONE, "--missing-ok", "a", "b") as process:
        service.await_requests(1)
        process.send_signal(signal.SIGHUP)
        process.await_note("Stopping")
        service.responds.set()
        done = process.finish()
    assert (done.status, fates(done)) == (1, ["not-found", "not-tried"])
    assert done.err.startswith(
        "Stopped: the terminal was closed.\nNone of 2 sessions gone; 1 not f"
    )


@on_unix
def test_ctrl_c_is_not_for_a_background_job(service: WatchedService) -> None:
    service.responds.clear()
    background = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *COMMAND]
    with subprocess.Popen([*background, "delete", "--missing-ok", "a"]) as process:
        service.await_requests(1)
        process.send_signal(signal.SIGINT)
        service.responds.set()
        assert process.wait(LONGEST_WAIT) == 0


@on_unix
def test_a_killed_run_is_resumed(service: WatchedService, run: Run, tmp_path: Path) -> None:
    session_ids = [service.open_session() for _ in range(4)]
    command = ["delete", *ONE_BY_ONE, "--resume", str(tmp_path / "record"), *session_ids]
    service.queue(Reply(200, b'{"success":true}'), NoResponse())
    with Process(*command) as process:
        process.next_line()
        service.await_requests(2)  # Its fault would meet the next run otherwise.
        process.send_signal(signal.SIGKILL)
    done = run(*command)
    assert done.status == 0
    assert done.err == "3 of 3 sessions gone, 6 credits; 1 done before.\n"
    assert service.asked_for == [*session_ids[:2], *session_ids[1:]]


# Output that cannot be written


@on_unix
@pytest.mark.parametrize("option", ["--json", "--missing-ok"])
def test_a_closed_pipe_stops_the_run_and_loses_nothing_that_was_done(
    service: WatchedService, option: str, tmp_path: Path
) -> None:
    session_ids = [service.open_session() for _ in range(30)]
    record = tmp_path / "record"
    service.responds.clear()
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as closed_pipe:
        process = subprocess.Popen(
            [*COMMAND, "delete", option, "--resume", str(record), *session_ids],
            stdout=closed_pipe,
            stderr=subprocess.PIPE,
            text=True,
        )
    with process:
        service.await_requests(8)
        service.responds.set()
        _, err = process.communicate(timeout=LONGEST_WAIT)
    outcomes = [line for line in err.splitlines() if line.startswith('{"session_id": ')]
    assert process.returncode == 1
    assert 8 <= len(outcomes) == 30 - len(service.sessions_left_open) < 30
    assert sorted(outcomes) == sorted(record.read_text(encoding="ascii").splitlines())
    assert "standard output cannot be written: Broken pipe." in err


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
    assert f"Next: correct that, and {NEXT}" in done.stderr
    assert service.asked_for == ["a"]


@needs_dev_full
def test_a_full_disk_under_the_record_stops_the_run_with_what_is_known(
    service: WatchedService, run: Run
) -> None:
    session_ids = [service.open_session() for _ in range(3)]
    done = run("delete", *ONE_BY_ONE, "--resume", "/dev/full", *session_ids)
    assert (done.status, fates(done)) == (1, ["gone", "not-tried", "not-tried"])
    assert done.err.startswith(
        "Stopped: the file of --resume cannot be written: No space left on device.\n"
    )
    assert service.asked_for == session_ids[:1]


@on_unix
def test_closed_output_is_no_failure_of_its_own(service: WatchedService) -> None:
    service.responds.clear()
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as closed_pipe, signals_reach_processes():
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


@on_unix
@pytest.mark.parametrize("streams", [">&- 2>&-", "<&-"])
def test_it_works_with_closed_streams(service: WatchedService, streams: str) -> None:
    session_id = service.open_session()
    closed = ["sh", "-c", f'exec "$@" {streams}', "sh", *COMMAND]
    done = subprocess.run([*closed, "delete", session_id, "-"], check=False, input=b"")
    assert done.returncode == 0
    assert not service.is_open(session_id)
