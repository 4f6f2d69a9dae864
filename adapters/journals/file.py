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
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote

from firecrawl_interact.core.journal import JournalError

from .base import BaseJournal, LeftAlone, closed_in_child

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

    _own: Path | None = None  # its own directory, once it is locked
    _own_descriptor: int | None = None  # that directory's descriptor: the lock ends with it

    def __init__(self, directory: str | os.PathLike[str], *, service: str | None = None) -> None:
        if sys.platform not in ("linux", "darwin"):
            raise JournalError(f"FileJournal needs Linux or macOS, but this is {sys.platform}")
        name = os.path.expanduser(os.fsdecode(directory))
        if not name or "://" in name:
            raise ValueError("directory must be a path. For a postgresql:// URL: PostgresJournal")
        self._directory = Path(name).absolute()
        super().__init__(str(self._directory), str(self._directory), service)
        self._label = self._directory / (_LABEL + quote(self._service or "", safe=""))
        with self._if_open("cannot be created", "Nothing was recorded."):
            for path in [*reversed(self._directory.parents), self._directory]:
                if not path.is_dir():
                    path.mkdir(mode=0o700, exist_ok=True)  # Another process may make it first.
                    _sync(path.parent)

    def _begin(self) -> None:
        super()._begin()
        self._own = self._own_descriptor = None

    def __del__(self) -> None:
        # Only an owner without records gives up its lock: the process may still use the others.
        if self._own is not None:
            try:
                self._own.rmdir()  # To list its records could take a descriptor.
            except FileNotFoundError:
                pass
            except OSError:
                return  # It has records, or nobody can tell.
            self._give_up()

    def close(self) -> None:
        """Release the sessions that are still open: from now on they are orphans."""
        super().close()
        with self._lock:
            self._give_up()

    def _give_up(self) -> None:
        if self._own is not None:
            with suppress(OSError):  # It has records, or was removed.
                self._own.rmdir()
        if self._own_descriptor is not None:
            descriptor, self._own_descriptor = self._own_descriptor, None
            closed_in_child.discard(descriptor)
            with suppress(OSError):  # It may be closed, as in `_begin_in_child`.
                os.close(descriptor)

    def left_alone(self) -> LeftAlone:
        """Count what a sweep ignores."""
        living = 0
        other_services = Counter[str | None]()
        unreadable = list[str]()
        with self._if_open("cannot be read", "Nothing was changed."):
            for label in sorted(self._directory.iterdir()):
                if not (label.name.startswith(_LABEL) and os.access(label, os.R_OK | os.X_OK)):
                    unreadable.append(str(label))
                    continue
                for owner in label.iterdir():
                    state = _state(owner)
                    names = _names(owner)
                    count = len([*filter(_RECORD.fullmatch, names)])
                    if count < len(names) or (state is None and os.path.lexists(owner)):
                        unreadable.append(str(owner))
                    elif state == "living" and label == self._label and owner != self._own:
                        living += count
                    elif count and state == "dead" and label != self._label:
                        other_services[unquote(label.name.removeprefix(_LABEL)) or None] += count
        return LeftAlone(living, dict(other_services), unreadable)

    def _record(self, session_id: str) -> None:
        with self._lock:
            own = self._make_own_directory()
            os.close(os.open(own / _name(session_id), os.O_WRONLY | os.O_CREAT, 0o600))
            _sync(own)

    def _forget(self, session_id: str) -> None:
        for _ in range(2):  # A sweeper may move it while the first look goes on.
            # The own record last: as long as it is there, no sweeper adopts another one.
            owners = sorted(self._owners(), key=lambda owner: owner == self._own)
            for record in [owner / _name(session_id) for owner in owners]:
                if os.path.lexists(record):
                    record.unlink(missing_ok=True)

    def _orphans(self) -> dict[str, str]:
        """Return the orphans, each with its file.

        If two dead owners have one, it is the first path, so that all sweepers race for one file.
        """
        dead = self._owners("dead")
        records = dict(sorted(_records(*dead), reverse=True))
        # Look at the living after the dead, whose records a sweeper may have moved meanwhile.
        held = dict(_records(*{*self._owners()} - {*dead}))
        return {session_id: records[session_id] for session_id in records.keys() - held.keys()}

    def _adopt(self) -> Iterator[None]:
        with self._lock:
            orphans = self._orphans()
            if orphans or self._adopted:  # These may be of an interrupted call.
                own = self._make_own_directory()
                for session_id, record in orphans.items():
                    self._adopted.add(session_id)  # If the next line is interrupted, it is here.
                    with suppress(FileNotFoundError):  # Another sweeper took it, or it is gone.
                        os.rename(record, own / os.path.basename(record))
                _sync(own)
                self._adopted.intersection_update(dict(_records(own)))
                # Whoever lives and has recorded an orphan meanwhile is its owner.
                others = {*self._owners("living")} - {own}
                self._adopted.difference_update(dict(_records(*others)))
        for owner in self._owners("dead"):
            with suppress(OSError):  # It is gone already, or not empty.
                owner.rmdir()
        yield

    def _owners(self, state: str | None = None) -> list[Path]:
        """Return the directories of its label's owners: all, the "living" or the "dead"."""
        os.stat(self._directory)  # Or else a directory that is away would be an empty one.
        owners = list[Path]()
        with suppress(FileNotFoundError):
            owners += map(self._label.joinpath, os.listdir(self._label))
        return [owner for owner in owners if state is None or _state(owner) == state]

    def _make_own_directory(self) -> Path:
        """Make and lock the own directory, if there is none. It gets its final name when locked."""
        self._require_open()  # A closed journal's directory would count as living.
        while self._own is None or not self._own.exists():  # Or somebody has removed it.
            self._label.mkdir(mode=0o700, exist_ok=True)
            own = self._label / os.urandom(8).hex()
            unfinished = own.with_suffix(".new")
            unfinished.mkdir(mode=0o700)
            self._give_up()
            # A sweeper may look at it, or remove it, before it is locked.
            with suppress(FileNotFoundError, BlockingIOError):
                descriptor = os.open(unfinished, os.O_RDONLY)
                closed_in_child.add(descriptor)
                self._own_descriptor = descriptor
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                unfinished.rename(own)
                _sync(self._label)
                _sync(self._directory)
                self._own = own
        return self._own


def _name(session_id: str) -> str:
    """Return the file name of an id. Ids stay distinct on file systems that ignore case."""
    return re.sub("([A-Z])", r"%\1", session_id).lower()


def _names(owner: Path) -> list[str]:
    """List an owner's directory. One that is gone, is none or may not be read is empty."""
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        return os.listdir(owner)
    return []


def _records(*owners: Path) -> list[tuple[str, str]]:
    """Return the sessions of some owners, each with its file."""
    return [
        (re.sub("%(.)", lambda escaped: escaped[1].upper(), name), f"{owner}/{name}")
        for owner in owners
        for name in filter(_RECORD.fullmatch, _names(owner))
    ]


def _state(owner: Path) -> str | None:
    """Return "living" or "dead". None: it is gone, no directory, or not its user's to sweep."""
    try:
        descriptor = os.open(owner, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return "living"
    finally:
        os.close(descriptor)
    return "dead" if os.access(owner, os.W_OK) else None


def _sync(directory: Path) -> None:
    """Let the entries of a directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        if sys.platform == "darwin":  # It leaves them in the cache of the drive.
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    finally:
        os.close(descriptor)
