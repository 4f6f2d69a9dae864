"""Destroy the sessions of a fake service on this machine with the command `firecrawl-interact`.

Exits with 0 if all went as it should. `make demo` runs it.
"""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

COMMAND = "firecrawl-interact"
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


@contextlib.contextmanager
def fake_service() -> Iterator[list[str]]:
    """Run the fake; give the ids of its open sessions; point this environment at it."""
    service = subprocess.Popen([COMMAND, "fake-service"], stdout=subprocess.PIPE, text=True)
    watchdog = threading.Timer(60, service.kill)  # so that nothing here waits for ever
    watchdog.start()
    try:
        assert service.stdout is not None
        session_ids: list[str] = []
        for line in service.stdout:
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").strip().partition("=")
                os.environ[name] = value
            elif line.count("-") == 4 and " " not in line:
                session_ids.append(line.strip())
            elif session_ids:
                break
        yield session_ids
    finally:
        service.terminate()
        service.communicate()
        watchdog.cancel()


def run(comment: str, *arguments: str, expected: int = 0) -> None:
    """Show a command, run it, and end the demo if it does not exit as expected."""
    print(f"\n# {comment}\n$ {COMMAND} {' '.join(arguments)}", flush=True)
    done = subprocess.run([COMMAND, *arguments], check=False, stderr=subprocess.STDOUT, timeout=60)
    if done.returncode != expected:
        sys.exit(f"exit status {done.returncode}, where {expected} was expected")


def main() -> None:
    """Destroy three sessions, one of them twice, and ask for one that nobody knows."""
    with fake_service() as session_ids:
        if len(session_ids) != 3:
            sys.exit("the fake service did not start")
        print(f"A fake of the service listens at {os.environ['FIRECRAWL_API_URL']}.")
        run("Destroy three sessions.", "delete", *session_ids)
        run("Once more: that is safe, and billed once.", "delete", session_ids[0])
        run("A session that nobody knows is an error.", "delete", UNKNOWN_ID, expected=1)
    print("\nAll went as it should. Nothing has reached Firecrawl.")


main()
