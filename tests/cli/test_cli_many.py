"""The command `firecrawl-interact` with many sessions: from where, how it goes, how it ends."""

import io
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import pytest

from firecrawl_interact.adapters import NoResponse, Reply, SystemTime
from firecrawl_interact.adapters.cli.output import Output
from firecrawl_interact.adapters.cli.run import Run as RunOfDelete
from firecrawl_interact.adapters.cli.session_ids import SessionIds, read_journal
from firecrawl_interact.adapters.cli.words import Progress, plain_line
from firecrawl_interact.core import (
    DeleteSession,
    RateLimitError,
    Request,
    Response,
    SessionFate,
    UnreachableError,
)

from .commands import (
    COMMAND,
    KEY,
    LONGEST_WAIT,
    UNKNOWN_ID,
    Process,
    Run,
    Terminal,
    WatchedService,
    ctrl_c_reaches_processes,
    on_unix,
    rows,
)

pytestmark = pytest.mark.enable_socket

READER = [sys.executable, "-c", "import sys; sys.stdin.read()"]
ONE_BY_ONE = ("--concurrency", "1")


def asked_for(service: WatchedService) -> list[str]:
    """The ids that requests came for, in their order."""
    return [request.path.rpartition("/")[2] for request in service.requests]


def file_of(path: Path, lines: Iterable[str]) -> str:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


class StandardInput:
    """What the command that is run in this process reads as its standard input."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def is_to_be(self, content: bytes) -> None:
        self._file.buffer.write(content)
        self._file.buffer.seek(0)


@pytest.fixture
def standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandardInput]:
    with (tmp_path / "input").open("w+", encoding="utf-8") as file:
        monkeypatch.setattr("sys.stdin", file)
        yield StandardInput(file)


# Where ids come from


def test_ids_come_from_arguments_standard_input_and_files(
    service: WatchedService, run: Run, standard_input: StandardInput, tmp_path: Path
) -> None:
    standard_input.is_to_be(b"b\nc\n")
    files = [file_of(tmp_path / name, [name]) for name in ("e", "f")]
    run("delete", *ONE_BY_ONE, "a", "-", "d", "--from", files[0], "--from", files[1])
    assert asked_for(service) == ["a", "b", "c", "d", "e", "f"]


def test_a_file_can_be_standard_input(
    service: WatchedService, run: Run, standard_input: StandardInput
) -> None:
    standard_input.is_to_be(b"a")
    run("delete", "--from", "-")
    assert asked_for(service) == ["a"]


def test_blank_lines_and_comments_are_ignored(
    service: WatchedService, run: Run, standard_input: StandardInput
) -> None:
    standard_input.is_to_be(b"\xef\xbb\xbfa # of Monday\r\n\n \t\n#b\n  # c\n\te\t#\n# \xff\nf")
    run("delete", *ONE_BY_ONE, "-")
    assert asked_for(service) == ["a", "e", "f"]


def test_a_line_that_is_no_text_does_not_stop_the_others(
    service: WatchedService, run: Run, standard_input: StandardInput
) -> None:
    standard_input.is_to_be(b"\xff\na\n")
    done = run("delete", "-")
    assert asked_for(service) == ["a"]
    assert r"Session '\udcff': the id cannot be sent" in done.err


@pytest.mark.parametrize("session_id", ["a b", "a\tb", "a\xa0b"])
def test_two_ids_in_one_are_not_taken_for_a_session_that_is_gone(
    service: WatchedService, run: Run, session_id: str
) -> None:
    done = run("delete", "--missing-ok", "--json", session_id)
    assert done.status == 1
    assert done.objects[0]["session_fate"] == "untouched"
    assert service.requests == []


def test_an_id_that_comes_twice_is_deleted_twice(service: WatchedService, run: Run) -> None:
    session_id = service.open_session()
    done = run("delete", session_id, session_id)
    assert done.status == 0
    assert len(done.out.splitlines()) == 2


class EndlessFile(io.RawIOBase):
    """A file with the ids 0, 1, 2, ... that a pipe would give."""

    def __init__(self) -> None:
        self.lines = map("{}\n".format, itertools.count())

    def readable(self) -> bool:
        return True

    def readline(self, size: int | None = -1) -> bytes:
        return next(self.lines).encode()


def test_a_list_of_ids_needs_no_end() -> None:
    session_ids = SessionIds([EndlessFile()], {"1"})  # type: ignore[list-item] # BinaryIO is no class of files
    assert list(itertools.islice(session_ids, 2)) == ["0", "2"]
    assert session_ids.skipped == 1


def test_what_is_left_can_be_told_before_and_after_any_id(tmp_path: Path) -> None:
    with open(file_of(tmp_path / "ids", ["gone", "c", "# d", "e"]), "rb") as file:
        session_ids = SessionIds(["gone", "a", "b", file], {"gone"})
        assert (session_ids.arguments, session_ids.count_in_files()) == (["a", "b"], 2)
        assert list(itertools.islice(session_ids, 3)) == ["a", "b", "c"]
        assert (session_ids.arguments, session_ids.count_in_files()) == ([], 1)
        assert list(session_ids) == ["e"]


@on_unix
def test_an_id_is_deleted_before_the_next_one_comes(service: WatchedService) -> None:
    with Process("delete", "-") as process:
        process.give("a")
        service.await_requests(1)
        process.give("b")
        service.await_requests(1)
        assert process.finish().status == 1


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="this system has no such file")
def test_a_file_that_breaks_off_is_told_when_its_turn_comes(service: WatchedService) -> None:
    unreadable = "/proc/self/mem"  # its first page
    done = Terminal("delete", "--missing-ok", "a", "--from", unreadable).finish()
    assert done.status == 1
    assert asked_for(service) == ["a"]
    assert f"{unreadable} cannot be read: Input/output error." in rows(done.out)


@on_unix
def test_ids_typed_at_a_terminal_are_deleted_once_the_list_has_ended(
    service: WatchedService,
) -> None:
    terminal = Terminal("delete", "-")
    terminal.await_text("Ctrl-D ends the list.")
    terminal.type("a\n")
    terminal.type("b\n\x04")
    assert "2 not found" in terminal.finish().out


@on_unix
def test_ctrl_c_while_ids_are_typed_sends_nothing(service: WatchedService) -> None:
    terminal = Terminal("delete", "-")
    terminal.await_text("Ctrl-D ends the list.")
    terminal.type("a\n")
    terminal.send_signal(signal.SIGINT)
    done = terminal.finish()
    assert done.status == 130
    assert "Interrupted. Nothing was sent." in done.out
    assert service.requests == []


# Usage


@pytest.mark.parametrize(
    "arguments",
    [
        ["a", "--from", "no-such-file"],
        ["a", "--skip", "no-such-file"],
        ["a", "--from", os.curdir],
        ["a", "--concurrency", "0"],
    ],
)
def test_bad_usage_is_told_before_anything_is_sent(
    service: WatchedService, run: Run, arguments: list[str]
) -> None:
    assert run("delete", *arguments).status == 2
    assert service.requests == []


def test_an_input_without_ids_is_bad_usage(
    service: WatchedService, run: Run, standard_input: StandardInput
) -> None:
    standard_input.is_to_be(b"# none today\n")
    done = run("delete", "-")
    assert done.status == 2
    assert "no session ids in the input" in done.err


def test_as_many_requests_are_in_flight_as_told(service: WatchedService) -> None:
    service.answers.clear()
    with Process("delete", "--concurrency", "3", *"abcdefgh") as process:
        service.await_requests(3)
        assert len(service.requests) == 3
        service.answers.set()
        assert process.finish().status == 1


# The summary


def test_the_summary_counts_what_became_of_the_sessions(service: WatchedService, run: Run) -> None:
    foreign = service.open_session(api_key="fc-another-team")
    own = [service.open_session() for _ in range(3)]
    done = run("delete", *own, foreign, UNKNOWN_ID)
    assert done.err.splitlines()[-2:] == [
        "3 destroyed, 1 not found, 1 failed.",
        "Credits on the receipts: 6.",
    ]


def test_the_summary_adds_up_the_credits_that_are_told(service: WatchedService, run: Run) -> None:
    figures = ["0.1", "0.2", "40", "null", '"many"', "9" * 400, "1e300"]
    service.queue(
        *(Reply(200, f'{{"success":true,"creditsBilled":{figure}}}'.encode()) for figure in figures)
    )
    done = run("delete", *"abcdefg")
    assert done.err.splitlines()[-1] == "Credits on the receipts: 40.3 (4 gave no figure)."


def test_one_session_needs_no_summary(service: WatchedService, run: Run) -> None:
    assert run("delete", service.open_session()).err == ""


def test_the_summary_is_not_in_the_json(service: WatchedService, run: Run) -> None:
    done = run("delete", "--json", "a", "b")
    assert [json.loads(line)["session_fate"] for line in done.out.splitlines()] == ["gone"] * 2
    assert done.err == "0 destroyed, 2 not found.\n"


# The output as a journal


@on_unix
def test_each_outcome_is_written_as_it_comes(service: WatchedService) -> None:
    service.queue(Reply(200, b'{"success":true}'), NoResponse())
    with Process("delete", "--json", *ONE_BY_ONE, "a", "b") as process:
        assert json.loads(process.next_line())["session_id"] == "a"
        process.kill()


def test_another_run_does_only_what_is_left(
    service: WatchedService, run: Run, tmp_path: Path
) -> None:
    gone, foreign, uncertain = (
        service.open_session(),
        service.open_session(api_key="fc-another-team"),
        service.open_session(),
    )
    service.queue(Reply(200, b'{"success":false}'))
    journal = tmp_path / "journal"
    options = ["delete", "--json", *ONE_BY_ONE]
    session_ids = [uncertain, gone, foreign, UNKNOWN_ID]
    journal.write_text(run(*options, *session_ids).out, encoding="utf-8")
    done = run(*options, "--skip", str(journal), *session_ids)
    assert asked_for(service)[4:] == [uncertain, foreign]
    assert [line["session_id"] for line in done.objects] == [uncertain, foreign]
    assert "1 destroyed, 1 failed, 2 skipped (gone before)." in done.err


def test_several_journals_can_be_skipped(service: WatchedService, run: Run, tmp_path: Path) -> None:
    skip = []
    for session_id in "ab":
        journal = tmp_path / session_id
        journal.write_text(run("delete", "--json", session_id).out, encoding="utf-8")
        skip += ["--skip", str(journal)]
    done = run("delete", *skip, "a", "b")
    assert done == (0, "", "0 destroyed, 2 skipped (gone before).\n")


def test_lines_that_are_no_outcomes_are_warned_of_once(
    service: WatchedService, run: Run, tmp_path: Path
) -> None:
    lines = [
        b'{"session_id": "a", "session_fate": "gone"}',
        b"a plain line",
        b"",
        b"[1, 2]",
        b'{"session_id": 3, "session_fate": "gone"}',
        b'{"session_id": "\xff", "session_fate": "gone"}',
        b'{"a":' * 100_000,
        b'{"session_id": "b", "session_fate": "gone"}',
        b'{"session_id": "c", "session_fa',
    ]
    journal = tmp_path / "journal"
    journal.write_bytes(b"\n".join(lines))
    done = run("delete", "--skip", str(journal), "a", "b", "c")
    assert asked_for(service) == ["c"]
    assert done.err.splitlines()[0] == (
        f"Warning: {journal} has lines that are no outcomes of this command (6). They are ignored."
    )


def test_what_is_gone_once_stays_gone() -> None:
    lines = [b'{"session_id":"a","session_fate":"%s"}\n' % fate for fate in (b"gone", b"unknown")]
    assert read_journal(lines).gone == read_journal(reversed(lines)).gone == {"a"}


def test_a_line_cut_short_swallows_none_of_the_next_run(
    service: WatchedService, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    journal.write_text('{"session_id": "a", "sess', encoding="utf-8")
    with journal.open("ab") as output:
        arguments = ["delete", "--json", "--skip", str(journal), "a"]
        subprocess.run([*COMMAND, *arguments], stdout=output, check=False)
    _cut, whole = journal.read_text(encoding="utf-8").splitlines()
    assert json.loads(whole)["session_id"] == "a"


# A key that is refused


@pytest.mark.parametrize("option", ["--json", "--missing-ok"])
def test_a_refused_key_stops_the_run(
    service: WatchedService,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    option: str,
) -> None:
    monkeypatch.setenv("FIRECRAWL_API_KEY", "fc-wrong")
    ids = file_of(tmp_path / "ids", map(str, range(1000)))
    done = run("delete", option, "--concurrency", "4", "--from", ids)
    assert done.status == 1
    assert len(service.requests) <= 4
    taken = len(service.requests)
    assert done.err.count("Check the API key.") == (option != "--json")
    assert done.err.splitlines()[-3:] == [
        "The service does not take this API key: nothing more was sent.",
        f"0 destroyed, {taken} failed, {1000 - taken} not tried.",
        "Deleting a session again is safe: it is billed once.",
    ]


# DeleteOnExit early


SAFE = "Deleting a session again is safe: it is billed once."


@on_unix
def test_ctrl_c_lets_what_is_in_flight_end_and_lists_what_was_not_tried(
    service: WatchedService,
) -> None:
    service.answers.clear()
    session_ids = [service.open_session() for _ in range(4)]
    with Process("delete", "--concurrency", "2", *session_ids) as process:
        service.await_requests(2)
        process.interrupt()
        service.answers.set()
        done = process.finish()
    assert done.status == 130
    assert {line.split()[0] for line in done.out.splitlines()} == set(session_ids[:2])
    assert done.err.splitlines() == [
        "",
        "Interrupted.",
        "Not tried:",
        *(f"  {session_id}" for session_id in session_ids[2:]),
        "2 destroyed, 2 not tried.",
        "Credits on the receipts: 4.",
        SAFE,
    ]
    assert not any(map(service.is_open, session_ids[:2]))
    assert all(map(service.is_open, session_ids[2:]))


@on_unix
@pytest.mark.parametrize("service", [1], indirect=True)
def test_ctrl_c_while_the_rate_limit_holds_leaves_no_id_without_an_outcome(
    service: WatchedService, tmp_path: Path
) -> None:
    session_ids = [service.open_session() for _ in range(20)]
    ids = file_of(tmp_path / "ids", session_ids)
    with Process("delete", "--json", "--concurrency", "3", "--from", ids) as process:
        process.await_note("Rate limit: waiting ")
        process.interrupt()
        done = process.finish()
    outcomes = {outcome["session_id"]: outcome for outcome in done.objects}
    assert {outcome["session_fate"] for outcome in done.objects} == {"gone", "untouched"}
    assert set(outcomes) >= set(asked_for(service))
    assert done.err.splitlines()[2:] == [
        "1 destroyed, 19 not tried.",
        "Credits on the receipts: 2.",
        SAFE,
    ]


def test_a_session_that_may_be_gone_is_never_called_not_tried() -> None:
    progress = Progress()
    progress.stopping = True
    error = RateLimitError("HTTP 429", session_id="a", attempts=2)
    error.session_fate = SessionFate.UNKNOWN  # the first try timed out
    progress.add(error)
    assert progress.summary(skipped=0) == ["0 destroyed, 1 failed."]


def test_an_id_that_was_not_tried_has_no_attempts() -> None:
    error = UnreachableError("stopped", session_id="a", session_fate=SessionFate.UNTOUCHED)
    assert plain_line(error) == "a not tried"


@on_unix
def test_ctrl_c_ends_the_wait_for_a_pipe(service: WatchedService) -> None:
    with Process("delete", "-") as process:
        process.give("a")
        service.await_requests(1)
        process.interrupt()
        assert process.stderr is not None
        status, err = process.wait(LONGEST_WAIT), process.stderr.read()
    assert status == 130
    assert "Session 'a'" in err
    assert err.splitlines()[-3:] == [
        "0 destroyed, 1 not found.",
        "Standard input was not read to its end.",
        SAFE,
    ]


@on_unix
def test_a_second_ctrl_c_quits_at_once(service: WatchedService) -> None:
    service.queue(Reply(200, b'{"success":true}'), NoResponse())
    with Process("delete", *ONE_BY_ONE, "a", "b", "c") as process:
        assert process.next_line().startswith("a destroyed")
        service.await_requests(2)
        process.interrupt()
        process.send_signal(signal.SIGINT)
        done = process.finish()
    assert done.status == 130
    assert done.err.splitlines() == [
        "",
        "Quit at once.",
        "May or may not be deleted:",
        "  b",
        "Not tried:",
        "  c",
        SAFE,
    ]


@on_unix
def test_sigterm_ends_it_as_ctrl_c_does_however_often_it_comes(service: WatchedService) -> None:
    service.answers.clear()
    with Process("delete", *ONE_BY_ONE, "a", "b") as process:
        service.await_requests(1)
        process.terminate()
        process.await_note("Stopping")
        process.terminate()
        service.answers.set()
        done = process.finish()
    assert done.status == 143
    assert "Ended by SIGTERM." in done.err
    assert asked_for(service) == ["a"]


@on_unix
def test_ctrl_c_is_not_for_a_background_job(service: WatchedService) -> None:
    service.answers.clear()
    background = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *COMMAND]
    with subprocess.Popen([*background, "delete", "--missing-ok", "a"]) as process:
        service.await_requests(1)
        process.send_signal(signal.SIGINT)
        service.answers.set()
        assert process.wait(LONGEST_WAIT) == 0


@on_unix
@pytest.mark.parametrize("option", ["--json", "--missing-ok"])
def test_output_that_cannot_be_written_stops_the_run_and_loses_nothing(
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
    assert outcome.startswith(f"{session_ids[0]} destroyed, ")
    assert end == [
        "",
        "The output cannot be written: Broken pipe.",
        "Not tried:",
        *(f"  {session_id}" for session_id in session_ids[1:]),
        "1 destroyed, 2 not tried.",
        "Credits on the receipts: 2.",
        SAFE,
    ]


@on_unix
def test_nobody_to_tell_is_no_failure_of_its_own(service: WatchedService) -> None:
    service.answers.clear()
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as closed_pipe, ctrl_c_reaches_processes():
        process = subprocess.Popen(
            [*COMMAND, "delete", "a", "b"], stdout=closed_pipe, stderr=closed_pipe
        )
    with process:
        service.await_requests(2)
        process.send_signal(signal.SIGINT)
        service.answers.set()
        assert process.wait(LONGEST_WAIT) == 130


class FaultyTransport(SystemTime):
    def send(self, request: Request, timeout: float) -> Response:
        raise KeyError("a flaw")


def test_a_flaw_of_the_transport_ends_the_run(capfd: pytest.CaptureFixture[str]) -> None:
    run = RunOfDelete(
        DeleteSession(FaultyTransport(), KEY),
        SessionIds(["a", "b"], set()),
        concurrency=1,
        missing_ok=False,
        output=Output(as_json=False),
    )
    assert run() == 1
    assert capfd.readouterr().err.splitlines()[2].endswith("('a flaw').")


# On a terminal


@on_unix
@pytest.mark.parametrize("service", [1], indirect=True)
def test_a_bar_tells_how_it_goes_and_leaves_the_terminal_clean(
    service: WatchedService, tmp_path: Path
) -> None:
    ids = file_of(tmp_path / "ids", ["a", "b", "# c"])
    terminal = Terminal("delete", *ONE_BY_ONE, "--from", ids)
    terminal.await_text("1 of 2: 1 gone, 0 failed; rate limit: waiting ")
    terminal.send_signal(signal.SIGTERM)
    terminal.await_text("stopping")
    done = terminal.finish()
    assert done.status == 143
    assert done.out.rindex("\x1b[?25h") > done.out.rindex("\x1b[?25l")
    assert "HTTP 429" not in done.out
    assert "Stopping" not in done.out
    *_, refused, ended, summary, advice = rows(done.out)
    assert refused.split() == ["b", "untouched", "-", "-", "1"]
    assert [ended, summary, advice] == [
        "Ended by SIGTERM.",
        "0 destroyed, 1 not found, 1 not tried.",
        SAFE,
    ]


@on_unix
def test_a_second_ctrl_c_leaves_the_terminal_clean(service: WatchedService) -> None:
    service.answers.clear()
    terminal = Terminal("delete", "a")
    terminal.await_text("0 of 1")
    terminal.send_signal(signal.SIGINT)
    terminal.await_text("stopping")
    terminal.send_signal(signal.SIGINT)
    done = terminal.finish()
    assert done.status == 130
    assert done.out.rindex("\x1b[?25h") > done.out.rindex("\x1b[?25l")
    assert rows(done.out)[-3:] == ["May or may not be deleted:", "  a", SAFE]


@on_unix
def test_a_bar_stands_beside_an_output_that_goes_to_a_file(
    service: WatchedService, tmp_path: Path
) -> None:
    service.answers.clear()
    with (tmp_path / "journal").open("wb") as journal:
        terminal = Terminal("delete", "--json", "a", stdout=journal)
        terminal.await_text("0 of 1: 0 gone")
        service.answers.set()
        terminal.finish()
    assert json.loads((tmp_path / "journal").read_text(encoding="utf-8"))["session_id"] == "a"


@on_unix
def test_no_bar_is_in_the_way_of_what_reads_the_output(service: WatchedService) -> None:
    with subprocess.Popen(READER, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as reader:
        assert reader.stdin is not None
        shown = Terminal("delete", UNKNOWN_ID, stdout=reader.stdin).finish().out
    assert "\x1b" not in shown
    assert max(map(len, rows(shown))) <= 80
