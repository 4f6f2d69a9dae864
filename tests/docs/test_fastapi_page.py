"""The page's application, asked as a client asks it."""

from pathlib import Path

import pytest

from firecrawl_interact.adapters import FakeService

from .pages import blocks, run_python, text_of

pytestmark = pytest.mark.enable_socket

APPLICATION, *_ = blocks(text_of("docs/fastapi.md"), "python")
CLIENT = """
from fastapi.testclient import TestClient

with TestClient(app) as client:
    response = client.delete("/sessions/{}")
    print(response.status_code, response.text)
"""


def test_a_session_is_destroyed(firecrawl: FakeService, tmp_path: Path) -> None:
    session_id = firecrawl.open_session()
    printed = run_python(APPLICATION + CLIENT.format(session_id), tmp_path)
    assert printed == '200 {"session_fate":"gone","credits_billed":2}\n'
    assert firecrawl.sessions_left_open == []


def test_a_client_learns_the_fate_of_a_session_that_is_not(
    firecrawl: FakeService, tmp_path: Path
) -> None:
    printed = run_python(APPLICATION + CLIENT.format("unknown"), tmp_path)
    assert printed.startswith('404 {"detail":{"session_fate":"gone","advice":')
    assert firecrawl.sessions_left_open == []
