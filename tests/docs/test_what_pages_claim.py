"""What single pages say, beyond what their examples show when they run."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from firecrawl_interact.adapters import FakeService
from firecrawl_interact.adapters.conformance import CASES
from firecrawl_interact.core import TransportError

from .pages import blocks, open_sessions_of, run, run_python, sections, text_of

pytestmark = pytest.mark.enable_socket

# FastAPI and notebooks

PAGE = "docs/fastapi-and-notebooks.md"
SECTIONS = dict(sections(PAGE))
[APPLICATION] = blocks(SECTIONS["In FastAPI"], "python")
CLIENT = """
from fastapi.testclient import TestClient

with TestClient(app) as client:
    response = client.delete("/sessions/session-1")
    print(response.status_code, response.text)
"""


@pytest.mark.parametrize(
    ("opens", "printed"),
    [
        (["session-1"], '200 {"session_fate":"gone","credits_billed":2}\n'),
        ([], '404 {"detail":{"session_fate":"gone","advice":'),
    ],
)
def test_a_client_of_the_application_learns_the_fate(
    opens: list[str], printed: str, firecrawl: FakeService, tmp_path: Path
) -> None:
    for session_id in opens:
        firecrawl.open_session(session_id)
    assert run_python(APPLICATION + CLIENT, tmp_path).startswith(printed)
    assert firecrawl.sessions_left_open == []


def test_a_cell_of_a_notebook_may_await(firecrawl: FakeService, tmp_path: Path) -> None:
    open_sessions_of(PAGE, firecrawl)
    [cell] = blocks(SECTIONS["In a notebook"], "ipython")
    (tmp_path / "cell.ipy").write_text(f"{cell}\nprint(receipt.session_fate)\n", encoding="utf-8")
    options = ["--no-banner", "--colors=NoColor", "--InteractiveShell.xmode=Plain"]
    printed = run([sys.executable, "-m", "IPython", *options, "cell.ipy"], tmp_path)
    assert printed.splitlines()[-1] == "SessionFate.GONE"


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
