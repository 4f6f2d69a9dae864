"""`firecrawl-interact fake-service`, as a user and a script see it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from firecrawl_interact.adapters import Urllib3Transport
from firecrawl_interact.core import Request

from .commands import COMMAND, Run, WatchedService, on_unix

pytestmark = pytest.mark.enable_socket


class Serving(NamedTuple):
    """A fake service in a process of its own."""

    process: subprocess.Popen[str]
    exported: dict[str, str]
    session_ids: list[str]


@contextlib.contextmanager
def fake_service(*arguments: str) -> Iterator[Serving]:
    # With SIGINT ignored, as a shell script starts its background jobs.
    background = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *COMMAND, "fake-service"]
    with subprocess.Popen(
        [*background, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        readline = process.stdout.readline
        lines = list(iter(lambda: readline().rstrip(), "Ctrl-C ends it."))
        exports = [line.removeprefix("export ") for line in lines if line.startswith("export ")]
        session_ids = [line for line in lines if re.fullmatch("[0-9a-f-]{36}", line)]
        try:
            yield Serving(process, dict(export.split("=") for export in exports), session_ids)
        finally:
            process.terminate()


@on_unix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal_ends_it_and_says_what_was_left(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    with fake_service("--sessions", "3") as serving:
        for name, value in serving.exported.items():
            monkeypatch.setenv(name, value)
        deleted = run("delete", *serving.session_ids[:2])
        serving.process.send_signal(number)
        out, err = serving.process.communicate(timeout=30)
    assert len(serving.session_ids) == 3
    assert deleted.status == 0
    assert serving.process.returncode == 0
    assert (out, err) == ("The fake service has ended. 1 of 3 sessions were still open.\n", "")


@on_unix
def test_it_keeps_the_rate_limit_and_the_latency_that_it_is_given() -> None:
    request = Request("DELETE", "/v2/interact/a", {"Authorization": "Bearer fc-test"})
    with (
        fake_service("--rate-limit", "2", "--latency", "0.2") as serving,
        Urllib3Transport(serving.exported["FIRECRAWL_API_URL"]) as transport,
    ):
        began = time.monotonic()
        statuses = [transport.send(request, 30).status for _ in range(3)]
        took = time.monotonic() - began
    assert statuses == [404, 404, 429]
    assert took >= 3 * 0.2


def test_it_says_that_its_port_is_taken(service: WatchedService) -> None:
    port = os.environ["FIRECRAWL_API_URL"].removesuffix("/v2").rpartition(":")[2]
    done = subprocess.run(
        [*COMMAND, "fake-service", "--port", port],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: cannot serve on port {port}: ")
    assert done.stderr.count("\n") == 1


def example(run: Run) -> str:
    """The example of the command's own help, with a limit that does not keep a test waiting."""
    shown = run("fake-service", "--help").out
    _, _, text = shown.partition("Many sessions, deleted with a rate limit:\n")
    commands, _, _ = text.partition("\n\n")
    assert "--sessions 30 --rate-limit 10" in commands
    return commands.replace("--sessions 30 --rate-limit 10", "--sessions 5 --rate-limit 10")


@on_unix
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_example_of_its_help_works_when_it_is_pasted_and_never_leads_to_the_cloud(
    run: Run, tmp_path: Path, shell: str
) -> None:
    bin_folder = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": bin_folder}  # no key, no address
    done = subprocess.run(
        [shell],
        input=f"{example(run)}\necho address: $FIRECRAWL_API_URL",
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    *lines, address = done.stdout.splitlines()
    assert len(lines) == 5
    assert all(line.split()[1:3] == ["gone", "deleted"] for line in lines)
    assert "5 of 5 sessions gone" in done.stderr
    assert address.startswith("address: http://127.0.0.1:")
