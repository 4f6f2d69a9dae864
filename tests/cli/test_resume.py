"""`--resume FILE`: a run that was interrupted and is started again does what is left."""

import json
import os
import signal
from pathlib import Path

import pytest

from firecrawl_interact.adapters import NoResponse, Reply

from .commands import ONE_BY_ONE, UNKNOWN_ID, Process, Run, WatchedService, on_unix

pytestmark = pytest.mark.enable_socket


def recorded(path: Path) -> dict[str, str]:
    """The last outcome of each id in a record."""
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {line["session_id"]: line["outcome"] for line in lines}


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "record.jsonl"


def test_the_record_is_created_and_has_the_lines_of_json(
    service: WatchedService, run: Run, record: Path
) -> None:
    done = run("delete", "--json", "--resume", str(record), service.open_session(), UNKNOWN_ID)
    assert record.read_text(encoding="utf-8") == done.out


def test_the_same_command_again_does_what_is_left(
    service: WatchedService, run: Run, record: Path
) -> None:
    gone, foreign, forbidden = (
        service.open_session(),
        service.open_session(api_key="fc-another-team"),
        service.open_session(),
    )
    service.queue(Reply(403, b'{"success":false}'))
    command = ["delete", *ONE_BY_ONE, "--resume", str(record), forbidden, gone, foreign]
    assert run(*command).status == 1
    done = run(*command)
    assert service.asked_for == [forbidden, gone, foreign, forbidden, foreign]
    assert "2 of 3 sessions gone (1 before), 2 credits; 1 failed" in done.err
    assert "Next: type the same command again: a session is billed once.\n" in done.err
    assert recorded(record) == {forbidden: "deleted", gone: "deleted", foreign: "ForbiddenError"}


def test_when_all_is_done_nothing_is_sent(service: WatchedService, run: Run, record: Path) -> None:
    command = ["delete", "--resume", str(record), service.open_session()]
    run(*command)
    done = run(*command)
    assert (done.status, done.out) == (0, "")
    assert len(service.requests) == 1


def test_a_session_not_found_is_not_done(service: WatchedService, run: Run, record: Path) -> None:
    command = ["delete", "--resume", str(record), "a"]
    assert run(*command).status == 1
    service.open_session("a")  # The address was wrong before.
    assert run(*command).status == 0
    assert service.sessions_left_open == []


def test_with_missing_ok_a_session_not_found_is_done(
    service: WatchedService, run: Run, record: Path
) -> None:
    command = ["delete", "--missing-ok", "--resume", str(record), "a"]
    assert [run(*command).status, run(*command).status] == [0, 0]
    assert service.asked_for == ["a"]


def test_the_output_of_json_can_be_resumed_from(
    service: WatchedService, run: Run, record: Path
) -> None:
    first, second = service.open_session(), service.open_session()
    record.write_text(run("delete", "--json", first).out, encoding="utf-8")
    run("delete", "--resume", str(record), first, second)
    assert service.asked_for == [first, second]


@on_unix
def test_an_interrupted_run_is_resumed(service: WatchedService, run: Run, record: Path) -> None:
    session_ids = [service.open_session() for _ in range(4)]
    command = ["delete", *ONE_BY_ONE, "--resume", str(record), *session_ids]
    service.queue(Reply(200, b'{"success":true}'), NoResponse())
    with Process(*command) as process:
        process.next_line()
        service.await_requests(2)  # Its fault would meet the next run otherwise.
        process.send_signal(signal.SIGKILL)
    assert list(recorded(record)) == session_ids[:1]
    assert run(*command).status == 0
    assert recorded(record) == dict.fromkeys(session_ids, "deleted")


@pytest.mark.parametrize("cut", ["{", '{"session_id": "a", "outcome": "del'])
def test_a_line_that_was_cut_off_is_not_done_and_swallows_nothing(
    service: WatchedService, run: Run, record: Path, cut: str
) -> None:
    record.write_text(cut, encoding="utf-8")
    service.open_session("a")
    run("delete", "--resume", str(record), "a")
    first, second = record.read_text(encoding="utf-8").splitlines()
    assert first == cut
    assert json.loads(second)["outcome"] == "deleted"


@pytest.mark.parametrize("text", ["a\nb\n", "[1, 2]\n", "\x7fELF\x00"])
def test_a_file_of_something_else_is_refused_and_left_as_it_is(
    service: WatchedService, run: Run, record: Path, text: str
) -> None:
    record.write_text(text, encoding="utf-8")
    done = run("delete", "--resume", str(record), "a")
    assert done.status == 2
    assert done.err == f"Error: {record}, line 1: this is no record of a run. Nothing was sent.\n"
    assert record.read_text(encoding="utf-8") == text
    assert service.requests == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no such disk")
@pytest.mark.parametrize("option", ["--json", "--missing-ok"])
def test_a_full_disk_under_the_record_stops_the_run_with_what_is_known(
    service: WatchedService, run: Run, option: str
) -> None:
    session_ids = [service.open_session() for _ in range(3)]
    done = run("delete", option, *ONE_BY_ONE, "--resume", "/dev/full", *session_ids)
    assert done.status == 1
    assert done.out.count("deleted") == 1
    assert done.err.startswith(
        "Stopped: the file of --resume cannot be written: No space left on device.\n"
        "1 of 3 sessions gone, 2 credits; 0 failed, 2 not tried, 2 may still be billing.\n"
    )
    assert service.asked_for == session_ids[:1]


@on_unix
def test_a_closed_pipe_does_not_keep_the_record_from_what_was_done(
    service: WatchedService, record: Path
) -> None:
    session_ids = [service.open_session() for _ in range(3)]
    with Process("delete", *ONE_BY_ONE, "--resume", str(record), *session_ids) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait() == 1
    assert recorded(record) == {session_ids[0]: "deleted"}
