"""Journals in PostgreSQL that break a promise as others have done."""

import os
import time
from collections.abc import Iterator
from functools import partial
from typing import Any
from zlib import crc32

import psycopg

from ..postgres import ShortLease


class NeverWatches(ShortLease):
    """Trusts the lease alone, so an outage makes orphans of all."""

    def _watch(self) -> object:
        [(deadline,)] = self._execute("SELECT now() - interval '2 seconds'")
        return deadline

    def _execute(self, statement: str, **values: object) -> list[Any]:
        try:
            return super()._execute(statement, **values)
        except psycopg.Error:
            if "held" in values:  # The renewal is in no hurry.
                time.sleep(2)
            raise


class AdvisoryLock:
    """Lives as long as it holds an advisory lock: a pooler gives that to whoever comes next."""

    def __init__(self, url: str, *, service: str | None = None) -> None:
        self._url, self._service = url, service or ""
        self._owner = os.urandom(8).hex()
        self._connection = psycopg.connect(url, autocommit=True, prepare_threshold=None)
        self._try_lock(self._owner)

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), service=self._service), (self._url,)

    def _execute(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        cursor = self._connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []

    def _try_lock(self, owner: object) -> bool:
        key = crc32(str(owner).encode())
        return bool(self._execute("SELECT pg_try_advisory_lock(%s)", key)[0][0])

    def opened(self, session_id: str, /) -> None:
        self._execute(
            "INSERT INTO firecrawl_interact_open_sessions VALUES (%s, %s, %s)",
            *(session_id, self._service, self._owner),
        )

    def gone(self, session_id: str, /) -> None:
        table = "firecrawl_interact_open_sessions"
        self._execute(f"DELETE FROM {table} WHERE session_id = %s", session_id)  # noqa: S608

    def orphans(self) -> list[str]:
        table = "firecrawl_interact_open_sessions"
        rows = self._execute(
            f"SELECT session_id, owner FROM {table} WHERE service = %s",  # noqa: S608
            self._service,
        )
        others = [(str(one), owner) for one, owner in rows if owner != self._owner]
        return [one for one, owner in others if self._try_lock(owner)]

    def adopt_orphans(self) -> Iterator[str]:
        yield from self.orphans()

    def close(self) -> None:
        self._connection.close()
