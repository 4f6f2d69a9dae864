"""Programs that are killed or must end soon: the recipe, the example of a provider, and blocks."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE
from typing import TypeAlias

import pytest

from firecrawl_interact import (
    FakeService,
    FileJournal,
    NoResponse,
    Reply,
    delete_session_from_environment,
)

from ..postgres import ShortLease, wait_until
from .conftest import SCRAPE_ID
from .pages import ROOT, blocks, sections

pytestmark = pytest.mark.enable_socket
SILENT = NoResponse()
SOON = 20  # seconds on a busy machine. On an idle one, 7 are enough, and 10 for a close.
PAGE = "docs/when-the-process-dies.md"
[RECIPE] = blocks(dict(sections(PAGE))["Five seconds at shutdown"], "python")
AGENT = """
import os, sys
from provider import FirecrawlProvider

provider = FirecrawlProvider()
for order in sys.stdin:
    if order == "open\\n":
        session_id = provider.create_session()["session_id"]
        print(session_id, flush=True)
    elif order == "fork\\n":
        if not os.fork():
            sys.exit()
        print(os.wait()[1], flush=True)
    else:
        print(provider.close_session(session_id), flush=True)
"""
STARTS_NO_THREAD = """
import atexit, threading

def start(thread):
    provider.create_session()
    raise RuntimeError("can't create new thread at interpreter shutdown")

atexit.register(setattr, threading.Thread, "start", start)
"""
BLOCK = """
import sys
from firecrawl_interact import PostgresJournal, delete_session_from_environment

PostgresJournal._lease = 2
with delete_session_from_environment() as delete_session, delete_session.on_exit(sys.argv[1]):
    for line in sys.stdin:
        print(line, flush=True)
"""
Program: TypeAlias = "subprocess.Popen[str]"
Start: TypeAlias = Callable[..., Program]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return what starts a program, all in one home."""

    def start(code: str, *arguments: str) -> Program:
        examples = str(ROOT / "docs" / "examples")
        own = {"HOME": str(tmp_path), "PYTHONPATH": examples, "NO_PROXY": "127.0.0.1"}
        command, variables = [sys.executable, "-c", code, *arguments], {**os.environ, **own}
        program = subprocess.Popen(command, env=variables, stdin=PIPE, stdout=PIPE, text=True)
        stack.enter_context(program)
        stack.callback(program.kill)
        return program

    with ExitStack() as stack:
        yield start


def ask(program: Program, order: str) -> str:
    """Write a line to a program, and return the one that it prints."""
    print(order, file=program.stdin, flush=True)
    return str(program.stdout and program.stdout.readline().strip())


def end(program: Program, number: signal.Signals | None = None) -> float:
    """Let a program end without an error, and return how many seconds that takes."""
    began = time.monotonic()
    if number is not None:
        program.send_signal(number)
        try:
            program.wait(SOON)
        except subprocess.TimeoutExpired:
            # It came just before a read that has no timeout, and interrupted nothing.
            began = time.monotonic()
            program.send_signal(number)
    program.communicate(timeout=120)
    assert program.returncode == 0
    return time.monotonic() - began


def test_the_recipe_ends_soon_and_its_next_start_deletes(
    firecrawl: FakeService, start: Start
) -> None:
    firecrawl.open_session(scrape_id=SCRAPE_ID)
    firecrawl.outage(60, SILENT)
    program = start(RECIPE)
    wait_until(lambda: firecrawl.requests)  # It is in the block.
    assert end(program, signal.SIGTERM) < SOON
    assert len(firecrawl.sessions_left_open) == 1
    firecrawl.outage(0)
    end(start(RECIPE))
    assert firecrawl.sessions_left_open == []


def test_the_recipe_leaves_an_unconfirmed_session_to_its_next_start(
    firecrawl: FakeService, start: Start
) -> None:
    firecrawl.open_session(scrape_id=SCRAPE_ID)
    firecrawl.queue(Reply(200, json={"success": True}), Reply(502))
    end(start(RECIPE))
    assert len(firecrawl.sessions_left_open) == 1
    end(start(RECIPE))
    assert firecrawl.sessions_left_open == []


def test_the_recipe_ends_as_soon_in_its_sweep(
    firecrawl: FakeService, start: Start, tmp_path: Path
) -> None:
    with FileJournal(tmp_path / "open-sessions", service="https://api.firecrawl.dev") as journal:
        journal.opened(firecrawl.open_session())
    firecrawl.queue(SILENT)
    program = start(RECIPE)
    wait_until(lambda: firecrawl.requests)
    assert end(program, signal.SIGTERM) < SOON
    end(start(RECIPE))
    assert firecrawl.sessions_left_open == []


def test_the_provider_closes_sessions_at_its_exit(service: FakeService, start: Start) -> None:
    agent = start(AGENT)
    service.queue(Reply(502), session_id=ask(agent, "open"))
    assert ask(agent, "close") == "True"
    assert service.sessions_left_open == []
    ask(agent, "open")
    ask(agent, "open")
    end(agent)
    assert service.sessions_left_open == []


def test_a_silent_firecrawl_does_not_hold_the_provider_up(
    service: FakeService, start: Start
) -> None:
    agent = start(AGENT)
    for _ in range(3):
        ask(agent, "open")
    service.outage(60, SILENT)
    began = time.monotonic()
    assert ask(agent, "close") == "False"
    assert time.monotonic() - began < SOON
    tried = len(service.requests)
    assert end(agent) < SOON
    assert len(service.requests) - tried == 3  # one attempt for each session, at once
    service.outage(0)
    start(AGENT)
    wait_until(lambda: service.sessions_left_open == [])


def test_an_exit_without_threads_deletes_what_was_open(service: FakeService, start: Start) -> None:
    """Python 3.12.0 refuses it. Here a worker opens another session meanwhile, too."""
    agent = start(AGENT.replace("\nfor ", f"{STARTS_NO_THREAD}\nfor "))
    opened = [ask(agent, "open") for _ in range(3)]
    end(agent)
    assert not {*opened} & {*service.sessions_left_open}
    agent = start(AGENT.replace("\nfor ", f"{STARTS_NO_THREAD}\nfor "))
    for _ in range(3):
        service.queue(SILENT, session_id=ask(agent, "open"))
    assert end(agent) < SOON


def test_a_forked_child_leaves_its_parents_sessions(service: FakeService, start: Start) -> None:
    agent = start(AGENT)
    opened = ask(agent, "open")
    assert ask(agent, "fork") == "0"
    assert service.sessions_left_open == [opened]
    end(agent)
    assert service.sessions_left_open == []


def test_the_provider_deletes_what_a_killed_agent_had(service: FakeService, start: Start) -> None:
    killed, living = start(AGENT), start(AGENT)
    ask(killed, "open")
    used = ask(living, "open")
    killed.kill()
    start(AGENT)
    wait_until(lambda: service.sessions_left_open == [used])
    assert ask(living, "close") == "True"


@pytest.mark.parametrize("storage", ["files", "postgres"])
def test_a_sweep_spares_a_scrape_that_a_living_block_has(
    storage: str, service: FakeService, start: Start, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    in_files = storage == "files"
    location = str(tmp_path) if in_files else request.getfixturevalue("postgres").url
    request.getfixturevalue("monkeypatch").setenv("FIRECRAWL_INTERACT_JOURNAL", location)
    scrape_ids = [str(uuid.uuid4()) for _ in range(2)]
    _, used = [service.open_session(scrape_id=scrape_id) for scrape_id in scrape_ids]
    lost, kept = (f"scrape:{scrape_id}" for scrape_id in scrape_ids)
    for killed in (start(BLOCK, lost), start(BLOCK, kept)):
        ask(killed, "Is it in the block?")
        killed.kill()
    living = start(BLOCK, kept)
    ask(living, "Is it in the block?")

    journal_of = FileJournal if in_files else ShortLease
    journal = journal_of(location, service=os.environ["FIRECRAWL_API_URL"])
    wait_until(lambda: journal.orphans() == [lost])
    with delete_session_from_environment(journal=journal) as delete_session:
        list(delete_session.many(journal.adopt_orphans()))
    assert service.sessions_left_open == [used]
    end(living)
    assert service.sessions_left_open == []
