"""Delete the sessions of a fake of Firecrawl with a bare client and with this library.

The same things go wrong for both. `make demo` runs this. It exits with 0 if all went as it should.
"""

import contextlib
import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import click

from firecrawl_interact import (
    DeleteSession,
    FakeService,
    Fault,
    InMemoryTransport,
    LoopbackService,
    LostResponse,
)
from firecrawl_interact.core import Request, Response

API_KEY = "fc-test"
COMMAND = "firecrawl-interact"
COLORS = {"gone": 28, "untouched": 130, "unknown": 196}
MINUTE_LEFT = 12
"""Seconds. A rate limit counts the requests of a minute. Nobody wants to wait for a whole one."""

# Each session is recorded in a journal before its block begins.
USE_AND_DIE = """
import os, sys
from contextlib import ExitStack
from firecrawl_interact import FileJournal, delete_session_from_environment

directory, *session_ids = sys.argv[1:]
journal = FileJournal(directory, service=os.environ["FIRECRAWL_API_URL"])
with delete_session_from_environment(journal=journal) as delete_session, ExitStack() as blocks:
    for session_id in session_ids:
        blocks.enter_context(delete_session.on_exit(session_id))
    os.kill(os.getpid(), 9)  # SIGKILL, and on Windows the exit status
"""


DeleteBarely: TypeAlias = Callable[[str], str]
"""Deletes a session with a bare client, and returns the error, or nothing."""


class Plot(NamedTuple):
    """What goes wrong, and for how many sessions."""

    lost_responses: int = 1
    sessions: int = 100  # in the second act
    served_before_outage: int = 30
    outage: float = 4  # seconds
    rate_limit: int = 75  # requests a minute
    killed: int = 3  # sessions of a process that is killed


class Firecrawl(FakeService):
    """A fake of Firecrawl with the faults of a plot."""

    def __init__(self, plot: Plot) -> None:
        super().__init__([API_KEY], rate_limit=plot.rate_limit, latency=0.2)
        self.queue(*[LostResponse()] * plot.lost_responses)
        self.plot = plot
        self._session_ids: list[str] = []
        self._served_before_outage = sys.maxsize

    def open_sessions(self, count: int) -> list[str]:
        """Open so many sessions."""
        opened = [self.open_session() for _ in range(count)]
        self._session_ids += opened
        return opened

    def expect_outage(self) -> None:
        """Have an outage after some more requests, and let most of the minute pass before it."""
        self.advance(max(0, 60 - MINUTE_LEFT - self.monotonic()))
        self._served_before_outage = len(self.requests) + self.plot.served_before_outage

    def respond(self, request: Request, body: bytes = b"") -> tuple[Response, Fault | None]:
        """Handle one request."""
        if len(self.requests) >= self._served_before_outage:
            self._served_before_outage = sys.maxsize
            self.outage(self.plot.outage)
        return super().respond(request, body)

    def bills(self) -> dict[str, int]:
        """Let the sessions that still run expire, and return the credits of each session."""
        self.rate_limit = None
        self.advance(3600)
        with DeleteSession(InMemoryTransport(self), API_KEY) as delete_session:
            receipts = [delete_session(session_id) for session_id in self._session_ids]
        return {receipt.session_id: int(receipt.credits_billed or 0) for receipt in receipts}


def send_delete(api_url: str, session_id: str) -> str:
    """Send one request, as a bare HTTP client does. Return the error, or nothing."""
    connection = http.client.HTTPConnection(api_url.removeprefix("http://"), timeout=90)
    try:
        headers = {"Authorization": f"Bearer {API_KEY}"}
        connection.request("DELETE", f"/v2/interact/{session_id}", headers=headers)
        status = connection.getresponse().status
    except ConnectionError as error:
        return type(error).__name__
    finally:
        connection.close()
    return "" if status == 200 else f"HTTP {status}"


def tell(text: str, *, bold: bool = False) -> None:
    """Print a paragraph as wide as the terminal, and its fates in colour if that is wanted."""
    lines = "\n".join(textwrap.wrap(text, min(80, shutil.get_terminal_size().columns)))
    is_screen = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    if is_screen and not os.environ.get("NO_COLOR"):
        for fate, color in COLORS.items():
            lines = lines.replace(f" {fate}", click.style(f" {fate}", fg=color))
        lines = click.style(lines, bold=bold)
    print(lines, flush=True)


def tell_act(sentence: str) -> None:
    """Say what an act is about."""
    print()
    tell(sentence, bold=True)


def run(typed: str, *arguments: str, output: str | None = None) -> None:
    """Show a command as it is typed, run it, and end the demo if it fails."""
    print(f"$ {COMMAND} {typed}", flush=True)
    with Path(output or os.devnull).open("w") as file:
        stdout = file if output else None
        command = [sys.executable, "-m", "firecrawl_interact", *arguments]
        done = subprocess.run(command, check=False, stdout=stdout, timeout=120)
    if done.returncode:
        sys.exit(f"exit status {done.returncode}")


def lose_a_response(bare: Firecrawl, ours: Firecrawl, delete_barely: DeleteBarely) -> None:
    """Act 1."""
    tell_act("1. Firecrawl deletes a session, but its response is lost.")
    [session_id] = bare.open_sessions(1)
    error = delete_barely(session_id)
    tell(f"Bare client: unknown. {error}: was it deleted?" if error else "Bare client: gone.")
    [session_id] = ours.open_sessions(1)
    run("delete $SESSION_ID", "delete", session_id)
    tell("A retry shows that it is gone. Firecrawl bills it once.")


def outlast_an_outage(bare: Firecrawl, ours: Firecrawl, delete_barely: DeleteBarely) -> None:
    """Act 2."""
    count, seconds = bare.plot.sessions, bare.plot.outage
    tell_act(f"2. {count} sessions meet an outage of {seconds:g} s, then a rate limit.")
    bare.expect_outage()
    with ThreadPoolExecutor(8) as pool:
        errors = list(pool.map(delete_barely, bare.open_sessions(count)))
    tell(f"Bare client: {errors.count('')} gone, {count - errors.count('')} unknown.")
    ours.expect_outage()
    Path("ids.txt").write_text("\n".join(ours.open_sessions(count)))
    run("delete --from ids.txt >fates.txt", "delete", "--from", "ids.txt", output="fates.txt")


def survive_a_kill(bare: Firecrawl, ours: Firecrawl) -> None:
    """Act 3."""
    count = bare.plot.killed
    tell_act(f"3. A process is killed while it uses {count} sessions.")
    bare.open_sessions(count)  # Whatever client it has, a process that is killed sends nothing.
    tell(f"Bare client: {count} still running, until they expire.")
    killed = [sys.executable, "-c", USE_AND_DIE, "journal", *ours.open_sessions(count)]
    status = subprocess.run(killed, check=False, timeout=60).returncode
    if abs(status) != 9:
        sys.exit("the process was not killed")
    tell(
        f"The process with firecrawl-interact was killed, too (exit status {status}). It had"
        " recorded its sessions in a journal, so a sweep can delete them."
    )
    run("sweep journal", "sweep", "journal")


def main(plot: Plot = Plot()) -> None:  # noqa: B008 - immutable
    """Play the three acts, and say what they cost with a bare client and with this library."""
    tell(
        "Setting up two fakes of Firecrawl on this machine, where the same things go wrong. A bare"
        " HTTP client deletes the sessions of one, and firecrawl-interact those of the other. This"
        " takes 25 seconds. Nothing is sent to Firecrawl."
    )
    bare, ours = Firecrawl(plot), Firecrawl(plot)
    with (
        tempfile.TemporaryDirectory() as directory,
        contextlib.chdir(directory),
        LoopbackService(bare) as bare_loopback,
        LoopbackService(ours) as loopback,
    ):
        os.environ |= {"FIRECRAWL_API_URL": loopback.api_url, "FIRECRAWL_API_KEY": API_KEY}
        delete_barely = partial(send_delete, bare_loopback.api_url)
        lose_a_response(bare, ours, delete_barely)
        outlast_an_outage(bare, ours, delete_barely)
        survive_a_kill(bare, ours)
    if left := ours.sessions_left_open:
        sys.exit(f"sessions left open: {left}")
    running = bare.sessions_left_open
    bills = bare.bills()
    without, with_it = sum(bills.values()), sum(ours.bills().values())
    tell_act(f"Cost: bare client {without} credits, {COMMAND} {with_it}.")
    if running:
        each = bills[running[0]]
        why = f"The bare client left {len(running)} sessions."
        tell(f"{why} Each runs until it expires, at {each} credits.")


if __name__ == "__main__":
    main()
