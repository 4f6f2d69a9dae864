"""Our journals keep every promise of the port."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from firecrawl_interact import FileJournal, InMemoryJournal
from firecrawl_interact.adapters.conformance import JournalTests

from ..postgres import PASSWORD, Postgres, ShortLease

pytestmark = pytest.mark.enable_socket
OF_ONE_PROCESS = "nothing of it outlives its process"


@contextmanager
def moved_away(directory: Path) -> Iterator[None]:
    """Let a directory be elsewhere, as one that is not mounted."""
    if sys.platform == "win32":
        pytest.skip("Windows moves no directory in which a file is open")
    elsewhere = directory.rename(directory.with_name("elsewhere"))
    try:
        yield
    finally:
        elsewhere.rename(directory)


class TestFileJournal(JournalTests):
    secrets = ("not in a path",)

    @pytest.fixture(autouse=True)
    def _choose_directory(self, tmp_path: Path) -> None:
        self.directory = tmp_path / "journal"

    def make_journal(self, service: str) -> FileJournal:
        return FileJournal(self.directory, service=service)

    def outage(self) -> AbstractContextManager[None]:
        return moved_away(self.directory)


class TestInMemoryJournal(JournalTests):
    known = dict.fromkeys(
        (
            "test_a_killed_process_leaves_orphans_with_what_it_had_adopted",
            "test_a_process_that_is_stopped_for_long_loses_nothing",
            "test_processes_that_are_killed_at_any_moment_lose_nothing",
            "test_what_a_forked_child_opens_is_its_own_and_its_parents_stays",
            "test_its_pickle_is_another_journal_with_the_same_storage",
            "test_an_outage_is_a_journal_error_soon_and_it_works_again_later",
            "test_an_outage_makes_no_living_owners_session_an_orphan",
        ),
        OF_ONE_PROCESS,
    )

    @pytest.fixture(autouse=True)
    def _share(self) -> None:
        self.first = InMemoryJournal()

    def make_journal(self, service: str) -> InMemoryJournal:
        return InMemoryJournal(self.first, service=service)

    def outage(self) -> AbstractContextManager[None]:
        raise AssertionError("memory is never away")


@pytest.mark.slow
class TestPostgresJournal(JournalTests):
    lease = ShortLease._lease
    secrets = (PASSWORD,)

    @pytest.fixture(autouse=True)
    def _choose_server(self, postgres: Postgres) -> None:
        self.server = postgres

    def make_journal(self, service: str) -> ShortLease:
        return ShortLease(self.server.url, service=service)

    def outage(self) -> AbstractContextManager[None]:
        return self.server.stopped()
