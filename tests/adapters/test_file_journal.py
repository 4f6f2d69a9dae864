"""What only a `FileJournal` has: directories and locks. The kit checks what all promise."""

import errno
import fcntl
import gc
import importlib
import os
import pickle
import resource
import shutil
import signal
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from unittest.mock import MagicMock, Mock

import pytest

from firecrawl_interact.adapters import FileJournal
from firecrawl_interact.adapters.journals import file
from firecrawl_interact.core import JournalError

from ..core.steps import Interruption, Trace

LABEL = "service=https%3A%2F%2Fa"


def leave(directory: Path, *session_ids: str, service: str | None = "https://a") -> Path:
    """Record sessions that nobody deletes. Return the directory that a dead owner leaves."""
    before = set(directory.glob("*/*"))
    with FileJournal(directory, service=service) as journal:
        for session_id in session_ids:
            journal.opened(session_id)
    [owner] = set(directory.glob("*/*")) - before
    return owner


def adopted(directory: Path, service: str | None = "https://a") -> list[str]:
    """What a sweeper gets that lives for a moment."""
    with FileJournal(directory, service=service) as journal:
        return sorted(journal.adopt_orphans())


def test_a_session_is_an_empty_file_for_its_user_alone_also_behind_a_link(tmp_path: Path) -> None:
    owner = leave(tmp_path / "deep" / "journal", "Session-1")
    assert owner.parent == tmp_path / "deep" / "journal" / LABEL
    for directory in (tmp_path / "deep", tmp_path / "deep" / "journal", owner.parent, owner):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    [record] = owner.iterdir()
    found = record.stat()
    assert (record.name, found.st_size, stat.S_IMODE(found.st_mode)) == ("%session-1", 0, 0o600)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "journal")
    assert adopted(tmp_path / "link") == ["Session-1"]


def test_nothing_is_there_before_and_after_there_is_something_to_remember(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with FileJournal("~", service="https://a/v2") as journal:
        assert repr(journal) == f"FileJournal({str(tmp_path)!r}, service='https://a')"
        shown = f"FileJournal({str(tmp_path)!r}, service=None)"
        assert repr(FileJournal(b".", service="")) == shown  # type: ignore[arg-type]  # taken, too
        journal.gone("one")
        assert journal.orphans() == list(journal.adopt_orphans()) == []
    assert list(tmp_path.iterdir()) == []
    leave(tmp_path, "one", "two")
    leave(tmp_path, "three")
    with FileJournal(tmp_path, service="https://a") as journal:
        journal.opened("four")
        for session_id in [*journal.adopt_orphans(), "four"]:
            journal.gone(session_id)
    assert list(tmp_path.glob("*/*")) == []


def test_an_own_directory_that_somebody_removed_is_made_again(tmp_path: Path) -> None:
    with FileJournal(tmp_path, service="https://a") as journal:
        journal.opened("one")
        [owner] = tmp_path.glob("*/*")
        (owner / "one").unlink()
        owner.rmdir()
        leave(tmp_path, "one")
        journal.opened("two")
        assert list(journal.adopt_orphans()) == ["one"]
    assert adopted(tmp_path) == ["one", "two"]


@pytest.mark.parametrize(
    "name", ["notes", f"{LABEL}/notes", f"{LABEL}/owner/Notes", "service=c/owner/Notes"]
)
@pytest.mark.parametrize("is_link", [True, False])
def test_what_is_no_part_of_a_journal_stops_no_sweep_and_is_shown(
    tmp_path: Path, name: str, *, is_link: bool
) -> None:
    leave(tmp_path / "journal", "one").rename(tmp_path / "journal" / LABEL / "owner")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").touch()
    foreign = tmp_path / "journal" / name
    foreign.parent.mkdir(parents=True, exist_ok=True)
    if is_link:
        foreign.symlink_to(tmp_path / "elsewhere")
    else:
        foreign.touch()
    with FileJournal(tmp_path / "journal", service="https://a") as journal:
        assert journal.orphans() == ["one"]
        shown = foreign.parent if foreign.parent.name == "owner" else foreign
        assert journal.left_alone() == (0, {}, [str(shown)])
        assert list(journal.adopt_orphans()) == ["one"]
        journal.gone("one")
    assert (tmp_path / "elsewhere" / "precious").exists()


def test_sweepers_race_for_one_file_in_whatever_order_directories_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        leave(tmp_path, "one")
    journal, listdir = FileJournal(tmp_path, service="https://a"), os.listdir
    orphans = journal._orphans()
    monkeypatch.setattr(os, "listdir", lambda path: listdir(path)[::-1])
    assert journal._orphans() == orphans


def test_what_another_sweeper_has_deleted_meanwhile_is_not_yielded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path, "one")
    with (
        FileJournal(tmp_path, service="https://a") as sweeper,
        FileJournal(tmp_path, service="https://a") as other,
    ):
        after("mkdir", monkeypatch, lambda: [*map(other.gone, other.adopt_orphans())])
        assert list(sweeper.adopt_orphans()) == []


@pytest.mark.parametrize("call", ["listdir", "flock"])
def test_a_disk_that_fails_is_no_disk_without_orphans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    owner, broken = leave(tmp_path, "one"), OSError(errno.EIO, "Input/output error")
    results = {"listdir": [[owner.name], broken], "flock": broken}
    monkeypatch.setattr(fcntl if call == "flock" else os, call, Mock(side_effect=results[call]))
    with pytest.raises(JournalError, match="Input/output error"):
        FileJournal(tmp_path, service="https://a").orphans()


def test_a_session_that_is_handed_on_while_it_is_adopted_is_its_new_owners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path, "one", "two")
    with (
        FileJournal(tmp_path, service="https://a") as living,
        FileJournal(tmp_path, service="https://a") as sweeper,
    ):
        for number, journal in enumerate((living, sweeper)):
            journal.opened(f"session-{number}")
        after("rename", monkeypatch, lambda: living.opened("one"))
        assert list(sweeper.adopt_orphans()) == ["two"]
    assert adopted(tmp_path) == ["one", "session-0", "session-1", "two"]


def test_others_may_make_the_same_directories_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = os.mkdir

    def mkdir_after_others(path: Path, mode: int) -> None:
        if path.suffix != ".new":
            mkdir(path, mode)
        mkdir(path, mode)

    monkeypatch.setattr(os, "mkdir", mkdir_after_others)
    leave(tmp_path / "deep" / "journal", "one")
    assert adopted(tmp_path / "deep" / "journal") == ["one"]


@contextmanager
def users_directory() -> Iterator[Path]:
    """Be a user who is not root, with a directory: root may read and move everything."""
    directory = Path(tempfile.mkdtemp())
    "a.example".encode("idna")  # That user may not read the folder that Python imports this from.
    is_root = os.getuid() == 0
    if is_root:
        os.chown(directory, 65534, -1)
        os.setresuid(65534, 65534, 0)
    try:
        yield directory
        for path in directory.glob("*"):
            path.chmod(0o700)
    finally:
        if is_root:
            os.setresuid(0, 0, 0)
        shutil.rmtree(directory)


@pytest.mark.parametrize(
    ("place", "mode", "orphans", "other_services", "failing"),
    [
        ("owner", 0o500, ["two"], {"b": 1}, "gone"),  # It can be read, and not moved.
        ("owner", 0, ["two"], {"b": 1}, ""),
        ("label of b", 0o600, ["one", "two"], {}, ""),
        ("label", 0o300, [], {"b": 1}, "orphans gone"),
    ],
)
def test_what_may_not_be_read_or_moved_is_shown_and_stops_no_other_sweep(
    place: str, mode: int, orphans: list[str], other_services: dict[str | None, int], failing: str
) -> None:
    with users_directory() as directory:
        owner = leave(directory, "one")
        leave(directory, "two")
        label_of_b = leave(directory, "three", service="b").parent
        closed = {"owner": owner, "label": owner.parent, "label of b": label_of_b}[place]
        closed.chmod(mode)
        with FileJournal(directory, service="https://a") as journal:
            assert journal.left_alone() == (0, other_services, [str(closed)])
            if orphans:
                assert journal.orphans() == sorted(journal.adopt_orphans()) == orphans
            calls: dict[str, Callable[[], object]]
            calls = {"orphans": journal.orphans, "gone": partial(journal.gone, "one")}
            for name in failing.split():
                with pytest.raises(JournalError, match="Permission denied"):
                    calls[name]()


@pytest.mark.parametrize(
    ("raised", "error"), [(KeyboardInterrupt, KeyboardInterrupt), (PermissionError, JournalError)]
)
def test_an_adoption_that_is_interrupted_or_fails_says_so_and_hides_no_orphan(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    raised: type[BaseException],
    error: type[BaseException],
) -> None:
    leave(tmp_path, "one", "two")
    with FileJournal(tmp_path, service="https://a") as journal:
        journal.opened("three")
        after("rename", monkeypatch, Mock(side_effect=raised))
        with pytest.raises(error):
            next(journal.adopt_orphans())
        [session_id] = journal._adopted
        after("fsync", monkeypatch, Mock(side_effect=raised))
        with pytest.raises(error):
            journal.opened(session_id)
        assert journal.orphans() == list(journal.adopt_orphans()) == ["one", "two"]


@pytest.mark.parametrize("call", ["listdir", "lstat"])
def test_what_is_adopted_while_another_journal_forgets_it_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    leave(tmp_path, "one")
    with (
        FileJournal(tmp_path, service="https://a") as sweeper,
        FileJournal(tmp_path, service="https://a") as journal,
    ):
        after(call, monkeypatch, lambda: next(sweeper.adopt_orphans()))
        journal.gone("one")
    assert adopted(tmp_path) == []


def after(name: str, patch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen, once, after the next call of `os` or of `fcntl`."""
    module = fcntl if name == "flock" else os
    call = getattr(module, name)

    def act_then(*arguments: object, **named: object) -> object:
        result = call(*arguments, **named)
        patch.undo()
        act()
        return result

    patch.setattr(module, name, act_then)


def test_a_sweep_while_an_adopter_forgets_what_two_dead_owners_had_gets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(8):  # The order in which a directory is listed is anybody's guess.
        first, second, adopter, sweeper = (FileJournal(tmp_path) for _ in range(4))
        for journal in (first, second):
            journal.opened("one")
        first.close()
        second.close()
        assert list(adopter.adopt_orphans()) == ["one"]
        found = list[str]()
        after("unlink", monkeypatch, lambda: found.extend(sweeper.adopt_orphans()))  # noqa: B023
        adopter.gone("one")
        assert found == []


def open_descriptors() -> list[str]:
    gc.collect()
    return os.listdir("/dev/fd")


@pytest.mark.parametrize(("call", "is_removed"), [("open", True), ("flock", True), ("open", False)])
def test_a_sweeper_may_remove_or_look_at_a_directory_that_is_not_locked_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, is_removed: bool
) -> None:
    def meddle() -> None:
        [unfinished] = tmp_path.glob("*/*.new")
        if is_removed:
            unfinished.rmdir()
        else:
            looking.append(os.open(unfinished, os.O_RDONLY))
            fcntl.flock(looking[0], fcntl.LOCK_SH)

    descriptors, looking = open_descriptors(), list[int]()
    with FileJournal(tmp_path, service="https://a") as journal:
        after(call, monkeypatch, meddle)
        journal.opened("one")
        for descriptor in looking:
            os.close(descriptor)
        assert adopted(tmp_path) == []
    assert open_descriptors() == descriptors
    assert adopted(tmp_path) == ["one"]


def test_copies_in_one_process_leave_no_descriptor_and_keep_a_relative_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    original = FileJournal(".", service="https://a")
    pickled = pickle.dumps(original)
    monkeypatch.chdir("/")
    descriptors = open_descriptors()
    for number in range(200):
        copy = pickle.loads(pickled)  # noqa: S301 - our own bytes
        if number % 10 == 0:
            copy.opened("one")
            copy.gone("one")
    assert repr(copy) == repr(original)
    del copy
    assert open_descriptors() == descriptors


def test_a_journal_that_is_forgotten_keeps_what_it_has_open_and_no_child_does(
    tmp_path: Path,
) -> None:
    journal = FileJournal(tmp_path, service="https://a")
    journal.opened("one")
    lock = journal._own_descriptor or 0
    del journal
    gc.collect()
    assert adopted(tmp_path) == []
    if not (child := os.fork()):
        with suppress(OSError):
            os.fstat(lock)
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def test_journals_are_forgotten_in_silence_when_descriptors_have_run_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised, descriptors = list[object](), open_descriptors()
    monkeypatch.setattr(sys, "unraisablehook", raised.append)
    journals = [FileJournal(tmp_path) for _ in range(2)]
    for journal in journals:
        journal.opened("one")
        journal.gone("one")
    journals[0].close()
    del journal
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, most))
    try:
        journals.clear()
        gc.collect()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (least, most))
    assert raised == []
    assert open_descriptors() == descriptors


def test_a_copy_that_ends_in_a_child_closes_no_descriptor_of_the_childs(tmp_path: Path) -> None:
    with FileJournal(tmp_path) as closed:
        closed.opened("one")
    mine = [os.open(tmp_path, os.O_RDONLY)]  # the number that the lock had
    closed.close()
    journals = [FileJournal(tmp_path)]
    journals[0].opened("one")
    journals[0].gone("one")
    if not (child := os.fork()):
        mine += [os.open(tmp_path, os.O_RDONLY) for _ in range(3)]
        journals.clear()
        gc.collect()
        for descriptor in mine:
            os.close(descriptor)  # It fails, if somebody closed it: the child ends with 1.
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def test_a_fork_waits_until_a_lock_is_its_journals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that is forked before that keeps a lock that nobody knows of."""
    children: list[int] = []

    def fork() -> None:
        if not (child := os.fork()):
            os.kill(os.getpid(), signal.SIGSTOP)
        children.append(child)

    def let_fork() -> None:
        forking.start()
        forking.join(0.5)  # It waits for the journal: too short a time hides a fault.

    forking = threading.Thread(target=fork)
    with FileJournal(tmp_path, service="https://a") as journal:
        after("open", monkeypatch, let_fork)
        journal.opened("one")
        forking.join()
    os.waitpid(children[0], os.WUNTRACED)
    found = adopted(tmp_path)
    os.kill(children[0], signal.SIGKILL)
    os.waitpid(children[0], 0)
    assert found == ["one"]


def test_a_path_that_names_no_directory_is_refused() -> None:
    for path in ("", "postgresql://127.0.0.1/db"):
        with pytest.raises(ValueError, match="directory must be a path"):
            FileJournal(path)


def test_a_lock_that_a_daemons_start_has_closed_is_no_error(tmp_path: Path) -> None:
    with FileJournal(tmp_path) as journal:
        journal.opened("one")
        os.close(journal._own_descriptor or 0)
        if not (child := os.fork()):
            os._exit(journal._own is not None)  # A child begins anew.
        assert os.waitpid(child, 0)[1] == 0


def test_a_mac_flushes_the_cache_of_its_drive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    flushed = Mock()
    monkeypatch.setattr(fcntl, "fcntl", flushed)
    with FileJournal(tmp_path) as journal:
        journal.opened("one")
    assert flushed.call_args.args[1] == 51


@pytest.mark.parametrize(("words", "shown"), [("", "TimeoutError"), ("Is it\nup?.\n", "Is it up")])
def test_an_error_without_words_is_named_and_each_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, shown: str
) -> None:
    monkeypatch.setattr(os, "fsync", Mock(side_effect=TimeoutError(words)))
    with FileJournal(tmp_path) as journal, pytest.raises(JournalError, match=rf": {shown}\. Del"):
        journal.opened("one")


@pytest.mark.parametrize("place", ["file", "file/journal"])
def test_a_directory_that_is_away_or_cannot_be_created_is_said(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match=f"/{place} cannot be created: .* Nothing was recorded"):
        FileJournal(tmp_path / place)
    journal = FileJournal(tmp_path / "journal")
    (tmp_path / "journal").rmdir()
    unchanged = "Nothing was changed."
    for call, subject, problem, advice in (
        (journal.orphans, "The", "cannot list its orphans", unchanged),
        (journal.left_alone, "The", "cannot be read", unchanged),
        (lambda: next(journal.adopt_orphans()), "The", "cannot adopt", "None of them is lost."),
        (lambda: journal.opened("one"), "Session 'one': the", "cannot record", "by itself."),
        (lambda: journal.gone("one"), "Session 'one': the", "cannot forget it", "which is safe."),
    ):
        text = f"^{subject} journal {tmp_path}/journal {problem}.*: .* No such file .*{advice}$"
        with pytest.raises(JournalError, match=text) as raised:
            call()
        assert raised.value.session_id == ("one" if "one" in subject else None)
        assert isinstance(raised.value.__cause__, FileNotFoundError)


def test_a_journal_that_is_closed_while_it_records_leaves_nothing_that_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def close_while_it_waits() -> None:
        is_closed.append(journal._closed.is_set())
        if is_closed == [False]:
            journal.close()

    journal, lock, is_closed = FileJournal(tmp_path), MagicMock(), list[bool]()
    lock.__enter__.side_effect = close_while_it_waits
    monkeypatch.setattr(journal, "_lock", lock)
    with pytest.raises(JournalError, match=r"cannot record that it is open: it is closed\. Delete"):
        journal.opened("one")
    assert is_closed == [False, True]  # Who closes it waits, too: for those who record.
    assert list(tmp_path.iterdir()) == []


def test_another_system_has_no_locks_and_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.delitem(sys.modules, file.__name__)
    journals = importlib.import_module(file.__name__)
    with pytest.raises(JournalError, match="needs Linux or macOS, but this is win32"):
        journals.FileJournal(tmp_path)


def interrupt_before_line(number: int, call: Callable[[], object]) -> KeyboardInterrupt | None:
    """Call, and interrupt it before a line of the journal: None if it has not so many."""
    text = Path(file.__file__).read_text(encoding="utf-8").splitlines()
    ctrl_c, traced_by = Interruption(number, KeyboardInterrupt), sys.gettrace()

    def interrupt(frame: FrameType, event: str, argument: object) -> Trace | None:
        if frame.f_code.co_filename != file.__file__ or frame.f_code.co_name == "__del__":
            return None
        # A `with` has a line event of its own when it ends. No signal's handler runs there.
        if event == "line" and not text[frame.f_lineno - 1].lstrip().startswith("with "):
            ctrl_c(frame)
        return interrupt

    sys.settrace(interrupt)
    try:
        call()
    except KeyboardInterrupt as interruption:
        return interruption
    finally:
        sys.settrace(traced_by)
    return None


def work(journal: FileJournal, recorded: set[str]) -> None:
    for session_id in ("one", "two"):
        journal.opened(session_id)
        recorded.add(session_id)
    for session_id in journal.adopt_orphans():
        if session_id == "zero":
            journal.gone(session_id)
    recorded.remove("two")
    journal.gone("two")


@pytest.mark.slow
# An interrupted look into a directory is closed by the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_ctrl_c_at_any_line_keeps_no_lock_and_loses_nothing(tmp_path: Path) -> None:
    kept: list[KeyboardInterrupt | None] = []  # Whoever keeps one keeps its frames.
    while None not in kept:
        directory, recorded = tmp_path / str(len(kept)), {"left", "after"}
        leave(directory, "left", "zero")
        with FileJournal(directory, service="https://a") as journal:
            kept.append(interrupt_before_line(len(kept) + 1, partial(work, journal, recorded)))
            other = threading.Thread(target=journal.opened, args=("after",), daemon=True)
            other.start()
            other.join(10)
            assert not other.is_alive()
        assert recorded <= set(adopted(directory))
    assert len(kept) > 60
