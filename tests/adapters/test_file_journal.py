"""What only a `FileJournal` has: directories and locks. The kit checks the rest."""

import errno
import os
import re
import stat
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import example, given, strategies as st

from firecrawl_interact import (
    DeleteSession,
    FakeService,
    FileJournal,
    InMemoryTransport,
    JournalError,
)
from firecrawl_interact.adapters.conformance.harness import unless_windows
from firecrawl_interact.adapters.journals.file import _file_name, _session_id

if sys.platform != "win32":
    import fcntl

_has_other_locks = unless_windows("it locks files beside the directories")
LABEL = "service=https%3A%2F%2Fa"


def leave(directory: Path, *session_ids: str) -> Path:
    """Record sessions that nobody deletes. Return the directory that a dead owner leaves."""
    before = set(directory.glob("*/*/"))
    with FileJournal(directory, service="https://a") as journal:
        for session_id in session_ids:
            journal.opened(session_id)
    return next(iter(set(directory.glob("*/*/")) - before), directory)


def adopted(directory: Path) -> list[str]:
    """What a sweeper gets that lives for a moment."""
    with FileJournal(directory, service="https://a") as journal:
        return sorted(journal.adopt_orphans())


# --- sessions that may still be opening ---


def swept(service: FakeService, directory: Path) -> list[str]:
    """Sweep, and return what was asked for."""
    with FileJournal(directory, service="in memory") as journal:
        delete_session = DeleteSession(InMemoryTransport(service), "fc-test", journal=journal)
        return sorted(one.session_id for one in delete_session.many(journal.adopt_orphans()))


def test_a_session_opening_at_a_kill_is_deleted_by_a_later_sweep(tmp_path: Path) -> None:
    service, scrape_id = FakeService(), str(uuid.uuid4())
    with FileJournal(tmp_path, service="in memory") as journal:
        journal.opened(f"scrape:{scrape_id}")
    service.open_session(scrape_id=scrape_id, opens_in=5)
    assert swept(service, tmp_path) == [f"scrape:{scrape_id}"]
    assert service.sessions_left_open != []
    service.advance(5)
    assert swept(service, tmp_path) == [f"scrape:{scrape_id}"]
    assert (service.sessions_left_open, swept(service, tmp_path)) == ([], [])


def test_a_scrape_without_a_session_is_forgotten_after_a_minute(tmp_path: Path) -> None:
    scrape, session = f"scrape:{uuid.uuid4()}", str(uuid.uuid4())
    with FileJournal(tmp_path, service="in memory") as journal:
        for session_id in (scrape, session):
            journal.opened(session_id)
    assert swept(FakeService(), tmp_path) == sorted([scrape, session])
    assert swept(FakeService(), tmp_path) == [scrape]
    [record] = tmp_path.glob("*/*/*")
    a_minute_ago = record.stat().st_mtime - 60
    os.utime(record, (a_minute_ago, a_minute_ago))
    assert [swept(FakeService(), tmp_path) for _ in range(2)] == [[scrape], []]


# --- what is on the disk -------------------------------------------------------------------------


@unless_windows("it has other rights, and links are for administrators")
def test_a_record_is_an_empty_file_for_its_user_alone(tmp_path: Path) -> None:
    owner = leave(tmp_path / "deep" / "journal", "5e55-1")
    assert owner.parent == tmp_path / "deep" / "journal" / LABEL
    for directory in (tmp_path / "deep" / "journal", owner.parent, owner):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    [record] = owner.iterdir()
    found = record.stat()
    assert (record.name, found.st_size, stat.S_IMODE(found.st_mode)) == ("5e55-1", 0, 0o600)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "journal")
    assert adopted(tmp_path / "link") == ["5e55-1"]
    assert FileJournal(tmp_path / "link", service="").other_services() == ["https://a"]


@given(st.lists(st.from_regex(r"(scrape:)?[A-Za-z0-9._~-]{1,120}", fullmatch=True), unique=True))
@example(["con", "CON", "a.", "A", "a", "scrape:a", "scrapea"])
def test_every_file_system_keeps_the_names_of_records_apart(session_ids: list[str]) -> None:
    names = list(map(_file_name, session_ids))
    assert len({name.lower() for name in names}) == len(names)  # Some ignore case.
    assert list(map(_session_id, names)) == session_ids
    for name in names:
        assert len(name) <= 255
        # Windows keeps con and others for itself, and drops a full stop at the end.
        assert re.fullmatch("=[0-9a-f]+|(scrape[+])?[0-9a-f-]+", name)


@unless_windows("it flushes files, and no directories")
def test_a_record_is_flushed_to_the_disk_before_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[tuple[str, list[str]]] = []

    def fsync(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        flushed.append((path, os.listdir(path)))

    monkeypatch.setattr(os, "fsync", fsync)
    with FileJournal(tmp_path, service="https://a") as journal:
        journal.opened("face")
        [owner] = tmp_path.glob("*/*")
        assert flushed == [
            (str(owner.parent), [owner.name]),
            (str(tmp_path), [LABEL]),
            (str(owner), ["face"]),
        ]


def test_directories_without_records_are_removed(tmp_path: Path) -> None:
    with FileJournal(tmp_path, service="https://a") as journal:
        for _ in range(3):
            leave(tmp_path, "face")
            leave(tmp_path)
            for session_id in journal.adopt_orphans():
                journal.gone(session_id)
        assert list(journal.adopt_orphans()) == []
        assert list(tmp_path.glob("*/*")) == []
        journal.opened("own")
        journal.gone("own")
    assert list(tmp_path.glob("*/*")) == []


def test_an_own_directory_that_somebody_removed_is_made_again(tmp_path: Path) -> None:
    with FileJournal(tmp_path, service="https://a") as journal:
        journal.opened("face")
        [owner] = tmp_path.glob("*/*/")
        (owner / "face").unlink()
        owner.rmdir()
        journal.opened("cafe")
    assert adopted(tmp_path) == ["cafe"]


@pytest.mark.parametrize("directory", ["journal", "~/journal"])
def test_a_relative_directory_is_resolved_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: str
) -> None:
    for home in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(home, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with FileJournal(directory, service="https://a") as journal:
        monkeypatch.chdir("/")
        journal.opened("face")
    assert adopted(tmp_path / "journal") == ["face"]


# --- sweepers at once ----------------------------------------------------------------------------


def test_a_dead_owners_record_of_a_session_that_a_living_one_has_goes(tmp_path: Path) -> None:
    dead = leave(tmp_path, "face", "cafe")
    with (
        FileJournal(tmp_path, service="https://a") as sweeper,
        FileJournal(tmp_path, service="https://a") as living,
    ):
        living.opened("face")
        (dead.parent / ".DS_Store").touch()  # macOS does so. It is nobody's.
        assert sweeper.orphans() == ["cafe"]
        assert list(sweeper.adopt_orphans()) == ["cafe"]
        assert [path.name for path in dead.iterdir()] == ["cafe"]
        living.close()  # The sweeper lives on.
        assert adopted(tmp_path) == ["face"]


def test_a_first_session_is_recorded_while_another_thread_sweeps(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:
        for number in range(100):
            with FileJournal(tmp_path / str(number), service="") as journal:
                sweep = pool.submit(list, journal.adopt_orphans())
                journal.opened("a")
                assert sweep.result() == []


@_has_other_locks
def test_sweepers_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at once could take each other for the living owner of a session, and both remove it."""
    leave(tmp_path, "face")
    flock, locked = fcntl.flock, list[tuple[str, int]]()

    def record(descriptor: int, kind: int) -> None:
        locked.append((os.readlink(f"/proc/self/fd/{descriptor}"), kind))
        flock(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", record)
    assert adopted(tmp_path) == ["face"]
    assert locked[0] == (str(tmp_path / LABEL), fcntl.LOCK_EX)


# --- what fails ----------------------------------------------------------------------------------


def test_a_directory_that_is_away_or_cannot_be_created_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        JournalError, match=r"Cannot open the journal .*file.journal: .*(Not a dir|WinError)"
    ):
        FileJournal(tmp_path / "file" / "journal")
    journal = FileJournal(tmp_path / "journal", service="")
    (tmp_path / "journal").rmdir()
    for call in (
        journal.orphans,
        lambda: next(journal.adopt_orphans()),
        lambda: journal.opened("face"),
        lambda: journal.gone("face"),
    ):
        with pytest.raises(JournalError, match=r"No such file|WinError"):
            call()


@pytest.mark.parametrize("call", ["listdir", pytest.param("flock", marks=_has_other_locks)])
def test_a_failing_disk_is_an_error_and_loses_no_orphan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(place: object, *_: object) -> list[str]:
        if call == "listdir" and place != owner:
            return listdir(str(place))
        raise OSError(errno.EIO, "Input/output error")

    owner, listdir = leave(tmp_path, "face"), os.listdir
    sweeper = FileJournal(tmp_path, service="https://a")
    other = FileJournal(tmp_path, service="https://b")
    with monkeypatch.context() as disk:
        disk.setattr(os if call == "listdir" else fcntl, call, fail)
        for sweep in (sweeper.orphans, sweeper.adopt_orphans().__next__, other.other_services):
            with pytest.raises(JournalError, match="Input/output error"):
                sweep()
    assert adopted(tmp_path) == ["face"]
