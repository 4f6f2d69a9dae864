"""What a directory of journals remembers, who gets it, and what damage does to it."""

import fcntl
import gc
import itertools
import json
import os
import pickle
import resource
import stat
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from firecrawl_interact.adapters import FileJournal
from firecrawl_interact.core import InvalidSessionIdError, JournalError


def leave_open(directory: Path, *session_ids: str, service: str | None = None) -> Path:
    """Record sessions that nobody deletes; give the file that a dead process leaves."""
    before = set(directory.iterdir()) if directory.exists() else set()
    journal = FileJournal(directory, service=service)
    for session_id in session_ids:
        journal.opened(session_id)
    journal.close()
    (path,) = set(directory.iterdir()) - before
    return path


def adopted(directory: Path, service: str | None = None) -> list[str]:
    """What a sweeper gets that lives for a moment."""
    with FileJournal(directory, service=service) as journal:
        return list(journal.adopt_orphans())


# Whose a session is


def test_a_session_left_open_is_an_orphan_once_its_journal_is_closed(tmp_path: Path) -> None:
    leave_open(tmp_path, "one", "two")
    assert adopted(tmp_path) == ["one", "two"]


def test_a_session_of_a_living_journal_is_nobodys_orphan(tmp_path: Path) -> None:
    with FileJournal(tmp_path) as journal:
        journal.opened("one")
        assert adopted(tmp_path) == []


@pytest.mark.parametrize("session_ids", [("one", "two"), (uuid.uuid4(), uuid.uuid4())], ids=type)
def test_a_session_that_is_gone_is_no_orphan(
    session_ids: tuple[str | uuid.UUID, str | uuid.UUID], tmp_path: Path
) -> None:
    one, two = session_ids
    with FileJournal(tmp_path) as journal:
        journal.opened(one)
        journal.opened(two)
        journal.gone(one)
    assert adopted(tmp_path) == [str(two)]


def test_a_session_can_be_opened_again_after_it_was_gone(tmp_path: Path) -> None:
    with FileJournal(tmp_path) as journal:
        journal.opened("one")
        journal.gone("one")
        journal.opened("one")
    assert adopted(tmp_path) == ["one"]


def test_gone_means_nothing_for_an_id_that_is_not_held(tmp_path: Path) -> None:
    leave_open(tmp_path, "one")
    with FileJournal(tmp_path) as journal:
        journal.gone("one")
    assert adopted(tmp_path) == ["one"]


def test_an_adopted_session_belongs_to_the_adopter_while_it_lives(tmp_path: Path) -> None:
    leave_open(tmp_path, "one")
    with FileJournal(tmp_path) as journal:
        assert list(journal.adopt_orphans()) == ["one"]
        assert adopted(tmp_path) == []


def test_an_adopted_session_is_yielded_once(tmp_path: Path) -> None:
    leave_open(tmp_path, "one")
    with FileJournal(tmp_path) as journal:
        assert list(journal.adopt_orphans()) == ["one"]
        assert list(journal.adopt_orphans()) == []


def test_what_one_iteration_did_not_take_the_next_one_yields(tmp_path: Path) -> None:
    leave_open(tmp_path, "one", "two")
    with FileJournal(tmp_path) as journal:
        assert next(journal.adopt_orphans()) == "one"
        assert list(journal.adopt_orphans()) == ["two"]


@pytest.mark.parametrize(
    ("record", "left"),
    [(FileJournal.opened, ["one", "two", "three"]), (FileJournal.gone, ["one", "three"])],
)
def test_an_adopted_id_that_is_opened_or_gone_before_it_is_yielded_is_not_yielded(
    record: Callable[[FileJournal, str], None], left: list[str], tmp_path: Path
) -> None:
    leave_open(tmp_path, "one", "two", "three")
    with FileJournal(tmp_path) as journal:
        orphans = journal.adopt_orphans()
        assert next(orphans) == "one"
        record(journal, "two")
        assert list(orphans) == ["three"]
    assert adopted(tmp_path) == left


def test_an_id_that_a_living_journal_holds_too_is_left_to_that_one(tmp_path: Path) -> None:
    leave_open(tmp_path, "one", "two")
    with FileJournal(tmp_path) as living:
        living.opened("one")
        with FileJournal(tmp_path) as sweeper:
            assert sweeper.orphans() == ["two"]
            assert list(sweeper.adopt_orphans()) == ["two"]
            sweeper.gone("two")
    assert adopted(tmp_path) == ["one"]


def test_an_id_that_was_left_to_a_living_journal_is_yielded_when_that_one_has_died(
    tmp_path: Path,
) -> None:
    leave_open(tmp_path, "one", "two")
    living, sweeper = FileJournal(tmp_path), FileJournal(tmp_path)
    living.opened("one")
    assert list(sweeper.adopt_orphans()) == ["two"]
    living.close()
    assert list(sweeper.adopt_orphans()) == ["one"]
    sweeper.close()


def test_an_adopted_session_that_another_journal_opens_too_stays_the_adopters(
    tmp_path: Path,
) -> None:
    leave_open(tmp_path, "one")
    with FileJournal(tmp_path) as adopter, FileJournal(tmp_path) as other:
        assert list(adopter.adopt_orphans()) == ["one"]
        other.opened("one")
        assert list(adopter.adopt_orphans()) == []
        adopter.gone("one")
        other.gone("one")
    assert adopted(tmp_path) == []


def test_an_id_that_the_adopter_itself_has_opened_is_not_yielded(tmp_path: Path) -> None:
    leave_open(tmp_path, "one", "two")
    with FileJournal(tmp_path) as journal:
        journal.opened("one")
        assert list(journal.adopt_orphans()) == ["two"]
        journal.gone("one")
        journal.gone("two")
    assert adopted(tmp_path) == []


def test_an_id_that_two_dead_processes_held_is_yielded_once(tmp_path: Path) -> None:
    leave_open(tmp_path, "one")
    leave_open(tmp_path, "one", "two")
    assert sorted(adopted(tmp_path)) == ["one", "two"]


def test_orphans_are_listed_without_being_adopted(tmp_path: Path) -> None:
    path = leave_open(tmp_path, "one", "two")
    with FileJournal(tmp_path) as journal:
        assert journal.orphans() == ["one", "two"]
        assert list(tmp_path.iterdir()) == [path]


def test_what_was_adopted_and_not_yielded_is_listed_too(tmp_path: Path) -> None:
    leave_open(tmp_path, "one", "two")
    with FileJournal(tmp_path) as journal:
        next(journal.adopt_orphans())
        assert journal.orphans() == ["two"]


def test_two_threads_share_the_orphans(tmp_path: Path) -> None:
    session_ids = {f"session-{number}" for number in range(500)}
    leave_open(tmp_path, *session_ids)
    found: list[str] = []
    with FileJournal(tmp_path) as journal:
        threads = [Thread(target=lambda: found.extend(journal.adopt_orphans())) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 500
    assert set(found) == session_ids


def test_threads_may_record_at_the_same_time(tmp_path: Path) -> None:
    def record(journal: FileJournal, name: str) -> None:
        for number in range(50):
            journal.opened(f"{name}-{number}")
            if number % 2:
                journal.gone(f"{name}-{number}")

    with FileJournal(tmp_path) as journal:
        threads = [Thread(target=record, args=(journal, name)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    left = {f"{name}-{number}" for name in "abcd" for number in range(0, 50, 2)}
    assert set(adopted(tmp_path)) == left


def test_a_pickled_journal_is_another_one_in_the_same_directory(tmp_path: Path) -> None:
    with FileJournal(tmp_path, service="here") as journal:
        journal.opened("one")
        with pickle.loads(pickle.dumps(journal)) as other:  # noqa: S301 - our own bytes
            assert list(other.adopt_orphans()) == []
            other.gone("one")
            other.opened("two")
    assert sorted(adopted(tmp_path, "here")) == ["one", "two"]


# Whose service it is of


@pytest.mark.parametrize(
    ("theirs", "ours"), list(itertools.permutations([None, "https://here", "https://there"], 2))
)
def test_orphans_of_another_service_are_left_alone_with_a_warning(
    tmp_path: Path, theirs: str | None, ours: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = leave_open(tmp_path, "one", service=theirs)
    assert adopted(tmp_path, ours) == []
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert (
        f"{path} is left alone: its open sessions (1) are of service={theirs!r}"
        in record.getMessage()
    )
    assert adopted(tmp_path, theirs) == ["one"]


@pytest.mark.parametrize("end", ["/v2", "/v2/", "/"])
def test_two_ways_to_write_an_address_are_one_service(tmp_path: Path, end: str) -> None:
    leave_open(tmp_path, "one", service=f"https://here{end}")
    assert adopted(tmp_path, "https://here") == ["one"]
    assert adopted(tmp_path, f"https://here{end}") == ["one"]


# Files


def test_files_are_for_their_user_alone(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "journal"
    path = leave_open(directory, "one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_the_first_line_says_which_service(tmp_path: Path) -> None:
    path = leave_open(tmp_path, "one", service="https://api.example")
    assert json.loads(path.read_text().splitlines()[0]) == {"service": "https://api.example"}


def test_there_is_no_file_before_there_is_something_to_remember(tmp_path: Path) -> None:
    with FileJournal(tmp_path / "journal") as journal:
        journal.gone("one")
        assert list(journal.adopt_orphans()) == []
        assert list((tmp_path / "journal").iterdir()) == []


def test_nothing_is_left_of_a_journal_that_ends_well(tmp_path: Path) -> None:
    with FileJournal(tmp_path) as journal:
        journal.opened("one")
        journal.gone("one")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_orphans_that_are_gone(tmp_path: Path) -> None:
    leave_open(tmp_path, "one", "two")
    leave_open(tmp_path, "three")
    with FileJournal(tmp_path) as journal:
        for session_id in journal.adopt_orphans():
            journal.gone(session_id)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("service", [None, "https://elsewhere.example"])
def test_a_dead_file_without_an_open_session_is_removed_whatever_its_service(
    service: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = leave_open(tmp_path, "one", service=service)
    with path.open("a") as file:
        file.write('{"gone":"one"}\n')
    assert adopted(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
    assert caplog.records == []


def test_another_sweeper_may_adopt_a_file_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = leave_open(tmp_path, "one").rename(tmp_path / "aaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbb.jsonl")
    own_open = os.open

    def lose_the_file_first(path_to_open: Path, flags: int) -> int:
        path.unlink(missing_ok=True)
        return own_open(path_to_open, flags)

    monkeypatch.setattr(os, "open", lose_the_file_first)
    assert adopted(tmp_path) == []
    assert caplog.records == []


def test_another_sweeper_may_remove_such_a_file_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = leave_open(tmp_path, "one")
    path.write_text('{"service":null}\n')
    leave_open(tmp_path, "two")
    unlink = os.unlink

    def unlink_twice(path_to_unlink: Path) -> None:
        if path_to_unlink == path:
            unlink(path)
        unlink(path_to_unlink)

    monkeypatch.setattr(os, "unlink", unlink_twice)
    assert adopted(tmp_path) == ["two"]


def test_unfinished_files_are_removed_wherever_they_stand_among_others(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"notes-{number}").touch()
        (tmp_path / f"000000000000000{number}.new").write_text('{"service":nul')
        (tmp_path / f"more-notes-{number}").touch()
    assert adopted(tmp_path) == []
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".new"]


def test_an_unfinished_file_that_comes_in_the_place_of_another_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "0123456789abcdef.new"
    path.touch()
    flock = fcntl.flock

    def replace_the_file_first(descriptor: int, operation: int) -> None:
        path.unlink()
        path.write_text("another")
        flock(descriptor, operation)

    with FileJournal(tmp_path) as journal:
        monkeypatch.setattr(fcntl, "flock", replace_the_file_first)
        assert list(journal.adopt_orphans()) == []
        monkeypatch.undo()
    assert path.read_text() == "another"


def test_an_adopted_file_that_somebody_removed_is_no_error(tmp_path: Path) -> None:
    path = leave_open(tmp_path, "one")
    with FileJournal(tmp_path) as journal:
        assert list(journal.adopt_orphans()) == ["one"]
        for adopted_file in tmp_path.glob(f"*.{path.stem}.jsonl"):
            adopted_file.unlink()
        journal.gone("one")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_created_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    FileJournal(tmp_path / "deep" / "journal").close()
    assert synced == [tmp_path.stat().st_ino, (tmp_path / "deep").stat().st_ino]


def test_other_files_in_the_directory_are_not_touched(tmp_path: Path) -> None:
    for name in ("notes.new", "notes.jsonl", "notes"):
        (tmp_path / name).touch()
    assert adopted(tmp_path) == []
    assert {path.name for path in tmp_path.iterdir()} == {"notes.new", "notes.jsonl", "notes"}


def test_a_file_does_not_grow_with_what_is_long_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # Thousands of them take a while.
    with FileJournal(tmp_path) as journal:
        journal.opened("for-a-long-time")
        (path,) = tmp_path.iterdir()
        renamed: list[None] = []
        rename = os.rename
        monkeypatch.setattr(os, "rename", lambda *paths: renamed.append(rename(*paths)))
        for number in range(1_500):
            journal.opened(f"session-{number}")
            journal.gone(f"session-{number}")
        assert path.read_bytes().count(b"\n") < 1_100
        assert 1 <= len(renamed) <= 3
    assert adopted(tmp_path) == ["for-a-long-time"]


@pytest.mark.parametrize("number_open", [1, 200])
def test_a_file_is_replaced_when_what_is_gone_fills_a_thousand_lines_more_than_what_is_open(
    tmp_path: Path, number_open: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    with FileJournal(tmp_path) as journal:
        for number in range(number_open):
            journal.opened(f"open-{number}")
        (path,) = tmp_path.iterdir()
        inode = path.stat().st_ino
        lines = path.read_bytes().count(b"\n")
        while path.stat().st_ino == inode:
            assert lines < 2_000
            journal.opened("gone")
            journal.gone("gone")
            lines += 2
    assert 1_000 <= lines - 2 * number_open <= 1_010


def test_a_file_of_what_is_open_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    with FileJournal(tmp_path) as journal:
        journal.opened("first")
        (path,) = tmp_path.iterdir()
        inode = path.stat().st_ino
        for number in range(1_200):
            journal.opened(f"session-{number}")
        assert path.stat().st_ino == inode


def test_an_adoption_leaves_the_adopters_own_file_as_it_is(tmp_path: Path) -> None:
    leave_open(tmp_path, "one")
    with FileJournal(tmp_path) as journal:
        journal.opened("two")
        (own,) = {path for path in tmp_path.iterdir() if b"two" in path.read_bytes()}
        inode = own.stat().st_ino
        assert list(journal.adopt_orphans()) == ["one"]
        assert own.stat().st_ino == inode


def test_to_forget_a_session_does_not_wait_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FileJournal(tmp_path) as journal:
        journal.opened("one")
        journal.opened("two")
        monkeypatch.setattr(os, "fsync", lambda fd: pytest.fail("it waits"))
        journal.gone("one")


def test_a_closed_journal_leaves_nothing_in_memory(tmp_path: Path) -> None:
    def own_files() -> set[int]:
        gc.collect()
        return {id(one) for one in gc.get_objects() if type(one).__name__ == "OwnFile"}

    before = own_files()
    FileJournal(tmp_path).close()
    assert own_files() <= before


def test_a_file_that_is_replaced_while_a_sweeper_looks_at_it_is_no_orphan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    living, sweeper = FileJournal(tmp_path), FileJournal(tmp_path)
    living.opened("for-a-long-time")
    (path,) = tmp_path.iterdir()
    flock = fcntl.flock

    def replace_the_file_first(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        inode = path.stat().st_ino
        for number in range(1_000):
            living.opened(f"session-{number}")
            living.gone(f"session-{number}")
            if path.stat().st_ino != inode:
                break
        flock(descriptor, operation)  # The sweeper has opened the old file.

    monkeypatch.setattr(fcntl, "flock", replace_the_file_first)
    assert list(sweeper.adopt_orphans()) == []
    sweeper.close()
    living.close()


@pytest.mark.parametrize(("module", "call"), [(fcntl, "flock"), (os, "fsync"), (os, "rename")])
def test_a_sweeper_does_no_harm_to_a_file_that_is_not_finished(
    tmp_path: Path, module: object, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = getattr(module, call)

    def sweep_first(*arguments: object) -> object:
        monkeypatch.setattr(module, call, function)
        assert adopted(tmp_path) == []
        return function(*arguments)

    monkeypatch.setattr(module, call, sweep_first)
    with FileJournal(tmp_path) as journal:
        journal.opened("one")
        assert [path.suffix for path in tmp_path.iterdir()] == [".jsonl"]
    assert adopted(tmp_path) == ["one"]


def test_to_record_a_session_twice_writes_once(tmp_path: Path) -> None:
    with FileJournal(tmp_path) as journal:
        journal.opened("one")
        (path,) = tmp_path.iterdir()
        content = path.read_bytes()
        journal.opened("one")
        assert path.read_bytes() == content


def test_no_descriptor_is_left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    leave_open(tmp_path, "one", "two")
    gc.collect()
    before = os.listdir("/dev/fd")
    with FileJournal(tmp_path) as journal:
        for session_id in journal.adopt_orphans():
            journal.gone(session_id)
        for number in range(600):
            journal.opened(f"session-{number}")
            journal.gone(f"session-{number}")
        for _ in range(10):
            with disk_that_is_full_after(0), pytest.raises(JournalError):
                journal.opened("three")
        assert len(os.listdir("/dev/fd")) == len(before) + 1
    assert os.listdir("/dev/fd") == before


def test_no_descriptor_is_left_open_by_what_happens_while_a_file_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock

    def interrupted(descriptor: int, operation: int) -> None:
        raise KeyboardInterrupt

    def sweep_first(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        assert adopted(tmp_path) == []
        flock(descriptor, operation)

    gc.collect()
    before = os.listdir("/dev/fd")
    with FileJournal(tmp_path) as journal:
        monkeypatch.setattr(fcntl, "flock", interrupted)
        with pytest.raises(KeyboardInterrupt):
            journal.opened("one")
        assert os.listdir("/dev/fd") == before
        monkeypatch.setattr(fcntl, "flock", sweep_first)
        journal.opened("two")
    assert os.listdir("/dev/fd") == before


def test_a_file_that_somebody_removed_is_written_again(tmp_path: Path) -> None:
    with FileJournal(tmp_path) as journal:
        journal.opened("one")
        (path,) = tmp_path.iterdir()
        path.unlink()
        journal.opened("two")
    assert sorted(adopted(tmp_path)) == ["one", "two"]


def test_the_directory_may_be_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "journal").symlink_to(tmp_path / "volume")
    leave_open(tmp_path / "journal", "one")
    assert adopted(tmp_path / "volume") == ["one"]


# Damage


def test_a_file_cut_off_after_any_byte_loses_only_what_it_lacks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = leave_open(tmp_path, "one", "two").read_bytes().splitlines(keepends=True)
    whole = b"".join(lines)
    records = {len(lines[0] + lines[1]) - 1: "one", len(whole) - 1: "two"}
    at_a_line_end = {0, *(len(b"".join(lines[:number])) for number in (1, 2, 3))}
    (path,) = tmp_path.iterdir()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        caplog.clear()
        with FileJournal(tmp_path) as journal:
            expected = [session_id for end, session_id in records.items() if end <= length]
            assert list(journal.adopt_orphans()) == expected
            for session_id in expected:
                journal.gone(session_id)
        assert list(tmp_path.iterdir()) == []
        lacks_at_most_the_line_end = {length, length + 1} & at_a_line_end
        assert len(caplog.records) == (0 if lacks_at_most_the_line_end else 1)


def test_what_follows_a_line_that_was_cut_off_can_be_read(tmp_path: Path) -> None:
    path = leave_open(tmp_path, "one", "two", "three")
    path.write_bytes(path.read_bytes()[:-3])
    with FileJournal(tmp_path) as journal:
        assert list(journal.adopt_orphans()) == ["one", "two"]
        journal.gone("one")
    assert adopted(tmp_path) == ["two"]


def test_an_adopted_session_is_an_orphan_again_after_its_adopter_without_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    leave_open(tmp_path, "one", "two")
    with FileJournal(tmp_path) as journal:
        list(journal.adopt_orphans())
        journal.gone("one")
    assert adopted(tmp_path) == ["two"]
    assert caplog.records == []


@pytest.mark.parametrize(
    "line",
    [
        b"what is this?",
        b"\0\0\0",
        b'{"opened":"\xff"}',
        b"[]",
        b"{}",
        b'{"opened":1}',
        b'{"opened":""}',
        b'{"opened":".."}',
        b'{"opened":"two","at":7}',
        b"[" * 5000,
    ],
)
def test_foreign_lines_are_skipped_with_one_warning_that_names_the_file(
    tmp_path: Path, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = leave_open(tmp_path, "one")
    with path.open("ab") as file:
        file.write(line + b"\n" + line + b'\n{"opened":"three"}\n')
    assert adopted(tmp_path) == ["one", "three"]
    (record,) = caplog.records
    assert f"The journal's file {path}: skipped " in record.getMessage()


@pytest.mark.parametrize(
    ("lines", "number", "first"),
    [(b"one\ntwo\n", 2, b"one\n"), (b'{"opened":"a b"}\n', 1, b'{"opened":"a b"}\n')],
)
def test_the_warning_says_how_many_lines_are_skipped_and_shows_the_first(
    lines: bytes, number: int, first: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = leave_open(tmp_path, "one")
    with path.open("ab") as file:
        file.write(lines)
    assert adopted(tmp_path) == ["one"]
    words = f"skipped {number} lines that cannot be read, first {first!r}"
    assert caplog.messages == [f"The journal's file {path}: {words}"]


@pytest.mark.parametrize("first", [b'{"made by":"another"}', b'{"service":null,"version":2}'])
def test_a_file_whose_first_line_is_foreign_is_left_alone_with_a_warning(
    first: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = leave_open(tmp_path, "one")
    content = first + b"\n" + path.read_bytes().split(b"\n", 1)[1]
    path.write_bytes(content)
    assert adopted(tmp_path) == []
    (record,) = caplog.records
    assert f"{path} is left alone" in record.getMessage()
    assert path.read_bytes() == content


def test_a_file_that_cannot_be_read_does_not_keep_the_others_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "0123456789abcdef.jsonl"
    path.mkdir()
    leave_open(tmp_path, "one")
    assert adopted(tmp_path) == ["one"]
    (record,) = caplog.records
    assert f"{path} is left alone" in record.getMessage()


def test_no_file_that_is_left_alone_keeps_the_others_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vanishing = []
    for number in range(5):
        leave_open(tmp_path, f"ours-{number}")
        (tmp_path / f"000000000000000{number}.jsonl").mkdir()
        leave_open(tmp_path, f"theirs-{number}", service="elsewhere")
        vanishing.append(leave_open(tmp_path, f"vanishing-{number}"))
    own_open = os.open

    def let_some_vanish(path: Path, flags: int, mode: int = 0o777) -> int:
        for one in vanishing:
            if path == one:
                one.unlink()
        return own_open(path, flags, mode)

    monkeypatch.setattr(os, "open", let_some_vanish)
    assert sorted(adopted(tmp_path)) == [f"ours-{number}" for number in range(5)]


def test_another_sweeper_may_rename_a_file_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = leave_open(tmp_path, "one")
    leave_open(tmp_path, "two")
    rename = os.rename

    def lose_one_first(path: Path, target: Path) -> None:
        if path == taken:
            path.unlink()
        rename(path, target)

    monkeypatch.setattr(os, "rename", lose_one_first)
    assert adopted(tmp_path) == ["two"]


def test_a_file_of_a_living_journal_that_cannot_be_read_keeps_nobody_back(tmp_path: Path) -> None:
    leave_open(tmp_path, "one")
    with FileJournal(tmp_path) as living:
        living.opened("two")
        (own,) = {path for path in tmp_path.iterdir() if b"two" in path.read_bytes()}
        (tmp_path / f"{own.stem}.bbbbbbbbbbbbbbbb.jsonl").mkdir()
        assert adopted(tmp_path) == ["one"]


# What cannot be done


@contextmanager
def disk_that_is_full_after(size: int) -> Iterator[None]:
    """Let no file of this process grow above so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_session_that_could_not_be_recorded_is_named_and_said_to_be_open(tmp_path: Path) -> None:
    with FileJournal(tmp_path) as journal:
        with disk_that_is_full_after(0), pytest.raises(JournalError) as raised:
            journal.opened("one")
        assert raised.value.session_id == "one"
        assert isinstance(raised.value.__cause__, OSError)
        message = f"Session 'one': the journal {tmp_path} cannot record that it is open: "
        assert str(raised.value).startswith(message)
        assert str(raised.value).endswith(" no sweep knows of it: delete it.")
    assert adopted(tmp_path) == []


def record_one_and_fail_to_record_two(journal: FileJournal, directory: Path) -> None:
    """Let the disk be full in the middle of the second record."""
    journal.opened("one")
    (path,) = directory.iterdir()
    with disk_that_is_full_after(path.stat().st_size + 5), pytest.raises(JournalError):
        journal.opened("two")


def test_a_record_that_was_written_in_part_spoils_no_other(tmp_path: Path) -> None:
    with FileJournal(tmp_path) as journal:
        record_one_and_fail_to_record_two(journal, tmp_path)
        journal.opened("three")
    assert sorted(adopted(tmp_path)) == ["one", "three"]


def test_a_session_that_could_not_be_recorded_can_be_recorded_later(tmp_path: Path) -> None:
    with FileJournal(tmp_path) as journal:
        record_one_and_fail_to_record_two(journal, tmp_path)
        journal.opened("two")
    assert sorted(adopted(tmp_path)) == ["one", "two"]


def test_a_session_that_could_not_be_forgotten_costs_one_more_delete(tmp_path: Path) -> None:
    with FileJournal(tmp_path) as journal:
        journal.opened("one")
        journal.opened("two")
        (path,) = tmp_path.iterdir()
        with disk_that_is_full_after(path.stat().st_size + 5):
            with pytest.raises(JournalError) as raised:
                journal.gone("one")
            assert raised.value.session_id == "one"
            message = f"Session 'one': the journal {tmp_path} cannot forget it: "
            assert str(raised.value).startswith(message)
            assert str(raised.value).endswith(" A sweep deletes it once more, which is safe.")
    assert adopted(tmp_path) == ["one", "two"]


@contextmanager
def ctrl_c_at(call: str) -> Iterator[None]:
    """Press Ctrl-C when a system call is to be made, and make none."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(os, call, interrupted)
        yield
        pytest.fail(f"there was no {call}")


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_record_that_was_interrupted_is_made_when_it_is_asked_for_again(
    tmp_path: Path, call: str
) -> None:
    with FileJournal(tmp_path) as journal:
        journal.opened("one")
        with ctrl_c_at(call):
            journal.opened("two")
        journal.opened("two")
    assert sorted(adopted(tmp_path)) == ["one", "two"]


@pytest.mark.parametrize("call", ["open", "write", "fsync", "rename"])
def test_a_first_record_that_was_interrupted_does_not_keep_the_next_one_waiting(
    tmp_path: Path, call: str
) -> None:
    with FileJournal(tmp_path) as journal:
        with ctrl_c_at(call):
            journal.opened("one")
        journal.opened("two")
    assert "two" in adopted(tmp_path)


def test_a_record_that_was_interrupted_when_written_is_an_orphan(tmp_path: Path) -> None:
    with FileJournal(tmp_path) as journal:
        journal.opened("one")
        journal.gone("one")
        with ctrl_c_at("fsync"):
            journal.opened("two")
    assert adopted(tmp_path) == ["two"]


def test_an_orphan_whose_own_record_was_interrupted_is_not_lost(tmp_path: Path) -> None:
    leave_open(tmp_path, "one", "two")
    with FileJournal(tmp_path) as journal:
        journal.opened("three")
        with ctrl_c_at("write"):
            journal.opened("one")
        assert list(journal.adopt_orphans()) == ["two"]
    assert sorted(adopted(tmp_path)) == ["one", "three", "two"]


def test_orphans_that_cannot_be_adopted_are_not_lost(tmp_path: Path) -> None:
    leave_open(tmp_path, "one")
    with (
        FileJournal(tmp_path) as journal,
        disk_that_is_full_after(0),
        pytest.raises(JournalError) as raised,
    ):
        next(journal.adopt_orphans())
    assert str(raised.value).startswith(f"The journal {tmp_path} cannot adopt its orphans: ")
    assert str(raised.value).endswith(" None of them is lost.")
    assert adopted(tmp_path) == ["one"]


def test_a_directory_that_went_away_is_said(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "journal")
    (tmp_path / "journal").rmdir()
    with pytest.raises(JournalError, match="No such file or directory"):
        journal.opened("one")
    with pytest.raises(JournalError, match="No such file or directory") as raised:
        journal.orphans()
    message = f"The journal {tmp_path / 'journal'} cannot list its orphans: "
    assert str(raised.value).startswith(message)
    assert str(raised.value).endswith(" Nothing was changed.")


def test_a_directory_that_cannot_be_created_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match=r"file/journal cannot be created") as raised:
        FileJournal(tmp_path / "file" / "journal")
    assert isinstance(raised.value.__cause__, OSError)


def test_a_directory_that_is_a_file_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match=r"/file cannot be created: .*File exists"):
        FileJournal(tmp_path / "file")


def test_a_closed_journal_takes_nothing_more(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path)
    journal.opened("one")
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="it is closed"):
        journal.opened("two")
    with pytest.raises(JournalError, match="it is closed"):
        next(journal.adopt_orphans())
    journal.gone("one")
    assert adopted(tmp_path) == ["one"]


def test_a_journal_that_is_closed_yields_no_more_orphans(tmp_path: Path) -> None:
    leave_open(tmp_path, "one", "two")
    journal = FileJournal(tmp_path)
    orphans = journal.adopt_orphans()
    assert next(orphans) == "one"
    journal.close()
    assert list(orphans) == []


def test_what_can_be_no_id_is_not_recorded(tmp_path: Path) -> None:
    with FileJournal(tmp_path) as journal, pytest.raises(InvalidSessionIdError):
        journal.opened("")


def test_a_service_that_is_no_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="service must be a str or None, not PosixPath"):
        FileJournal(tmp_path, service=tmp_path)  # type: ignore[arg-type] # the mistake


def test_another_system_is_refused_at_once(tmp_path: Path) -> None:
    code = f"""
import sys
sys.platform = "win32"
sys.modules["fcntl"] = None  # as if it were not there
from firecrawl_interact.adapters import FileJournal
FileJournal({str(tmp_path)!r})
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert "JournalError: FileJournal needs Linux or macOS, but this is win32" in done.stderr


def test_the_repr_says_where_and_for_which_service(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path, service="https://api.example")
    assert repr(journal) == f"FileJournal({str(tmp_path)!r}, service='https://api.example')"
