"""The page's handler of SIGTERM, in a real process."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from firecrawl_interact.adapters import FakeService

from .pages import blocks, sections

pytestmark = pytest.mark.enable_socket

[HANDLER] = blocks(dict(sections("docs/when-a-block-ends.md"))["Ctrl-C and SIGTERM"], "python")
BLOCK = """
import time

from firecrawl_interact.adapters import delete_session_from_environment

with delete_session_from_environment() as delete_session:
    with delete_session.on_exit("session-1"):
        print("open", flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("handler", [HANDLER, ""], ids=["with the handler", "without it"])
def test_sigterm_ends_the_block_if_the_handler_is_set(
    handler: str, service: FakeService, tmp_path: Path
) -> None:
    service.open_session("session-1")
    command = [sys.executable, "-c", handler + BLOCK]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=60)
    assert status == (128 + signal.SIGTERM if handler else -signal.SIGTERM)
    assert service.is_open("session-1") is not bool(handler)
