"""What only a `PostgresJournal` has: a table, leases, connections. The kit checks the rest."""

import importlib
import logging
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import active_count
from typing import Any

import pytest

from firecrawl_interact import JournalError, PostgresJournal

from ..postgres import PASSWORD, Postgres, ShortLease, odd_connection, wait_until

psycopg = pytest.importorskip("psycopg")
psycopg_pool = pytest.importorskip("psycopg_pool")
pytestmark = pytest.mark.enable_socket
MOST_SECONDS = 60  # for a call that ends within 5 s on an idle machine
TABLE = "firecrawl_interact_open_sessions"


@pytest.fixture
def label() -> str:
    return f"https://{uuid.uuid4().hex}.example"


@pytest.fixture
def journal(postgres: Postgres, label: str) -> Iterator[ShortLease]:
    with ShortLease(postgres.url, service=label) as journal:
        yield journal


# --- the table -----------------------------------------------------------------------------------


def test_without_the_table_an_error_shows_it(postgres: Postgres) -> None:
    with (
        PostgresJournal(postgres.new_database(), service="") as journal,
        pytest.raises(JournalError) as raised,
    ):
        journal.opened("one")
    assert raised.value.session_id == "one"
    said = "there is no table. A migration must make it, or create_table(): CREATE TABLE IF NOT"
    assert said in str(raised.value)
    with pytest.raises(JournalError, match="there is no table"):
        journal.orphans()


@pytest.mark.parametrize("meanwhile", ["", "LOCK TABLE pg_class IN SHARE MODE"])
def test_many_processes_may_create_the_table_at_once(postgres: Postgres, meanwhile: str) -> None:
    """One waits for the other's row in the catalogue, or before it looks there once more."""

    def is_waiting() -> bool:
        locks = "SELECT pid FROM pg_locks WHERE NOT granted AND pid IN "
        of_it = "(SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
        return bool(postgres.execute(locks + of_it, url=url))

    url = postgres.new_database()
    with psycopg.connect(url) as other, ThreadPoolExecutor(1) as thread:
        other.execute(PostgresJournal.TABLE + meanwhile)
        creating = thread.submit(PostgresJournal(url).create_table)
        wait_until(is_waiting)
        other.commit()
        creating.result()
    with PostgresJournal(url) as journal:
        journal.opened("one")


# --- connections ---------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["UTF8", "SQL_ASCII", "LATIN1"])
@pytest.mark.parametrize("is_url", [True, False], ids=["URL", "function"])
def test_the_settings_of_a_database_or_a_connection_change_nothing(
    postgres: Postgres, encoding: str, *, is_url: bool
) -> None:
    url = postgres.odd_database(encoding)
    make = partial(ShortLease, url if is_url else partial(odd_connection, url))
    label = "https://münchen.example" if encoding != "LATIN1" else "München"
    for service in (label, label, "another"):
        with make(service=service) as journal:
            journal.opened("one")
            journal.opened("two")
            journal.gone("two")
            assert make(service=service).orphans() == []
    with make(service=label) as journal:
        assert journal.orphans() == ["one"]
        assert journal.other_services() == ["another"]
        assert list(journal.adopt_orphans()) == ["one"]
    assert make(service="another").other_services() == [journal._service]


def test_a_pool_of_the_callers_is_used_and_prepares_nothing(postgres: Postgres, label: str) -> None:
    with psycopg_pool.ConnectionPool(postgres.url, min_size=1, max_size=1, open=True) as pool:
        with ShortLease(pool.connection, service=label) as journal:
            for _ in range(10):
                journal.opened("one")
        with pool.connection() as connection:  # A pooler behind it would not know them.
            assert not connection.execute("SELECT FROM pg_prepared_statements").fetchall()
            [setting] = connection.execute("SHOW statement_timeout").fetchone() or []
            assert setting == "0"  # The next user of the connection finds it as it was.


@pytest.mark.slow
def test_a_host_that_is_silent_holds_a_call_up_for_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/db"
        began = time.monotonic()
        with PostgresJournal(url) as journal, pytest.raises(JournalError, match="timeout expired"):
            journal.opened("one")
        assert time.monotonic() - began < MOST_SECONDS


@pytest.mark.slow
def test_a_statement_that_waits_for_others_ends_soon(
    postgres: Postgres, journal: ShortLease
) -> None:
    with psycopg.connect(postgres.url) as other:
        other.execute(f"LOCK TABLE {TABLE}")
        began = time.monotonic()
        with pytest.raises(JournalError, match="statement timeout"):
            journal.opened("one")
        assert time.monotonic() - began < MOST_SECONDS


# --- owners and sweepers -------------------------------------------------------------------------


def test_whoever_lost_a_session_says_so_once(
    postgres: Postgres, label: str, journal: ShortLease, caplog: pytest.LogCaptureFixture
) -> None:
    threads = active_count()
    for session_id in ("deleted", "taken", "kept", "gone"):
        journal.opened(session_id)
    assert active_count() <= threads + 1
    postgres.execute(f"DELETE FROM {TABLE} WHERE service = %s AND session_id = 'deleted'", label)
    with ShortLease(postgres.url, service=label) as other:
        other.opened("taken")
        journal.gone("gone")
        wait_until(lambda: len(caplog.messages) == 2)
        time.sleep(ShortLease._lease)
    text = "session '{}' is another owner's now, or was deleted elsewhere"
    told = [(level, words) for _, level, words in caplog.record_tuples]
    assert sorted(told) == [(logging.WARNING, text.format(one)) for one in ("deleted", "taken")]


@pytest.mark.slow
def test_an_idle_journal_renews_what_it_records_later(
    postgres: Postgres, label: str, journal: ShortLease
) -> None:
    journal.opened("one")
    journal.gone("one")
    time.sleep(ShortLease._lease)
    journal.opened("two")
    time.sleep(ShortLease._lease * 1.5)
    assert ShortLease(postgres.url, service=label).orphans() == []


def test_a_living_owner_survives_a_renewal_that_fails_and_says_so(
    postgres: Postgres, label: str, caplog: pytest.LogCaptureFixture
) -> None:
    addresses = [postgres.url]
    with ShortLease(lambda: psycopg.connect(addresses[-1]), service=label) as journal:
        journal.opened("one")
        lease_ends = time.monotonic() + ShortLease._lease
        addresses.append("host=127.0.0.1 port=1")
        wait_until(lambda: any("cannot renew" in message for message in caplog.messages))
        addresses.pop()
        wait_until(lambda: time.monotonic() > lease_ends)
        # Not even a suspect, which a sweep would watch for a while.
        assert ShortLease(postgres.url, service=label).orphans() == []


# --- what it says --------------------------------------------------------------------------------


def test_without_psycopg_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, PostgresJournal.__module__)
    journals = importlib.import_module(PostgresJournal.__module__)
    with pytest.raises(ImportError, match=r'needs psycopg: pip install "\.\[postgres\]"'):
        journals.PostgresJournal("postgresql://127.0.0.1/db")


@pytest.mark.parametrize(
    "url",
    [
        None,  # as os.environ.get() gives it
        "",
        "open-sessions",
        f"postgresql://me:{PASSWORD}@127.0.0.1/db?what",
        f"postgresql://me:p@ss/{PASSWORD}@127.0.0.1/db",
        f"postgresql://me:p@{PASSWORD}@127.0.0.1/db",
        f"postgresql://me:p/{PASSWORD}@127.0.0.1/db",
    ],
)
def test_what_is_no_url_is_refused_without_the_password(url: Any) -> None:  # Any: None as well
    says = "database must be a (postgresql:// URL that libpq|URL or a function)"
    with pytest.raises((ValueError, TypeError), match=says) as raised:
        PostgresJournal(url)
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize(
    ("database", "shown"),
    [
        (f"postgresql://me:{PASSWORD}@127.0.0.1:1/db", "postgresql://127.0.0.1/db"),
        (f"postgres://127.0.0.1:1/db?password=@{PASSWORD}", "postgresql://127.0.0.1/db"),
        (lambda: psycopg.connect(f"port=1 password={PASSWORD}"), "in PostgreSQL"),
    ],
)
def test_nothing_shows_the_password(
    caplog: pytest.LogCaptureFixture, database: str, shown: str
) -> None:
    caplog.set_level(logging.DEBUG)
    journal = PostgresJournal(database, service="https://a/v2")
    assert repr(journal) == f"PostgresJournal({shown!r}, service='https://a')"
    with pytest.raises(JournalError) as raised:
        journal.opened("one")
    assert raised.value.session_id == "one"
    assert PASSWORD not in f"{raised.value} {raised.value.__cause__} {raised.value.__context__}"
    journal.close()  # Nothing was recorded: it does not connect.
    assert caplog.messages == []
