"""Plays what runs, blocks and processes meet to the careful lines and to this library.

Each play has a service on a real socket of this machine, real processes, and real time.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeAlias

from firecrawl_interact.adapters import FakeService, LoopbackService, Reply

ROOT = Path(__file__).parents[2]
KEY = "fc-test"
LONGEST = 180.0
"""Seconds after which a program is taken to hang."""
AT_A_TIME = 6
"""Plays side by side: they wait for most of their time."""

WAYS = ("lines", "library")
FATES = ("gone", "not gone", "unknown")

Program: TypeAlias = "subprocess.Popen[bytes]"


class Result(NamedTuple):
    """What came of the sessions that a program was to destroy."""

    left: int
    """Sessions that still run."""
    unknown: int
    """Ids that the program had begun with, and of which it did not say what is so."""
    requests: int
    seconds: float


class Stage:
    """A service with sessions, and the programs that meet it."""

    def __init__(self, way: str, api_url: str, service: FakeService, folder: Path) -> None:
        self.service = service
        self.fates: dict[str, str] = {}
        self.in_blocks: set[str] = set()
        self.seconds = 0.0
        self._way = way
        self._output = folder / "output"
        self._environment = {
            **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
            "FIRECRAWL_API_KEY": KEY,
            "FIRECRAWL_API_URL": api_url,
            "FIRECRAWL_INTERACT_JOURNAL": str(folder / "journal"),
        }

    @contextmanager
    def many(self, session_ids: Sequence[str]) -> Iterator[Program]:
        """Start the program that deletes many sessions. Its end is awaited."""
        with self._started("many", session_ids) as program:
            yield program

    @contextmanager
    def block(self, session_ids: Sequence[str] = (), **variables: str) -> Iterator[Program]:
        """Start the program with a block, which has a journal if this library has one."""
        self.in_blocks.update(session_ids)
        with self._started("block", session_ids, **variables) as program:
            yield program

    @contextmanager
    def _started(
        self, program: str, session_ids: Sequence[str], **variables: str
    ) -> Iterator[Program]:
        name = f"{program}_with_{self._way}"
        with (
            self._output.open("w") as output,
            subprocess.Popen(
                [sys.executable, "-m", "tests.rivals.programs", name, *session_ids],
                cwd=ROOT,
                env=self._environment | variables,
                stdout=output,
                stderr=subprocess.DEVNULL,
            ) as process,
        ):
            try:
                self.wait_for("ready")
                began = time.monotonic()
                yield process
                process.wait(LONGEST)
            finally:
                process.kill()
        self.seconds += time.monotonic() - began
        said = [line.split(" ", 1) for line in self._output.read_text().splitlines()]
        self.fates |= {line[0]: line[1] for line in said if line[-1] in FATES}

    def wait_for(self, words: str) -> None:
        """Wait until the program says this."""
        wait_until(lambda: words in self._output.read_text().splitlines())


Play = Callable[[Stage], None]


def nothing_goes_wrong(stage: Stage) -> None:
    with stage.many(open_sessions(stage, 40)):
        pass


def rate_limit(stage: Stage) -> None:
    session_ids = open_sessions(stage, 90)
    stage.service.rate_limit = 60
    with stage.many(session_ids):
        pass


def outage(stage: Stage) -> None:
    stage.service.latency = 0.1
    with stage.many(open_sessions(stage, 40)):
        wait_until(lambda: len(stage.service.requests) == 8)
        stage.service.outage(15)


def ids_that_fail_for_ever(stage: Stage) -> None:
    fail = [f"row-{number}-of-a-table" for number in range(8)]  # For these the service has a 500.
    with stage.many([*fail, *open_sessions(stage, 40)]):
        pass


def interrupted_run(stage: Stage) -> None:
    stage.service.latency = 1.0
    with stage.many(open_sessions(stage, 40)) as program:
        wait_until(lambda: len(stage.service.requests) == 8)
        program.send_signal(signal.SIGINT)


def interrupted_block(stage: Stage) -> None:
    with stage.block(open_sessions(stage, 1)) as program:
        stage.wait_for("in the block")
        program.send_signal(signal.SIGINT)


def interrupted_delete(stage: Stage) -> None:
    session_ids = open_sessions(stage, 1)
    stage.service.queue(Reply(503))
    with stage.block(session_ids, BLOCK_ENDS_AT_ONCE="yes") as program:
        wait_until(lambda: len(stage.service.requests) == 1)
        time.sleep(0.2)  # so that it waits before its second attempt: for half a second at least
        program.send_signal(signal.SIGINT)


def killed_block(stage: Stage) -> None:
    with stage.block(open_sessions(stage, 1)) as program:
        stage.wait_for("in the block")
        program.kill()
    with stage.block():
        pass


PLAYS: dict[str, Play] = {
    "40 sessions, and nothing goes wrong": nothing_goes_wrong,
    "90 sessions, and a rate limit of 60 requests a minute": rate_limit,
    "40 sessions, and an outage of 15 s after the first 8": outage,
    "40 sessions behind 8 ids that fail for ever": ids_that_fail_for_ever,
    "40 sessions, and Ctrl-C while the first 8 are deleted": interrupted_run,
    "a block, and Ctrl-C in it": interrupted_block,
    "a block, and Ctrl-C while its delete waits after a 503": interrupted_delete,
    "a block that SIGKILL ends, and the program is started again": killed_block,
}


def open_sessions(stage: Stage, number: int) -> list[str]:
    return [stage.service.open_session() for _ in range(number)]


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def play(what: str, way: str) -> Result:
    service = FakeService([KEY])
    with LoopbackService(service) as loopback, tempfile.TemporaryDirectory() as folder:
        stage = Stage(way, loopback.api_url, service, Path(folder))
        PLAYS[what](stage)
        asked = {request.path.rpartition("/")[2] for request in service.requests}
        known = {session_id for session_id, fate in stage.fates.items() if fate != "unknown"}
        begun = asked | stage.in_blocks | {*stage.fates}
        left, requests = len(service.sessions_left_open), len(service.requests)
    return Result(left, len(begun - known), requests, stage.seconds)


def play_all() -> dict[str, dict[str, Result]]:
    """Play everything to both, side by side. The results stand by play and by way."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        played = {what: {way: pool.submit(play, what, way) for way in WAYS} for what in PLAYS}
        return {
            what: {way: future.result() for way, future in by_way.items()}
            for what, by_way in played.items()
        }


def table(played: Mapping[str, Mapping[str, Result]]) -> str:
    """Write what came of each play, with the lines and then with this library.

    And where the lines are as good.
    """
    lines = [
        "| what happens | sessions left | nobody knows | requests | seconds |",
        "|---|--:|--:|--:|--:|",
    ]
    for what, by_way in played.items():
        both = zip(*[by_way[way] for way in WAYS], strict=True)
        cells = [f"{of_lines:.0f} → {of_library:.0f}" for of_lines, of_library in both]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    as_good = [what for what, by_way in played.items() if are_as_good(by_way)]
    return "\n".join([*lines, "", f"The lines are as good here: {'; '.join(as_good)}."])


def are_as_good(by_way: Mapping[str, Result]) -> bool:
    """Whether the lines leave no more sessions, and no more that nobody knows of."""
    lines, library = by_way["lines"], by_way["library"]
    return lines.left <= library.left and lines.unknown <= library.unknown


if __name__ == "__main__":
    print(table(play_all()))
