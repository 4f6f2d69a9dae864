"""Ctrl-C on Windows, which goes to each process of a console: a test needs a console of its own."""

import subprocess
import sys

import pytest

from .commands import COMMAND, LONGEST_WAIT

pytestmark = pytest.mark.enable_socket
PRESS_CTRL_C = """
import os, signal, subprocess, sys
signal.signal(signal.SIGINT, lambda *_: None)
with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True) as command:
    while "Ctrl-C" not in command.stdout.readline():
        pass
    os.kill(0, signal.CTRL_C_EVENT)
    sys.exit(command.stdout.read())
"""


@pytest.mark.skipif(sys.platform != "win32", reason="a transcript has it for Unix")
def test_ctrl_c_ends_the_fake() -> None:
    pressed = [sys.executable, "-c", PRESS_CTRL_C, *COMMAND, "fake-service"]
    flags = getattr(subprocess, "CREATE_NEW_CONSOLE", 0)  # Unix has none.
    with subprocess.Popen(pressed, creationflags=flags, stderr=subprocess.PIPE) as process:
        assert process.communicate(timeout=LONGEST_WAIT)[1].decode().strip() == (
            "The fake has stopped. 3 of 3 sessions were still open."
        )
