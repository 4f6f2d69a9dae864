"""No session is lost with a process, whenever it is killed.

Real processes open sessions, delete them, and adopt what others left behind. They are killed at
each system call that a journal makes, and at random moments. `JOURNAL_KILLS=10000` asks for so
many kills.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = os.environ.get("JOURNAL_KILLS", "300")


@pytest.mark.skipif(sys.platform == "win32", reason="FileJournal needs Linux or macOS")
def test_a_process_that_is_killed_at_any_moment_loses_no_session(tmp_path: Path) -> None:
    script = Path(__file__).with_name("killed_processes.py")
    command = [sys.executable, str(script), str(tmp_path), KILLS]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    calls = dict(line.split() for line in done.stdout.splitlines())
    assert int(calls["work"]) >= 30
    assert int(calls["sweep"]) >= 30
