"""The command `firecrawl-interact`, against a service on a real socket."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from firecrawl_interact.adapters import LostResponse, Reply, Urllib3Transport
from firecrawl_interact.adapters.cli.output import show_error
from firecrawl_interact.core import Request

from .commands import COMMAND, KEY, UNKNOWN_ID, Run, Terminal, WatchedService, on_unix, rows

pytestmark = pytest.mark.enable_socket


# Receipts


def test_a_receipt_is_a_line_of_plain_text(service: WatchedService, run: Run) -> None:
    session_id = service.open_session()
    done = run("delete", session_id)
    assert re.fullmatch(
        rf"{session_id} destroyed, duration \d\.\ds, credits 2, attempts 1\n", done.out
    )
    assert done.status == 0
    assert done.err == ""
    assert not service.is_open(session_id)


@pytest.mark.parametrize(
    ("milliseconds", "duration"),
    [
        ("0", "0.0s"),
        ("39095.00002861023", "39.1s"),
        ("60000", "1m 00s"),
        ("3599999", "59m 59s"),
        ("3600000", "1h 00m"),
        ("null", "unknown"),
        ("-9" + "0" * 400, "-9" + "0" * 400 + "ms"),
        ("9" * 400, "9" * 400 + "ms"),
    ],
)
def test_a_duration_is_readable_whatever_it_is(
    service: WatchedService, run: Run, milliseconds: str, duration: str
) -> None:
    body = f'{{"success":true,"sessionDurationMs":{milliseconds}}}'
    service.queue(Reply(200, body.encode()))
    done = run("delete", "a")
    assert done.out == f"a destroyed, duration {duration}, credits unknown, attempts 1\n"


def test_a_browser_that_had_crashed_is_told(service: WatchedService, run: Run) -> None:
    service.queue(Reply(200, b'{"success":true,"status":"failed","creditsBilled":2.5}'))
    done = run("delete", "a")
    assert done.out == "a destroyed, had crashed, duration unknown, credits 2.5, attempts 1\n"
    assert done.status == 0


def test_every_session_gets_its_own_line(service: WatchedService, run: Run) -> None:
    session_ids = [service.open_session() for _ in range(3)]
    done = run("delete", *session_ids)
    assert {line.split()[0] for line in done.out.splitlines()} == set(session_ids)


# Errors


def test_an_error_says_what_is_known_and_what_to_do(service: WatchedService, run: Run) -> None:
    done = run("delete", UNKNOWN_ID)
    assert done == (
        1,
        "",
        f"Error: Session '{UNKNOWN_ID}': HTTP 404: Browser session not found."
        " Nothing is left to bill. If you expected it to live, check the id.\n",
    )


def test_one_session_that_lives_makes_the_exit_status_1(service: WatchedService, run: Run) -> None:
    foreign = service.open_session(api_key="fc-another-team")
    own = service.open_session()
    done = run("delete", foreign, own)
    assert done.status == 1
    assert done.out.startswith(f"{own} destroyed")
    assert "Use a key of the team that opened the session." in done.err


def test_a_missing_session_can_be_fine(service: WatchedService, run: Run) -> None:
    done = run("delete", "--missing-ok", UNKNOWN_ID)
    assert done == (0, f"{UNKNOWN_ID} not found, attempts 1\n", "")


def test_missing_ok_forgives_nothing_else(service: WatchedService, run: Run) -> None:
    service.queue(Reply(404, b"<html>Cannot DELETE"))
    assert run("delete", "--missing-ok", "a").status == 1


def test_an_id_that_cannot_be_sent_does_not_stop_the_others(
    service: WatchedService, run: Run
) -> None:
    session_id = service.open_session()
    done = run("delete", "", session_id)
    assert done.status == 1
    assert "the id cannot be sent: it is empty" in done.err
    assert not service.is_open(session_id)


def test_repeats_are_told_as_they_happen(service: WatchedService) -> None:
    session_id = service.open_session()
    service.queue(LostResponse())
    done = subprocess.run([*COMMAND, "delete", session_id], capture_output=True, check=False)
    assert done.returncode == 0
    assert b"attempts 2" in done.stdout
    assert b"retry in" in done.stderr


# JSON


def test_json_has_an_object_for_every_id(service: WatchedService, run: Run) -> None:
    session_id = service.open_session()
    done = run("delete", "--json", "--concurrency", "1", session_id, UNKNOWN_ID)
    receipt, error = done.objects
    duration = receipt.pop("session_duration_ms")
    assert isinstance(duration, int)
    assert receipt == {
        "session_id": session_id,
        "session_fate": "gone",
        "credits_billed": 2,
        "status": "stopped",
        "attempts": 1,
    }
    assert error == {
        "session_id": UNKNOWN_ID,
        "session_fate": "gone",
        "error": "SessionNotFoundError",
        "message": f"Session '{UNKNOWN_ID}': HTTP 404: Browser session not found."
        " Nothing is left to bill. If you expected it to live, check the id.",
        "transient": False,
        "attempts": 1,
        "status": 404,
        "code": None,
        "request_id": None,
        "retry_after": None,
    }
    assert done.status == 1


def test_json_of_an_error_tells_the_wait_and_the_code(service: WatchedService, run: Run) -> None:
    headers = {"Retry-After": "3600", "X-Request-ID": "r-1"}
    service.queue(Reply(429, b'{"success":false,"error":"Slow down.","code":"SLOW"}', headers))
    (error,) = run("delete", "--json", "a").objects
    assert error["retry_after"] == 3600
    assert error["code"] == "SLOW"
    assert error["request_id"] == "r-1"
    assert error["session_fate"] == "untouched"


def test_json_of_an_error_without_an_answer_has_the_same_fields(
    service: WatchedService, run: Run
) -> None:
    invalid, not_found = run("delete", "--json", "", UNKNOWN_ID).objects
    assert invalid.keys() == not_found.keys()
    assert invalid["status"] is None
    assert invalid["attempts"] == 0


# What others wrote


@pytest.mark.parametrize("session_id", ["\x1b[2J", "a\nb", os.fsdecode(b"\xff"), "[bold]x[/bold]"])
@pytest.mark.parametrize("option", ["--json", "--missing-ok"])
def test_an_odd_id_reaches_the_terminal_escaped(
    service: WatchedService, run: Run, option: str, session_id: str
) -> None:
    done = run("delete", option, session_id)
    assert done.status in (0, 1)
    assert (done.out + done.err).isascii()
    assert (done.out + done.err).removesuffix("\n").isprintable()


def test_json_keeps_an_odd_id_as_it_is(service: WatchedService, run: Run) -> None:
    session_id = os.fsdecode(b"\xff\x1b")
    (error,) = run("delete", "--json", session_id).objects
    assert error["session_id"] == session_id


def test_an_error_is_escaped_whatever_it_says(capfd: pytest.CaptureFixture[str]) -> None:
    show_error("\x1b[2J\ud800")
    assert capfd.readouterr().err == "Error: \\x1b[2J\\ud800\n"


# Usage


@pytest.mark.parametrize("arguments", [[], ["--no-such-option"], ["a", "--json=no"]])
def test_bad_usage_exits_with_2(run: Run, arguments: list[str]) -> None:
    assert run("delete", *arguments).status == 2


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


def test_the_key_is_never_printed(service: WatchedService, run: Run) -> None:
    service.queue(Reply(401, json.dumps({"error": f"no such key: {KEY}"}).encode()))
    for arguments in (["--json", "a"], ["a"], ["--api-key", f"{KEY} ", "a"]):
        done = run("delete", *arguments)
        assert KEY not in done.out + done.err
        service.queue(Reply(401, json.dumps({"error": f"no such key: {KEY}"}).encode()))


def test_a_bad_key_is_told_in_words_for_a_command(run: Run) -> None:
    done = run("delete", "--api-key", "fc wrong", "a")
    assert done.status == 2
    assert "leave out --api-key and FIRECRAWL_API_KEY" in done.err
    assert "None" not in done.err


def test_the_version_is_the_installed_one(run: Run) -> None:
    assert re.fullmatch(r"firecrawl-interact \d+\.\d+\.\d+\n", run("--version").out)


# The whole process


@on_unix
def test_it_works_without_any_output(service: WatchedService) -> None:
    session_id = service.open_session()
    closed = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *COMMAND]
    assert subprocess.run([*closed, "delete", UNKNOWN_ID, session_id], check=False).returncode == 1
    assert not service.is_open(session_id)


@on_unix
def test_closed_standard_input_has_no_ids(service: WatchedService) -> None:
    closed = ["sh", "-c", 'exec "$@" <&-', "sh", *COMMAND]
    done = subprocess.run([*closed, "delete", "-"], capture_output=True, check=False)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


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


@pytest.mark.parametrize("name", ["delete", "fake-service"])
def test_help_fits_into_80_columns(run: Run, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, run(name, "--help").out.splitlines())) <= 80


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


# On a terminal


@on_unix
def test_a_terminal_shows_a_table_of_at_most_80_columns(service: WatchedService) -> None:
    service.queue(Reply(200, b'{"success":true,"sessionDurationMs":754000,"creditsBilled":26}'))
    service.queue(Reply(200, b'{"success":true,"status":"failed"}'))
    session_ids = "0199a7c4-5d1e-7b60-9f3a-2c8e4d6b1a57", "session-2"
    done = Terminal("delete", "--concurrency", "1", *session_ids).finish()
    assert [re.split(" {2,}", row) for row in rows(done.out)] == [
        ["Session", "Outcome", "Duration", "Credits", "Attempts"],
        ["0199a7c4-5d1e-7b60-9f3a-2c8e4d6b1a57", "destroyed", "12m 34s", "26", "1"],
        ["session-2", "destroyed,", "-", "-", "1"],
        ["", "had crashed"],
        ["2 destroyed."],
        ["Credits on the receipts: 26 (1 gave no figure)."],
    ]
    assert max(map(len, rows(done.out))) <= 80
    assert done.status == 0


@on_unix
def test_a_narrow_terminal_shows_plain_lines_instead(service: WatchedService) -> None:
    service.queue(Reply(200, b'{"success":true}'))
    done = Terminal("delete", "session-1", columns=79).finish()
    assert rows(done.out) == ["session-1 destroyed, duration unknown, credits unknown, attempts 1"]


@on_unix
def test_a_terminal_shows_an_error_below_its_row(service: WatchedService) -> None:
    session_id = service.open_session()
    done = Terminal("delete", "--concurrency", "1", UNKNOWN_ID, session_id).finish()
    assert rows(done.out)[1].split() == [UNKNOWN_ID, "not", "found", "-", "-", "1"]
    assert rows(done.out)[2:4] == [
        f"Error: Session '{UNKNOWN_ID}': HTTP 404: Browser session",
        "not found. Nothing is left to bill. If you expected it to live, check the id.",
    ]
    assert rows(done.out)[4].startswith(session_id)
    assert done.status == 1


@on_unix
def test_errors_can_go_elsewhere_than_the_table(service: WatchedService, tmp_path: Path) -> None:
    service.queue(LostResponse())
    with (tmp_path / "errors").open("wb") as errors:
        done = Terminal("delete", UNKNOWN_ID, stderr=errors).finish()
    assert len(rows(done.out)) == 2
    repeat, error = (tmp_path / "errors").read_text(encoding="utf-8").splitlines()
    assert "retry in" in repeat
    assert "HTTP 404" in error


@on_unix
def test_what_others_wrote_is_neither_markup_nor_control(service: WatchedService) -> None:
    service.queue(Reply(403, json.dumps({"error": "[red]:smile:\x1b[5m"}).encode()))
    session_ids = "a", "[bold]x[/bold]", "\x1b[5mx"
    done = Terminal("delete", "--concurrency", "1", *session_ids, columns=200).finish()
    assert "[bold]x[/bold]" in done.out
    assert r"[red]:smile:\x1b[5m" in done.out
    assert r"\x1b[5mx" in done.out
    assert "\x1b[5m" not in done.out


@on_unix
def test_an_endless_id_does_not_fill_the_screen(service: WatchedService) -> None:
    done = Terminal("delete", "x" * 10_000).finish()
    assert len(rows(done.out)) < 24


@on_unix
def test_a_terminal_may_know_only_ascii(
    service: WatchedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = service.open_session()
    service.queue(Reply(503, '{"error":"Désolé"}'.encode(), {"Retry-After": "0"}))
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = Terminal("delete", session_id, columns=200).finish()
    assert done.status == 0
    assert rows(done.out)[0].endswith(r"HTTP 503: D\xe9sol\xe9")
    assert rows(done.out)[2].startswith(session_id)


# The fake service


class Serving(NamedTuple):
    """A fake service in a process of its own, as a script sees it."""

    process: subprocess.Popen[str]
    exported: dict[str, str]
    session_ids: list[str]


@contextlib.contextmanager
def fake_service(*arguments: str) -> Iterator[Serving]:
    # With SIGINT ignored, as a shell script starts its background jobs.
    background = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *COMMAND, "fake-service"]
    with subprocess.Popen(
        [*background, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        readline = process.stdout.readline
        lines = list(iter(lambda: readline().rstrip(), "Ctrl-C ends it."))
        exports = [line.removeprefix("export ") for line in lines if line.startswith("export ")]
        session_ids = [line for line in lines if re.fullmatch("[0-9a-f-]{36}", line)]
        try:
            yield Serving(process, dict(export.split("=") for export in exports), session_ids)
        finally:
            process.terminate()


@on_unix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_fake_service_serves_until_it_is_told_to_end(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    with fake_service("--sessions", "2") as serving:
        for name, value in serving.exported.items():
            monkeypatch.setenv(name, value)
        deleted = run("delete", *serving.session_ids)
        serving.process.send_signal(number)
        _, err = serving.process.communicate(timeout=30)
    assert len(serving.session_ids) == 2
    assert deleted.status == 0
    assert serving.process.returncode == 0
    assert err == ""


@on_unix
def test_the_fake_service_keeps_the_rate_limit_that_it_is_given() -> None:
    request = Request("DELETE", "/v2/interact/a", {"Authorization": "Bearer fc-test"})
    with (
        fake_service("--rate-limit", "2") as serving,
        Urllib3Transport(serving.exported["FIRECRAWL_API_URL"]) as transport,
    ):
        statuses = [transport.send(request, 30).status for _ in range(3)]
    assert statuses == [404, 404, 429]


@on_unix
def test_the_fake_service_takes_its_time_if_told_to() -> None:
    request = Request("DELETE", "/v2/interact/a", {"Authorization": "Bearer fc-test"})
    with (
        fake_service("--latency", "0.2") as serving,
        Urllib3Transport(serving.exported["FIRECRAWL_API_URL"]) as transport,
    ):
        began = time.monotonic()
        transport.send(request, 30)
    assert time.monotonic() - began >= 0.2


def test_the_fake_service_says_that_its_port_is_taken(service: WatchedService) -> None:
    port = os.environ["FIRECRAWL_API_URL"].removesuffix("/v2").rpartition(":")[2]
    done = subprocess.run(
        [*COMMAND, "fake-service", "--port", port],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: cannot serve on port {port}: ")
    assert done.stderr.count("\n") == 1
