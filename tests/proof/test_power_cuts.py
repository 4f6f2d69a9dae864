"""No recorded session is lost when the machine itself ends.

The disk of this model is the worst that POSIX allows: a file has the bytes that it had at its last
fsync, and a directory the names that it had at its own.
"""

import os
import stat
import sys
import tempfile
from pathlib import Path

import pytest

from firecrawl_interact.adapters import FileJournal

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it watches Linux's fsync")


class Disk:
    """What a power cut would leave of a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._names: dict[str, int] = {}
        self._contents: dict[int, bytes] = {}

    def fsync(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        if not stat.S_ISDIR(status.st_mode):
            path = Path(f"/dev/fd/{descriptor}")
            self._contents[status.st_ino] = path.read_bytes()
        elif os.path.samestat(status, self._directory.stat()):
            self._names = {entry.name: entry.inode() for entry in os.scandir(self._directory)}

    def found_after_a_power_cut(self) -> set[str]:
        with tempfile.TemporaryDirectory() as directory:
            for name, inode in self._names.items():
                Path(directory, name).write_bytes(self._contents.get(inode, b""))
            with FileJournal(directory) as sweeper:
                return set(sweeper.adopt_orphans())


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk(tmp_path)
    monkeypatch.setattr(os, "fsync", disk.fsync)
    return disk


def test_a_session_survives_a_power_cut_once_it_is_recorded(tmp_path: Path, disk: Disk) -> None:
    with FileJournal(tmp_path) as journal:
        for number in range(10):
            journal.opened(f"session-{number}")
            assert f"session-{number}" in disk.found_after_a_power_cut()


def test_no_session_is_lost_when_a_file_is_replaced(tmp_path: Path, disk: Disk) -> None:
    with FileJournal(tmp_path) as journal:
        journal.opened("for-a-long-time")
        (first,) = tmp_path.iterdir()
        inode = first.stat().st_ino
        for number in range(1_000):
            journal.opened(f"session-{number}")
            if first.stat().st_ino != inode:
                break
            journal.gone(f"session-{number}")
        else:
            pytest.fail("the file was not replaced")
        assert {"for-a-long-time", f"session-{number}"} <= disk.found_after_a_power_cut()


def test_no_session_is_lost_when_it_is_adopted(tmp_path: Path, disk: Disk) -> None:
    with FileJournal(tmp_path) as dead:
        dead.opened("one")
        dead.opened("two")
    with FileJournal(tmp_path) as journal:
        for _ in journal.adopt_orphans():
            assert disk.found_after_a_power_cut() == {"one", "two"}
        journal.gone("one")
        journal.opened("three")
        assert disk.found_after_a_power_cut() >= {"two", "three"}


def test_a_session_is_on_the_disk_when_it_is_adopted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process can be killed after it wrote an id and before the disk had it."""
    with FileJournal(tmp_path) as dead:
        dead.opened("one")
    disk = Disk(tmp_path)
    monkeypatch.setattr(os, "fsync", disk.fsync)
    with FileJournal(tmp_path) as journal:
        assert list(journal.adopt_orphans()) == ["one"]
        journal.opened("two")
        assert disk.found_after_a_power_cut() == {"one", "two"}


def test_a_session_is_on_the_disk_when_its_record_was_interrupted_and_asked_for_again(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted_at_the_directory(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise KeyboardInterrupt
        disk.fsync(descriptor)

    with FileJournal(tmp_path) as journal:
        monkeypatch.setattr(os, "fsync", interrupted_at_the_directory)
        with pytest.raises(KeyboardInterrupt):
            journal.opened("one")
        monkeypatch.setattr(os, "fsync", disk.fsync)
        journal.opened("one")
        assert disk.found_after_a_power_cut() == {"one"}
