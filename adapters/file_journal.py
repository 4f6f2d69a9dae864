"""The open sessions of the processes of one host: an empty file for each, named by its id.

    open-sessions/service=https%3A%2F%2Fapi.firecrawl.dev/93b0f2e4a1c85d67/0199a7c4-5d1e-7b60-9f3a
    the directory/the label                              /the owner       /the session that it has

An owner is one `FileJournal` in one process. Its directory is locked (flock) until the journal is
closed or the process ends, however it ends. Each step is one system call, which happens or does
not: to record is to create a file, to forget is to remove it, to adopt is to move it into one's
own directory. Only one move succeeds, so two sweepers never get the same id.
"""

import os
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote

from firecrawl_interact.core.journal import JournalError, LeftAlone
from firecrawl_interact.core.logger import logger

from .owned_journal import OwnedJournal

if sys.platform in ("linux", "darwin"):
    import fcntl

_LABEL = "service="
_RECORD = re.compile(r"(?!\.\.?\Z)(?:%?[a-z]|[0-9._~-])+")


class FileJournal(OwnedJournal):
    """A `Journal` in a directory of a local file system, on Linux or macOS.

    What is recorded outlives even a power cut. Processes may share the directory, and threads the
    journal; a forked child or a pickle makes another one there. A network file system does not
    do: its locks can outlive a process, or end before it.

    Args:
        directory: where the files are. It is created, with mode 0700, if it does not exist.
        service: a label, the service's `api_url` as a rule. Orphans of another label are left
            alone: another service would not find these sessions, and they would be forgotten.
    """

    _descriptor = -1  # of the own directory, which is locked; -1: there is none yet

    def __init__(self, directory: str | os.PathLike[str], *, service: str | None = None) -> None:
        if sys.platform not in ("linux", "darwin"):
            raise JournalError(f"FileJournal needs Linux or macOS, but this is {sys.platform}")
        self._directory = Path(directory).absolute()
        super().__init__(f"journal {self._directory}", str(self._directory), service)
        self._owners = self._directory / f"{_LABEL}{quote(self._service or '', safe='')}"
        self._own = self._owners / "none yet"
        try:
            for one in [*reversed(self._directory.parents), self._directory]:
                if not one.is_dir():
                    one.mkdir(mode=0o700, exist_ok=True)  # Another process may have been faster.
                    _sync(one.parent)
        except OSError as error:
            raise JournalError(f"{self._directory} cannot be created: {error}") from error

    def _start_anew(self) -> None:
        super()._start_anew()
        self._unlock()

    def __repr__(self) -> str:
        return f"FileJournal({self._place!r}, service={self._service!r})"

    def __del__(self) -> None:
        # One that is forgotten gives its descriptor back. What it has open stays its process's.
        if self._descriptor >= 0:
            with suppress(OSError):
                self._own.rmdir()
                self._unlock()

    def close(self) -> None:
        """Give up the sessions that are still open: from now on they are orphans."""
        with _lock:
            self._closed = True
            if self._descriptor >= 0:
                with suppress(OSError):
                    self._own.rmdir()
                self._unlock()

    def left_alone(self) -> LeftAlone:
        """Count what a sweep leaves alone."""
        living, others, unreadable = 0, Counter[str | None](), []
        with self._errors("cannot be read", "Nothing was changed."):
            for label in self._directory.iterdir():
                is_label = label.name.startswith(_LABEL)
                service = unquote(label.name.removeprefix(_LABEL)) or None
                for owner in _entries(label) if is_label else [label]:
                    count, is_locked = len(_records(owner)), _is_locked(owner)
                    if not is_label or (is_locked is None and owner.exists()):
                        unreadable.append(str(owner))
                    elif label != self._owners:
                        others[service] += 0 if is_locked else count
                    elif owner != self._own:
                        living += count if is_locked else 0
                        unreadable += [str(owner)] if len(_entries(owner)) > count else []
        return LeftAlone(living, dict(+others), unreadable)

    def _record(self, session_id: str) -> None:
        with _lock:
            self._put_in_place()
            record = f"{self._own}/{_name(session_id)}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK  # There may be a FIFO.
            os.close(os.open(record, flags, 0o600))
            os.utime(record)
            _sync(self._own)
            self._held.add(session_id)

    def _forget(self, session_id: str) -> None:
        with _lock:
            (self._own / _name(session_id)).unlink(missing_ok=True)

    def _orphans(self) -> list[str]:
        dead, living = self._other_owners()
        held = self._held.union(_id(one.name) for one in _records(*living))
        young = [_id(one.name) for one in _records(*dead) if not _is_old(one)]
        return [session_id for session_id in young if session_id not in held]

    def _adopt(self) -> Iterator[bool]:
        with _lock:
            dead, _ = self._other_owners()
            if records := _records(*dead):
                self._put_in_place()
            for record in records:
                with suppress(FileNotFoundError):  # Another sweeper was faster.
                    self._take(record, _id(record.name))
            if self._descriptor >= 0:
                _sync(self._own)
            for owner in dead:
                with suppress(OSError):  # Somebody was faster, or it holds what is no record.
                    owner.rmdir()
            _, living = self._other_owners()
            # An orphan may have been handed on meanwhile: its new owner has it.
            for record in _records(*living):
                if (session_id := _id(record.name)) in self._not_yielded:
                    del self._not_yielded[session_id]
                    self._held.discard(session_id)
                    self._forget(session_id)
        yield False

    def _take(self, record: "os.DirEntry[str]", session_id: str) -> None:
        """Move a record to the own ones."""
        if _is_old(record):
            text = "The journal forgets session %r: none lives longer than a day"
            logger.warning(text, session_id)
            os.unlink(record.path)
            return
        os.rename(record.path, record.name, dst_dir_fd=self._descriptor)
        if session_id not in self._held:
            self._held.add(session_id)
            self._not_yielded[session_id] = None

    def _other_owners(self) -> tuple[list[Path], list[Path]]:
        """Return the directories of the dead and of the living, but for the own one."""
        os.stat(self._directory)
        others = {one: _is_locked(one) for one in _entries(self._owners) if one != self._own}
        dead = [one for one, is_locked in others.items() if is_locked is False]
        return dead, [one for one, is_locked in others.items() if is_locked]

    def _put_in_place(self) -> None:
        """Make sure that the own directory is there. It gets its name once it is locked."""
        while self._descriptor < 0 or not _is_at(self._descriptor, self._own):
            self._unlock()  # Somebody removed it, or this was interrupted.
            self._held.clear()
            self._owners.mkdir(mode=0o700, exist_ok=True)
            own = self._owners / os.urandom(8).hex()
            unfinished = own.with_suffix(".new")
            unfinished.mkdir(mode=0o700)
            # A sweeper may look at it, or remove it, before it is locked.
            with suppress(FileNotFoundError, BlockingIOError):
                self._descriptor = os.open(unfinished, os.O_RDONLY)
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                unfinished.rename(own)
                _sync(self._owners)
                _sync(self._directory)
                self._own = own

    def _unlock(self) -> None:
        """Give the descriptor back. The lock ends with the last one: a child closes its copy."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _name(session_id: str) -> str:
    """Return a file's name. Disks that fold case keep ids apart whose capitals differ."""
    return re.sub("([A-Z])", r"%\1", session_id).lower()


def _id(name: str) -> str:
    return re.sub("%([a-z])", lambda escaped: escaped[1].upper(), name)


def _entries(directory: Path) -> list[Path]:
    """List a directory, which may be gone, or be none."""
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        return list(directory.iterdir())
    return []


def _records(*owners: Path) -> "list[os.DirEntry[str]]":
    """List the files of owners that are named by an id."""
    records: list[os.DirEntry[str]] = []
    for owner in owners:
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            with os.scandir(owner) as entries:
                named = [one for one in entries if _RECORD.fullmatch(one.name)]
            records += [one for one in named if one.is_file(follow_symlinks=False)]
    return records


def _is_old(record: "os.DirEntry[str]") -> bool:
    with suppress(FileNotFoundError):
        return time.time() - record.stat(follow_symlinks=False).st_mtime > 86_400
    return False


def _is_at(descriptor: int, path: Path) -> bool:
    return path.exists() and os.path.samefile(descriptor, path)


def _is_locked(owner: Path) -> bool | None:
    """Say whether an owner lives. None: it is none, or nobody may know."""
    try:
        descriptor = os.open(owner, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _sync(directory: Path) -> None:
    """Make what a directory holds outlive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        if sys.platform == "darwin":
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        else:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


_lock = threading.RLock()  # of all. A fork waits until each descriptor is in its journal.


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603 - the parent's threads, which may wait for it, are not here
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _lock.acquire(),  # noqa: PLW0108 - the lock of the time of the fork
        after_in_parent=lambda: _lock.release(),  # noqa: PLW0108 - the same
        after_in_child=_renew_lock,
    )
