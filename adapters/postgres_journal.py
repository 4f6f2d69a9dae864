"""The open sessions of the processes of many hosts: a row for each, in a table of PostgreSQL.

An owner is one `PostgresJournal` in one process. While it has sessions open, it renews their rows
four times a lease, in a thread. A row that was not renewed for a lease is suspected; what is still
not renewed after a sweeper has watched for half a lease is an orphan. All times are the database's,
and only those count in which it responds: an outage makes no living owner's session an orphan.
"""

import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, ClassVar

from firecrawl_interact.core.journal import LeftAlone
from firecrawl_interact.core.logger import logger

from .owned_journal import OwnedJournal

_LONGEST_CALL = 5  # in seconds, on connections of its own; 4 of them are for connecting
_OPENED = """INSERT INTO firecrawl_interact_open_sessions (session_id, service, owner)
    VALUES (%s, %s, %s) ON CONFLICT (service, session_id)
    DO UPDATE SET owner = excluded.owner, opened_at = now(), renewed_at = now()"""
_GONE = "DELETE FROM firecrawl_interact_open_sessions WHERE session_id = %s AND service = %s"
_RENEW = """WITH renewed AS (UPDATE firecrawl_interact_open_sessions SET renewed_at = now()
        WHERE owner = %s AND renewed_at > '-infinity')
    SELECT session_id FROM firecrawl_interact_open_sessions
    WHERE service = %s AND owner <> %s AND session_id = ANY(%s)"""
_CLOSE = "UPDATE firecrawl_interact_open_sessions SET renewed_at = '-infinity' WHERE owner = %s"
_SUSPECTS = """SELECT deadline, EXISTS (SELECT FROM firecrawl_interact_open_sessions
        WHERE service = %s AND renewed_at > '-infinity' AND renewed_at < deadline)
    FROM coalesce(%s, now() - %s * interval '1 second') AS deadline"""
_FORGET = """DELETE FROM firecrawl_interact_open_sessions
    WHERE service = %s AND renewed_at < %s AND opened_at < now() - interval '1 day'
    RETURNING session_id"""
_ADOPT = """WITH orphan AS MATERIALIZED (
        SELECT session_id FROM firecrawl_interact_open_sessions
        WHERE service = %s AND renewed_at < %s LIMIT 1000 FOR UPDATE SKIP LOCKED
    )
    UPDATE firecrawl_interact_open_sessions AS adopted SET owner = %s, renewed_at = now()
    FROM orphan WHERE adopted.service = %s AND adopted.session_id = orphan.session_id
    RETURNING adopted.session_id"""
_ORPHANS = """SELECT session_id FROM firecrawl_interact_open_sessions WHERE service = %s
    AND renewed_at < now() - %s * interval '1 second' AND opened_at > now() - interval '1 day'"""
_OTHERS = """SELECT service, renewed_at >= now() - %s * interval '1 second', count(*)
    FROM firecrawl_interact_open_sessions WHERE owner <> %s GROUP BY 1, 2"""

Connect = Callable[[], AbstractContextManager[Any]]  # Any: psycopg's, or what a pool makes of it


class PostgresJournal(OwnedJournal):
    """A `Journal` for the processes of many hosts.

    A killed process's sessions are orphans after a lease of 60 s, and a sweep then watches them
    for 30 s. A process that is paused or cut off for longer than both counts as dead. A forked
    child holds nothing of its parent's, and a pickle makes another journal in the same database
    (the pickle holds the URL, with its password). Every call ends within 5 s, on connections of its
    own, and whatever the database refuses is a `JournalError`.

    Args:
        database: a `postgresql://` URL, or a function whose block gives a connection of psycopg
            and commits at its end, as `ConnectionPool.connection` does. libpq's variables and its
            passfile count.
        service: a label, the service's `api_url` as a rule. Orphans of another label are left
            alone: another service would not find these sessions, and they would be forgotten.
    """

    TABLE: ClassVar[str] = """CREATE TABLE firecrawl_interact_open_sessions (
    session_id text NOT NULL,
    service text NOT NULL,
    owner text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now(),
    renewed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service, session_id)
);
CREATE INDEX ON firecrawl_interact_open_sessions (owner);
"""  #: for your migrations; or call `create_table()`
    _lease: ClassVar[float] = 60  # in seconds. A sweeper with a shorter one would adopt the living.

    def __init__(self, database: str | Connect, *, service: str | None = None) -> None:
        self._connect = _own_connections(database) if isinstance(database, str) else database
        super().__init__("journal in PostgreSQL", database, service)
        self._label = self._service or ""

    def _start_anew(self) -> None:
        super()._start_anew()
        self._owner = os.urandom(8).hex()
        self._lock = threading.Lock()  # of what is held and of the thread, during no statement
        self._renewer: threading.Thread | None = None
        self._ending = threading.Event()

    def __repr__(self) -> str:
        shown = repr(self._place)
        if isinstance(self._place, str):
            shown = re.sub(r"(?<=//).*@|\?.*(?=')", "", shown)
        return f"PostgresJournal({shown}, service={self._service!r})"

    def create_table(self) -> None:
        """Create the table, if it does not exist. Any number of processes may do so at once."""
        with self._errors("cannot create its table", "Nothing was changed."):
            try:
                self._execute(self.TABLE)
            except Exception as error:
                with suppress(Exception):  # Was somebody faster?
                    self._execute(_CLOSE, "nobody")
                    return
                raise error  # noqa: TRY201 - it is not the one of the second statement

    def close(self) -> None:
        """Give up the sessions that are still open: from now on they are orphans."""
        self._closed = True
        self._ending.set()
        if self._held:
            self._held.clear()
            try:
                self._execute(_CLOSE, self._owner)
            except Exception as error:
                text = "The journal cannot be closed: its sessions are orphans in %g s: %s"
                logger.warning(text, self._lease, error)

    def left_alone(self) -> LeftAlone:
        """Count what a sweep leaves alone: what the living hold, and orphans of other labels."""
        with self._errors("cannot be read", "Nothing was changed."):
            found = self._execute(_OTHERS, self._lease, self._owner)
        living = sum(count for label, lives, count in found if label == self._label and lives)
        others = {one: count for one, lives, count in found if one != self._label and not lives}
        return LeftAlone(living, {one or None: count for one, count in others.items()}, [])

    def _record(self, session_id: str) -> None:
        self._execute(_OPENED, session_id, self._label, self._owner)
        self._hold(session_id)

    def _forget(self, session_id: str) -> None:
        self._execute(_GONE, session_id, self._label)

    def _orphans(self) -> list[str]:
        """List what is suspected: a living owner may still renew some of it."""
        return [one for (one,) in self._execute(_ORPHANS, self._label, self._lease)]

    def _adopt(self) -> Iterator[bool]:
        """Adopt a batch of orphans at each step, after half a lease in which none is renewed."""
        deadline = self._watch()
        for (session_id,) in self._execute(_FORGET, self._label, deadline):
            text = "The journal forgets session %r: none lives longer than a day"
            logger.warning(text, session_id)
        while rows := self._execute(_ADOPT, self._label, deadline, self._owner, self._label):
            self._hold(*(one for (one,) in rows))
            self._not_yielded.update(dict.fromkeys(one for (one,) in rows))
            yield True

    def _watch(self) -> object:
        """Wait until a living owner would have renewed what is suspected. Gives the deadline."""
        watched, pause, deadline = 0.0, self._lease / 30, None
        while True:
            values = self._label, deadline, self._lease
            [(deadline, any_suspects)] = self._execute(_SUSPECTS, *values)
            began = time.monotonic()
            if not any_suspects or watched >= self._lease / 2 or self._ending.wait(pause):
                return deadline
            # The time of a statement does not count: it may have waited, as owners did.
            watched += min(time.monotonic() - began, 2 * pause)

    def _hold(self, *session_ids: str) -> None:
        """Renew these rows from now on."""
        with self._lock:
            self._held.update(session_ids)
            if self._renewer is None:
                thread = threading.Thread(target=self._renew, name="PostgresJournal", daemon=True)
                thread.start()
                self._renewer = thread

    def _renew(self) -> None:
        """Renew the rows, as long as there are any."""
        seconds = self._lease / 4
        while not self._ending.wait(seconds):
            with self._lock:
                held = list(self._held)
                if not held:
                    self._renewer = None
                    return
            seconds = self._lease / 4
            try:
                values = self._owner, self._label, self._owner, held
                for (session_id,) in self._execute(_RENEW, *values):
                    self._held.discard(session_id)
                    text = "session %a is another journal's now, which has recorded or adopted it"
                    logger.warning(text, session_id)
            except Exception as error:
                logger.warning("The journal cannot renew its sessions: %s", error)
                seconds = self._lease / 12

    def _execute(self, statement: str, *values: object) -> list[Any]:  # Any: rows of values
        with self._connect() as connection:
            cursor = connection.execute(statement, values)
            return list(cursor.fetchall()) if cursor.description else []

    def _reason(self, error: Exception) -> str:
        is_missing = getattr(error, "sqlstate", None) == "42P01"  # undefined_table
        advice = f". Call create_table(), or let a migration say:\n{self.TABLE}"
        return super()._reason(error) + (advice if is_missing else "")


def _own_connections(url: str) -> Connect:
    """Return what makes a connection for each call: nothing is shared by a fork."""
    try:
        import psycopg  # noqa: PLC0415 - an extra
    except ImportError as error:  # It is not there, or does not find libpq.
        install = 'pip install "firecrawl-interact[postgres]"'
        raise ImportError(f"PostgresJournal needs psycopg and libpq: {install}") from error

    is_url = url.startswith(("postgresql://", "postgres://"))
    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:  # It quotes the URL.
        is_url = False
    if not is_url:
        raise ValueError("database must be a postgresql:// URL that libpq can read")

    @contextmanager
    def connect() -> Iterator[Any]:  # Any: see above
        ends = time.monotonic() + _LONGEST_CALL
        with (
            psycopg.connect(
                url, autocommit=True, prepare_threshold=None, connect_timeout=_LONGEST_CALL - 1
            ) as connection,
            socket.socket(fileno=os.dup(connection.fileno())) as copy,
        ):
            # A server that is frozen never ends a connection, so this does.
            timer = threading.Timer(ends - time.monotonic(), copy.shutdown, [socket.SHUT_RDWR])
            timer.start()
            try:
                yield connection
            finally:
                timer.cancel()
                timer.join()

    return connect
