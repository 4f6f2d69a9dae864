"""Locks that end with their process, even by a kill. What differs between systems is here alone.

Unix locks a directory itself. Windows cannot, so a file beside it is locked: `.name.lock`.
"""

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
    import time
    from contextlib import suppress

    # Lock a byte beyond the end of the file, because Windows makes a locked byte unreadable.
    _OFFSET = 2**30

    def _change_lock(descriptor: int, mode: int) -> None:
        os.lseek(descriptor, _OFFSET, os.SEEK_SET)
        msvcrt.locking(descriptor, mode, 1)

    def try_lock(descriptor: int) -> bool:
        """Lock an open file, unless it is locked."""
        try:
            _change_lock(descriptor, msvcrt.LK_NBLCK)
        except OSError:  # usually a PermissionError, but wine names no reason
            return False
        return True

    def lock(descriptor: int) -> None:
        """Lock an open file, as soon as it is unlocked."""
        while not try_lock(descriptor):
            time.sleep(0.05)  # Python's only waiting lock of Windows tries once a second.

    def _lock_file(directory: Path) -> Path:
        return directory.with_name(f".{directory.name}.lock")

    def open_directory(directory: Path) -> int:
        """Open what is locked for a directory."""
        return os.open(_lock_file(directory), os.O_RDWR | os.O_CREAT)

    def unlock_directory(directory: Path, descriptor: int) -> None:
        """Unlock a directory if it is locked, and close it. It may have been removed meanwhile."""
        with suppress(OSError):  # The byte is not locked.
            _change_lock(descriptor, msvcrt.LK_UNLCK)
        os.close(descriptor)
        if not directory.exists():
            with suppress(OSError):  # Another process has it open, and does the same.
                _lock_file(directory).unlink()

    def sync_entry(path: Path) -> None:
        """Let a file survive a power cut. Windows flushes no directory."""
        if path.is_file():
            _sync(path, os.O_RDWR)

else:
    import fcntl

    def try_lock(descriptor: int) -> bool:
        """Lock an open file or directory, unless it is locked."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def lock(descriptor: int) -> None:
        """Lock an open file or directory, as soon as it is unlocked."""
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def open_directory(directory: Path) -> int:
        """Open what is locked for a directory."""
        return os.open(directory, os.O_RDONLY)

    def unlock_directory(directory: Path, descriptor: int) -> None:
        """Unlock a directory if it is locked, and close it. It may have been removed meanwhile."""
        # A child that was forked meanwhile would keep the lock if it were only closed.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

    def sync_entry(path: Path) -> None:
        """Let a file or directory be in its directory even after a power cut."""
        _sync(path.parent, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
