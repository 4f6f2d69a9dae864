"""A journal's files: the own one, which is locked, and the adopted ones; and who is dead.

Nothing here is safe to share among threads: `FileJournal` sees to that.
"""

import contextlib
import os
import re
import sys
from pathlib import Path

from .lines import Label, Record, encode

if sys.platform in ("linux", "darwin"):
    import fcntl

_MAX_HISTORY = 1000
"""An own file is replaced when it has this many lines more than twice its open sessions."""

_NAME = re.compile(r"(?P<owner>[0-9a-f]{16})(\.[0-9a-f]{16})?\.jsonl")
_UNFINISHED_NAME = re.compile(r"[0-9a-f]{16}\.new")


class OwnFile:
    """The file whose lock shows others that its owner lives. It is on disk from the first id on.

    Args:
        directory: where it is.
        service: its label.
    """

    def __init__(self, directory: Path, service: str | None) -> None:
        self.owner: str = os.urandom(8).hex()
        self.ids: set[str] = set()  #: what is open
        self.is_abandoned: bool = False  #: whether this is a forked child's copy
        self._path = directory / f"{self.owner}.jsonl"
        self._label = encode(Label(service))
        self._descriptors: list[int] = []  # All are locked; the last is written to.
        self._lines = 0
        self._is_in_doubt = False  # Whether the file may say something else than `ids`.

    def add(self, session_id: str) -> None:
        """Record an id durably."""
        if session_id in self.ids and not self._is_in_doubt:
            return
        self.ids.add(session_id)  # First, so that an interruption leaves a file to read.
        try:
            self._write(Record(opened=session_id), durably=True)
        except OSError:
            self.ids.discard(session_id)
            raise

    def remove(self, session_id: str) -> None:
        """Record that an id is gone. A power cut can undo this, at the price of one delete."""
        self.ids.discard(session_id)
        self._write(Record(gone=session_id), durably=False)

    def put_in_place(self) -> None:
        """Make sure that the file is there, locked, and says what is open."""
        if self._is_in_doubt or not self._is_in_place():
            self._replace()

    def close(self) -> None:
        """Remove the file if nothing is open, and unlock it."""
        if self._descriptors and not self.ids:
            with contextlib.suppress(OSError):  # Then the next adoption removes it.
                self._path.unlink()
        self._close_descriptors()

    def abandon(self) -> None:
        """Close a forked child's copy: the lock and the file stay its parent's."""
        self.is_abandoned = True
        self._close_descriptors()

    def _close_descriptors(self) -> None:
        while self._descriptors:
            os.close(self._descriptors.pop())

    def _is_in_place(self) -> bool:
        return bool(self._descriptors) and _is_at(self._descriptors[-1], self._path)

    def _write(self, record: Record, *, durably: bool) -> None:
        history = self._lines - 2 * len(self.ids)
        if self._is_in_doubt or history > _MAX_HISTORY or not self._is_in_place():
            self._replace()
            return
        self._is_in_doubt = True
        _write_all(self._descriptors[-1], encode(record))
        if durably:
            _sync_descriptor(self._descriptors[-1])
        self._is_in_doubt = False
        self._lines += 1

    def _replace(self) -> None:
        """Write a new file that says what is open, and rename it over the old one."""
        self._is_in_doubt = True
        unfinished = self._path.with_suffix(".new")
        self._descriptors.append(_create_locked(unfinished))
        try:
            lines = [self._label, *(encode(Record(opened=session_id)) for session_id in self.ids)]
            _write_all(self._descriptors[-1], b"".join(lines))
            _sync_descriptor(self._descriptors[-1])
            unfinished.rename(self._path)
        except OSError:
            os.close(self._descriptors.pop())
            raise
        while len(self._descriptors) > 1:  # The old file was locked until the new one was there.
            os.close(self._descriptors.pop(0))
        sync(self._path.parent)
        self._lines = len(self.ids)
        self._is_in_doubt = False


class AdoptedFile:
    """A dead owner's file under its new owner's name. It goes with its last open session."""

    def __init__(self, path: Path, number_open: int) -> None:
        self._path = path
        self._number_open = number_open

    def remove(self, session_id: str) -> None:
        """Record that one of its ids is gone, and remove the file if it was the last one."""
        self._number_open -= 1
        if not self._number_open:
            self._path.unlink(missing_ok=True)
            return
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            # The dead owner's last line may be cut off: nothing must be joined to it.
            _write_all(descriptor, b"\n" + encode(Record(gone=session_id)))
        finally:
            os.close(descriptor)


def make_directory(directory: Path) -> None:
    """Create a directory and its parents durably, each with mode 0700, if they do not exist."""
    if directory.is_dir():
        return
    make_directory(directory.parent)
    directory.mkdir(mode=0o700, exist_ok=True)  # Another process may have been faster.
    sync(directory.parent)


def list_files(directory: Path) -> list[tuple[Path, str]]:
    """List the journals' files in a directory, each with its owner."""
    names = [(path, _NAME.fullmatch(path.name)) for path in directory.iterdir()]
    return [(path, name["owner"]) for path, name in names if name]


def is_dead(directory: Path, owner: str) -> bool:
    """Whether an owner is dead for certain."""
    path = directory / f"{owner}.jsonl"
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        # Shared, so that two sweepers do not take each other for the owner.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return _is_at(descriptor, path)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)


def remove_unfinished_files(directory: Path) -> None:
    """Remove the own files that a process was about to put in place when it was killed."""
    for path in directory.iterdir():
        if not _UNFINISHED_NAME.fullmatch(path.name):
            continue
        with contextlib.suppress(FileNotFoundError, BlockingIOError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(descriptor, path):
                    path.unlink()
            finally:
                os.close(descriptor)


def sync(path: Path) -> None:
    """Make what a file says, or the names in a directory, outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _sync_descriptor(descriptor)
    finally:
        os.close(descriptor)


def _sync_descriptor(descriptor: int) -> None:
    if sys.platform == "darwin":  # There, fsync leaves the bytes in the drive's volatile memory.
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def _create_locked(path: Path) -> int:
    path.unlink(missing_ok=True)  # What an interrupted call of this process has left, locked.
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, mode=0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # A sweeper removed it before it was locked.


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
