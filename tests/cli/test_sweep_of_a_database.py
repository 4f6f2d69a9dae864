"""`firecrawl-interact sweep` with a real PostgreSQL."""

import os

import psycopg
import pytest

from firecrawl_interact.adapters import PostgresJournal

from ..postgres import Postgres, ShortLease
from .commands import Run, WatchedService, without_times

pytestmark = pytest.mark.enable_socket


def test_a_missing_table_is_said_with_sql_that_can_be_pasted(
    service: WatchedService, run: Run, postgres: Postgres
) -> None:
    url = postgres.new_database()
    failed = run("sweep", url)
    assert (failed.status, failed.out) == (1, "")
    sentences, sql = failed.err.split("\n", 1)
    assert "A migration must make it so, or create_table() if there is none:" in sentences
    with psycopg.connect(url) as connection:
        connection.execute(sql)
    done = run("sweep", url)
    assert (done.status, without_times(done.err)) == (0, "Nothing to delete.\n")


def test_a_sweep_says_that_it_watches_and_a_dry_run_what_it_does_not_know(
    service: WatchedService, run: Run, postgres: Postgres
) -> None:
    url = postgres.new_database()
    service.open_session("dead")
    label = os.environ["FIRECRAWL_API_URL"]
    with ShortLease(url, service=label) as journal:
        journal.create_table()
        journal.opened("dead")
    with PostgresJournal(url, service=label) as living:
        living.opened("living")
        looked = run("sweep", "--dry-run", url)
        assert (looked.status, looked.out) == (0, "dead\n")
        assert without_times(looked.err).splitlines() == [
            "A sweep watches for up to half a minute whether their owners live.",
            "Sessions left alone: 1 renewed within the last minute.",
        ]
        assert run("sweep", "--quiet", url) == (0, "", "")
    assert service.sessions_left_open == []
