"""`sweep` with a database. The transcripts have the rest."""

import os

import pytest

from ..postgres import PASSWORD, Postgres, ShortLease
from .commands import Run, WatchedService, on_unix

pytestmark = pytest.mark.enable_socket


@on_unix
def test_a_sweep_destroys_what_was_left_in_a_database(
    service: WatchedService, run: Run, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id, api_url = service.open_session(), os.environ["FIRECRAWL_API_URL"]
    postgres.execute("DELETE FROM firecrawl_interact_open_sessions")  # what other tests have left
    with ShortLease(postgres.url, service=api_url) as journal:
        journal.opened(session_id)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    done = run("sweep", "--quiet", postgres.url.replace(f":{PASSWORD}", ""))
    assert done == (0, "", "")
    assert service.sessions_left_open == []
