"""Journals that break one promise each, around one that keeps them all."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import psycopg

from firecrawl_interact.adapters import FileJournal
from firecrawl_interact.adapters.journals.base import closed_in_child
from firecrawl_interact.core import InvalidSessionIdError, JournalError

from ..postgres import ShortLease

FOUND: list[tuple[type["Broken"], str]] = []
"""A broken journal, and the case that finds it."""

Id: TypeAlias = Any  # The kit passes texts alone.


class Broken(FileJournal):
    """Keeps every promise, until somebody changes it."""

    process = 0

    def __init_subclass__(cls, found_by: str = "", and_by: str = "") -> None:
        FOUND.extend((cls, case) for case in [*found_by.split(), *and_by.split()])

    def __init__(self, directory: str, *, service: str | None = None) -> None:
        super().__init__(directory, service=service)
        self.directory, self.service = directory, service
        self.process = os.getpid()
        self.mine: set[str] = set()

    def opened(self, session_id: Id, /) -> None:
        super().opened(session_id)
        self.mine.add(session_id)

    def gone(self, session_id: Id, /) -> None:
        super().gone(session_id)
        self.mine.discard(session_id)


class ForgetsWhenClosed(Broken, found_by="a-closed-journals-session-is-an-orphan"):
    def close(self) -> None:
        for session_id in self.mine:
            super().gone(session_id)
        super().close()


class LeavesWhatLives(
    Broken,
    found_by="a-living-journals-session-is-no-orphan",
    and_by="owners-come-and-go-during-sweeps",
):
    def opened(self, session_id: Id, /) -> None:
        with FileJournal(self.directory, service=self.service) as other:
            other.opened(session_id)


class ForgetsItsOwnAlone(Broken, found_by="what-is-gone-is-no-orphan"):
    def gone(self, session_id: Id, /) -> None:
        if session_id in self.mine:
            super().gone(session_id)


class ForgetsWhereItWasRecorded(Broken, found_by="what-is-gone-is-forgotten-whoever-holds-it"):
    def gone(self, session_id: Id, /) -> None:
        (self._make_own_directory() / session_id).unlink(missing_ok=True)


class RaisesForTheUnknown(Broken, found_by="gone-of-an-unknown-id-changes-nothing"):
    def gone(self, session_id: Id, /) -> None:
        if session_id not in self.mine:
            raise JournalError("no such session", session_id=session_id)
        super().gone(session_id)


class Counts(Broken, found_by="a-session-may-be-recorded-again"):
    twice: ClassVar[set[str]] = set()

    def opened(self, session_id: Id, /) -> None:
        self.twice.update({session_id} & self.mine)
        super().opened(session_id)

    def gone(self, session_id: Id, /) -> None:
        if session_id not in self.twice:
            super().gone(session_id)


class KnowsNoService(Broken, found_by="orphans-of-another-service-are-left-alone"):
    def __init__(self, directory: str, *, service: str | None = None) -> None:
        super().__init__(directory, service=service and service.removesuffix("/other"))


class TakesAddressesLiterally(Broken, found_by="an-address-is-one-label-however-it-ends"):
    def __init__(self, directory: str, *, service: str | None = None) -> None:
        super().__init__(directory, service=f"{service}#")


class ForgetsWhatItAdopts(Broken, found_by="an-adopted-session-is-its-adopters"):
    def adopt_orphans(self) -> Iterator[str]:
        for session_id in super().adopt_orphans():
            super().gone(session_id)
            yield session_id


class YieldsBeforeItAdopts(
    Broken,
    found_by="a-yielded-session-is-no-other-sweepers",
    and_by="two-threads-share-the-orphans",
):
    def adopt_orphans(self) -> Iterator[str]:
        yield from super().orphans()
        for _ in super().adopt_orphans():
            pass


class DropsTheRest(Broken, found_by="a-sweep-left-half-way-loses-nothing"):
    def adopt_orphans(self) -> Iterator[str]:
        yield from list(super().adopt_orphans())


class AdoptsWhatItLists(Broken, found_by="a-closed-journals-session-is-an-orphan"):
    def orphans(self) -> list[str]:
        return list(super().adopt_orphans())


class BelongsToTheFirst(Broken, found_by="a-session-handed-to-another-journal-is-that-ones"):
    known: ClassVar[set[tuple[str | None, str]]] = set()

    def opened(self, session_id: Id, /) -> None:
        if (self.service, session_id) not in self.known:
            self.known.add((self.service, session_id))
            super().opened(session_id)


class FoldsCase(Broken, found_by="every-sendable-id-is-kept-as-it-is"):
    def opened(self, session_id: Id, /) -> None:
        super().opened(session_id.lower())


class TakesAnything(Broken, found_by="a-closed-journal-takes-and-gives-nothing"):
    def opened(self, session_id: Id, /) -> None:
        with contextlib.suppress(InvalidSessionIdError, JournalError):
            super().opened(session_id)


class EndsWhenPickled(Broken, found_by="a-pickle-is-another-journal-there"):
    def __reduce__(self) -> tuple[object, ...]:
        super().close()
        return super().__reduce__()


class ShowsItsPlace(Broken, found_by="a-repr-shows-no-secret"):
    def __repr__(self) -> str:
        return self.directory


class WritesWhenClosed(
    Broken, found_by="a-killed-process-leaves-orphans", and_by="a-stopped-process-loses-nothing"
):
    def opened(self, session_id: Id, /) -> None:
        self.mine.add(session_id)

    def close(self) -> None:
        for session_id in self.mine:
            super().opened(session_id)
        super().close()


class WritesLate(Broken, found_by="processes-killed-at-any-moment-lose-nothing"):
    def opened(self, session_id: Id, /) -> None:
        self.mine.add(session_id)
        for late in self.mine if len(self.mine) % 50 == 0 else ():
            super().opened(late)


class LosesWhatWasHandedOn(Broken, found_by="what-two-dead-owners-had-goes-to-one-sweeper"):
    def adopt_orphans(self) -> Iterator[str]:
        records = [record.name for record in Path(self.directory).glob("*/*/*")]
        for session_id in super().adopt_orphans():
            if records.count(session_id) == 1:
                yield session_id


class YieldsItsParents(Broken, found_by="a-forked-child-holds-and-harms-nothing"):
    def adopt_orphans(self) -> Iterator[str]:
        yield from self.mine if os.getpid() != self.process else ()
        yield from super().adopt_orphans()


class SharesItsLock(Broken, found_by="a-forked-childs-session-is-its-own"):
    def opened(self, session_id: Id, /) -> None:
        super().opened(session_id)
        closed_in_child.clear()  # In a child, the lock of its parent stays open.


class HoldsALockOverForks(Broken, found_by="a-fork-amid-records-leaves-both-whole"):
    lock: ClassVar[threading.Lock] = threading.Lock()

    def opened(self, session_id: Id, /) -> None:
        with self.lock:
            super().opened(session_id)


class LetsOtherErrorsOut(Broken, found_by="an-outage-is-a-journal-error"):
    def opened(self, session_id: Id, /) -> None:
        try:
            super().opened(session_id)
        except JournalError as error:
            raise OSError(str(error)) from error


class SweepsOnce(Broken):
    """Only some orders of calls find it: the test of the shortest one plays it."""

    has_swept = False

    def adopt_orphans(self) -> Iterator[str]:
        if not self.has_swept:
            yield from super().adopt_orphans()
            self.has_swept = True


class NeverWatches(ShortLease):
    """Trusts the lease alone, so an outage makes orphans of all."""

    def _execute(self, statement: str, **values: str | None) -> list[list[str]]:
        try:
            rows = super()._execute(statement, **values)
        except psycopg.Error:
            if "held" in values:  # The renewal is in no hurry.
                time.sleep(2)
            raise
        return [[rows[0][0], "false"]] if "EXISTS" in statement else rows  # Nobody is a suspect.
