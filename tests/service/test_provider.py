"""The example of a provider for agents, in agents that exit, are killed and start again."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE

import pytest

from firecrawl_interact import FakeService, LoopbackService, NoResponse, Reply

from ..postgres import wait_until

ROOT = Path(__file__).parents[2]
SILENT = NoResponse()
pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="FileJournal needs Linux or macOS"),
    pytest.mark.skipif(
        (3, 12) <= sys.version_info < (3, 12, 3), reason="it starts no thread at its exit"
    ),
]

AGENT = """
import sys
from provider import FirecrawlProvider

provider = FirecrawlProvider(sys.argv[1])
session_id = ""
for order in sys.stdin:
    if order == "open\\n":
        session_id = provider.create_session()["session_id"]
        print(session_id, flush=True)
    else:
        print(provider.close_session(session_id), flush=True)
"""


class Agent:
    """A process that uses the provider, and does what it is told."""

    def __init__(self, directory: Path) -> None:
        command = [sys.executable, "-c", AGENT, str(directory)]
        self.process = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True)

    def do(self, order: str) -> str:
        """Give an order, and return what comes of it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(order, file=self.process.stdin, flush=True)
        return self.process.stdout.readline().strip()

    def exit(self) -> float:
        """Let it exit, and return how many seconds that takes."""
        began = time.monotonic()
        _, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        assert "Traceback" not in errors
        return time.monotonic() - began


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeService]:
    service = FakeService()
    with LoopbackService(service) as loopback:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("PYTHONPATH", str(ROOT / "docs" / "examples"))
        monkeypatch.setenv("FIRECRAWL_API_URL", loopback.api_url)
        monkeypatch.setenv("FIRECRAWL_API_KEY", "fc-test")
        yield service


@pytest.fixture
def start(service: FakeService, tmp_path: Path) -> Iterator[Callable[[], Agent]]:
    with ExitStack() as stack:

        def start() -> Agent:
            agent = Agent(tmp_path)
            stack.enter_context(agent.process)
            stack.callback(agent.process.kill)
            return agent

        yield start


def test_a_session_that_is_closed_is_gone_even_after_a_502(
    service: FakeService, start: Callable[[], Agent]
) -> None:
    agent = start()
    session_id = agent.do("open")
    service.queue(Reply(502), session_id=session_id)
    assert agent.do("close") == "True"
    assert service.sessions_left_open == []
    agent.exit()


def test_an_exit_deletes_what_is_open(service: FakeService, start: Callable[[], Agent]) -> None:
    agent = start()
    agent.do("open")
    agent.do("open")
    agent.exit()
    assert service.sessions_left_open == []


def test_a_silent_firecrawl_holds_up_neither_a_close_nor_an_exit_and_the_next_start_deletes_it(
    service: FakeService, start: Callable[[], Agent]
) -> None:
    agent = start()
    agent.do("open")
    service.outage(60, SILENT)
    began = time.monotonic()
    assert agent.do("close") == "False"
    assert time.monotonic() - began < 10
    assert agent.exit() < 7
    assert len(service.sessions_left_open) == 1
    service.outage(0)
    start()
    wait_until(lambda: service.sessions_left_open == [])


def test_the_next_start_after_a_kill_deletes_what_the_dead_had_and_nothing_of_the_living(
    service: FakeService, start: Callable[[], Agent]
) -> None:
    killed, living = start(), start()
    killed.do("open")
    used = living.do("open")
    killed.process.kill()
    killed.process.wait()
    start()
    wait_until(lambda: service.sessions_left_open == [used])
    assert living.do("close") == "True"
