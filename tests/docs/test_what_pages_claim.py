"""What single pages say, beyond what their examples show when they run."""

import asyncio
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import vcr  # type: ignore[import-untyped]  # it is not typed
from vcr.errors import (  # type: ignore[import-untyped]  # see above
    CannotOverwriteExistingCassetteException,
)

from firecrawl_interact.adapters import (
    FakeService,
    async_delete_session_from_environment,
    delete_session_from_environment,
)
from firecrawl_interact.adapters.conformance import CASES
from firecrawl_interact.core import RetryPolicy, TransportError

from .pages import blocks, open_sessions_of, run, run_python, sections, text_of

pytestmark = pytest.mark.enable_socket

# FastAPI and notebooks

PAGE = "docs/fastapi-and-notebooks.md"
SECTIONS = dict(sections(PAGE))
[APPLICATION] = blocks(SECTIONS["In FastAPI"], "python")
CLIENT = """
from fastapi.testclient import TestClient

with TestClient(app) as client:
    response = client.delete("/sessions/{}")
    print(response.status_code, response.text)
"""


def test_the_application_destroys_a_session(firecrawl: FakeService, tmp_path: Path) -> None:
    session_id = firecrawl.open_session()
    printed = run_python(APPLICATION + CLIENT.format(session_id), tmp_path)
    assert printed == '200 {"session_fate":"gone","credits_billed":2}\n'
    assert firecrawl.sessions_left_open == []


def test_a_client_of_the_application_learns_the_fate(
    firecrawl: FakeService, tmp_path: Path
) -> None:
    printed = run_python(APPLICATION + CLIENT.format("unknown"), tmp_path)
    assert printed.startswith('404 {"detail":{"session_fate":"gone","advice":')


def test_a_cell_of_a_notebook_may_await(firecrawl: FakeService, tmp_path: Path) -> None:
    open_sessions_of(PAGE, firecrawl)
    [cell] = blocks(SECTIONS["In a notebook"], "ipython")
    (tmp_path / "cell.ipy").write_text(f"{cell}\nprint(receipt.session_fate)\n", encoding="utf-8")
    options = ["--no-banner", "--colors=NoColor", "--InteractiveShell.xmode=Plain"]
    printed = run([sys.executable, "-m", "IPython", *options, "cell.ipy"], tmp_path)
    assert printed.splitlines()[-1] == "SessionFate.GONE"


# The log and recordings

LOG = dict(sections("docs/observability.md"))["The log"]
[LOGGING] = blocks(LOG, "python")


def test_the_log_reads_as_the_page_shows_it(tmp_path: Path) -> None:
    assert [run_python(LOGGING, tmp_path)] == blocks(LOG, "text")


def test_a_program_that_does_not_set_up_logging_prints_nothing(tmp_path: Path) -> None:
    quiet = [line for line in LOGGING.splitlines() if not line.startswith("logging.")]
    assert not run_python("\n".join(quiet), tmp_path)


def test_a_recording_plays_back_holds_no_key_and_lets_nothing_else_out(
    firecrawl: FakeService, tmp_path: Path
) -> None:
    recorder = vcr.VCR(filter_headers=["authorization"])
    cassette = tmp_path / "delete-session.yaml"
    session_id = firecrawl.open_session()
    with delete_session_from_environment(retry=RetryPolicy(max_attempts=1)) as delete_session:
        with recorder.use_cassette(str(cassette)):
            recorded = delete_session(session_id)
        assert "fc-..." not in cassette.read_text(encoding="utf-8")
        with recorder.use_cassette(str(cassette)):
            assert delete_session(session_id) == recorded
            with pytest.raises(CannotOverwriteExistingCassetteException):
                delete_session("another-session")
    assert len(firecrawl.requests) == 1


def test_an_awaited_call_is_not_recorded_and_goes_out(
    firecrawl: FakeService, tmp_path: Path
) -> None:
    async def delete(session_id: str) -> None:
        async with async_delete_session_from_environment() as delete_session:
            await delete_session(session_id)

    cassette = tmp_path / "delete-session.yaml"
    with vcr.use_cassette(str(cassette), record_mode="none"):
        asyncio.run(delete(firecrawl.open_session()))
    assert len(firecrawl.requests) == 1
    assert not cassette.exists()


# When a block ends

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


# What a transport promises

PROMISES = text_of("docs/transport-promises.md")


def test_the_page_lists_each_promise_of_the_kit_once() -> None:
    section = dict(sections("docs/transport-promises.md"))["The promises"]
    promises = re.findall(r"^- (.+)$", section, re.MULTILINE)
    assert sorted(promises) == sorted({case.promise for case in CASES})


def test_the_page_says_of_each_failure_whether_the_service_may_have_acted() -> None:
    rows = re.findall(r"^\| .+ \| `(\w+Error)`.* \| .+ \| (.+) \|$", PROMISES, re.MULTILINE)
    sent = {kind.__name__: kind.sent for kind in TransportError.__subclasses__()}
    assert {kind for kind, _ in rows} == set(sent)
    for kind, effect in rows:
        assert (effect == "Nothing.") is not sent[kind]
