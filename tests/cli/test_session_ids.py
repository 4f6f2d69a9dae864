"""Which sessions the command deletes: from where ids come, and what is no id."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from .commands import (
    COMMAND,
    KEY,
    ONE_BY_ONE,
    Run,
    Terminal,
    WatchedService,
    file_of,
    on_unix,
    rows,
)

pytestmark = pytest.mark.enable_socket

A_UUID = "0199a7c4-5d1e-7b60-9f3a-2c8e4d6b1a57"
NOTHING_SENT = "Nothing was sent.\n"


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
    assert service.asked_for == ["a", "b", "c", "d", "e", "f"]


def test_a_file_can_be_standard_input(
    service: WatchedService, run: Run, standard_input: StandardInput
) -> None:
    standard_input.is_to_be(b"a")
    run("delete", "--from", "-")
    assert service.asked_for == ["a"]


def test_space_around_an_id_and_empty_lines_do_not_count(
    service: WatchedService, run: Run, standard_input: StandardInput
) -> None:
    standard_input.is_to_be(b"\xef\xbb\xbfa\r\n\n \t\n\tb \nc")
    run("delete", *ONE_BY_ONE, "-")
    assert service.asked_for == ["a", "b", "c"]


def test_an_id_that_comes_twice_is_deleted_once_and_billed_once(
    service: WatchedService, run: Run
) -> None:
    session_id = service.open_session()
    done = run("delete", session_id, session_id, session_id)
    assert done.status == 0
    assert service.asked_for == [session_id]
    assert done.err.splitlines() == [
        "Ids that came again: 2. Each session is deleted once.",
        "1 of 1 sessions gone, 2 credits; 0 failed, 0 not tried, 0 may still be billing.",
    ]


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


# No ids


def test_no_input_at_all_is_bad_usage(service: WatchedService, run: Run) -> None:
    done = run("delete")
    assert done.status == 2
    assert 'Give session ids, "-", or --from a file.' in done.err


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_input_that_was_named_is_success(
    service: WatchedService, run: Run, standard_input: StandardInput, content: bytes
) -> None:
    standard_input.is_to_be(content)
    done = run("delete", "-")
    assert (done.status, done.out) == (0, "")
    assert service.requests == []


def test_an_empty_file_that_was_named_is_success(
    service: WatchedService, run: Run, tmp_path: Path
) -> None:
    assert run("delete", "--from", file_of(tmp_path / "ids", [])).status == 0


@on_unix
def test_closed_standard_input_is_empty(service: WatchedService) -> None:
    closed = ["sh", "-c", 'exec "$@" <&-', "sh", *COMMAND]
    done = subprocess.run([*closed, "delete", "-"], capture_output=True, check=False)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr


# What is no id


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f'"{A_UUID}"', "jq -r"),
        (f"{A_UUID},", "pass each id alone"),
        (json.dumps([A_UUID, A_UUID]), "this looks like JSON"),
        (f"{A_UUID}#comment", "a comment is not a part of the id"),
        ("# ids of Monday", "a comment is not a part of the id"),
        (f"{A_UUID} {A_UUID}", "these may be several ids"),
        (f"https://x/{A_UUID}", "pass the id alone, without a URL"),
        ("..", "it means another path"),
        ("a" * 121, "it is longer than 120 characters"),
    ],
)
def test_what_cannot_be_an_id_is_an_error_and_nothing_is_sent(
    service: WatchedService, run: Run, tmp_path: Path, text: str, reason: str
) -> None:
    good = service.open_session()
    ids = file_of(tmp_path / "ids", [good, text, good])
    done = run("delete", "--missing-ok", "--json", "--from", ids)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"Error: {ids}, line 2: ")
    assert reason in done.err
    assert done.err.endswith(NOTHING_SENT)
    assert service.requests == []


def test_of_many_bad_lines_the_first_is_named_and_the_others_are_counted(
    service: WatchedService, run: Run, tmp_path: Path
) -> None:
    ids = file_of(tmp_path / "ids", ["a", *(f'"{number}"' for number in range(1000))])
    done = run("delete", "--from", ids, '"b"')
    assert done.status == 2
    assert done.err.count("\n") == 1
    assert "an argument: '\"b\"': " in done.err
    assert "1000 more cannot be ids either." in done.err


@pytest.mark.parametrize(
    "content",
    [
        f"{A_UUID}\n".encode("utf-16"),
        f"{A_UUID}\n".encode("utf-16-le"),
        f"{A_UUID}\n".encode("utf-16-be"),
        bytes(range(256)) * 100,
        b"\x7fELF\x02\x01\x01\x00\n\x00",
    ],
    ids=["UTF-16", "UTF-16 LE", "UTF-16 BE", "binary", "a program"],
)
def test_a_file_that_is_no_text_is_one_error_about_the_file(
    service: WatchedService, run: Run, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "ids").write_bytes(content)
    done = run("delete", "--from", str(tmp_path / "ids"))
    assert done.status == 2
    assert done.err.count("\n") == 1
    assert f"{tmp_path / 'ids'}, line " in done.err
    assert "it is no UTF-8 text" in done.err
    assert service.requests == []


@pytest.mark.parametrize("session_id", ["", "a b", "\x1b[2J", "a\nb", os.fsdecode(b"\xff")])
def test_an_argument_that_cannot_be_an_id_is_shown_escaped(
    service: WatchedService, run: Run, session_id: str
) -> None:
    done = run("delete", service.open_session(), session_id)
    assert done.status == 2
    assert done.err.removesuffix("\n").isprintable()
    assert done.err.isascii()
    assert service.requests == []


def test_an_endless_line_is_shown_in_short(
    service: WatchedService, run: Run, tmp_path: Path
) -> None:
    done = run("delete", "--from", file_of(tmp_path / "ids", ["x" * 10_000_000]))
    assert len(done.err) < 300


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="this system has no such file")
def test_a_file_that_cannot_be_read_is_an_error_and_nothing_is_sent(
    service: WatchedService, run: Run
) -> None:
    done = run("delete", "a", "--from", "/proc/self/mem")  # its first page
    assert done.status == 2
    assert done.err == f"Error: /proc/self/mem cannot be read: Input/output error. {NOTHING_SENT}"
    assert service.requests == []


# Settings


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such-option"],
        ["--json=no"],
        ["--from", "no-such-file"],
        ["--from", os.curdir],
        ["--resume", os.curdir],
        ["--resume", "no-such-folder/record"],
        ["--concurrency", "0"],
        ["--deadline", "0"],
        ["--deadline", "-1"],
        ["--deadline", "soon"],
    ],
)
def test_bad_usage_is_an_error_before_anything_is_sent(
    service: WatchedService, run: Run, arguments: list[str]
) -> None:
    done = run("delete", "a", *arguments)
    assert done.status == 2
    assert service.requests == []


def test_a_missing_key_exits_with_2_and_says_what_to_set(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FIRECRAWL_API_KEY", raising=False)
    monkeypatch.delenv("FIRECRAWL_API_URL", raising=False)
    done = run("delete", "a")
    assert done.status == 2
    assert "Set FIRECRAWL_API_KEY to a key of your team" in done.err


@pytest.mark.parametrize("address", ["", "localhost:3002", "https://x\x1b[2J"])
def test_an_address_that_cannot_be_used_exits_with_2(run: Run, address: str) -> None:
    done = run("delete", "--api-key", KEY, "--api-url", address, "a")
    assert done.status == 2
    assert done.err.startswith("Error: api_url must ")
    assert done.err.removesuffix("\n").isprintable()


def test_plain_http_to_another_machine_is_refused_and_the_option_named(run: Run) -> None:
    done = run("delete", "--api-key", KEY, "--api-url", "http://firecrawl.example", "a")
    assert done.status == 2
    assert "--allow-plain-http" in done.err
    assert "=True" not in done.err


def test_plain_http_to_another_machine_can_be_allowed(run: Run) -> None:
    options = ["--api-key", KEY, "--api-url", "http://firecrawl.example", "--allow-plain-http"]
    assert "it means another path" in run("delete", *options, "..").err


def test_options_come_before_the_variables(
    service: WatchedService, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = os.environ["FIRECRAWL_API_URL"]
    monkeypatch.setenv("FIRECRAWL_API_KEY", "fc-wrong")
    monkeypatch.setenv("FIRECRAWL_API_URL", "http://127.0.0.1:9")
    session_id = service.open_session()
    assert run("delete", "--api-key", KEY, "--api-url", address, session_id).status == 0


def test_a_bad_key_is_explained_in_words_for_a_command(run: Run) -> None:
    done = run("delete", "--api-key", "fc wrong", "a")
    assert done.status == 2
    assert "leave out --api-key and FIRECRAWL_API_KEY" in done.err
    assert "None" not in done.err


def test_the_deadline_is_the_policys(service: WatchedService, run: Run) -> None:
    service.rate_limit = 1
    done = run("delete", "--deadline", "1", *ONE_BY_ONE, "a", "b")
    assert done.status == 1
    assert "Stopped: the rate limit asks for a wait of 60 s" in done.err


@on_unix
def test_the_concurrency_is_what_the_process_can_open(service: WatchedService) -> None:
    session_ids = [service.open_session() for _ in range(200)]
    service.latency = 0.1  # so that as many as may are in flight
    limited = ["sh", "-c", 'ulimit -n 80; exec "$@"', "sh", *COMMAND]
    done = subprocess.run(
        [*limited, "delete", "--concurrency", "2000", *session_ids],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr.splitlines()[0] == (
        "This process may open 80 files: it sends 16 requests at a time."
    )
    assert len(done.stderr.splitlines()) == 2  # no connection lost, no warning of a full pool


@on_unix
def test_a_bad_list_on_a_terminal_is_one_message(service: WatchedService, tmp_path: Path) -> None:
    ids = file_of(tmp_path / "ids", [f"{number}," for number in range(500)])
    shown = rows(Terminal("delete", "--from", ids).finish().out)
    assert len(shown) <= 4
