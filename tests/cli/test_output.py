"""What the command `firecrawl-interact` prints, against a service on a real socket."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from firecrawl_interact.adapters import LostResponse, Reply
from firecrawl_interact.adapters.cli.report import show_note

from .commands import (
    COMMAND,
    KEY,
    ONE_BY_ONE,
    UNKNOWN_ID,
    Process,
    Run,
    Terminal,
    WatchedService,
    on_unix,
    rows,
)

pytestmark = pytest.mark.enable_socket

NOT_FOUND = "gone SessionNotFoundError credits=- seconds=- HTTP 404: Browser session not found"
RECEIPT = Reply(200, b'{"success":true,"sessionDurationMs":400,"creditsBilled":2}')
KEYS = [
    "session_id",
    "outcome",
    "session_fate",
    "attempts",
    "http_status",
    "message",
    "code",
    "request_id",
    "retry_after",
    "transient",
    "session_duration_ms",
    "credits_billed",
    "session_status",
]


# Lines


def test_a_receipt_is_a_line_and_the_summary_is_beside_it(
    service: WatchedService, run: Run
) -> None:
    service.queue(RECEIPT)
    assert run("delete", "a") == (
        0,
        "a gone deleted credits=2 seconds=0\n",
        "1 of 1 sessions gone, 2 credits; 0 failed, 0 not tried, 0 may still be billing.\n",
    )


def test_success_and_failure_have_the_same_columns(service: WatchedService, run: Run) -> None:
    foreign = service.open_session(api_key="fc-another-team")
    own = service.open_session()
    service.queue(RECEIPT)
    done = run("delete", *ONE_BY_ONE, own, foreign, UNKNOWN_ID)
    columns = [line.split(" ")[:5] for line in done.out.splitlines()]
    assert columns == [
        [own, "gone", "deleted", "credits=2", "seconds=0"],
        [foreign, "untouched", "ForbiddenError", "credits=-", "seconds=-"],
        [UNKNOWN_ID, "gone", "SessionNotFoundError", "credits=-", "seconds=-"],
    ]


@pytest.mark.parametrize(
    ("body", "rest"),
    [
        ('"sessionDurationMs":754000.49,"creditsBilled":26', "credits=26 seconds=754"),
        ('"creditsBilled":2.5,"status":"stopped"', "credits=2.5 seconds=-"),
        ('"status":"failed"', "credits=- seconds=- the browser had crashed"),
        (f'"sessionDurationMs":{"9" * 400}', f"credits=- seconds={'9' * 397}"),
    ],
)
def test_a_line_says_what_the_receipt_says(
    service: WatchedService, run: Run, body: str, rest: str
) -> None:
    service.queue(Reply(200, f'{{"success":true,{body}}}'.encode()))
    assert run("delete", "a").out == f"a gone deleted {rest}\n"


def test_a_line_says_how_many_attempts_it_took(service: WatchedService, run: Run) -> None:
    session_id = service.open_session()
    service.queue(LostResponse())
    assert run("delete", session_id).out.endswith(" 2 attempts\n")


def test_retries_are_noted_as_they_happen(service: WatchedService) -> None:
    session_id = service.open_session()
    service.queue(LostResponse())
    with Process("delete", session_id) as process:
        process.await_note(f"session '{session_id}': retry in ")
        assert process.finish().status == 0


# Success and failure


def test_a_session_that_lives_makes_the_exit_status_1(service: WatchedService, run: Run) -> None:
    foreign = service.open_session(api_key="fc-another-team")
    own = service.open_session()
    done = run("delete", foreign, own)
    assert done.status == 1
    assert "Use a key of the team that opened the session." in done.err


def test_a_missing_session_is_a_failure_and_the_option_is_named(
    service: WatchedService, run: Run
) -> None:
    done = run("delete", UNKNOWN_ID)
    assert done == (
        1,
        f"{UNKNOWN_ID} {NOT_FOUND}\n",
        "1 of 1 sessions gone (1 not found), 0 credits; 0 failed, 0 not tried,"
        " 0 may still be billing.\n"
        "SessionNotFoundError: Check the id, or allow it with --missing-ok.\n",
    )


def test_a_missing_session_can_be_success(service: WatchedService, run: Run) -> None:
    done = run("delete", "--missing-ok", UNKNOWN_ID)
    assert (done.status, done.out) == (0, f"{UNKNOWN_ID} {NOT_FOUND}\n")
    assert done.err.count("\n") == 1


def test_missing_ok_forgives_nothing_else(service: WatchedService, run: Run) -> None:
    service.queue(Reply(404, b"<html>Cannot DELETE"))
    assert run("delete", "--missing-ok", "--deadline", "0.4", "a").status == 1


# The summary


def test_the_summary_counts_and_says_what_to_type_next(service: WatchedService, run: Run) -> None:
    foreign = service.open_session(api_key="fc-another-team")
    own = [service.open_session() for _ in range(3)]
    done = run("delete", *ONE_BY_ONE, *own, foreign, UNKNOWN_ID)
    assert done.err.splitlines() == [
        "4 of 5 sessions gone (1 not found), 6 credits; 1 failed, 0 not tried,"
        " 1 may still be billing.",
        "ForbiddenError: Use a key of the team that opened the session.",
        "SessionNotFoundError: Check the id, or allow it with --missing-ok.",
        "Next: type the same command again: a session is billed once."
        " With --resume FILE, it does only what is left.",
    ]


def test_the_summary_adds_up_the_credits_that_receipts_name(
    service: WatchedService, run: Run
) -> None:
    figures = ["0.1", "0.2", "40", "null", '"many"', "9" * 400, "1e300"]
    service.queue(
        *(Reply(200, f'{{"success":true,"creditsBilled":{figure}}}'.encode()) for figure in figures)
    )
    assert "7 of 7 sessions gone, 40.3 credits (4 unknown);" in run("delete", *"abcdefg").err


# Quiet


def test_quiet_prints_nothing_when_all_is_well(service: WatchedService, run: Run) -> None:
    session_id = service.open_session()
    assert run("delete", "--quiet", "--missing-ok", session_id, UNKNOWN_ID, UNKNOWN_ID) == (
        0,
        "",
        "",
    )


def test_quiet_prints_failures_and_their_summary(service: WatchedService, run: Run) -> None:
    done = run("delete", "--quiet", service.open_session(), UNKNOWN_ID)
    assert (done.status, done.out) == (1, f"{UNKNOWN_ID} {NOT_FOUND}\n")
    assert done.err.startswith("2 of 2 sessions gone (1 not found), ")


def test_quiet_leaves_out_retries(service: WatchedService) -> None:
    session_id = service.open_session()
    service.queue(LostResponse())
    with Process("delete", "--quiet", session_id) as process:
        assert process.finish() == (0, "", "")


# JSON


def test_json_of_a_receipt(service: WatchedService, run: Run) -> None:
    body = b'{"success":true,"sessionDurationMs":39095.4,"creditsBilled":2,"status":"stopped"}'
    service.queue(Reply(200, body))
    (receipt,) = run("delete", "--json", "a").objects
    assert receipt == dict.fromkeys(KEYS) | {
        "session_id": "a",
        "outcome": "deleted",
        "session_fate": "gone",
        "attempts": 1,
        "http_status": 200,
        "session_duration_ms": 39095,
        "credits_billed": 2,
        "session_status": "stopped",
    }
    assert list(receipt) == KEYS


def test_json_of_a_response_that_is_no_receipt(service: WatchedService, run: Run) -> None:
    headers = {"X-Request-ID": "r-1"}
    service.queue(Reply(403, b'{"success":false,"error":"Not yours.","code":"NO"}', headers))
    (error,) = run("delete", "--json", "a").objects
    assert error == dict.fromkeys(KEYS) | {
        "session_id": "a",
        "outcome": "ForbiddenError",
        "session_fate": "untouched",
        "attempts": 1,
        "http_status": 403,
        "message": "Session 'a': HTTP 403: Not yours. This call did nothing to it: if it was"
        " running, it is still billed. Use a key of the team that opened the session.",
        "code": "NO",
        "request_id": "r-1",
        "transient": False,
    }
    assert list(error) == KEYS


def test_json_has_the_same_keys_without_a_response(service: WatchedService, run: Run) -> None:
    service.queue(*[LostResponse()] * 10)
    options = ["--deadline", "0.4", "--json"]
    (error,) = run("delete", *options, service.open_session()).objects
    assert list(error) == KEYS
    assert error["outcome"] == "UnreachableError"
    assert error["session_fate"] == "unknown"
    assert error["http_status"] is None
    assert error["transient"] is True


def test_json_is_one_ascii_line_whatever_a_service_says(service: WatchedService, run: Run) -> None:
    service.queue(Reply(403, json.dumps({"error": "\x1b[2J\nDésolé \ud800"}).encode()))
    done = run("delete", "--json", "a")
    assert done.out.count("\n") == 1
    assert done.out.removesuffix("\n").isascii()
    assert done.out.removesuffix("\n").isprintable()


def test_the_key_is_never_printed(service: WatchedService, run: Run) -> None:
    for arguments in (["--json", "a"], ["a"], ["--api-key", f"{KEY} ", "a"]):
        service.queue(Reply(401, json.dumps({"error": f"no such key: {KEY}"}).encode()))
        done = run("delete", *arguments)
        assert KEY not in done.out + done.err


# On a terminal


@on_unix
def test_a_terminal_shows_the_same_lines_and_words(service: WatchedService) -> None:
    service.queue(Reply(200, b'{"success":true,"sessionDurationMs":754000,"creditsBilled":2600}'))
    session_id = service.open_session()
    done = Terminal("delete", *ONE_BY_ONE, session_id, "b", columns=80).finish()
    assert done.status == 1
    assert rows(done.out) == [
        f"{session_id} gone deleted credits=2600 seconds=754",
        f"b {NOT_FOUND}".removesuffix(" found"),
        "  found",
        "2 of 2 sessions gone (1 not found), 2600 credits; 0 failed, 0 not tried, 0 may",
        "  still be billing.",
        "SessionNotFoundError: Check the id, or allow it with --missing-ok.",
    ]


@on_unix
def test_at_40_columns_no_word_is_cut(service: WatchedService) -> None:
    session_id = service.open_session()
    service.queue(RECEIPT)
    done = Terminal("delete", *ONE_BY_ONE, session_id, UNKNOWN_ID, columns=40).finish()
    shown = rows(done.out)
    assert max(map(len, shown)) <= 40
    assert shown[:6] == [
        session_id,
        "  gone deleted credits=2 seconds=0",
        UNKNOWN_ID,
        "  gone SessionNotFoundError credits=-",
        "  seconds=- HTTP 404: Browser session",
        "  not found",
    ]


@on_unix
@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colour_a_terminal_says_the_same(
    service: WatchedService, variables: dict[str, str]
) -> None:
    coloured = Terminal("delete", UNKNOWN_ID, columns=200).finish().out
    plain = Terminal("delete", UNKNOWN_ID, columns=200, variables=variables).finish().out
    assert rows(plain) == rows(coloured)
    assert re.search(r"\x1b\[[0-9;]*m", plain) is None
    assert re.search(r"\x1b\[[0-9;]*m", coloured) is not None


@on_unix
def test_what_others_wrote_is_neither_markup_nor_control(service: WatchedService) -> None:
    service.queue(Reply(403, json={"success": False, "error": "[red]:smile:\x1b[5m"}))
    done = Terminal("delete", *ONE_BY_ONE, "a", columns=200).finish()
    assert r"[red]:smile:\x1b[5m" in done.out
    assert "\x1b[5m" not in done.out


def test_a_signals_handler_can_say_something_amid_another_print(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Printing(io.StringIO):
        def write(self, text: str) -> int:
            raise RuntimeError("reentrant call")

        def fileno(self) -> int:
            return write_end

    read_end, write_end = os.pipe()
    monkeypatch.setattr(sys, "stderr", Printing())
    show_note("Stopping.")
    os.close(write_end)
    with open(read_end, encoding="ascii") as pipe:
        assert pipe.read() == "Stopping.\n"


@on_unix
def test_a_terminal_may_know_only_ascii(service: WatchedService) -> None:
    service.queue(Reply(403, '{"success":false,"error":"Désolé"}'.encode()))
    done = Terminal("delete", "a", columns=200, variables={"PYTHONIOENCODING": "ascii"}).finish()
    assert done.status == 1
    assert rows(done.out)[0].endswith(r"HTTP 403: D\xe9sol\xe9")


@on_unix
@pytest.mark.parametrize("columns", [40, 80])
def test_a_bar_shows_how_it_goes_and_what_holds_it_back(
    service: WatchedService, columns: int
) -> None:
    service.rate_limit = 1
    terminal = Terminal("delete", *ONE_BY_ONE, "--missing-ok", "a", "b", columns=columns)
    terminal.await_text("; 1 of 2, 0 failed")
    terminal.await_text("rate limit: 5")  # 59 s, or a little less
    service.rate_limit = None
    terminal.send_signal(signal.SIGTERM)
    done = terminal.finish()
    assert max(map(len, rows(done.out))) <= columns
    assert done.out.rindex("\x1b[?25h") > done.out.rindex("\x1b[?25l")


@on_unix
def test_a_bar_stands_beside_an_output_that_goes_to_a_file(
    service: WatchedService, tmp_path: Path
) -> None:
    service.responds.clear()
    with (tmp_path / "outcomes").open("wb") as outcomes:
        terminal = Terminal("delete", "--json", "a", stdout=outcomes)
        terminal.await_text("0 of 1, 0 failed")
        service.responds.set()
        terminal.finish()
    assert json.loads((tmp_path / "outcomes").read_text(encoding="utf-8"))["session_id"] == "a"


@on_unix
def test_no_bar_is_in_the_way_of_what_reads_the_output(service: WatchedService) -> None:
    reader = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(reader, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        shown = Terminal("delete", UNKNOWN_ID, stdout=process.stdin).finish().out
    assert "\x1b" not in shown


@on_unix
def test_no_bar_is_shown_when_quiet(service: WatchedService) -> None:
    session_id = service.open_session()
    assert Terminal("delete", "--quiet", session_id).finish() == (0, "", "")


# The whole process


@on_unix
def test_it_works_without_any_output(service: WatchedService) -> None:
    session_id = service.open_session()
    closed = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *COMMAND]
    assert subprocess.run([*closed, "delete", UNKNOWN_ID, session_id], check=False).returncode == 1
    assert not service.is_open(session_id)


@pytest.mark.parametrize("library", ["click", "rich"])
def test_without_the_extra_it_says_what_to_install(library: str) -> None:
    code = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "from firecrawl_interact.adapters.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        f'firecrawl-interact needs {library}: pip install "firecrawl-interact[cli]"\n'
    )


def test_the_version_is_the_installed_one(run: Run) -> None:
    assert re.fullmatch(r"firecrawl-interact \d+\.\d+\.\d+\n", run("--version").out)


@pytest.mark.parametrize("name", ["delete", "sweep", "fake-service"])
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_fits_into_80_columns(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, option: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = run(name, option)
    assert done.status == 0
    assert max(map(len, done.out.splitlines())) <= 80


def test_help_loads_only_click() -> None:
    code = (
        "import sys\n"
        "from firecrawl_interact.adapters.cli import main\n"
        "sys.argv = ['firecrawl-interact', 'delete', '--help']\n"
        "try: main()\n"
        "finally: print({'rich', 'urllib3', 'http.server'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.endswith("\nset()\n")
