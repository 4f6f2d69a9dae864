"""The open sessions of the processes of many hosts: a row for each, in a table of PostgreSQL.

While an owner has sessions open, a thread renews their rows four times a lease (a heartbeat). A row
without a renewal for a lease is a suspect, and after a watch of half a lease an orphan. All times
are the database's, and a watch counts only while the database responds: an outage makes no living
owner's session an orphan.
"""

import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Any, ClassVar

from .base import BaseJournal, LeftAlone

logger: logging.Logger = logging.getLogger("firecrawl_interact")

_TABLE = "firecrawl_interact_open_sessions"
_CREATE = """DO $$ BEGIN IF to_regclass('{table}') IS NULL THEN {create} END IF;
    EXCEPTION WHEN duplicate_table OR unique_violation THEN NULL; END $$"""  # Others create it now.
_OPENED = """INSERT INTO {table} (session_id, service, owner)
    VALUES (%(session_id)s, %(label)s, %(owner)s) ON CONFLICT (service, session_id)
    DO UPDATE SET owner = excluded.owner, opened_at = now(), renewed_at = now()"""
_GONE = "DELETE FROM {table} WHERE service = %(label)s AND session_id = %(session_id)s"
_RENEW = """WITH renewed AS (UPDATE {table} SET renewed_at = now()
        WHERE owner = %(owner)s AND renewed_at > '-infinity')
    SELECT session_id FROM {table}
    WHERE service = %(label)s AND owner <> %(owner)s AND session_id = ANY(%(held)s)"""
_CLOSE = "UPDATE {table} SET renewed_at = '-infinity' WHERE owner = %(owner)s"
_SUSPECTS = """SELECT deadline, EXISTS (SELECT FROM {table} WHERE service = %(label)s
        AND renewed_at > '-infinity' AND renewed_at < deadline)
    FROM coalesce(%(deadline)s, now() - %(lease)s::interval) AS deadline"""
_ADOPT = """UPDATE {table} SET owner = %(owner)s, renewed_at = now()
    WHERE service = %(label)s AND session_id = ANY(ARRAY(SELECT session_id FROM {table}
        WHERE service = %(label)s AND renewed_at < %(deadline)s LIMIT 1000 FOR UPDATE SKIP LOCKED))
    RETURNING session_id"""
_ORPHANS = """SELECT session_id FROM {table} WHERE service = %(label)s
    AND renewed_at < now() - %(lease)s::interval"""
_OTHERS = """SELECT service, count(*) FROM {table} WHERE owner <> %(owner)s
    AND (service = %(label)s) = (renewed_at >= now() - %(lease)s::interval) GROUP BY service"""

Connect = Callable[[], AbstractContextManager[Any]]  # Any: psycopg's, or a pool's


class PostgresJournal(BaseJournal):
    """A `Journal` for the processes of many hosts.

    A killed process's sessions are orphans after a lease of 60 s, and a sweep then watches them
    for 30 s. A process that is paused or disconnected for longer than both counts as dead. A forked
    child or a pickle is another journal in the same database; a pickle contains the URL with its
    password. With a URL, every call has its own connection and ends within 5 s. Whatever fails
    there is a `JournalError`.

    Args:
        database: a `postgresql://` URL, or a function that returns a context manager, which gives
            a connection of psycopg and commits at its end, such as `ConnectionPool.connection`.
            libpq's environment variables and its passfile apply.
        service: a label, as a `FileJournal` has it.
    """

    TABLE: ClassVar[str] = """CREATE TABLE firecrawl_interact_open_sessions (
    session_id text NOT NULL,
    service text NOT NULL,
    owner text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now(),
    renewed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service, session_id)
);
"""  #: for your migrations; or call `create_table()`
    _lease: ClassVar[float] = 60  # in seconds. A sweeper with a shorter one adopts the living.

    def __init__(self, database: str | Connect, *, service: str | None = None) -> None:
        self._connect = _own_connections(database) if isinstance(database, str) else database
        super().__init__("journal in PostgreSQL", database, service)

    def _begin(self) -> None:
        super()._begin()
        self._owner = os.urandom(8).hex()
        self._held: set[str] = set()
        self._is_renewing = False
        self._ending = threading.Event()

    def __repr__(self) -> str:
        shown = re.sub(r"(?<=//).*@|\?.*(?=')", "", repr(self._storage))
        return f"PostgresJournal({shown}, service={self._service!r})"

    def create_table(self) -> None:
        """Create the table if it does not exist. Many processes may call this at once."""
        with self._errors("cannot create its table", "Nothing was changed."):
            self._execute(_CREATE)

    def _release(self) -> None:
        self._ending.set()
        if self._held:
            self._held.clear()
            try:
                self._execute(_CLOSE)
            except Exception as error:
                logger.warning("The sessions become orphans in %g s: %s", self._lease, error)

    def left_alone(self) -> LeftAlone:
        """Count what a sweep ignores: living owners' sessions, and orphans of other labels."""
        with self._errors("cannot be read", "Nothing was changed."):
            found = {label or None: count for label, count in self._execute(_OTHERS)}
        return LeftAlone(found.pop(self._service, 0), found, unreadable=[])

    def _record(self, session_id: str) -> None:
        self._execute(_OPENED, session_id=session_id)
        self._hold(session_id)

    def _forget(self, session_id: str) -> None:
        self._held.discard(session_id)
        self._execute(_GONE, session_id=session_id)

    def _orphans(self) -> list[str]:
        """List the suspects: a living owner may still renew some of them."""
        return [one for (one,) in self._execute(_ORPHANS)]

    def _adopt(self) -> Iterator[None]:
        deadline: object = None
        # The time of a statement does not count: in an outage it may wait, as owners do.
        for _ in range(15):
            [(deadline, any_suspects)] = self._execute(_SUSPECTS, deadline=deadline)
            if not any_suspects:
                break
            if self._ending.wait(self._lease / 30):
                raise OSError("it is closed")  # It has not watched for long enough.
        while True:
            adopted = [session_id for (session_id,) in self._execute(_ADOPT, deadline=deadline)]
            self._hold(*adopted)
            self._adopted.update(dict.fromkeys(adopted))
            yield
            if not adopted:
                return

    def _hold(self, *session_ids: str) -> None:
        """Let the thread renew these rows from now on."""
        with self._lock:
            self._held.update(session_ids)
            if not self._is_renewing:
                threading.Thread(target=self._renew, name="PostgresJournal", daemon=True).start()
                self._is_renewing = True

    def _renew(self) -> None:
        """Renew the rows as long as there are any: the thread's work."""
        while not self._ending.wait(self._lease / 4):
            with self._lock:
                held = list(self._held)
                if not held:
                    self._is_renewing = False
                    return
            try:
                for (session_id,) in self._execute(_RENEW, held=held):
                    self._held.discard(session_id)
                    logger.warning("session %a is another owner's now", session_id)
            except Exception as error:
                logger.warning("The journal cannot renew its sessions: %s", error)

    def _execute(self, statement: str, **values: object) -> list[Any]:  # Any: rows of values
        values |= {"label": self._service or "", "owner": self._owner, "lease": f"{self._lease} s"}
        with self._connect() as connection:
            cursor = connection.execute(statement.format(table=_TABLE, create=self.TABLE), values)
            return list(cursor.fetchall()) if cursor.description else []

    def _reason(self, error: Exception) -> str:
        is_missing = getattr(error, "sqlstate", None) == "42P01"  # undefined_table
        advice = f". Call create_table(), or let a migration say:\n{self.TABLE}"
        return super()._reason(error) + (advice if is_missing else "")


def _own_connections(url: str) -> Connect:
    """Return a function that makes a connection for each call, so that a fork shares none."""
    try:
        import psycopg  # noqa: PLC0415 - an extra
    except ImportError as error:  # It is not installed, or does not find libpq.
        install = 'pip install "firecrawl-interact[postgres]"'
        raise ImportError(f"PostgresJournal needs psycopg and libpq: {install}") from error

    with suppress(psycopg.Error):  # It quotes the URL.
        psycopg.conninfo.conninfo_to_dict(url)
        if url.startswith(("postgresql://", "postgres://")):
            return partial(_connection, partial(psycopg.connect, url, autocommit=True))
    raise ValueError("database must be a postgresql:// URL that libpq can read")


@contextmanager
def _connection(connect: Callable[..., Any]) -> Iterator[Any]:  # Any: see above
    """Connect, and shut the connection down after 5 s: a frozen server never would."""
    ends = time.monotonic() + 5
    with (
        connect(connect_timeout=4) as connection,
        socket.socket(fileno=os.dup(connection.fileno())) as copy,
    ):
        timer = threading.Timer(ends - time.monotonic(), copy.shutdown, [socket.SHUT_RDWR])
        timer.start()
        try:
            yield connection
        finally:
            timer.cancel()
            timer.join()
