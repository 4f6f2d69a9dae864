"""Destroy the sessions of a fake service on this machine with the command `firecrawl-interact`.

Exits with 0 if all went as it should. `make demo` runs it.
"""

import os
import signal
import subprocess
import sys
import tempfile

from firecrawl_interact import FakeService, LoopbackService

COMMAND = "firecrawl-interact"
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"

KILLED = """
import os, signal, sys
from firecrawl_interact import FileJournal, delete_session_from_environment

session_id, directory = sys.argv[1:]
with (
    FileJournal(directory, service=os.environ["FIRECRAWL_API_URL"]) as journal,
    delete_session_from_environment(journal=journal) as delete_session,
    delete_session.on_exit(session_id),
):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def run(comment: str, *arguments: str, expected: int = 0) -> None:
    """Show a command, run it, and end the demo if it does not exit as expected."""
    print(f"\n# {comment}\n$ {COMMAND} {' '.join(arguments)}", flush=True)
    done = subprocess.run([COMMAND, *arguments], check=False, stderr=subprocess.STDOUT, timeout=60)
    if done.returncode != expected:
        sys.exit(f"exit status {done.returncode}, where {expected} was expected")


def use_and_be_killed(session_id: str, directory: str) -> None:
    """Use a session in a process that is killed before its block ends."""
    print(f"\n# A process that uses the session {session_id} is killed.", flush=True)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, session_id, directory], check=False, timeout=60
    )
    if done.returncode != -signal.SIGKILL:
        sys.exit(f"exit status {done.returncode}, where a kill was expected")


def main() -> None:
    """Destroy sessions through what may happen, and end with none left open."""
    service = FakeService(["fc-test"])
    first, second, third, *others = (service.open_session() for _ in range(7))
    with LoopbackService(service) as loopback, tempfile.TemporaryDirectory() as directory:
        print(f"A fake of the service listens at {loopback.api_url}.")
        os.environ |= {"FIRECRAWL_API_URL": loopback.api_url, "FIRECRAWL_API_KEY": "fc-test"}
        run("Destroy three sessions.", "delete", first, second, third)
        run("Once more: that is safe, and billed once.", "delete", first)
        run("A session that nobody knows is an error.", "delete", UNKNOWN_ID, expected=1)
        service.outage(3)
        run("The service is away for 3 seconds. The run pauses.", "delete", *others[:3])
        print("The pause has ended, and no session was lost.")
        use_and_be_killed(others[3], directory)
        run("Destroy what it left.", "sweep", directory)
    if left := service.sessions_left_open:
        sys.exit(f"sessions left open: {left}")
    print("\nAll went as it should. No session is left, and nothing has reached Firecrawl.")


main()
