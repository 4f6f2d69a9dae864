"""The open sessions of the processes of one host: an empty file for each, named after its id.

    open-sessions/service=https%3A%2F%2Fapi.firecrawl.dev/93b0f2e4a1c85d67/0199a7c4-5d1e-7b60-9f3a
    the directory/the label                              /the owner       /its session

An owner is one `FileJournal` in one process. Its directory is locked (flock) until the journal is
closed or the process ends, even by a kill. The journal records by creating a file, forgets by
removing it, and adopts by moving it into its own directory: only one of two sweepers succeeds.
"""

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import quote, unquote

from firecrawl_interact.core.journal import JournalError

from .base import BaseJournal, LeftAlone

if sys.platform in ("linux", "darwin"):
    import fcntl

_LABEL = "service="
_RECORD = re.compile(r"(?!\.\.?\Z)(?:%?[a-z]|[0-9._~-])+")


class FileJournal(BaseJournal):
    """A `Journal` in a directory of a local file system, on Linux or macOS.

    A record survives even a power cut. Processes may share the directory, and threads the journal.
    A forked child or a pickle is another journal in the same directory. Do not use a network file
    system: its locks can outlive a process, or end before it.

    Args:
        directory: where the files are. It is created with mode 0700 if it does not exist.
        service: a label, usually the service's `api_url`. A sweep leaves orphans of another one
            alone: this service would not know them, and the journal would then forget them.
    """

    _own = Path()  # its own directory, once it is locked
    _locked = ExitStack()  # closes that, and so ends the lock

    def __init__(self, directory: str | os.PathLike[str], *, service: str | None = None) -> None:
        if sys.platform not in ("linux", "darwin"):
            raise JournalError(f"FileJournal needs Linux or macOS, but this is {sys.platform}")
        if "://" in os.fspath(directory):
            raise ValueError("directory must be a path. For a postgresql:// URL: PostgresJournal")
        self._directory = Path(directory).absolute()
        super().__init__(str(self._directory), str(self._directory), service)
        self._label = self._directory / (_LABEL + quote(self._service or "", safe=""))
        with self._errors("cannot be created", "Nothing was recorded."):
            for one in [*reversed(self._directory.parents), self._directory]:
                if not one.is_dir():
                    one.mkdir(mode=0o700, exist_ok=True)  # Another process may make it first.
                    _sync(one.parent)

    def _begin(self) -> None:
        super()._begin()
        self._locked.close()  # The lock ends with its last copy: a forked child closes its own.
        self._own = self._directory / "none yet"

    def __del__(self) -> None:
        with suppress(OSError):  # With records the lock stays: the process may use these sessions.
            self._own.rmdir()
            self._locked.close()

    def close(self) -> None:
        """Release the sessions that are still open: from now on they are orphans."""
        super().close()
        with self._lock:
            with suppress(OSError):  # It has records, or was removed.
                self._own.rmdir()
            self._locked.close()

    def left_alone(self) -> LeftAlone:
        """Count what a sweep ignores."""
        found = Counter[str | None]()
        with self._errors("cannot be read", "Nothing was changed."):
            foreign = {*self._directory.iterdir()} - {*self._directory.glob(f"{_LABEL}*")}
            unreadable = sorted(map(str, foreign))
            for owner in self._directory.glob(f"{_LABEL}*/*"):
                service = unquote(owner.parent.name.removeprefix(_LABEL)) or None
                is_locked = _is_locked(owner)
                names = _names(owner)
                count = len([*filter(_RECORD.fullmatch, names)])
                if count < len(names) or (is_locked is None and os.path.lexists(owner)):
                    unreadable.append(str(owner))
                # Of its own label the living are left alone, and of other labels the orphans.
                elif count and is_locked is (service == self._service) and owner != self._own:
                    found[service] += count
        return LeftAlone(found.pop(self._service, 0), dict(found), unreadable)

    def _record(self, session_id: str) -> None:
        with self._lock:
            self._make_own_directory()
            os.close(os.open(self._own / _name(session_id), os.O_WRONLY | os.O_CREAT, 0o600))
            _sync(self._own)

    def _forget(self, session_id: str) -> None:
        for owner in _names(self._label):
            record = self._label / owner / _name(session_id)
            if os.path.lexists(record):
                record.unlink(missing_ok=True)  # Its owner moves or removes it meanwhile.

    def _orphans(self) -> list[str]:
        dead = dict(_records(*self._others(living=False)))
        held = dict(_records(self._own, *self._others(living=True)))
        return list(dead.keys() - held.keys())

    def _adopt(self) -> Iterator[None]:
        dead = self._others(living=False)
        with self._lock:
            if records := sorted(_records(*dead)):
                self._make_own_directory()
            open_here = dict(_records(self._own))
            for session_id, record in records:
                with suppress(FileNotFoundError):  # Another sweeper took it.
                    os.rename(record, f"{self._own}/{os.path.basename(record)}")
                    if session_id not in open_here:
                        self._adopted[session_id] = True
            if self._adopted:  # An interrupted call may have moved records and not synced them.
                _sync(self._own)
                # A living journal may have recorded an orphan meanwhile: then it is the owner.
                living = dict(_records(*self._others(living=True)))
                for session_id in living.keys() & self._adopted.keys():
                    self._adopted.pop(session_id, None)
                    (self._own / _name(session_id)).unlink(missing_ok=True)
        for owner in dead:
            with suppress(OSError):  # It is gone already, or not empty.
                owner.rmdir()
        yield

    def _others(self, *, living: bool) -> list[Path]:
        """Return the directories of the other owners that live, or of those that are dead."""
        os.stat(self._directory)  # `_names` takes a missing directory for an empty one.
        others = [self._label / name for name in _names(self._label) if name != self._own.name]
        return [one for one in others if _is_locked(one) is living]

    def _make_own_directory(self) -> None:
        """Make and lock the own directory, if there is none. It gets its final name when locked."""
        self._require_open()  # A closed journal's directory would count as living.
        while not self._own.exists():  # Or somebody has removed it.
            self._label.mkdir(mode=0o700, exist_ok=True)
            own = self._label / os.urandom(8).hex()
            unfinished = own.with_suffix(".new")
            unfinished.mkdir(mode=0o700)
            self._locked.close()
            # A sweeper may look at it, or remove it, before it is locked.
            with suppress(FileNotFoundError, BlockingIOError):
                descriptor = os.open(unfinished, os.O_RDONLY)
                self._locked = ExitStack()
                self._locked.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                unfinished.rename(own)
                _sync(self._label)
                _sync(self._directory)
                self._own = own


def _name(session_id: str) -> str:
    """Return the file name of an id. Ids stay distinct on file systems that ignore case."""
    return re.sub("([A-Z])", r"%\1", session_id).lower()


def _names(directory: Path) -> list[str]:
    """List a directory. One that does not exist or is no directory is empty."""
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        return os.listdir(directory)
    return []


def _records(*owners: Path) -> list[tuple[str, str]]:
    """Return the sessions of some owners, each with its file."""
    return [
        (re.sub("%(.)", lambda escaped: escaped[1].upper(), name), f"{owner}/{name}")
        for owner in owners
        for name in filter(_RECORD.fullmatch, _names(owner))
    ]


def _is_locked(owner: Path) -> bool | None:
    """Return whether an owner lives. None: it is gone, no directory, or cannot be opened."""
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
    """Let the entries of a directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        if sys.platform == "darwin":  # It leaves them in the cache of the drive.
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    finally:
        os.close(descriptor)
