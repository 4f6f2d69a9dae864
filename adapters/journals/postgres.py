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
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Any, ClassVar

from .base import BaseJournal, LeftAlone, reason_of

logger: logging.Logger = logging.getLogger("firecrawl_interact")

_SECONDS = 5  # how long a call with its own connection takes, and how long conflicts are retried
_TABLE = "firecrawl_interact_open_sessions"
_CREATE = """DO $$ BEGIN IF to_regclass('{table}') IS NULL THEN {create} END IF;
    EXCEPTION WHEN duplicate_table OR duplicate_object OR unique_violation
    THEN NULL; END $$"""  # Others create it now.
_OPENED = """INSERT INTO {table} (session_id, service, owner)
    VALUES (%(session_id)s, %(label)s, %(owner)s) ON CONFLICT (service, session_id)
    DO UPDATE SET owner = excluded.owner, opened_at = now(), renewed_at = now()"""
_GONE = "DELETE FROM {table} WHERE service = %(label)s AND session_id = %(session_id)s"
_RENEW = """UPDATE {table} SET renewed_at = now() WHERE service = %(label)s AND owner = %(owner)s
    AND session_id = ANY(string_to_array(%(held)s, ' ')) AND renewed_at > '-infinity'
    RETURNING session_id"""
_CLOSE = "UPDATE {table} SET renewed_at = '-infinity' WHERE owner = %(owner)s"
_SUSPECTS = """SELECT extract(epoch FROM since), EXISTS (SELECT FROM {table}
        WHERE service = %(label)s AND renewed_at > '-infinity' AND renewed_at < since)
    FROM coalesce(to_timestamp(%(since)s::float8), now() - %(lease)s::interval) AS since"""
_ADOPT = """UPDATE {table} SET owner = %(owner)s, renewed_at = now()
    WHERE service = %(label)s AND session_id = ANY(ARRAY(SELECT session_id FROM {table}
        WHERE service = %(label)s AND renewed_at < to_timestamp(%(since)s::float8)
        LIMIT 1000 FOR UPDATE SKIP LOCKED))
    RETURNING session_id"""
_ORPHANS = """SELECT session_id FROM {table} WHERE service = %(label)s
    AND renewed_at < now() - %(lease)s::interval"""
_OTHERS = """SELECT service, count(*) FROM {table} WHERE owner <> %(owner)s
    AND CASE WHEN service = %(label)s THEN renewed_at >= now() - %(lease)s::interval
        ELSE renewed_at < now() - %(lease)s::interval END GROUP BY service"""

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

    TABLE: ClassVar[str] = """CREATE TABLE firecrawl_interact_open_sessions ( -- version 1
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
        self._connect: Callable[[float], AbstractContextManager[Any]]  # until its time ends
        if isinstance(database, str):
            self._connect = _own_connections(database)
        else:
            self._connect = lambda ends: database()  # A pool has timeouts of its own.
        super().__init__("journal in PostgreSQL", database, service)

    def _begin(self) -> None:
        super()._begin()
        self._owner = os.urandom(8).hex()
        self._held: dict[str, object] = {}  # each session, and what tells this record from others
        self._is_renewing = False

    def __repr__(self) -> str:
        shown = re.sub(r"(?<=//).*@|\?.*(?=['\"])", "", repr(self._storage))
        return f"PostgresJournal({shown}, service={self._service!r})"

    def create_table(self) -> None:
        """Create the table if it does not exist. Many processes may call this at once."""
        with self._errors("cannot create its table", "Nothing was changed."):
            self._execute(_CREATE)

    def close(self) -> None:
        """Release the sessions that are still open: from now on, or after a lease, orphans."""
        super().close()
        if self._held:
            self._held.clear()
            try:
                self._execute(_CLOSE)
            except Exception as error:
                text = "The sessions become orphans in %g s: %s"
                logger.warning(text, self._lease, reason_of(error))

    def left_alone(self) -> LeftAlone:
        """Count what a sweep ignores: living owners' sessions, and orphans of other labels."""
        with self._errors("cannot be read", "Nothing was changed."):
            found = {label or None: int(count) for label, count in self._execute(_OTHERS)}
        return LeftAlone(found.pop(self._service, 0), found, unreadable=[])

    def _record(self, session_id: str) -> None:
        self._execute(_OPENED, session_id=session_id)
        self._hold(session_id)

    def _forget(self, session_id: str) -> None:
        self._held.pop(session_id, None)
        self._execute(_GONE, session_id=session_id)

    def _orphans(self) -> list[str]:
        """List the orphans, and suspects that a living owner may still renew."""
        return [one for (one,) in self._execute(_ORPHANS)]

    def _adopt(self) -> Iterator[None]:
        since: str | None = None
        # A statement's own time is no part of the watch: in an outage owners cannot renew either.
        for _ in range(15):  # waits of a thirtieth of a lease: half a lease
            [(since, any_suspects)] = self._execute(_SUSPECTS, since=since)
            if any_suspects == "f":
                break
            if self._closed.wait(self._lease / 30):
                raise OSError("it is closed")  # It has not watched for long enough.
        while adopted := [session_id for (session_id,) in self._execute(_ADOPT, since=since)]:
            self._hold(*adopted)
            self._adopted.update(dict.fromkeys(adopted))
            yield
        yield  # what an earlier sweep left

    def _hold(self, *session_ids: str) -> None:
        """Let the thread renew these rows from now on."""
        with self._lock:
            self._held.update(dict.fromkeys(session_ids, object()))
            if not self._is_renewing:
                threading.Thread(target=self._renew, name="PostgresJournal", daemon=True).start()
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
            except Exception as error:
                logger.warning("The journal cannot renew its sessions: %s", reason_of(error))
                continue
            for session_id in held.keys() - renewed:
                with self._lock:
                    # Or else it was forgotten meanwhile, or recorded again.
                    is_taken = self._held.get(session_id) is held[session_id]
                    if is_taken:  # A call that forgets it does not wait for the lock.
                        self._held.pop(session_id, None)
                        self._drop_adopted(session_id)
                if is_taken:
                    logger.warning("session %a is another owner's now, and may be gone", session_id)

    def _execute(self, statement: str, **values: str | None) -> list[list[str]]:
        """Execute a statement in a transaction of its own, and again if others were in its way.

        Values are texts, both ways: what a connection makes of others depends on its settings.
        """
        psycopg = _psycopg()
        values |= {"label": self._service or "", "owner": self._owner, "lease": f"{self._lease} s"}
        query = statement.format(table=_TABLE, create=self.TABLE)
        ends = time.monotonic() + _SECONDS
        while True:
            try:
                with self._connect(ends) as connection:
                    cursor = psycopg.Cursor(connection)
                    result = cursor.execute(query, values, prepare=False).pgresult
                rows = range(result.ntuples)
                columns = range(result.nfields)
                return [
                    [result.get_value(row, column).decode(errors="replace") for column in columns]
                    for row in rows
                ]
            except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected):
                if time.monotonic() > ends:
                    raise
            except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
                error.add_note(f" A migration or create_table() must make it so:\n{self.TABLE}")
                raise
            time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - no secret


def _psycopg() -> Any:  # Any: a module that may be missing
    try:
        import psycopg  # noqa: PLC0415 - an extra
    except ImportError as error:  # It is not installed, or does not find libpq.
        install = 'pip install ".[postgres]" in a clone of the project'
        raise ImportError(f"PostgresJournal needs psycopg and libpq: {install}") from error
    return psycopg


def _own_connections(url: str) -> Callable[[float], AbstractContextManager[Any]]:  # Any: see above
    """Return a function that makes a connection for each call, so that a fork shares none."""
    psycopg = _psycopg()
    with suppress(psycopg.Error):  # It quotes the URL.
        options = {**psycopg.conninfo.conninfo_to_dict(url)}
        if url.startswith(("postgresql://", "postgres://")):
            # psycopg waits so long for each of several hosts: a third one must have its turn.
            hosts = options.get("host") or os.environ.get("PGHOST", "")
            timeout = options.get("connect_timeout") or os.environ.get("PGCONNECT_TIMEOUT")
            seconds = timeout or (2 if "," in hosts else 4)
            connect = partial(psycopg.connect, url, autocommit=True, connect_timeout=seconds)
            return partial(_connection, connect)
    raise ValueError("database must be a postgresql:// URL that libpq can read")


@contextmanager
def _connection(connect: Callable[[], Any], ends: float) -> Iterator[Any]:  # Any: see above
    """Connect, and shut the connection down when its time ends: a frozen server never would."""
    connecting: Future[Any] = Future()
    threading.Thread(target=_connect, args=(connect, connecting), daemon=True).start()
    try:
        connection = connecting.result(ends - time.monotonic())
    except TimeoutError:
        connecting.add_done_callback(lambda late: late.exception() or late.result().close())
        raise TimeoutError(f"no host has taken a connection for {_SECONDS} s") from None
    with connection, socket.socket(fileno=os.dup(connection.fileno())) as copy:
        timer = threading.Timer(ends - time.monotonic(), copy.shutdown, [socket.SHUT_RDWR])
        timer.start()
        try:
            yield connection
        finally:
            timer.cancel()
            timer.join()


def _connect(connect: Callable[[], Any], connecting: "Future[Any]") -> None:
    try:
        connecting.set_result(connect())
    except Exception as error:
        connecting.set_exception(error)
