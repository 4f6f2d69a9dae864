"""How a run ends early: by a signal, an untrusted certificate, a closed pipe."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from firecrawl_interact.adapters import NoResponse, Reply
from firecrawl_interact.adapters.conformance import certificates
from firecrawl_interact.adapters.conformance.server import FaultServer

from .commands import KEY, ONE_BY_ONE, Finished, Process, Run, WatchedService, on_unix

pytestmark = pytest.mark.enable_socket

NEXT = (
    "type the same command again: a session is billed once."
    " With --resume FILE, it does only what is left."
)


def fates(done: Finished) -> list[str]:
    """The second column."""
    return [line.split()[1] for line in done.out.splitlines()]


def test_an_untrusted_certificate_stops_the_run_with_one_message(run: Run) -> None:
    with FaultServer(tls=certificates.untrusted()) as server:
        address = server.authority
        options = ["--api-key", KEY, "--api-url", server.api_url]
        done = run("delete", *ONE_BY_ONE, *options, *map(str, range(100)))
    assert (done.status, fates(done)) == (1, ["untouched"] + ["not-tried"] * 99)
    first, summary, following = done.err.splitlines()
    assert first.startswith(f"Stopped: no connection to {address}:")
    assert "CERTIFICATE_VERIFY_FAILED" in first
    assert "Let SSL_CERT_FILE name the authority that signed it, or correct the address." in first
    assert summary.startswith("None of 100 sessions gone; 1 failed, 99 not tried, ")
    assert following == f"Next: correct that, and {NEXT}"


# Signals


NONE_GONE = "None of 4 sessions gone; 2 failed, 2 not tried, 4 may still be billing."


@on_unix
@pytest.mark.parametrize(
    ("signals", "status", "why", "fate", "summary"),
    [
        (
            [signal.SIGINT],
            130,
            "Ctrl-C",
            "gone",
            "2 of 4 sessions gone, 4 credits; 2 not tried, 2 may still be billing.",
        ),
        ([signal.SIGINT, signal.SIGINT], 130, "Ctrl-C", "unknown", NONE_GONE),
        ([signal.SIGTERM, signal.SIGTERM], 143, "SIGTERM", "unknown", NONE_GONE),
        ([signal.SIGHUP], 1, "the terminal was closed", "unknown", NONE_GONE),
    ],
    ids=["Ctrl-C", "Ctrl-C twice", "SIGTERM that a parent sends on", "SIGHUP"],
)
def test_a_signal_lets_what_is_in_flight_end_but_not_for_ever_and_names_all(
    service: WatchedService,
    signals: list[signal.Signals],
    status: int,
    why: str,
    fate: str,
    summary: str,
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
        process.wait(10)  # A supervisor kills it then.
        done = process.finish()
    assert (done.status, fates(done)) == (status, [fate, fate, "not-tried", "not-tried"])
    assert sorted(line.split()[0] for line in done.out.splitlines()) == sorted(session_ids)
    assert done.err.splitlines() == [f"Stopped: {why}.", summary, f"Next: {NEXT}"]


@on_unix
def test_ctrl_c_is_not_for_a_background_job(service: WatchedService) -> None:
    service.responds.clear()
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    with Process("delete", "--missing-ok", "a", before=ignoring) as process:
        service.await_requests(1)
        process.send_signal(signal.SIGINT)
        service.responds.set()
        assert process.finish().status == 0


@on_unix
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
    assert done.err == "3 of 3 sessions gone, 6 credits; 1 done before.\n"
    assert service.asked_for == [*session_ids[:2], *session_ids[1:]]


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


@on_unix
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


@on_unix
@pytest.mark.parametrize(
    ("output", "number", "status"),
    [("closed_pipe", signal.SIGINT, 130), ("full_pipe", signal.SIGTERM, 143)],
)
def test_output_that_cannot_be_written_keeps_no_signal_waiting(
    service: WatchedService,
    request: pytest.FixtureRequest,
    output: str,
    number: signal.Signals,
    status: int,
) -> None:
    pipe = request.getfixturevalue(output)
    service.responds.clear()
    with Process("delete", "a", "b", stdout=pipe, stderr=pipe) as process:
        service.await_requests(2)
        process.send_signal(number)
        service.responds.set()
        assert process.wait(10) == status
