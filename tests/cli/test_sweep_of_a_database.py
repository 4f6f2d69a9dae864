"""`firecrawl-interact sweep` with a real PostgreSQL."""

import os
import time

import pytest

from firecrawl_interact import PostgresJournal

from ..postgres import Postgres, ShortLease
from .commands import Run, WatchedService

pytestmark = pytest.mark.enable_socket


def test_a_missing_table_is_no_bad_input(
    service: WatchedService, run: Run, postgres: Postgres
) -> None:
    failed = run("sweep", postgres.new_database())
    assert (failed.status, failed.out) == (1, "")
    assert "create_table()" in failed.err
    assert failed.err.endswith(" Nothing was sent.\n")


def test_a_sweep_says_that_it_watches_and_leaves_a_living_owner_alone(
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
        assert run("sweep", "--dry-run", url) == (0, "dead\n", "")
        began = time.monotonic()
        swept = run("sweep", url)
        assert time.monotonic() - began < 20  # Their owner has said that it is closed.
        with ShortLease(url, service=label) as journal:
            journal.opened("dead")
        assert run("sweep", "--quiet", url) == (0, "", "")
        assert run("sweep", url) == (0, "", "Nothing to delete.\n")
    assert [line.split()[:2] for line in swept.out.splitlines()] == [["dead", "gone"]]
    watches = "Watching for half a minute whether their owners are alive."
    assert swept.err.splitlines() == [watches, "1 of 1 sessions gone, 2 credits."]
    assert service.asked_for == ["dead", "dead"]
