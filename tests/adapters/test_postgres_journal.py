"""What only a `PostgresJournal` has: a table, leases, connections. The kit checks the rest."""

import _thread
import importlib
import logging
import os
import pickle
import socket
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import count, islice
from typing import Any
from unittest.mock import MagicMock, Mock, call

import psycopg
import psycopg_pool
import pytest
from psycopg.conninfo import conninfo_to_dict

from firecrawl_interact.adapters import PostgresJournal
from firecrawl_interact.adapters.journals.postgres import _OWNERS, _RENEW
from firecrawl_interact.core import JournalError

from ..core.side_by_side import unchecked
from ..postgres import PASSWORD, Postgres, ShortLease, wait_until

pytestmark = pytest.mark.enable_socket
LOCALHOST = ("127.0.0.1", 0)
MOST_SECONDS = 20  # for a call that ends within 5 s on an idle machine
TABLE = "firecrawl_interact_open_sessions"
SUSPECT = f"INSERT INTO {TABLE} VALUES ('one', %s, 'x', now(), now() - interval '1 hour')"


@pytest.fixture
def label() -> str:
    return f"https://{uuid.uuid4().hex}.example"


@pytest.fixture
def journal(postgres: Postgres, label: str) -> Iterator[ShortLease]:
    with ShortLease(postgres.url, service=label) as journal:
        yield journal


def test_without_the_right_table_an_error_shows_it(postgres: Postgres) -> None:
    url = postgres.new_database()
    shown = url.replace(f"tester:{PASSWORD}@", "")
    another = f"{PostgresJournal.TABLE} ALTER TABLE {TABLE} DROP COLUMN renewed_at"
    postgres.execute(another, url=url)
    with PostgresJournal(url) as journal, pytest.raises(JournalError) as raised:
        journal.opened("one")
    assert str(raised.value) == (
        f"Session 'one': the journal {shown} cannot record that it is open: column"
        f' "renewed_at" of relation "{TABLE}" does not exist. Delete the session: no sweep may'
        " find it. A block does that by itself. A migration must make it so, or create_table() if"
        f" there is none:\n{PostgresJournal.TABLE}"
    )


def test_many_processes_may_create_the_table_at_once(postgres: Postgres) -> None:
    url = postgres.new_database()
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(PostgresJournal.create_table, [PostgresJournal(url)] * 20))
    with PostgresJournal(url) as journal:
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


@pytest.mark.parametrize("silent", [2, 3])
def test_silent_hosts_before_a_good_one_end_a_call_soon(postgres: Postgres, silent: int) -> None:
    with ExitStack() as servers:
        listening = [servers.enter_context(socket.create_server(LOCALHOST)) for _ in range(silent)]
        ports = [*(server.getsockname()[1] for server in listening), postgres.port]
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        url = postgres.url.replace(f"127.0.0.1:{postgres.port}", hosts)
        journal, began = servers.enter_context(ShortLease(url, service=hosts)), time.monotonic()
        if silent == 2:
            journal.opened("one")
        else:
            with pytest.raises(JournalError, match="the database has not responded for 5 s"):
                journal.opened("one")
        assert time.monotonic() - began < MOST_SECONDS


@pytest.mark.parametrize("is_interrupted", [True, False])
def test_a_connection_that_comes_too_late_is_closed_and_records_nothing(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, label: str, *, is_interrupted: bool
) -> None:
    is_given_up, connect, connections = threading.Event(), psycopg.connect, []

    def connect_late(*arguments: Any, **named: Any) -> object:  # Any: passed on
        assert threading.current_thread().daemon
        if is_interrupted:
            _thread.interrupt_main()
        is_given_up.wait(MOST_SECONDS)
        connections.append(connect(*arguments, **named))
        return connections[0]

    monkeypatch.setattr(psycopg, "connect", connect_late)
    with ShortLease(postgres.url, service=label) as journal:
        with pytest.raises(KeyboardInterrupt if is_interrupted else JournalError) as raised:
            journal.opened("one")
        require_no_password(raised.value)
        assert is_interrupted or "has not responded for 5 s" in str(raised.value)
        is_given_up.set()
        wait_until(lambda: connections and connections[0].closed)
    monkeypatch.undo()
    assert not postgres.execute(f"SELECT session_id FROM {TABLE} WHERE service = %s", label)


def test_a_close_that_is_interrupted_can_be_made_again() -> None:
    journal = PostgresJournal(Mock(side_effect=KeyboardInterrupt))
    journal._held["one"] = object()
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            journal.close()


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_three_sweepers_at_once_share_what_is_left(postgres: Postgres, isolation: str) -> None:
    url, count = postgres.new_database(f"default_transaction_isolation = '{isolation}'"), 1_001
    ShortLease(url).create_table()
    postgres.leave(url, count)
    all_have_begun = threading.Barrier(3)

    def sweep(_: int) -> list[str]:
        with ShortLease(url) as journal:
            all_have_begun.wait(MOST_SECONDS)
            found = list(journal.adopt_orphans())
            all_have_begun.wait(MOST_SECONDS)
            return found

    with ThreadPoolExecutor(3) as threads:
        found = [one for some in threads.map(sweep, range(3)) for one in some]
    assert len(found) == len(set(found)) == count


def test_who_renews_in_the_half_minute_of_a_watch_keeps_a_session(
    postgres: Postgres, label: str
) -> None:
    """It takes half a minute, with the lease that users have."""
    ages = {"dead": "65 s", "silent": "55 s", "late": "65 s"}
    with (
        PostgresJournal(postgres.url, service=label) as living,
        PostgresJournal(postgres.url, service=label) as sweeper,
    ):
        living.opened("late")
        for session_id, age in ages.items():
            postgres.execute(
                f"""INSERT INTO {TABLE} VALUES (%s, %s, 'x', now(), now() - %s::interval)
                    ON CONFLICT (service, session_id)
                    DO UPDATE SET renewed_at = excluded.renewed_at""",
                *(session_id, label, age),
            )
        assert sweeper.orphans() == ["dead", "late"]
        began = time.monotonic()
        # The silent one is a suspect too late for this sweep, and the late one is renewed.
        assert list(sweeper.adopt_orphans()) == ["dead"]
        assert time.monotonic() - began > 29
        sweeper.gone("dead")


@pytest.mark.parametrize("is_corrected", [False, True])
def test_a_clock_that_is_set_back_during_a_watch_makes_no_living_owners_session_an_orphan(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, *, is_corrected: bool
) -> None:
    url, calls = postgres.new_database("search_path = public, pg_catalog"), count()
    clock = """CREATE OR REPLACE FUNCTION now() RETURNS timestamptz LANGUAGE sql
        AS $$ SELECT pg_catalog.now() - interval '{} s' $$"""
    postgres.execute(clock.format(0), url=url)
    postgres.execute(PostgresJournal.TABLE, url=url)
    postgres.execute(SUSPECT, "", url=url)

    def connect() -> psycopg.Connection:
        call_number = next(calls)
        if call_number == 1:
            postgres.execute(clock.format(100), url=url)
            living.opened("living")
        elif call_number == 5 and is_corrected:
            postgres.execute(clock.format(0), url=url)
        return psycopg.connect(url)

    with PostgresJournal(url) as living:
        sweeper = PostgresJournal(connect)
        monkeypatch.setattr(sweeper, "_closed", Mock(is_set=lambda: False))
        assert list(islice(sweeper.adopt_orphans(), 3)) == ["one"]


def test_a_renewal_comes_each_15_s_and_a_look_at_the_suspects_each_2_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal, closed = PostgresJournal("postgresql:///db"), Mock(is_set=lambda: False)
    monkeypatch.setattr(journal, "_closed", closed)
    monkeypatch.setattr(journal, "_execute", lambda *_, **__: [["0", "true"]])
    journal._renew()
    journal._watch()
    assert closed.wait.call_args_list == [call(15), *[call(2)] * 15]


def test_a_pool_of_the_callers_is_used(postgres: Postgres, label: str) -> None:
    with psycopg_pool.ConnectionPool(postgres.url, min_size=1, max_size=1, open=True) as pool:
        with ShortLease(pool.connection, service=label) as journal:
            journal.opened("one")
        with ShortLease(pool.connection, service=label) as journal:
            assert list(journal.adopt_orphans()) == ["one"]
            for _ in range(10):
                journal.gone("one")
        with pool.connection() as connection:  # A pooler behind it would not know them.
            assert not connection.execute("SELECT FROM pg_prepared_statements").fetchall()
        with pytest.raises(JournalError, match=r"the journal ConnectionPool\.connection cannot"):
            journal.opened("one")
        with pytest.raises(TypeError):
            pickle.dumps(journal)


@pytest.mark.parametrize("is_interrupted", [True, False])
def test_a_statement_that_waits_for_others_ends_soon(
    postgres: Postgres, journal: ShortLease, monkeypatch: pytest.MonkeyPatch, is_interrupted: bool
) -> None:
    shutdown = socket.socket.shutdown

    def shutdown_twice(copy: socket.socket, how: int) -> None:
        shutdown(copy, how)
        raise OSError("it has just ended")

    monkeypatch.setattr(socket.socket, "shutdown", shutdown_twice)
    monkeypatch.setattr(os, "dup", Mock(side_effect=OSError))  # as on Windows, with a socket
    with psycopg.connect(postgres.url) as other:
        other.execute("SET idle_in_transaction_session_timeout = '20s'")
        other.execute(f"LOCK TABLE {TABLE}")
        began = time.monotonic()
        others = set(threading.enumerate())
        if is_interrupted:
            threading.Timer(1, _thread.interrupt_main).start()
        with pytest.raises(KeyboardInterrupt if is_interrupted else JournalError) as raised:
            journal.opened("one")
        assert is_interrupted or "has not responded for 5 s" in str(raised.value)
        assert time.monotonic() - began < MOST_SECONDS
        wait_until(lambda: set(threading.enumerate()) <= others)  # while the others go on


@pytest.mark.parametrize(
    "error", [psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected]
)
def test_conflicts_are_retried_for_five_seconds(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    monkeypatch.setattr(time, "monotonic", Mock(side_effect=count()))
    monkeypatch.setattr(time, "sleep", sleep := Mock())
    connect = Mock(side_effect=[error("a conflict")] * 9)
    with pytest.raises(JournalError, match="a conflict"):
        PostgresJournal(connect).orphans()
    assert (connect.call_count, sleep.call_count) == (6, 5)


def test_a_connection_function_that_hides_an_error_ends_no_call_well() -> None:
    connect = MagicMock()
    connect.return_value.__enter__.return_value = None
    connect.return_value.__exit__.return_value = True
    with pytest.raises(JournalError, match="its connection function has hidden an error"):
        PostgresJournal(connect).orphans()


def test_rows_that_others_have_deleted_or_taken_are_named_and_yielded_no_more(
    postgres: Postgres, label: str, journal: ShortLease, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with ShortLease(postgres.url, service=label) as dead:
        dead.opened("one")
        dead.opened("two")
    adopted = journal.adopt_orphans()
    next(adopted)
    postgres.execute(f"DELETE FROM {TABLE} WHERE service = %s AND session_id = 'one'", label)
    postgres.execute(f"UPDATE {TABLE} SET owner = 'x' WHERE service = %s", label)
    journal.opened("three")
    wait_until(lambda: len(caplog.messages) == 2)
    gone = "session 'one' was deleted elsewhere, or its row is lost"
    taken = "session 'two' is another owner's now, and may be gone"
    told = [(level, text) for _, level, text in caplog.record_tuples]
    assert sorted(told) == [(logging.INFO, gone), (logging.WARNING, taken)]
    assert list(journal._held) == ["three"]  # It names them once.
    assert list(adopted) == []


def test_a_session_that_is_gone_and_recorded_again_during_a_renewal_is_renewed_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal = PostgresJournal("postgresql:///db")

    def execute(statement: str, **_: str) -> list[list[str]]:
        if statement is _RENEW:
            journal.gone("one")
            journal.gone("two")
            assert "two" not in journal._held
            journal.opened("one")
        return [["three", journal._owner]] if statement is _OWNERS else []

    journal._held |= {"one": object(), "two": object(), "three": object()}
    monkeypatch.setattr(journal, "_execute", execute)
    closed = Mock(is_set=lambda: False, wait=Mock(side_effect=[False, True]))
    monkeypatch.setattr(journal, "_closed", closed)
    journal._renew()
    assert (sorted(journal._held), caplog.messages) == (["one", "three"], [])


def test_what_was_adopted_when_no_thread_could_renew_it_is_yielded_by_the_next_sweep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with PostgresJournal("postgresql:///db") as journal:
        results = iter([[["0", "false"]], [["one"]], *[[]] * 3])
        monkeypatch.setattr(journal, "_execute", lambda *_, **__: next(results))
        with monkeypatch.context() as patched:
            fails = Mock(side_effect=RuntimeError("can't start new thread"))
            patched.setattr(threading.Thread, "start", fails)
            with pytest.raises(JournalError, match="new thread"):
                next(journal.adopt_orphans())
        assert next(journal.adopt_orphans()) == "one"
        journal.opened("two")
        assert "PostgresJournal" in {thread.name for thread in threading.enumerate()}


def test_labels_of_a_database_of_any_encoding_are_read_as_they_are(postgres: Postgres) -> None:
    url = postgres.new_database(encoding="LATIN1")
    ShortLease(url).create_table()
    with ShortLease(url, service="Zürich") as journal:
        journal.opened("one")
    with ShortLease(url) as other:
        assert other.left_alone().other_services == {"Zürich": 1}


def test_no_two_journals_of_a_fleet_are_one_owner() -> None:
    assert len({PostgresJournal("postgresql://a")._owner for _ in range(2_000)}) == 2_000


def test_as_many_rows_as_there_are_are_renewed(postgres: Postgres) -> None:
    url, count = postgres.new_database(), 1_001
    postgres.execute(PostgresJournal.TABLE, url=url)
    postgres.leave(url, count)
    with ShortLease(url) as journal:
        assert len(list(journal._adopt())) == 3  # what is left, a thousand and the rest
        assert len(list(journal.adopt_orphans())) == count
        [(now,)] = postgres.execute("SELECT now()", url=url)
        not_renewed = f"SELECT session_id FROM {TABLE} WHERE renewed_at <= %s"
        wait_until(lambda: not postgres.execute(not_renewed, now, url=url))


def test_a_renewal_does_not_undo_a_close(
    postgres: Postgres, label: str, journal: ShortLease
) -> None:
    postgres.execute(SUSPECT, f"{label}/other")
    journal.opened("one")
    journal.close()
    journal._execute(_RENEW, held="one")  # It was in flight.
    with PostgresJournal(postgres.url, service=label) as sweeper:
        began = time.monotonic()
        assert list(sweeper.adopt_orphans()) == ["one"]
        # It has not watched for half a lease: nobody else was a suspect.
        assert time.monotonic() - began < MOST_SECONDS
        assert sweeper.orphans() == []
        sweeper.gone("one")


def test_a_journal_that_is_closed_while_it_watches_adopts_nothing(
    postgres: Postgres, label: str
) -> None:
    postgres.execute(SUSPECT, label)
    journal = PostgresJournal(postgres.url, service=label)
    assert journal.left_alone().living == 0
    closing = threading.Timer(0.5, journal.close)
    closing.start()
    with pytest.raises(JournalError, match="it is closed"):
        list(journal.adopt_orphans())
    closing.join()
    assert postgres.execute(f"SELECT owner FROM {TABLE} WHERE service = %s", label) == [("x",)]


def test_a_journal_with_sessions_has_one_thread_and_without_any_none(journal: ShortLease) -> None:
    others = set(threading.enumerate())

    def renewing() -> list[threading.Thread]:
        new = set(threading.enumerate()) - others
        return [one for one in new if one.name == "PostgresJournal"]

    assert not renewing()
    journal.opened("one")
    journal.opened("two")
    assert len(renewing()) == 1
    journal.gone("one")
    journal.gone("two")
    wait_until(lambda: not renewing())
    journal.opened("two")
    assert len(renewing()) == 1
    journal.close()
    wait_until(lambda: not renewing())


def test_no_session_is_added_while_the_thread_looks_whether_it_may_end(
    monkeypatch: pytest.MonkeyPatch, journal: ShortLease
) -> None:
    lock, held = MagicMock(), list[bool]()
    lock.__enter__.side_effect = lambda: held.append(bool(journal._held))
    monkeypatch.setattr(journal, "_lock", lock)
    journal.opened("one")
    assert held == [False]


def test_a_renewal_and_a_close_that_fail_are_warnings_even_if_a_log_handler_raises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handler = Mock(level=0, handle=Mock(side_effect=RuntimeError))
    monkeypatch.setattr(logging.getLogger("firecrawl_interact"), "handlers", [handler])
    journal = PostgresJournal(Mock(side_effect=TimeoutError("no response")))
    journal._held["one"] = object()
    monkeypatch.setattr(journal, "_closed", Mock(wait=Mock(side_effect=[False, False, True])))
    journal._renew()
    journal.close()
    journal.close()
    renewal = "The journal cannot renew its sessions: no response"
    told = [handled.args[0].getMessage() for handled in handler.handle.call_args_list]
    assert told == [renewal, renewal, "The sessions become orphans in 60 s: no response"]


@pytest.mark.parametrize(
    ("url", "variables", "seconds"),
    [
        ("postgresql:///db", {"PGHOST": "a"}, "4"),
        ("postgresql:///db", {"PGHOST": "a,b,c"}, "2"),
        ("postgresql:///db", {"PGCONNECT_TIMEOUT": "3"}, "3"),
        ("postgresql://a/db", {"PGHOST": "a,b,c"}, "4"),
        ("postgresql:///db?host=/home/me@work,@abstract", {}, "2"),
        ("postgresql://:1,:2,:3/db?hostaddr=127.0.0.1,127.0.0.1,127.0.0.1", {}, "2"),
        ("postgres://a,b/db?connect_timeout=20", {"PGCONNECT_TIMEOUT": "3"}, "20"),
    ],
)
def test_url_or_variables_say_how_long_each_host_has(
    monkeypatch: pytest.MonkeyPatch, url: str, variables: dict[str, str], seconds: str
) -> None:
    connect = Mock(side_effect=OSError)
    monkeypatch.setattr(psycopg, "connect", connect)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(JournalError):
        PostgresJournal(url).opened("one")
    assert conninfo_to_dict(connect.call_args.args[0])["connect_timeout"] == seconds


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://me:{PASSWORD}@host/db",
        f"host=127.0.0.1 password={PASSWORD}",
        f"postgresql://me:the@{PASSWORD}@127.0.0.1:1/db",
        f"postgresql://me:{PASSWORD}@host:a-port/db?nonsense={PASSWORD}",
        f"postgresql://me:{PASSWORD}\udce9@host/db",  # no UTF-8
        f"postgresql://me:of@both:{PASSWORD}@host/db",
    ],
)
def test_what_is_no_url_of_postgresql_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="must be a postgresql:// URL that libpq") as raised:
        PostgresJournal(url)
    require_no_password(raised.value)
    with pytest.raises(TypeError, match="must be a postgresql:// URL that libpq"):
        PostgresJournal(unchecked(5))


def test_without_psycopg_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, PostgresJournal.__module__)
    journals = importlib.import_module(PostgresJournal.__module__)
    with pytest.raises(ImportError, match=r'pip install "\.\[postgres\]"') as raised:
        journals.PostgresJournal("postgresql://127.0.0.1/db")
    assert isinstance(raised.value.__cause__, ImportError)  # It may be libpq that is missing.


def require_no_password(error: BaseException | None) -> None:
    """Require that neither an error nor a frame that it carries shows the password."""
    while error is not None:
        assert PASSWORD not in str(error)
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename != __file__:
                shown = {name: one for name, one in frame.f_locals.items() if name != "self"}
                assert PASSWORD not in repr(shown)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("database", "shown"),
    [
        (
            f"postgresql://me:{PASSWORD[:4]}\n{PASSWORD}@127.0.0.1:1/db?application_name={PASSWORD}",
            "postgresql://127.0.0.1:1/db",
        ),
        (f"postgresql://127.0.0.1:1/db?password=@{PASSWORD}", "postgresql://"),
        (partial(psycopg.connect, f"host=127.0.0.1 port=1 password={PASSWORD}"), "partial"),
    ],
)
def test_nothing_shows_the_password(
    caplog: pytest.LogCaptureFixture, database: Any, shown: str
) -> None:
    caplog.set_level(logging.DEBUG)
    journal = PostgresJournal(database, service="https://a/v2")
    assert repr(journal) == f"PostgresJournal({shown!r}, service='https://a')"
    with pytest.raises(JournalError) as raised:
        journal.opened("one")
    require_no_password(raised.value)
    journal.close()  # Nothing was recorded: it does not connect.
    assert caplog.messages == []
