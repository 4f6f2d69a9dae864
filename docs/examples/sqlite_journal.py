"""A journal in SQLite, and the conformance suite that tests it.

Call `create_database("sessions.db")` once. Then pass
`SqliteJournal("sessions.db", service="https://api.firecrawl.dev")` to your `DeleteSession`.
"""

import os
import re
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from firecrawl_interact import InvalidSessionIdError, JournalError
from firecrawl_interact.adapters.conformance import JournalTests
from firecrawl_interact.core import checked_session_id

TABLE = """CREATE TABLE sessions (
    service TEXT, session_id TEXT, owner TEXT, beat TEXT,
    PRIMARY KEY (service, session_id)
)"""
Row = tuple[str, ...]

# A child that is forked while SQLite has the file open would find it locked.
_in_use = threading.Lock()
os.register_at_fork(
    before=_in_use.acquire,
    after_in_parent=_in_use.release,
    after_in_child=_in_use.release,
)


def create_database(path: str) -> None:
    """Create the table, once."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(TABLE)


class SqliteJournal:
    """A row for each open session."""

    def __init__(self, path: str, *, service: str | None = None, lease: float = 60) -> None:
        self._path, self._lease = path, lease
        self._service = re.sub("(/v2|/)*$", "", service or "")
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def __reduce__(self) -> tuple[object, ...]:  # A pickle is another owner.
        make = partial(type(self), service=self._service, lease=self._lease)
        return make, (self._path,)

    def opened(self, session_id: str, /) -> None:
        """Record an open session."""
        checked_session_id(session_id)
        values = self._service, session_id, self._living(), uuid.uuid4().hex
        self._execute("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?)", *values)

    def gone(self, session_id: str, /) -> None:
        """Remove a session that is gone."""
        with suppress(InvalidSessionIdError):  # It was never recorded.
            delete = "DELETE FROM sessions WHERE service = ? AND session_id = ?"
            self._execute(delete, self._service, checked_session_id(session_id))

    def orphans(self) -> list[str]:
        """Return what dead owners left open."""
        return [session_id for session_id, *_ in self._watched()]

    def adopt_orphans(self) -> Iterator[str]:
        """Become the owner of each orphan, and give its id."""
        adopt = """UPDATE sessions SET owner = ?, beat = ?
            WHERE session_id = ? AND beat = ? RETURNING session_id"""
        for session_id, _, beat in self._watched():
            values = self._living(), uuid.uuid4().hex, session_id, beat
            if self._execute(adopt, *values):
                yield session_id

    def close(self) -> None:
        """Leave what is still recorded to a sweep."""
        owner = self._owner
        self._begin()
        with suppress(JournalError):  # They become orphans after a lease.
            self._execute("UPDATE sessions SET owner = '' WHERE owner = ?", owner)

    def _begin(self) -> None:
        """Become a new owner, without sessions."""
        self._owner, self._is_beating = uuid.uuid4().hex, False

    def _living(self) -> str:
        """Return the owner, and start its heartbeat."""
        if not self._is_beating:
            self._is_beating = True
            threading.Thread(target=self._beat, args=[self._owner], daemon=True).start()
        return self._owner

    def _beat(self, owner: str) -> None:
        while owner == self._owner:
            with suppress(JournalError):  # It beats again soon.
                update = "UPDATE sessions SET beat = ? WHERE owner = ?"
                self._execute(update, uuid.uuid4().hex, owner)
            time.sleep(self._lease / 4)

    def _watched(self) -> set[Row]:
        """Return others' rows without a heartbeat for a lease, and closed ones."""
        others = """SELECT session_id, owner, beat FROM sessions
            WHERE service = ? AND owner <> ?"""
        values = self._service, self._owner
        found = set(self._execute(others, *values))
        for _ in range(8):
            if any(owner for _, owner, _ in found):
                time.sleep(self._lease / 8)
                found &= set(self._execute(others, *values))
        return found

    def _execute(self, statement: str, *values: str) -> list[Row]:
        name = f"file:{self._path}?mode=rw"
        try:
            with _in_use, closing(sqlite3.connect(name, uri=True)) as connection, connection:
                return connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            session_id = values[1] if statement.startswith("INSERT") else None
            message = f"the database fails: {error}"
            raise JournalError(message, session_id=session_id) from error


# From here on, it is tested.


class TestSqliteJournal(JournalTests):
    """The conformance suite: `pytest sqlite_journal.py`."""

    lease = 2

    @pytest.fixture(autouse=True)
    def _make_database(self, tmp_path: Path) -> None:
        self.path = tmp_path / "journal"
        create_database(str(self.path))

    def make_journal(self, service: str) -> SqliteJournal:
        """Return a new owner."""
        return SqliteJournal(str(self.path), service=service, lease=self.lease)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Make the database unavailable."""
        elsewhere = self.path.rename(self.path.with_name("elsewhere"))
        try:
            yield
        finally:
            elsewhere.rename(self.path)
