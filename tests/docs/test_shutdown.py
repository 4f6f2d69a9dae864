"""The recipe for five seconds at shutdown, as its page has it, with a Firecrawl that is silent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from firecrawl_interact import FakeService, FileJournal, NoResponse, Reply

from ..postgres import wait_until
from .conftest import SCRAPE_ID
from .pages import blocks, sections

pytestmark = pytest.mark.enable_socket

PAGE = "docs/when-the-process-dies.md"
[RECIPE] = blocks(dict(sections(PAGE))["Five seconds at shutdown"], "python")
API_URL = "https://api.firecrawl.dev"
SILENT = NoResponse()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], "subprocess.Popen[bytes]"]]:
    """Return what starts the recipe."""

    def start() -> "subprocess.Popen[bytes]":
        environment = {**os.environ, "HOME": str(tmp_path)}
        process = subprocess.Popen([sys.executable, "-c", RECIPE], env=environment)
        stack.callback(process.wait)
        stack.callback(process.kill)
        return process

    with ExitStack() as stack:
        yield start


def terminate(process: "subprocess.Popen[bytes]") -> None:
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert time.monotonic() - began < 7


def test_a_sigterm_in_the_block_leaves_the_session_to_the_next_start(
    firecrawl: FakeService, start: Callable[[], "subprocess.Popen[bytes]"]
) -> None:
    firecrawl.open_session(scrape_id=SCRAPE_ID)
    firecrawl.outage(60, SILENT)
    process = start()
    wait_until(lambda: firecrawl.requests)
    terminate(process)
    assert len(firecrawl.sessions_left_open) == 1
    firecrawl.outage(0)
    assert start().wait(60) == 0
    assert firecrawl.sessions_left_open == []


def test_an_end_of_the_program_leaves_the_session_to_the_next_start(
    firecrawl: FakeService, start: Callable[[], "subprocess.Popen[bytes]"]
) -> None:
    firecrawl.open_session(scrape_id=SCRAPE_ID)
    firecrawl.queue(Reply(200, json={"success": True}), SILENT)
    assert start().wait(60) == 0
    assert len(firecrawl.sessions_left_open) == 1
    assert start().wait(60) == 0
    assert firecrawl.sessions_left_open == []


def test_a_sigterm_in_the_sweep_leaves_its_sessions_to_the_next_start(
    firecrawl: FakeService, start: Callable[[], "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    with FileJournal(tmp_path / "open-sessions", service=API_URL) as journal:
        journal.opened(firecrawl.open_session())
    firecrawl.outage(60, SILENT)
    process = start()
    wait_until(lambda: firecrawl.requests)
    terminate(process)
    firecrawl.outage(0)
    assert start().wait(60) == 0
    assert firecrawl.sessions_left_open == []
