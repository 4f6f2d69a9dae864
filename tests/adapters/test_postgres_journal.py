"""What only a `PostgresJournal` has: a table, leases, connections. The kit checks the rest."""

import asyncio
import logging
import pickle
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import psycopg_pool
import pytest

from firecrawl_interact.adapters import (
    AsyncInMemoryTransport,
    FakeService,
    InMemoryTransport,
    PostgresJournal,
)
from firecrawl_interact.adapters.journals.postgres import _RENEW
from firecrawl_interact.core import AsyncDeleteSession, DeleteSession, JournalError

from ..postgres import PASSWORD, Postgres, ShortLease, wait_until

pytestmark = pytest.mark.enable_socket
MOST_SECONDS = 20  # for a call that ends within 5 s on an idle machine
TABLE = "firecrawl_interact_open_sessions"


@pytest.fixture
def label() -> str:
    return f"https://{uuid.uuid4().hex}.example"


@pytest.fixture
def journal(postgres: Postgres, label: str) -> Iterator[ShortLease]:
    with ShortLease(postgres.url, service=label) as journal:
        yield journal


def test_an_error_shows_what_creates_the_table_and_many_processes_may_create_it_at_once(
    postgres: Postgres,
) -> None:
    url = postgres.new_database()
    with PostgresJournal(url) as journal:
        with pytest.raises(JournalError) as raised:
            journal.opened("one")
        assert raised.value.session_id == "one"
        assert f"Call create_table(), or let a migration say:\n{journal.TABLE}" in str(raised.value)
        with ThreadPoolExecutor(20) as threads:
            list(threads.map(PostgresJournal.create_table, [PostgresJournal(url)] * 20))
        journal.opened("one")


def test_a_role_that_may_create_nothing_can_record(postgres: Postgres) -> None:
    url, role = postgres.new_database(), f"role_{uuid.uuid4().hex}"
    postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    with ShortLease(url.replace("//tester:", f"//{role}:")) as journal:
        with pytest.raises(JournalError, match="cannot create its table: permission denied"):
            journal.create_table()
        ShortLease(url).create_table()
        with pytest.raises(JournalError, match="cannot record that it is open: permission denied"):
            journal.opened("one")
        postgres.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {TABLE} TO {role}", url=url)
        journal.create_table()
        journal.opened("one")
    with ShortLease(url) as journal:
        assert list(journal.adopt_orphans()) == ["one"]


def test_a_pool_of_the_callers_is_used(postgres: Postgres, label: str) -> None:
    with psycopg_pool.ConnectionPool(postgres.url, min_size=1, max_size=2, open=True) as pool:
        with ShortLease(pool.connection, service=label) as journal:
            journal.opened("one")
        with ShortLease(pool.connection, service=label) as journal:
            assert list(journal.adopt_orphans()) == ["one"]
            journal.gone("one")
        with pytest.raises(TypeError):
            pickle.dumps(journal)


def test_a_statement_that_waits_for_others_ends_soon(
    postgres: Postgres, journal: ShortLease
) -> None:
    with psycopg.connect(postgres.url) as other:
        other.execute("SET idle_in_transaction_session_timeout = '20s'")
        other.execute(f"LOCK TABLE {TABLE}")
        began = time.monotonic()
        with pytest.raises(JournalError, match="cannot record that it is open"):
            journal.opened("one")
        assert time.monotonic() - began < MOST_SECONDS


def test_an_event_loop_goes_on_while_the_database_is_frozen(
    postgres: Postgres, journal: ShortLease
) -> None:
    service, freeze = FakeService(["fc-test"]), ExitStack()
    transport = AsyncInMemoryTransport(service)

    async def leave_a_block() -> object:
        delete_session = AsyncDeleteSession(transport, "fc-test", journal=journal)
        async with delete_session.on_exit(service.open_session()) as ending:
            freeze.enter_context(postgres.frozen())
            ticking = asyncio.create_task(asyncio.sleep(0.5))
        assert ticking.done()
        freeze.close()
        return ending.receipt

    with freeze:
        assert asyncio.run(leave_a_block()) is not None


@pytest.mark.parametrize("breaks", ["stopped", "frozen"])
def test_a_server_that_breaks_inside_a_block_costs_no_receipt_and_before_it_no_session(
    postgres: Postgres, label: str, breaks: str
) -> None:
    service = FakeService(["fc-test"])
    inside, before = service.open_session(), service.open_session()
    with ShortLease(postgres.url, service=label) as journal, ExitStack() as broken:
        delete_session = DeleteSession(InMemoryTransport(service), "fc-test", journal=journal)
        with delete_session.on_exit(inside) as ending:
            broken.enter_context(getattr(postgres, breaks)())
        assert ending.receipt is not None
        block = delete_session.on_exit(before)
        with pytest.raises(JournalError, match="The session is still open, and no sweep"), block:
            raise AssertionError("it begins")
        assert service.sessions_left_open == [before]
        broken.close()
    with ShortLease(postgres.url, service=label) as sweeper:
        wait_until(sweeper.orphans)  # It could not be forgotten, and is no more renewed.
        assert list(sweeper.adopt_orphans()) == [inside]


def test_a_row_that_another_owner_has_taken_is_named(
    postgres: Postgres, label: str, journal: ShortLease, caplog: pytest.LogCaptureFixture
) -> None:
    for session_id in ("one", "two", "three"):
        journal.opened(session_id)
    postgres.execute(f"DELETE FROM {TABLE} WHERE service = %s AND session_id = 'one'", label)
    statement = f"UPDATE {TABLE} SET owner = 'x' WHERE service = %s AND session_id = 'two'"
    postgres.execute(statement, label)
    wait_until(lambda: caplog.messages)
    text = "session 'two' is another owner's now"
    assert caplog.messages == [text]


def test_a_renewal_does_not_undo_a_close(
    postgres: Postgres, label: str, journal: ShortLease
) -> None:
    journal.opened("one")
    journal.close()
    journal._execute(_RENEW, held=[])  # It was in flight.
    with ShortLease(postgres.url, service=label) as sweeper:
        began = time.monotonic()
        assert list(sweeper.adopt_orphans()) == ["one"]
        assert sweeper.orphans() == []
        sweeper.gone("one")
    assert time.monotonic() - began < MOST_SECONDS


def test_a_journal_that_is_closed_while_it_watches_adopts_nothing(
    postgres: Postgres, label: str
) -> None:
    statement = f"INSERT INTO {TABLE} VALUES ('one', %s, 'x', now(), now() - interval '1 hour')"
    postgres.execute(statement, label)
    journal = PostgresJournal(postgres.url, service=label)
    closing = threading.Timer(0.5, journal.close)
    closing.start()
    with pytest.raises(JournalError, match="it is closed"):
        list(journal.adopt_orphans())
    closing.join()
    assert postgres.execute(f"SELECT owner FROM {TABLE} WHERE service = %s", label) == [("x",)]


def test_a_journal_with_nothing_open_has_no_thread(journal: ShortLease) -> None:
    others = set(threading.enumerate())

    def renewing() -> list[threading.Thread]:
        new = set(threading.enumerate()) - others
        return [one for one in new if one.name == "PostgresJournal"]

    assert not renewing()
    journal.opened("one")
    assert len(renewing()) == 1
    journal.gone("one")
    wait_until(lambda: not renewing())
    journal.opened("two")
    assert len(renewing()) == 1
    journal.close()
    wait_until(lambda: not renewing())


def test_a_close_that_fails_is_a_warning(
    postgres: Postgres, journal: ShortLease, caplog: pytest.LogCaptureFixture
) -> None:
    journal.opened("one")
    with postgres.stopped():
        journal.close()
    assert "The sessions become orphans in 2 s: " in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://me:{PASSWORD}@host/db",
        f"host=127.0.0.1 password={PASSWORD}",
        f"postgresql://me:{PASSWORD}@host:a-port/db?nonsense={PASSWORD}",
    ],
)
def test_what_is_no_url_of_postgresql_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="must be a postgresql:// URL that libpq") as raised:
        PostgresJournal(url)
    assert PASSWORD not in str(raised.value)
    assert raised.value.__context__ is None


def test_without_psycopg_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ImportError, match=r'pip install "firecrawl-interact\[postgres\]"'):
        PostgresJournal("postgresql://127.0.0.1/db")
    assert "PostgresJournal(<" in repr(PostgresJournal(lambda: pytest.fail("it connects")))


def test_no_frame_of_an_error_shows_the_password(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"postgresql://me:{PASSWORD}@127.0.0.1:1/db?application_name={PASSWORD}"
    journal = PostgresJournal(url, service="https://a/v2")
    assert repr(journal) == "PostgresJournal('postgresql://127.0.0.1:1/db', service='https://a')"
    with pytest.raises(JournalError) as raised:
        journal.opened("one")
    error: BaseException | None = raised.value
    while error is not None:
        assert PASSWORD not in str(error)
        for frame, _ in traceback.walk_tb(error.__traceback__):
            is_here = frame.f_code.co_filename == __file__
            assert is_here or PASSWORD not in repr(frame.f_locals)
        error = error.__cause__ or error.__context__
