"""Transcripts: what is typed at the command, and what it prints. `transcripts/*.txt` has them.

    # A session that is not found is not gone.          the title: what is tested
    * meets 404 {"success": false, ...}                 what there is, or was: a method of `Stage`
    1$ delete a                                         the exit status, 0 if none; what is typed
    a not-found SessionNotFoundError ...                standard output, its lines in any order
    ! None of 1 sessions gone; 1 not found.             standard error

`...` stands for anything in a line, and alone for the lines before the next ones. `delete` is short
for `firecrawl-interact delete`. What a shell must read is typed into one.
"""

import codecs
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from firecrawl_interact import FileJournal, LostResponse, Reply

from .commands import LONGEST_WAIT, Finished, Run, Terminal, WatchedService, rows

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent


class Step(NamedTuple):
    """What is put in place, or typed; and what is expected of that."""

    is_typed: bool
    text: str
    status: int
    out: list[str]
    err: list[str]


def transcripts() -> Iterator[tuple[str, list[Step]]]:
    """Read all transcripts. An empty line ends each."""
    for path in sorted(HERE.glob("transcripts/*.txt")):
        for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
            title, *lines = block.splitlines()
            steps: list[Step] = []
            for line in lines:
                if match := re.fullmatch(r"(\d*)\$ (.*)|\* (.*)", line):
                    status, typed, there_is = match.groups()
                    text = typed if there_is is None else there_is
                    steps.append(Step(there_is is None, text, int(status or 0), [], []))
                elif line.startswith("!"):
                    steps[-1].err.append(line[2:])
                else:
                    steps[-1].out.append(line)
            yield f"{path.stem}: {title[2:]}", steps


class Stage:
    """Puts in place what a transcript says that there is: the first word names a method."""

    def __init__(
        self, service: WatchedService, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._service = service
        self._directory = directory
        self._patch = monkeypatch
        self._living = ExitStack()
        self.columns: int | None = None
        """How wide the terminal is on which the command runs, if it runs on one."""

    def put(self, text: str) -> None:
        word, _, value = text.partition(" ")
        getattr(self, word)(value)

    def open(self, ids: str) -> None:
        for session_id in ids.split():
            self._service.open_session(session_id)

    def scraped(self, ids: str) -> None:
        """Open the sessions of scrapes."""
        for scrape_id in ids.split():
            self._service.open_session(scrape_id=scrape_id)

    def others(self, ids: str) -> None:
        """Open sessions of another team."""
        for session_id in ids.split():
            self._service.open_session(session_id, api_key="fc-another-team")

    def meets(self, what: str, headers: Mapping[str, str] | None = None) -> None:
        """Let the next request meet a status and a body, or a response that is lost."""
        status, _, body = what.partition(" ")
        if status == "lost":
            self._service.queue(LostResponse())
        else:
            self._service.queue(Reply(int(status), _bytes(body), headers or {}))

    def meets_always(self, what: str) -> None:
        """Let each request for a session meet the same."""
        session_id, _, reply = what.partition(" ")
        status, _, body = reply.partition(" ")
        replies = [Reply(int(status), _bytes(body))] * 10
        self._service.queue(*replies, session_id=session_id)

    def terminal(self, columns: str) -> None:
        self.columns = int(columns)

    def set(self, text: str) -> None:
        name, _, value = text.partition(" ")
        self._patch.setenv(name, value)

    def file(self, text: str) -> None:
        name, _, content = text.partition(" ")
        (self._directory / name).write_bytes(_bytes(content))

    def stdin(self, content: str) -> None:
        stream = io.BytesIO(_bytes(content))
        stream.name = "<stdin>"
        self._patch.setattr("sys.stdin", io.TextIOWrapper(stream))

    def left(self, what: str) -> None:
        """Let a dead process have sessions open: the label, and the ids."""
        self._journal(what).close()

    def lives(self, what: str) -> None:
        """Let a living process have sessions open."""
        self._living.callback(self._journal(what).close)

    def asked(self, ids: str) -> None:
        """Check for which ids requests have come, in their order."""
        assert self._service.asked_for == ids.split()

    def end(self) -> None:
        self._living.close()

    def _journal(self, what: str) -> FileJournal:
        label, *ids = what.split()
        service = {"own": os.environ["FIRECRAWL_API_URL"], "none": None}.get(label, label)
        journal = FileJournal(self._directory / "journal", service=service)
        for session_id in ids:
            journal.opened(session_id)
        return journal


def _bytes(text: str) -> bytes:
    return codecs.escape_decode(text.encode())[0]


def play(typed: str, run: Run, columns: int | None) -> Finished:
    """Type a command; into a shell if it is more than that, and on a terminal if there is one."""
    if columns is not None:
        done = Terminal(*shlex.split(typed), columns=columns).finish()
        return Finished(done.status, "\n".join(rows(done.out)), "")
    if not re.search(r"[|;&<>$]|^(cut|cat|mkdir|jq) ", typed):
        return run(*shlex.split(typed))
    short = r"(^|[|;] )(delete|check|sweep)\b(?! *=)"
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    played = subprocess.run(
        ["/bin/sh", "-c", re.sub(short, r"\1firecrawl-interact \2", typed)],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=2 * LONGEST_WAIT,
    )
    return Finished(played.returncode, played.stdout, played.stderr)


def as_expected(text: str, expected: list[str], *, in_any_order: bool = False) -> list[str]:
    """Return the lines of a text, each as it is expected if it matches."""
    lines = text.splitlines()
    if expected[:1] == ["..."]:
        lines = ["...", *lines[len(lines) - len(expected) + 1 :]]
    found = []
    for pattern in expected:
        candidates = lines if in_any_order else lines[:1]
        if line := next((line for line in candidates if _matches(line, pattern)), None):
            lines.remove(line)
            found.append(pattern)
    return found + lines


def _matches(line: str, pattern: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("..."))), line) is not None
