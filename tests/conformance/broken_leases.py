"""Journals in PostgreSQL that break a promise as others have done."""

import time
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import psycopg

from ..postgres import ShortLease


class NeverWatches(ShortLease):
    """Trusts the lease alone, so an outage makes orphans of all."""

    def _execute(self, statement: str, **values: object) -> list[Any]:
        try:
            rows = super()._execute(statement, **values)
        except psycopg.Error:
            if "held" in values:  # The renewal is in no hurry.
                time.sleep(2)
            raise
        return [(rows[0][0], False)] if "EXISTS" in statement else rows  # Nobody is a suspect.


class AdvisoryLock(ShortLease):
    """Lives as long as it holds an advisory lock: a pooler gives that to whoever comes next."""

    def __init__(self, url: str, *, service: str | None = None) -> None:
        super().__init__(url, service=service)
        self._kept = psycopg.connect(url, autocommit=True, prepare_threshold=None)
        self._gets_lock_of(self._owner)

    def _gets_lock_of(self, owner: str) -> bool:
        key = crc32(owner.encode())
        return self._kept.execute("SELECT pg_try_advisory_lock(%s)", [key]).fetchone() == (True,)

    def _orphans(self) -> list[str]:
        rows = self._execute(
            """SELECT session_id, owner FROM {table}
            WHERE service = %(label)s AND owner <> %(owner)s"""
        )
        return [session_id for session_id, owner in rows if self._gets_lock_of(owner)]

    def _adopt(self) -> Iterator[bool]:
        self._not_yielded.update(dict.fromkeys(self._orphans(), False))
        yield True

    def close(self) -> None:
        self._kept.close()
        super().close()
