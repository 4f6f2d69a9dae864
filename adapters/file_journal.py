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
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
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
_BATCH = 5_000
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

    def __init__(self, directory: str | os.PathLike[str], *, service: str | None = None) -> None:
        self._start()
        if sys.platform not in ("linux", "darwin"):
            raise JournalError(f"FileJournal needs Linux or macOS, but this is {sys.platform}")
        self._directory = Path(directory).absolute()
        self._service = checked_label(service)
        self._owners = self._directory / f"{_LABEL}{quote(self._service or '', safe='')}"
        self._own = self._owners / os.urandom(8).hex()
        try:
            for one in [*reversed(self._directory.parents), self._directory]:
                if not one.is_dir():
                    one.mkdir(mode=0o700, exist_ok=True)  # Another process may have been faster.
                    _sync(one.parent)
        except OSError as error:
            raise JournalError(f"{self._directory} cannot be created: {error}") from error

    def _start(self) -> None:
        self._closed = False
        self._process = os.getpid()
        self._descriptor = -1  # of the own directory, which is locked; -1: there is none yet
        self._held: set[str] = set()  # the names of the own records
        self._not_yielded: dict[str, None] = {}  # what is adopted already

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
        if self._descriptor >= 0 and self._process == os.getpid():
            with suppress(OSError):
                self._own.rmdir()
                self._unlock()

    def close(self) -> None:
        """Give up the sessions that are still open: from now on they are orphans."""
        with _lock:
            self._closed = True
            if self._descriptor >= 0 and self._process == os.getpid():
                with suppress(OSError):
                    self._own.rmdir()
                self._unlock()

    def opened(self, session_id: str | uuid.UUID, /) -> None:
        """Record that a session is open. Once this returns, the id outlives even a power cut."""
        checked = checked_session_id(session_id)
        advice = "The session is still open, and no sweep knows of it: delete it."
        with _lock, self._errors("cannot record that it is open", advice, checked):
            self._put_in_place()
            self._not_yielded.pop(checked, None)
            flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK  # There may be a FIFO.
            file = os.open(self._own / _name(checked), flags, 0o600)
            os.utime(file)
            os.close(file)
            _sync(self._own)
            self._held.add(_name(checked))

    def gone(self, session_id: str | uuid.UUID, /) -> None:
        """Forget a session that is destroyed for certain. An unknown id changes nothing."""
        text, advice = str(session_id), "A sweep deletes it once more, which is safe."
        if not self._closed and SENDABLE.fullmatch(text):
            with _lock, self._errors("cannot forget it", advice, text):
                self._not_yielded.pop(text, None)
                self._held.discard(_name(text))
                if self._descriptor >= 0:
                    (self._own / _name(text)).unlink(missing_ok=True)

    def orphans(self) -> list[str]:
        """List what `adopt_orphans` would yield now. Nothing is changed."""
        with _lock, self._errors("cannot list its orphans", "Nothing was changed."):
            dead, living = self._other_owners()
            held = {one.name for owner in [self._own, *living] for one in _records(owner)}
            found = [one for owner in dead for one in _records(owner) if not _is_old(one)]
            free = [_id(one.name) for one in found if one.name not in held]
            return list(dict.fromkeys([*self._not_yielded, *free]))

    def adopt_orphans(self) -> Iterator[str]:
        """Take over the sessions that dead processes left open, and yield their ids.

        An id is this journal's, durably, before it is yielded, and no other journal gets it while
        this one lives. It is yielded once. An id that a living journal holds too is left to that
        one. A record older than a day is forgotten with a warning: no session lives so long.
        """
        with _lock, self._errors("cannot adopt its orphans", "None of them is lost."):
            process, steps = os.getpid(), self._adopt()
        while not self._closed and self._process == process == os.getpid():
            with _lock, self._errors("cannot adopt its orphans", "None of them is lost."):
                while not self._not_yielded:
                    if next(steps, None) is None:
                        return
                session_id = next(iter(self._not_yielded))
                del self._not_yielded[session_id]
            yield session_id

    def left_alone(self) -> LeftAlone:
        """Count what a sweep leaves alone."""
        living, others, unreadable = 0, Counter[str | None](), []
        with _lock, self._errors("cannot be read", "Nothing was changed."):
            for label in self._directory.iterdir():
                is_label = label.name.startswith(_LABEL)
                service = unquote(label.name.removeprefix(_LABEL)) or None
                for owner in _owners(label) if is_label else [label]:
                    count, is_locked = len(_records(owner)), _is_locked(owner)
                    if not is_label or (is_locked is None and owner.exists()):
                        unreadable.append(str(owner))
                    elif label != self._owners:
                        others[service] += 0 if is_locked else count
                    elif owner != self._own:
                        living += count if is_locked else 0
                        unreadable += [str(owner)] if len(_owners(owner)) > count else []
        return LeftAlone(living, dict(+others), unreadable)

    def _adopt(self) -> Iterator[bool]:
        """Adopt some orphans at each step, durably."""
        dead = self._other_owners()[0]
        records = (one for owner in dead for one in _records(owner))
        while batch := list(islice(records, _BATCH)):
            self._put_in_place()
            taken = [one.name for one in batch if self._take(one)]
            _sync(self._own)
            held = {one.name for owner in self._other_owners()[1] for one in _records(owner)}
            for name in taken:
                if name in held:  # It was handed on, and its new owner has it.
                    os.unlink(f"{self._own}/{name}")
                else:
                    self._held.add(name)
                    self._not_yielded[_id(name)] = None
            yield True
        for owner in dead:
            with suppress(OSError):  # Somebody was faster, or it holds what is no record.
                owner.rmdir()

    def _take(self, record: "os.DirEntry[str]") -> bool:
        """Move a record to the own ones, and return whether it is new there."""
        with suppress(FileNotFoundError):  # Another sweeper was faster.
            if _is_old(record):
                text = "The journal forgets session %r: none lives longer than a day"
                _logger.warning(text, _id(record.name))
            elif record.name not in self._held:
                os.rename(record.path, record.name, dst_dir_fd=self._descriptor)
                return True
            os.unlink(record.path)
        return False

    def _other_owners(self) -> tuple[list[Path], list[Path]]:
        """Return the directories of the dead and of the living, but for the own one."""
        os.stat(self._directory)
        others = {one: _is_locked(one) for one in _owners(self._owners) if one != self._own}
        dead = [one for one, is_locked in others.items() if is_locked is False]
        return dead, [one for one, is_locked in others.items() if is_locked]

    def _put_in_place(self) -> None:
        """Make sure that the own directory is there. It gets its name once it is locked."""
        if self._descriptor >= 0:
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self._descriptor), os.stat(self._own)):
                    return
            self._unlock()  # Somebody removed it.
            self._held.clear()
        with suppress(FileExistsError):
            self._owners.mkdir(mode=0o700)
        while self._descriptor < 0:
            self._own = self._owners / os.urandom(8).hex()
            unfinished = self._own.with_suffix(".new")
            unfinished.mkdir(mode=0o700)
            # A sweeper may look at it, or remove it, before it is locked.
            with suppress(FileNotFoundError, BlockingIOError):
                self._descriptor = os.open(unfinished, os.O_RDONLY)
                _locked.add(self._descriptor)
                try:
                    fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    unfinished.rename(self._own)
                    _sync(self._owners)
                    _sync(self._directory)
                except BaseException:
                    self._unlock()
                    raise

    def _unlock(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        _locked.discard(descriptor)
        os.close(descriptor)

    @contextmanager
    def _errors(self, problem: str, advice: str, session_id: str | None = None) -> Iterator[None]:
        """Turn what the system refuses into a `JournalError`."""
        # It holds no lock: an exception that lives on keeps the frame of a generator.
        try:
            if self._closed:
                raise OSError("it is closed")  # noqa: TRY301 - it gets the same words
            if self._process != os.getpid():  # This is a forked child: all that was its parent's.
                self._start()
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


def _owners(label: Path) -> list[Path]:
    """List a directory, which may be gone, or be none."""
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        return list(label.iterdir())
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


def _is_old(record: "os.DirEntry[str]") -> bool:
    return time.time() - record.stat(follow_symlinks=False).st_mtime > _ONE_DAY


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


_locked: set[int] = set()
"""The descriptors of own directories. A forked child closes its copies, so that the locks end."""

_lock = threading.RLock()
"""One for all journals. A fork waits for it, so that the child finds no work half done."""


def _close_copies() -> None:
    global _lock  # noqa: PLW0603 - the parent's threads, which may wait for it, are not here
    _lock = threading.RLock()
    while _locked:
        os.close(_locked.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _lock.acquire(),  # noqa: PLW0108 - the lock of the time of the fork
        after_in_parent=lambda: _lock.release(),  # noqa: PLW0108 - the same
        after_in_child=_close_copies,
    )
