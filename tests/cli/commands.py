"""Runs of the command `firecrawl-interact`: in this process, as its own, and on a terminal."""

import contextlib
import logging
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest

from firecrawl_interact import FakeService, Fault
from firecrawl_interact.adapters.cli.commands import command
from firecrawl_interact.adapters.fakes.service.api import failure
from firecrawl_interact.core import Request, Response

if sys.platform != "win32":
    import fcntl
    import pty
    import struct
    import termios

KEY = "fc-0123456789abcdef0123456789abcdef"
COMMAND = [sys.executable, "-c", "from firecrawl_interact.adapters.cli import main; main()"]
ONE_BY_ONE = ("--concurrency", "1")
LONGEST_WAIT = 120  # seconds for what takes none on an idle machine, so that nothing waits for ever
HANDLED = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if os.name == "posix" else [])]
on_unix = pytest.mark.skipif(
    sys.platform == "win32", reason="it has other signals, and no pseudo-terminals"
)


class Finished(NamedTuple):
    """What a finished command leaves behind."""

    status: int
    out: str
    err: str


class WatchedService(FakeService):
    """A service that lets a test wait for its requests, and hold its responses back.

    It is a fork whose ids are any texts: it does not find what nobody opened.
    """

    def __init__(self, api_keys: list[str]) -> None:
        super().__init__(api_keys)
        self._arrivals = threading.Semaphore(0)
        self.responds = threading.Event()
        self.responds.set()

    def respond(self, request: Request, body: bytes = b"") -> tuple[Response, Fault | None]:
        response, fault = super().respond(request, body)
        if fault is None and b"UNKNOWN_ERROR" in response.body:  # The id is no UUID.
            response = failure(404, "Browser session not found.")
        self._arrivals.release()
        self.responds.wait(LONGEST_WAIT)
        return response, fault

    @property
    def asked_for(self) -> list[str]:
        """The ids that requests came for, in their order."""
        return [request.path.rpartition("/")[2] for request in self.requests]

    def await_requests(self, count: int) -> None:
        for _ in range(count):
            assert self._arrivals.acquire(timeout=LONGEST_WAIT)


class Run:
    """Runs the command in this process."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, *arguments: str) -> Finished:
        handlers = {number: signal.getsignal(number) for number in HANDLED}
        try:
            with pytest.raises(SystemExit) as end:
                command(arguments, prog_name="firecrawl-interact")
        finally:
            logger = logging.getLogger("firecrawl_interact")
            logger.handlers.clear()
            logger.setLevel(logging.NOTSET)
            for number, handler in handlers.items():
                signal.signal(number, handler)
        assert isinstance(end.value.code, int)
        return Finished(end.value.code, *self._capfd.readouterr())


class Process(subprocess.Popen[bytes]):
    """The command in a process of its own. It writes into pipes unless told otherwise."""

    def __init__(self, *arguments: str, before: Iterable[str] = (), **options: Any) -> None:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        # Without a buffer, `communicate` sees all that `readline` has not read.
        super().__init__([*before, *COMMAND, *arguments], bufsize=0, **options)

    def __exit__(self, kind: type[BaseException] | None, *exc_info: Any) -> None:
        if kind is not None:
            self.kill()  # A test that fails must not wait for it.
        super().__exit__(kind, *exc_info)

    def await_note(self, beginning: str) -> None:
        """Read standard error until a line begins so."""
        assert self.stderr is not None
        while not without_times(line := self.stderr.readline().decode()).startswith(beginning):
            assert line, f"it ended without {beginning!r}"

    def end_by(self, number: signal.Signals) -> int:
        """Send a signal, and again each 10 seconds, until it ends. Return its status."""
        latest = time.monotonic() + LONGEST_WAIT
        while time.monotonic() < latest:
            self.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self.wait(10)
        raise AssertionError("it does not end")

    def finish(self) -> Finished:
        """Wait for its end. What was read before is not in it."""
        out, err = self.communicate(timeout=LONGEST_WAIT)
        return Finished(self.returncode, (out or b"").decode(), (err or b"").decode())


class Terminal(Process):
    """The command on a pseudo-terminal."""

    def __init__(
        self, *arguments: str, columns: int = 80, term: str = "xterm-256color", **options: Any
    ) -> None:
        self._ours, theirs = pty.openpty()
        self._shown = b""
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        # A shell may have exported how wide its window was once.
        environment = os.environ | {"TERM": term, "COLUMNS": "200"}
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
        super().__init__(*arguments, env=environment, **{**streams, **options})
        os.close(theirs)

    def type(self, text: str) -> None:
        with contextlib.suppress(OSError):  # The command may have ended.
            os.write(self._ours, text.encode())

    def hang_up(self) -> None:
        """Close the terminal, as when its window is closed."""
        os.close(self._ours)
        self.send_signal(signal.SIGHUP)

    def await_text(self, text: str) -> None:
        """Read what it sends until this is in it."""
        while text.encode() not in self._shown:
            assert self._read(), f"it ended without {text!r}: {self._shown!r}"

    def finish(self) -> Finished:
        """Wait for its end. `out` is all that it has sent to the terminal."""
        try:
            while self._read():
                pass
        finally:
            os.close(self._ours)
        return Finished(self.wait(LONGEST_WAIT), self._shown.decode(), "")

    def _read(self) -> bool:
        assert select.select([self._ours], [], [], LONGEST_WAIT)[0], "nothing comes"
        try:
            piece = os.read(self._ours, 65536)
        except OSError:  # Linux's way to say that the other side has closed
            piece = b""
        self._shown += piece
        return bool(piece)


def without_times(text: str) -> str:
    """The same lines, without the time with which each of the log begins."""
    return re.sub(r"^\d\d:\d\d:\d\dZ ", "", text, flags=re.MULTILINE)


def rows(shown: str) -> list[str]:
    """The lines that stay on the screen, without colours."""
    screen, row, column = [""], 0, 0
    for piece in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", shown):
        if piece in {"\r", "\x1b[G"}:
            column = 0
        elif piece == "\n":
            row += 1
            screen += [""] * (row == len(screen))
        elif piece == "\x1b[2K":
            screen[row] = ""
        elif not piece.startswith("\x1b"):
            end = column + len(piece)
            screen[row] = screen[row][:column].ljust(column) + piece + screen[row][end:]
            column = end
    return [line.rstrip() for line in screen if line.strip()]
