"""`firecrawl-interact sweep`: it destroys what dead processes left in a journal."""

import os
import sys
from pathlib import Path

import pytest

from firecrawl_interact.adapters import FileJournal

from ..postgres import PASSWORD, Postgres, ShortLease
from .commands import KEY, Run, WatchedService

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.skipif(sys.platform == "win32", reason="FileJournal needs Linux or macOS"),
]


@pytest.fixture
def label(service: WatchedService) -> str:
    """What names the service in a journal: its address."""
    return os.environ["FIRECRAWL_API_URL"].removesuffix("/v2")


def left_behind(
    directory: Path, service: WatchedService, label: str | None, count: int
) -> list[str]:
    """Open sessions in a journal whose owner has ended."""
    session_ids = [service.open_session() for _ in range(count)]
    with FileJournal(directory, service=label) as journal:
        for session_id in session_ids:
            journal.opened(session_id)
    return sorted(session_ids)


def test_it_destroys_what_was_left_and_forgets_it(
    service: WatchedService, run: Run, tmp_path: Path, label: str
) -> None:
    session_ids = left_behind(tmp_path, service, label, 3)
    done = run("sweep", str(tmp_path))
    assert done.status == 0
    assert sorted(line.split()[0] for line in done.out.splitlines()) == session_ids
    assert "3 of 3 sessions gone" in done.err
    assert service.sessions_left_open == []
    assert FileJournal(tmp_path, service=label).orphans() == []


def test_it_destroys_what_was_left_in_a_database(
    service: WatchedService,
    run: Run,
    postgres: Postgres,
    label: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session_id = service.open_session()
    postgres.execute("DELETE FROM firecrawl_interact_open_sessions")  # what other tests have left
    with ShortLease(postgres.url, service=label) as journal:
        journal.opened(session_id)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    done = run("sweep", "--quiet", postgres.url.replace(f":{PASSWORD}", ""))
    assert done == (0, "", "")
    assert service.sessions_left_open == []


def test_what_a_living_process_has_open_is_left_alone(
    service: WatchedService, run: Run, tmp_path: Path, label: str
) -> None:
    session_id = service.open_session()
    with FileJournal(tmp_path, service=label) as journal:
        journal.opened(session_id)
        assert run("sweep", str(tmp_path)).status == 0
        dry = run("sweep", "--dry-run", str(tmp_path))
    assert dry == (0, "", "Living processes have 1 sessions open: left alone.\n")
    assert service.sessions_left_open == [session_id]


@pytest.mark.parametrize(
    ("theirs", "option"),
    [
        ("https://api.firecrawl.dev", "--api-url https://api.firecrawl.dev"),
        ("blue", "--service blue"),
        (None, "--service ''"),
    ],
)
@pytest.mark.parametrize("options", [[], ["--quiet"], ["--dry-run"]])
def test_what_is_of_another_label_is_left_alone_and_said_with_the_option_that_takes_it(  # noqa: PLR0913, PLR0917 - fixtures
    service: WatchedService,
    run: Run,
    tmp_path: Path,
    theirs: str | None,
    option: str,
    options: list[str],
) -> None:
    session_ids = left_behind(tmp_path, service, theirs, 2)
    done = run("sweep", *options, str(tmp_path))
    assert done.status == 1
    named = theirs or "no service"
    assert f"2 sessions of {named} were left alone: add {option} to sweep them.\n" in done.err
    assert sorted(service.sessions_left_open) == session_ids


def test_a_directory_that_is_no_journal_is_said(
    service: WatchedService, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "notes").touch()
    done = run("sweep", "--quiet", str(tmp_path))
    assert done.status == 1
    assert "1 of the entries of" in done.err
    assert f"{tmp_path}/notes" in done.err


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
    before = sorted(tmp_path.rglob("*"))
    done = run("sweep", "--dry-run", str(tmp_path))
    assert (done.status, sorted(done.out.splitlines()), done.err) == (0, session_ids, "")
    assert sorted(tmp_path.rglob("*")) == before
    assert service.requests == []


def test_an_empty_journal_is_success_and_so_is_a_session_that_is_gone_already(
    service: WatchedService, run: Run, tmp_path: Path, label: str
) -> None:
    assert run("sweep", str(tmp_path)).status == 0
    assert list(tmp_path.iterdir()) == []
    with FileJournal(tmp_path, service=label) as journal:
        journal.opened("long-gone")
    assert run("sweep", str(tmp_path)).status == 0


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("missing", "there is no directory missing, so no journal was swept"),
        (__file__, ""),
        ("mysql://host/db", "database must be a postgresql:// URL"),
        ("postgresql://127.0.0.1:1/none", "in PostgreSQL cannot adopt its orphans: connection"),
    ],
)
def test_a_place_where_no_journal_can_be_is_bad_input(
    service: WatchedService, run: Run, place: str, words: str
) -> None:
    done = run("sweep", place)
    assert done.status == 2
    assert words in done.err
    assert service.requests == []


def test_json_and_a_label_can_be_asked_for(
    service: WatchedService, run: Run, tmp_path: Path
) -> None:
    for label in ("blue", None):
        [session_id] = left_behind(tmp_path, service, label, 1)
        (receipt,) = run("sweep", "--json", "--service", label or "", str(tmp_path)).objects
        assert (receipt["session_id"], receipt["outcome"]) == (session_id, "deleted")
