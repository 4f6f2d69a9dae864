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
import uuid
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote

from firecrawl_interact.core.journal import JournalError, LeftAlone, checked_label
from firecrawl_interact.core.logger import logger
from firecrawl_interact.core.session_ids import SENDABLE, checked_session_id

if sys.platform in ("linux", "darwin"):
    import fcntl

_LABEL = "service="
_RECORD = re.compile(r"(?!\.\.?\Z)(?:%?[a-z]|[0-9._~-])+")
_ONE_DAY = 86_400
_logger = logger()  # Before the hooks below: a fork then takes this module's lock first.


class FileJournal:
    """A `Journal` in a directory of a local file system, on Linux or macOS.

    Processes may share the directory; threads and tasks may share the journal. A network file
    system does not do: its locks can outlive a process, or end before it. A forked child holds
    nothing of its parent's, and a pickle makes another journal in the same directory. Whatever
    the system refuses is a `JournalError`, here and in all methods.

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
        self._service = checked_label(service)
        self._owners = self._directory / f"{_LABEL}{quote(self._service or '', safe='')}"
        self._closed = False
        self._start_anew()
        try:
            for one in [*reversed(self._directory.parents), self._directory]:
                if not one.is_dir():
                    one.mkdir(mode=0o700, exist_ok=True)  # Another process may have been faster.
                    _sync(one.parent)
        except OSError as error:
            raise JournalError(f"{self._directory} cannot be created: {error}") from error
        _journals.add(self)

    def _start_anew(self) -> None:
        """Hold nothing. The lock ends with its last descriptor: a forked child closes its copy."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
        self._own = self._owners / os.urandom(8).hex()
        self._known: set[str] = set()  # the names of the own records that the caller knows of

    def __repr__(self) -> str:
        return f"FileJournal({str(self._directory)!r}, service={self._service!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), service=self._service), (str(self._directory),)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        # One that is forgotten gives its descriptor back. What it has open stays its process's.
        if self._descriptor >= 0:
            with suppress(OSError):
                self._own.rmdir()
                self._start_anew()

    def close(self) -> None:
        """Give up the sessions that are still open: from now on they are orphans."""
        with _lock:
            self._closed = True
            with suppress(OSError):
                self._own.rmdir()
            self._start_anew()

    def opened(self, session_id: str | uuid.UUID, /) -> None:
        """Record that a session is open. Once this returns, the id outlives even a power cut."""
        checked = checked_session_id(session_id)
        advice = "The session is still open, and no sweep knows of it: delete it."
        with _lock, self._errors("cannot record that it is open", advice, checked):
            self._put_in_place()
            record = self._own / _name(checked)
            flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK  # There may be a FIFO.
            os.close(os.open(record, flags, 0o600))
            os.utime(record)
            _sync(self._own)
            self._known.add(record.name)

    def gone(self, session_id: str | uuid.UUID, /) -> None:
        """Forget a session that is destroyed for certain. An unknown id changes nothing."""
        text, advice = str(session_id), "A sweep deletes it once more, which is safe."
        if not self._closed and SENDABLE.fullmatch(text):
            with _lock, self._errors("cannot forget it", advice, text):
                record = self._own / _name(text)
                record.unlink(missing_ok=True)
                self._known.discard(record.name)

    def orphans(self) -> list[str]:
        """List what `adopt_orphans` would yield now. Nothing is changed."""
        with _lock, self._errors("cannot list its orphans", "Nothing was changed."):
            dead, living = self._other_owners()
            held = self._known.union(_names(living))
            found = [one for owner in (self._own, *dead) for one in _records(owner)]
            free = [one.name for one in found if one.name not in held and not _is_old(one)]
            return list(dict.fromkeys(map(_id, free)))

    def adopt_orphans(self) -> Iterator[str]:
        """Take over the sessions that dead processes left open, and yield their ids.

        An id is this journal's, durably, before it is yielded, and no other journal gets it while
        this one lives. It is yielded once. An id that a living journal holds too is left to that
        one. A record older than a day is forgotten with a warning: no session lives so long.
        """
        with _lock, self._errors("cannot adopt its orphans", "None of them is lost."):
            names, own = self._adopt(), self._own
        for name in names:
            with _lock:
                if self._closed or self._own != own:  # It is closed, or this is a forked child.
                    return
                if name in self._known or not os.path.exists(f"{own}/{name}"):
                    continue  # It was recorded, forgotten or yielded meanwhile.
                self._known.add(name)
            yield _id(name)

    def left_alone(self) -> LeftAlone:
        """Count what a sweep leaves alone."""
        living, others, unreadable = 0, Counter[str | None](), []
        with _lock, self._errors("cannot be read", "Nothing was changed."):
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

    def _adopt(self) -> list[str]:
        """Make the orphans one's own, durably. Return the names that the caller does not know."""
        dead, _ = self._other_owners()
        records = [one for owner in dead for one in _records(owner)]
        if records:
            self._put_in_place()
        for record in records:
            with suppress(FileNotFoundError):  # Another sweeper was faster.
                if _is_old(record):
                    text = "The journal forgets session %r: none lives longer than a day"
                    _logger.warning(text, _id(record.name))
                    os.unlink(record.path)
                else:
                    os.rename(record.path, record.name, dst_dir_fd=self._descriptor)
        if self._descriptor >= 0:
            _sync(self._own)
        for owner in dead:
            with suppress(OSError):  # Somebody was faster, or it holds what is no record.
                owner.rmdir()
        _, living = self._other_owners()
        adopted = set(_names([self._own])) - self._known
        for name in adopted.intersection(_names(living)):  # It was handed on meanwhile.
            (self._own / name).unlink()
            adopted.remove(name)
        return list(adopted)

    def _other_owners(self) -> tuple[list[Path], list[Path]]:
        """Return the directories of the dead and of the living, but for the own one."""
        os.stat(self._directory)
        others = {one: _is_locked(one) for one in _entries(self._owners) if one != self._own}
        dead = [one for one, is_locked in others.items() if is_locked is False]
        return dead, [one for one, is_locked in others.items() if is_locked]

    def _put_in_place(self) -> None:
        """Make sure that the own directory is there. It gets its name once it is locked."""
        while not (self._descriptor >= 0 and _is_at(self._descriptor, self._own)):
            self._start_anew()  # It is new, or somebody removed it, or this was interrupted.
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

    @contextmanager
    def _errors(self, problem: str, advice: str, session_id: str | None = None) -> Iterator[None]:
        """Turn what the system refuses into a `JournalError`."""
        # It holds no lock: an exception that lives on keeps the frame of a generator.
        try:
            if self._closed:
                raise OSError("it is closed")  # noqa: TRY301 - it gets the same words
            yield
        except OSError as error:
            subject = "The" if session_id is None else f"Session {session_id!r}: the"
            message = f"{subject} journal {self._directory} {problem}: {error}. {advice}"
            raise JournalError(message, session_id=session_id) from error


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


def _records(owner: Path) -> "list[os.DirEntry[str]]":
    """List the files of an owner that are named by an id."""
    with (
        suppress(FileNotFoundError, NotADirectoryError, PermissionError),
        os.scandir(owner) as found,
    ):
        named = [one for one in found if _RECORD.fullmatch(one.name)]
        return [one for one in named if one.is_file(follow_symlinks=False)]
    return []


def _names(owners: list[Path]) -> Iterator[str]:
    return (one.name for owner in owners for one in _records(owner))


def _is_old(record: "os.DirEntry[str]") -> bool:
    with suppress(FileNotFoundError):
        return time.time() - record.stat(follow_symlinks=False).st_mtime > _ONE_DAY
    return False


def _is_at(descriptor: int, directory: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.stat(directory))
    return False


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


_journals: "weakref.WeakSet[FileJournal]" = weakref.WeakSet()
_lock = threading.RLock()
"""One for all journals. A fork waits for it: a descriptor is in its journal then."""


def _start_in_child() -> None:
    global _lock  # noqa: PLW0603 - the parent's threads, which may wait for it, are not here
    _lock = threading.RLock()
    for journal in _journals:
        journal._start_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _lock.acquire(),  # noqa: PLW0108 - the lock of the time of the fork
        after_in_parent=lambda: _lock.release(),  # noqa: PLW0108 - the same
        after_in_child=_start_in_child,
    )
