"""No recorded session is lost when the machine itself ends.

The disk of this model is the worst that POSIX allows: each directory has the names that it had at
its own last fsync, and nothing is where no directory names it.
"""

import os
import sys
import tempfile
from pathlib import Path

import pytest

from firecrawl_interact.adapters import FileJournal

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it watches Linux's fsync")


class Disk:
    """What a power cut would leave of what is below a directory."""

    def __init__(self, top: Path) -> None:
        self.journal = top / "deep" / "journal"
        self.interrupts = False  # the next fsync
        self._top = top
        self._names: dict[int, list[tuple[str, int, bool]]] = {}

    def fsync(self, descriptor: int) -> None:
        if self.interrupts:
            self.interrupts = False
            raise KeyboardInterrupt
        self._names[os.fstat(descriptor).st_ino] = [
            (entry.name, entry.inode(), entry.is_dir()) for entry in os.scandir(descriptor)
        ]

    def forget(self, pattern: str) -> None:
        """Let a power cut leave nothing of what directories hold, unless it is synced again."""
        for directory in self.journal.glob(pattern):
            self._names.pop(directory.stat().st_ino, None)

    def found_after_a_power_cut(self) -> set[str]:
        names = dict(self._names)
        with tempfile.TemporaryDirectory() as directory:
            self._restore(self._top.stat().st_ino, Path(directory))
            with FileJournal(Path(directory, "deep", "journal")) as sweeper:
                found = list(sweeper.adopt_orphans())
        self._names = names  # Its directories can have the numbers of those that are gone here.
        assert len(found) == len(set(found))
        return set(found)

    def _restore(self, inode: int, place: Path) -> None:
        for name, entry, is_directory in self._names.get(inode, []):
            if is_directory:
                Path(place, name).mkdir()
                self._restore(entry, place / name)
            else:
                Path(place, name).touch()


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk(tmp_path)
    monkeypatch.setattr(os, "fsync", disk.fsync)
    disk.journal.mkdir(parents=True)  # Who makes it is not the journal.
    for directory in (disk.journal, *disk.journal.parents):
        if directory.is_relative_to(tmp_path):
            disk.fsync(os.open(directory, os.O_RDONLY))
    return disk


def test_a_session_survives_a_power_cut_once_it_is_recorded(disk: Disk) -> None:
    with FileJournal(disk.journal) as journal:
        for number in range(3):
            disk.interrupts = number == 1
            if disk.interrupts:
                with pytest.raises(KeyboardInterrupt):
                    journal.opened("session-1")
            journal.opened(f"session-{number}")
            assert f"session-{number}" in disk.found_after_a_power_cut()


def test_no_session_is_lost_when_it_is_adopted(disk: Disk) -> None:
    for ids in (["one", "two"], ["three"]):
        with FileJournal(disk.journal) as dead:
            for session_id in ids:
                dead.opened(session_id)
    with FileJournal(disk.journal) as journal:
        for _ in journal.adopt_orphans():
            assert disk.found_after_a_power_cut() == {"one", "two", "three"}
        journal.gone("one")
        journal.opened("four")
        assert disk.found_after_a_power_cut() >= {"two", "three", "four"}


@pytest.mark.parametrize("is_interrupted", [True, False])
@pytest.mark.parametrize("owned", [[], ["two"]])
def test_a_session_is_on_the_disk_when_it_is_adopted(
    disk: Disk, owned: list[str], is_interrupted: bool
) -> None:
    """A process can be killed after it created a file and before the disk had it."""
    with FileJournal(disk.journal) as dead:
        dead.opened("one")
    with FileJournal(disk.journal) as journal:
        for session_id in owned:
            journal.opened(session_id)
        disk.forget("*/*" if owned else "**/")
        disk.interrupts = is_interrupted
        if is_interrupted:
            with pytest.raises(KeyboardInterrupt):
                next(journal.adopt_orphans())
        assert list(journal.adopt_orphans()) == ["one"]
        assert disk.found_after_a_power_cut() == {"one", *owned}
