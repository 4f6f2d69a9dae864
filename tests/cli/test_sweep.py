"""`firecrawl-interact sweep`: it destroys what dead processes left in a journal."""

import os
import sys
from pathlib import Path

import pytest

from firecrawl_interact.adapters import FileJournal

from .commands import KEY, Process, Run, WatchedService

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.skipif(sys.platform == "win32", reason="FileJournal needs Linux or macOS"),
]


@pytest.fixture
def label(service: WatchedService) -> str:
    """What names the service in a journal: its address."""
    return os.environ["FIRECRAWL_API_URL"].removesuffix("/v2")


def left_behind(directory: Path, service: WatchedService, label: str, count: int) -> list[str]:
    """Open sessions in a journal whose owner has ended."""
    session_ids = [service.open_session() for _ in range(count)]
    with FileJournal(directory, service=label) as journal:
        for session_id in session_ids:
            journal.opened(session_id)
    return session_ids


def test_it_destroys_what_was_left_and_forgets_it(
    service: WatchedService, run: Run, tmp_path: Path, label: str
) -> None:
    session_ids = left_behind(tmp_path, service, label, 3)
    done = run("sweep", str(tmp_path))
    assert done.status == 0
    assert {line.split()[0] for line in done.out.splitlines()} == set(session_ids)
    assert "3 of 3 sessions gone, 6 credits" in done.err
    assert service.sessions_left_open == []
    assert list(tmp_path.iterdir()) == []


def test_what_a_living_process_has_open_is_left_alone(
    service: WatchedService, run: Run, tmp_path: Path, label: str
) -> None:
    session_id = service.open_session()
    with FileJournal(tmp_path, service=label) as journal:
        journal.opened(session_id)
        assert run("sweep", str(tmp_path)).status == 0
    assert service.sessions_left_open == [session_id]


def test_what_was_opened_at_another_address_is_left_alone_with_a_warning(
    service: WatchedService, tmp_path: Path
) -> None:
    session_ids = left_behind(tmp_path, service, "https://api.firecrawl.dev", 2)
    with Process("sweep", "--quiet", str(tmp_path)) as process:
        done = process.finish()
    assert done.status == 0
    assert "are of service='https://api.firecrawl.dev'" in done.err
    assert service.sessions_left_open == session_ids


def test_what_could_not_be_destroyed_is_left_for_the_next_sweep(
    service: WatchedService, run: Run, tmp_path: Path, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind(tmp_path, service, label, 2)
    monkeypatch.setenv("FIRECRAWL_API_KEY", "fc-wrong")
    done = run("sweep", str(tmp_path))
    assert done.status == 1
    assert "2 may still be billing." in done.err
    monkeypatch.setenv("FIRECRAWL_API_KEY", KEY)
    assert run("sweep", str(tmp_path)).status == 0
    assert service.sessions_left_open == []


def test_a_dry_run_lists_the_ids_and_changes_nothing(
    service: WatchedService, run: Run, tmp_path: Path, label: str
) -> None:
    session_ids = left_behind(tmp_path, service, label, 3)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    done = run("sweep", "--dry-run", str(tmp_path))
    assert (done.status, done.out.splitlines(), done.err) == (0, session_ids, "")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert service.requests == []


def test_an_empty_journal_is_success(service: WatchedService, run: Run, tmp_path: Path) -> None:
    assert run("sweep", str(tmp_path)).status == 0


def test_a_directory_that_is_not_there_is_named_and_not_created(
    service: WatchedService, run: Run, tmp_path: Path
) -> None:
    missing = tmp_path / "missing"
    done = run("sweep", str(missing))
    assert done.status == 0
    assert done.err == f"There is no directory {missing}: nothing was left there.\n"
    assert not missing.exists()


def test_a_file_is_no_directory(service: WatchedService, run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert run("sweep", str(tmp_path / "file")).status == 2


def test_json_and_quiet_are_those_of_delete(
    service: WatchedService, run: Run, tmp_path: Path, label: str
) -> None:
    [session_id] = left_behind(tmp_path, service, label, 1)
    (receipt,) = run("sweep", "--json", str(tmp_path)).objects
    assert (receipt["session_id"], receipt["outcome"]) == (session_id, "deleted")
    left_behind(tmp_path, service, label, 1)
    assert run("sweep", "--quiet", str(tmp_path)) == (0, "", "")
