"""`FileJournal`: who is alive, who is dead, and whose a session is.

    4f1c.jsonl         the own file of the owner 4f1c: one `FileJournal` in one process. It is
                       locked (flock) until it is closed or its process ends, however it ends
    4f1c.new           an own file that is not finished; renamed once it is locked and written
    4f1c.93b0.jsonl    a file of the dead owner 93b0 that 4f1c has adopted

    93b0.new --renamed--> 93b0.jsonl --93b0 dies--> an orphan --renamed--> 4f1c.93b0.jsonl
                                                        ^                         |
                                                        +-------4f1c dies---------+

An owner is dead when its own file is unlocked or missing. It stays dead: owners' names are random
and never used again. The files of a dead owner are orphans, and to rename an orphan is to adopt
it. Only one rename succeeds, so two sweepers never get the same id. No id is ever copied to
another owner's file, so there is no moment at which a killed process leaves it twice, or nowhere.

An adopted file is removed with its last open session. An own file is removed when it is closed
with nothing open, and replaced by a shorter one when most of its lines are about sessions that
are gone.
"""

import os
import re
import sys
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Self

from firecrawl_interact.core.journal import JournalError
from firecrawl_interact.core.logger import logger
from firecrawl_interact.core.session_ids import checked_session_id

from .files import (
    AdoptedFile,
    OwnFile,
    is_dead,
    list_files,
    make_directory,
    remove_unfinished_files,
    sync,
)
from .lines import Content, read

_END_OF_AN_ADDRESS = re.compile(r"(?:/+v2)*/*\Z")  # Transports take it as if it were not there.


class FileJournal:
    """A `Journal` in a directory of a local file system, on Linux or macOS.

    Processes may share the directory; threads and tasks may share the journal. A network file
    system does not do: its locks can outlive a process, or end before it. A forked child holds
    nothing of its parent's, and a pickle makes another journal in the same directory.

    Args:
        directory: where the files are. It is created, with mode 0700, if it does not exist.
        service: a label, the service's `api_url` as a rule. A `/v2` at its end does not count.
            Orphans of another label are left alone: another service would not find these
            sessions, and they would be forgotten.

    Raises:
        JournalError: this is neither Linux nor macOS, or the directory cannot be created.
        TypeError: `service` is neither a str nor None.
    """

    def __init__(self, directory: str | os.PathLike[str], *, service: str | None = None) -> None:
        if sys.platform not in ("linux", "darwin"):
            raise JournalError(f"FileJournal needs Linux or macOS, but this is {sys.platform}")
        if service is not None and not isinstance(service, str):
            raise TypeError(f"service must be a str or None, not {type(service).__name__}")
        self._directory = Path(directory).absolute()
        self._service = service if service is None else _END_OF_AN_ADDRESS.sub("", service)
        self._closed = False
        try:
            make_directory(self._directory)
        except OSError as error:
            raise JournalError(f"{self._directory} cannot be created: {error}") from error
        self._start()

    def _start(self) -> None:
        self._own = OwnFile(self._directory, self._service)
        _own_files.add(self._own)
        self._adopted: dict[str, AdoptedFile] = {}  # the file that holds each adopted id
        self._not_yielded: OrderedDict[str, None] = OrderedDict()

    def __repr__(self) -> str:
        return f"FileJournal({str(self._directory)!r}, service={self._service!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), service=self._service), (str(self._directory),)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the sessions that are still open: from now on they are orphans."""
        with _lock:
            self._closed = True
            self._own.close()
            self._not_yielded.clear()
            _own_files.discard(self._own)

    def opened(self, session_id: str | uuid.UUID, /) -> None:
        """Record that a session is open. Once this returns, the id outlives even a power cut.

        Raises:
            InvalidSessionIdError: no session has such an id.
            JournalError: it is not recorded for certain. The session is still open.
        """
        checked = checked_session_id(session_id)
        advice = "The session is still open, and no sweep knows of it: delete it."
        with self._in_use("cannot record that it is open", advice, checked):
            self._not_yielded.pop(checked, None)
            if checked not in self._adopted:
                self._own.add(checked)

    def gone(self, session_id: str | uuid.UUID, /) -> None:
        """Forget a session that is destroyed for certain. An id that is not held changes nothing.

        Raises:
            JournalError: the files may still hold the id.
        """
        text = str(session_id)
        if self._closed:
            return
        with self._in_use("cannot forget it", "A sweep deletes it once more, which is safe.", text):
            self._not_yielded.pop(text, None)
            if text in self._own.ids:
                self._own.remove(text)
            elif text in self._adopted:
                self._adopted.pop(text).remove(text)

    def orphans(self) -> list[str]:
        """List what `adopt_orphans` would yield now. Nothing is adopted, written or removed.

        Raises:
            JournalError: the directory cannot be read.
        """
        words = "cannot list its orphans", "Nothing was changed."
        with self._in_use(*words):
            files = list_files(self._directory)
        found = [session_id for _, ids in self._orphans_among(files) for session_id in ids]
        with self._in_use(*words):
            held = self._ids_of_the_living() | self._own.ids | self._adopted.keys()
            orphans = [session_id for session_id in found if session_id not in held]
            return list(dict.fromkeys([*self._not_yielded, *orphans]))

    def adopt_orphans(self) -> Iterator[str]:
        """Take over the sessions that dead processes left open, and yield their ids.

        An id is this journal's, durably, before it is yielded, and no other journal gets it while
        this one lives. It is yielded once. An id that another living journal holds too is left to
        that one. Files that hold nothing any more are removed. Lines that cannot be read and
        orphans of another label are left out, with a warning for each file.

        Raises:
            JournalError: the directory cannot be read or written. No id is lost.
        """
        words = "cannot adopt its orphans", "None of them is lost."
        with self._in_use(*words):
            remove_unfinished_files(self._directory)
            files = list_files(self._directory)
        for path, ids in self._orphans_among(files):
            with self._in_use(*words):
                self._adopt(path, ids)
        with self._in_use(*words):
            for session_id in self._ids_of_the_living():
                if session_id in self._not_yielded:
                    del self._not_yielded[session_id], self._adopted[session_id]
        while True:
            with _lock:
                if self._own.is_abandoned or not self._not_yielded:
                    return
                session_id, _ = self._not_yielded.popitem(last=False)
            yield session_id

    def _adopt(self, path: Path, ids: list[str]) -> None:
        if not ids:
            path.unlink(missing_ok=True)
            return
        self._own.put_in_place()  # Without an own file, an owner counts as dead.
        dead_owner = path.name.split(".")[-2]
        try:
            path = path.rename(path.with_name(f"{self._own.owner}.{dead_owner}.jsonl"))
        except FileNotFoundError:
            return  # Another sweeper was faster.
        sync(path)
        file = AdoptedFile(path, len(ids))
        for session_id in ids:
            if session_id in self._own.ids or session_id in self._adopted:
                file.remove(session_id)  # Another file of this journal says that it is open.
            else:
                self._adopted[session_id] = file
                self._not_yielded[session_id] = None

    def _orphans_among(self, files: Iterable[tuple[Path, str]]) -> Iterator[tuple[Path, list[str]]]:
        """Give each orphan for this journal's service, and its ids. Warn of what is left out."""
        # Not under the lock: a fork waits for it, and for the locks of `logging`.
        for path, owner in files:
            try:
                if not is_dead(self._directory, owner):
                    continue
                content = read(path)
            except FileNotFoundError:
                continue  # Another sweeper was faster.
            except OSError as error:
                logger.warning("The journal's file %s is left alone: %s", path, error)
                continue
            if reason := self._reason_to_leave(content):
                logger.warning("The journal's file %s is left alone: %s", path, reason)
                continue
            if content.unreadable:
                text = "The journal's file %s: skipped %d lines that cannot be read, first %.99r"
                logger.warning(text, path, content.unreadable, content.first_unreadable)
            yield path, content.ids

    def _reason_to_leave(self, content: Content) -> str | None:
        if content.label is None and content.first_unreadable.endswith(b"\n"):
            return "its first line does not say of which service its sessions are"
        if content.label is not None and content.ids and content.label.service != self._service:
            theirs, ours = content.label.service, self._service
            return (
                f"its open sessions ({len(content.ids)}) are of service={theirs!r}, and this "
                f"journal is for service={ours!r}. Adopt them with a journal for the former"
            )
        return None

    def _ids_of_the_living(self) -> set[str]:
        """Return what other owners hold now."""
        held: set[str] = set()
        for path, owner in list_files(self._directory):
            with suppress(OSError):  # A file that goes meanwhile had no living owner.
                if owner != self._own.owner and not is_dead(self._directory, owner):
                    held.update(read(path).ids)
        return held

    @contextmanager
    def _in_use(self, problem: str, advice: str, session_id: str | None = None) -> Iterator[None]:
        """Hold the lock, and turn what the system refuses into a `JournalError`."""

        def failure(reason: object) -> JournalError:
            subject = "The" if session_id is None else f"Session {session_id!r}: the"
            message = f"{subject} journal {self._directory} {problem}: {reason}. {advice}"
            return JournalError(message, session_id=session_id)

        with _lock:
            if self._closed:
                raise failure("it is closed")
            if self._own.is_abandoned:
                self._start()
            try:
                yield
            except OSError as error:
                raise failure(error) from error


_own_files: set[OwnFile] = set()
"""Those of the journals that are not closed, so that a forked child can close its copies."""

_lock = threading.RLock()
"""One for all journals. A fork waits for it, so that the child finds no work half done."""


def _abandon_files() -> None:
    global _lock  # noqa: PLW0603 - the parent's threads, which may wait for it, are not here
    for file in _own_files:
        file.abandon()
    _own_files.clear()
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _lock.acquire(),  # noqa: PLW0108 - the lock of the time of the fork
        after_in_parent=lambda: _lock.release(),  # noqa: PLW0108 - the same
        after_in_child=_abandon_files,
    )
