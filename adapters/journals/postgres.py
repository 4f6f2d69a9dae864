"""The open sessions of the processes of many hosts: a row for each, in a table of PostgreSQL.

While an owner has sessions open, a thread renews their rows four times a lease (a heartbeat). A row
without a renewal for a lease is a suspect, and after a watch of half a lease an orphan. All times
are the database's, and a watch counts only while the database responds: an outage makes no living
owner's session an orphan.
"""

import logging
import os
import random
import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Any, ClassVar, TypeAlias

from firecrawl_interact.core.log import log
from firecrawl_interact.core.shielding import start_thread

from .base import BaseJournal, LeftAlone, reason_of

_missing: ImportError | None = None
try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo
except ImportError as _error:  # It is not installed, or does not find libpq.
    _missing = _error

_SECONDS = 5  # how long a call with its own connection takes, and how long conflicts are retried
_LOOKS = 15  # at the suspects, in a watch
_TABLE = "firecrawl_interact_open_sessions"
_CREATE = """DO $$ BEGIN IF to_regclass('{table}') IS NULL THEN {create} END IF;
    EXCEPTION WHEN duplicate_table OR duplicate_object OR unique_violation
    THEN NULL; END $$"""  # Others create it now.
_OPENED = """INSERT INTO {table} (session_id, service, owner)
    VALUES (%(session_id)s, %(label)s, %(owner)s) ON CONFLICT (service, session_id)
    DO UPDATE SET owner = excluded.owner, renewed_at = now()"""
_GONE = "DELETE FROM {table} WHERE service = %(label)s AND session_id = %(session_id)s"
# A closed owner's rows have '-infinity': they are orphans at once, and nobody renews them.
_RENEW = """UPDATE {table} SET renewed_at = now() WHERE service = %(label)s AND owner = %(owner)s
    AND session_id = ANY(string_to_array(%(held)s, ' ')) AND renewed_at > '-infinity'
    RETURNING session_id"""
_OWNERS = """SELECT session_id, owner FROM {table} WHERE service = %(label)s
    AND session_id = ANY(string_to_array(%(held)s, ' '))"""
_CLOSE = "UPDATE {table} SET renewed_at = '-infinity' WHERE owner = %(owner)s"
_SUSPECTS = """SELECT extract(epoch FROM since), EXISTS (SELECT FROM {table}
        WHERE service = %(label)s AND renewed_at > '-infinity' AND renewed_at < since)::text
    FROM least(to_timestamp(%(since)s::float8), now() - %(lease)s::interval) AS since"""
# `least`: a clock that was set back during the watch makes new renewals older than `since`.
_ADOPT = """UPDATE {table} SET owner = %(owner)s, renewed_at = now()
    WHERE service = %(label)s AND session_id = ANY(ARRAY(SELECT session_id FROM {table}
        WHERE service = %(label)s
        AND renewed_at < least(to_timestamp(%(since)s::float8), now() - %(lease)s::interval)
        LIMIT 1000 FOR UPDATE SKIP LOCKED))
    RETURNING session_id"""
_ORPHANS = """SELECT session_id FROM {table} WHERE service = %(label)s
    AND renewed_at < now() - %(lease)s::interval"""
_OTHERS = """SELECT service, count(*) FROM {table} WHERE owner <> %(owner)s AND CASE
    WHEN service = %(label)s THEN renewed_at >= now() - %(lease)s::interval
    ELSE renewed_at < now() - %(lease)s::interval END GROUP BY service"""

Connection: TypeAlias = "psycopg.Connection[Any]"  # Any: with rows of any kind
Connect: TypeAlias = Callable[[], AbstractContextManager[Connection]]
Rows: TypeAlias = list[list[str]]


class PostgresJournal(BaseJournal):
    """A `Journal` for the processes of many hosts.

    A killed process's sessions are orphans after a lease of 60 s, and a sweep then watches them
    for 30 s. A process that is paused or disconnected for longer than both counts as dead. A forked
    child or a pickle is another journal in the same database; a pickle contains the URL with its
    password. With a URL, every call has its own connection and ends within 5 s.

    Args:
        database: a `postgresql://` URL, or a function that returns a context manager, which gives
            a connection of psycopg and commits at its end, such as `ConnectionPool.connection`.
        service: a label, as a `FileJournal` has it.
    """

    TABLE: ClassVar[str] = """CREATE TABLE firecrawl_interact_open_sessions ( -- version 1
    session_id text NOT NULL,
    service text NOT NULL,
    owner text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now(), -- for people
    renewed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service, session_id)
);
"""  #: for your migrations; or call `create_table()`
    _lease: ClassVar[float] = 60  # in seconds. A sweeper with a shorter one adopts the living.

    def __init__(self, database: str | Connect, *, service: str | None = None) -> None:
        if _missing:
            install = 'pip install ".[postgres]" in a clone of the project'
            raise ImportError(f"PostgresJournal needs psycopg and libpq: {install}") from _missing
        connect = _connector(database) if isinstance(database, str) else database
        if not callable(connect):
            kind = ValueError if isinstance(database, str) else TypeError
            del database  # A traceback can show the locals of its frames.
            text = "a postgresql:// URL that libpq can read, or a function such as pool.connection"
            raise kind(f"database must be {text}")
        self._connect = connect
        # The repr of a function can show a password: that of a `partial` does.
        name = getattr(database, "__qualname__", type(database).__name__)
        shown = database if isinstance(database, str) else name
        # An `@` after a `?` may be of the password or of the query: it hides all of both.
        secrets = r"(?<=//)(.*\?.*@.*|.*@)|\?.*"
        super().__init__(database, re.sub(secrets, "", shown, flags=re.DOTALL), service)

    def _begin(self) -> None:
        super()._begin()
        self._owner = os.urandom(8).hex()
        # Each session, and a token: each recording has its own, so that `_renew` sees a new one.
        self._held: dict[str, object] = {}
        self._is_renewing = False

    def create_table(self) -> None:
        """Create the table if it does not exist. Many processes may call this at once."""
        with self._if_open("cannot create its table", "Nothing was changed."):
            self._execute(_CREATE)

    def close(self) -> None:
        """Release the sessions that are still open: from now on, or after a lease, orphans."""
        super().close()
        if self._held:
            try:
                self._execute(_CLOSE)
            except Exception as error:
                text = "The sessions become orphans in %g s: %s"
                log(logging.WARNING, text, self._lease, reason_of(error))
            self._held.clear()

    def left_alone(self) -> LeftAlone:
        """Count what a sweep ignores: living owners' sessions, and orphans of other labels."""
        with self._if_open("cannot be read", "Nothing was changed."):
            found = {label or None: int(count) for label, count in self._execute(_OTHERS)}
        return LeftAlone(found.pop(self._service, 0), found, unreadable=[])

    def _record(self, session_id: str) -> None:
        self._execute(_OPENED, session_id=session_id)
        self._hold(session_id)

    def _forget(self, session_id: str) -> None:
        self._held.pop(session_id, None)  # Atomic, and so needs no lock.
        self._execute(_GONE, session_id=session_id)

    def _orphans(self) -> list[str]:
        """List the orphans, and suspects that a living owner may still renew."""
        return [one for (one,) in self._execute(_ORPHANS)]

    def _adopt(self) -> Iterator[None]:
        yield  # what an earlier sweep has left
        since = self._watch()
        while adopted := [session_id for (session_id,) in self._execute(_ADOPT, since=since)]:
            self._adopted.update(adopted)  # First: without a thread, a later sweep yields them.
            self._hold(*adopted)
            yield

    def _watch(self) -> str | None:
        """Watch the suspects for half a lease. Return the time since which no orphan is renewed."""
        since: str | None = None  # The database's clock says it, a lease before the first look.
        # A statement's own time is no part of the watch: in an outage owners cannot renew either.
        for _ in range(_LOOKS):
            [(since, any_suspects)] = self._execute(_SUSPECTS, since=since)
            if any_suspects == "false":
                break
            self._closed.wait(self._lease / 2 / _LOOKS)
            self._require_open()  # Or else it has not watched for long enough.
        return since

    def _hold(self, *session_ids: str) -> None:
        """Let the thread renew these rows from now on."""
        with self._lock:
            self._held.update(dict.fromkeys(session_ids, object()))
            if not self._is_renewing:
                start_thread(self._renew, name="PostgresJournal")
                self._is_renewing = True

    def _renew(self) -> None:
        """Renew the rows as long as there are any: the thread's work."""
        while not self._closed.wait(self._lease / 4):
            with self._lock:
                held = dict(self._held)
                self._is_renewing = bool(held)
            if not held:
                return
            try:
                renewed = {one for (one,) in self._execute(_RENEW, held=" ".join(held))}
                lost = held.keys() - renewed
                owners = dict(self._execute(_OWNERS, held=" ".join(lost))) if lost else {}
            except Exception as error:
                log(logging.WARNING, "The journal cannot renew its sessions: %s", reason_of(error))
                continue
            with self._lock:
                # What was forgotten or recorded again meanwhile is not lost.
                lost = {one for one in lost if self._held.get(one) is held[one]}
                lost -= {one for one, owner in owners.items() if owner == self._owner}
                for session_id in lost:
                    self._held.pop(session_id, None)  # `_forget` takes no lock.
                self._adopted.difference_update(lost)
            for one in lost & owners.keys():
                log(logging.WARNING, "session %a is another owner's now, and may be gone", one)
            for one in lost - owners.keys():
                log(logging.INFO, "session %a was deleted elsewhere, or its row is lost", one)

    def _execute(self, statement: str, **values: str | None) -> Rows:
        """Execute a statement in a transaction of its own, and again if others were in its way."""
        values |= {"label": self._service or "", "owner": self._owner, "lease": f"{self._lease} s"}
        execute = partial(_rows, statement.format(table=_TABLE, create=self.TABLE), values)
        ends = time.monotonic() + _SECONDS
        while True:
            try:
                if isinstance(self._storage, str):
                    return _call_until(ends, self._connect, execute)
                with self._connect() as connection:  # A pool has timeouts of its own.
                    return execute(connection)
                raise OSError("its connection function has hidden an error")
            except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected):
                if time.monotonic() > ends:
                    raise
                time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - no secret
            except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
                advice = "A migration must make it so, or create_table() if there is none"
                error.add_note(f" {advice}:\n{self.TABLE}")
                raise


def _connector(url: str) -> Connect | None:
    """Return what makes a connection for each call: a fork shares none. None: it is no URL."""
    with suppress(psycopg.Error, UnicodeError):  # It quotes the URL.
        options = conninfo_to_dict(url)
        # libpq ends the password at its first `@`. What begins with one, or with /, is a socket.
        names = [name for name in str(options.get("host")).split(",") if name[:1] != "/"]
        is_split = any("@" in name[1:] for name in [*names, f":{options.get('port')}"])
        if not is_split and url.startswith(("postgresql://", "postgres://")):
            # psycopg waits so long for each of several hosts: a third one must have its turn.
            hosts = options.get("host") or options.get("hostaddr") or os.environ.get("PGHOST")
            timeout = options.get("connect_timeout") or os.environ.get("PGCONNECT_TIMEOUT")
            seconds = timeout or (2 if "," in str(hosts) else 4)
            own = make_conninfo(url, client_encoding="utf8", connect_timeout=seconds)
            # A `partial` would show the password to whoever prints the locals of a frame.
            return lambda: psycopg.connect(own, autocommit=True)
    return None


def _rows(query: str, values: dict[str, str | None], connection: Connection) -> Rows:
    """Execute. Values are texts, both ways: what becomes of others depends on the connection."""
    result: Any = psycopg.Cursor(connection).execute(query, values, prepare=False).pgresult
    return [
        [result.get_value(row, column).decode(errors="replace") for column in range(result.nfields)]
        for row in range(result.ntuples)
    ]


def _call_until(ends: float, connect: Connect, call: Callable[[Connection], Rows]) -> Rows:
    """Call with a connection in a thread, until it is time: a frozen server would take for ever."""
    result: Future[Rows] = Future()
    sockets: list[socket.socket] = []

    def work() -> None:
        try:
            with connect() as connection, socket.fromfd(connection.fileno(), -1, -1) as copy:
                sockets.append(copy)  # -1: of any kind. `os.dup` copies no socket of Windows.
                if result.set_running_or_notify_cancel():
                    result.set_result(call(connection))
        except Exception as error:
            with suppress(InvalidStateError):  # Nobody waits for it any more.
                result.set_exception(error)

    try:
        start_thread(work)
        return result.result(ends - time.monotonic())
    except BaseException as error:
        result.cancel()  # If it has not begun to execute, it never does.
        for copy in sockets:
            with suppress(OSError):  # It has just ended.
                copy.shutdown(socket.SHUT_RDWR)
        if isinstance(error, TimeoutError):
            raise TimeoutError(f"the database has not responded for {_SECONDS} s") from None
        raise
