"""What the command shows on a terminal: the bar, its colours, and what stays on the screen."""

import io
import json
import math
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from firecrawl_interact.adapters import NoConnection, Reply

from .commands import ONE_BY_ONE, Run, Terminal, WatchedService, on_unix, rows

pytestmark = [pytest.mark.enable_socket, on_unix]


def test_at_40_columns_no_word_is_cut_and_nothing_of_the_bar_stays(service: WatchedService) -> None:
    session_ids = [service.open_session() for _ in range(30)]
    service.latency = 0.2  # so that the bar is drawn between them
    done = Terminal("delete", *session_ids, columns=40).finish()
    shown = rows(done.out)
    assert "━" in done.out
    assert max(map(len, shown)) <= 40
    assert sorted(shown[:60:2]) == sorted(session_ids)
    assert all(row.startswith("  gone deleted credits=2 ") for row in shown[1:60:2])
    assert shown[60:] == ["30 of 30 sessions gone, 60 credits."]


def test_the_rows_of_a_line_are_written_in_one_piece(
    service: WatchedService, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Screen(io.BytesIO):
        def isatty(self) -> bool:
            return True

        def write(self, piece: bytes) -> int:  # type: ignore[override]  # no other buffer comes
            written.append(piece)
            return len(piece)

    written: list[bytes] = []
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Screen(), "utf-8", line_buffering=True))
    monkeypatch.setenv("COLUMNS", "40")
    run("delete", "a", "b")
    pieces = list(filter(None, written))
    assert len(pieces) == 2
    assert all(b"found" in piece and piece.endswith(b"\n") for piece in pieces)


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colour_a_terminal_says_the_same(
    service: WatchedService, variables: dict[str, str]
) -> None:
    coloured = Terminal("delete", "a", columns=200).finish().out
    plain = Terminal("delete", "a", columns=200, variables=variables).finish().out
    assert rows(plain) == rows(coloured)
    outcome = re.search(r"^.*SessionNotFoundError credits.*$", plain, re.MULTILINE)
    assert outcome is not None
    assert re.search(r"\x1b\[[0-9;]*m", outcome[0]) is None
    assert re.search(r"\x1b\[[0-9;]*m.*SessionNotFoundError credits", coloured) is not None


@pytest.mark.parametrize(
    ("columns", "number", "status"), [(40, signal.SIGINT, 130), (80, signal.SIGTERM, 143)]
)
def test_the_bar_says_why_it_waits_and_a_signal_then_leaves_a_line_for_each_id(
    service: WatchedService, columns: int, number: signal.Signals, status: int
) -> None:
    service.rate_limit = 1
    terminal = Terminal("delete", *ONE_BY_ONE, "--missing-ok", "a", "b", columns=columns)
    terminal.await_text("rate limit: 5")  # 59 s, or a little less
    terminal.await_text("1 of 2: HTTP 429:")
    terminal.send_signal(number)
    done = terminal.finish()
    shown = rows(done.out)
    assert done.status == status
    assert max(map(len, shown)) <= columns
    assert [row[:2] for row in shown if row[:2] in {"a ", "b "}] == ["a ", "b "]
    assert done.out.rindex("\x1b[?25h") > done.out.rindex("\x1b[?25l")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (NoConnection(), "Connection refused"),
        (Reply(503, json={"success": False, "error": "Busy."}), "HTTP 503: Busy"),
    ],
)
def test_the_bar_and_a_line_that_stays_say_why_there_is_an_outage(
    service: WatchedService, fault: NoConnection | Reply, reason: str
) -> None:
    service.outage(math.inf, fault)
    terminal = Terminal("delete", "--deadline", "4", *"abcd", columns=200)
    terminal.await_text(f"outage: 1 s; 0 of 4: {reason} ")
    done = terminal.finish()
    outage, *ends = rows(done.out)
    assert done.status == 1
    assert outage.startswith("Outage: ")
    assert outage.endswith(f"{reason}. The run waits until it is over (see --deadline).")
    assert [end.split()[0] for end in ends[4:]] == ["Stopped:", "None", "Next:"]


def test_a_bar_stands_beside_an_output_that_goes_to_a_file(
    service: WatchedService, tmp_path: Path
) -> None:
    service.responds.clear()
    with (tmp_path / "outcomes").open("wb") as outcomes:
        terminal = Terminal("delete", "--json", "a", stdout=outcomes)
        terminal.await_text("0 of 1")
        service.responds.set()
        terminal.finish()
    assert json.loads((tmp_path / "outcomes").read_text(encoding="utf-8"))["session_id"] == "a"


def test_no_bar_is_in_the_way_of_what_reads_the_output(service: WatchedService) -> None:
    reader = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(reader, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        shown = Terminal("delete", "a", stdout=process.stdin).finish().out
    assert "━" not in shown


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


def test_ctrl_c_while_ids_are_typed_sends_nothing(service: WatchedService) -> None:
    terminal = Terminal("delete", "-")
    terminal.await_text("Ctrl-D ends the list.")
    terminal.type("a\n")
    terminal.send_signal(signal.SIGINT)
    # Python hears a Ctrl-C that comes just before it reads only once there is something to read.
    terminal.type("b\n")
    done = terminal.finish()
    assert done.status == 130
    assert "Interrupted. Nothing was sent." in done.out
    assert service.requests == []


def test_a_bar_on_a_terminal_that_is_closed_keeps_nothing_from_being_said(
    service: WatchedService, tmp_path: Path
) -> None:
    service.responds.clear()
    with (tmp_path / "outcomes").open("wb") as outcomes:
        command = ["delete", *ONE_BY_ONE, "--missing-ok", "a", "b"]
        terminal = Terminal(*command, stdout=outcomes, variables={"PYTHONUNBUFFERED": "1"})
        service.await_requests(1)
        terminal.send_signal(signal.SIGINT)
        terminal.await_text("stopping")
        terminal.hang_up()
        service.responds.set()
        assert terminal.wait() == 130
    lines = (tmp_path / "outcomes").read_text(encoding="utf-8").splitlines()
    assert [line.split()[:2] for line in lines] == [["a", "not-found"], ["b", "not-tried"]]
