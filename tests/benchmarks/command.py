"""What the command costs: how soon a million ids start, in which memory, and rows on a terminal."""

import fcntl
import os
import pty
import resource
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

from measure import Figure, service

from firecrawl_interact.adapters import FakeService, LoopbackService
from firecrawl_interact.adapters.fake_service import TimedResponse
from firecrawl_interact.adapters.fake_service.faults import LostResponse, NoConnection, NoResponse
from firecrawl_interact.core import Request

IDS = 1_000_000
ROWS = 5_000


def _command(ids: Path) -> list[str]:
    module = "firecrawl_interact.adapters.cli"
    return [sys.executable, "-m", module, "delete", "--missing-ok", "--from", str(ids)]


def _environment(api_url: str) -> dict[str, str]:
    own = {"FIRECRAWL_API_URL": api_url, "FIRECRAWL_API_KEY": "fc-test", "TERM": "xterm-256color"}
    return os.environ | own


class _Bell(FakeService):
    """Says when the first request comes."""

    def __init__(self) -> None:
        super().__init__()
        self.first_request = threading.Event()

    def respond(self, request: Request) -> TimedResponse | NoConnection | NoResponse | LostResponse:
        self.first_request.set()
        return super().respond(request)


def a_million_ids() -> list[Figure]:
    bell = _Bell()
    with tempfile.TemporaryDirectory() as folder, LoopbackService(bell) as loopback:
        ids = Path(folder, "ids")
        with ids.open("w", encoding="ascii") as file:
            file.writelines(f"0199a7c4-5d1e-7b60-9f3a-{number:012}\n" for number in range(IDS))
        began = time.perf_counter()
        process = subprocess.Popen(
            _command(ids),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(loopback.api_url),
        )
        bell.first_request.wait()
        seconds = time.perf_counter() - began
        process.terminate()
        _, _, used = os.wait4(process.pid, 0)
    return [
        Figure("`delete` of 1,000,000 ids, to its first request", seconds, 3, "s"),
        Figure("its peak memory", used.ru_maxrss / 2**10, 300, "MiB"),
    ]


def _children_cpu(work: Callable[[], None]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rows_on_a_terminal() -> Figure:
    ratios = []
    with tempfile.TemporaryDirectory() as folder, service(sessions=ROWS) as (api_url, session_ids):
        ids, output = Path(folder, "ids"), Path(folder, "output")
        ids.write_text("\n".join(session_ids), encoding="ascii")
        environment = _environment(api_url)

        def to_a_file() -> None:
            with output.open("wb") as file:
                command = _command(ids)
                subprocess.run(
                    command, stdout=file, stderr=subprocess.DEVNULL, env=environment, check=True
                )

        def to_a_terminal() -> None:
            ours, theirs = pty.openpty()
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            with subprocess.Popen(
                _command(ids), stdin=theirs, stdout=theirs, stderr=theirs, env=environment
            ):
                os.close(theirs)
                try:
                    while os.read(ours, 65536):
                        pass
                except OSError:  # Linux's way to say that the other side has closed
                    pass
            os.close(ours)

        for _ in range(5):
            in_a_file = _children_cpu(to_a_file)
            ratios.append(_children_cpu(to_a_terminal) / in_a_file)
    return Figure("5,000 rows on a terminal, to a file", sorted(ratios)[2], 2)
