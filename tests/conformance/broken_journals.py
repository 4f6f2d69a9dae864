"""Journals as somebody in a hurry writes them.

pytest plays them as a file of its own, which `test_kit.py` starts.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import pytest

from firecrawl_interact import FileJournal, InvalidSessionIdError
from firecrawl_interact.adapters.conformance import JournalTests

from .found import FOUND, found_by
from .test_journals import moved_away

Id: TypeAlias = Any  # The kit passes texts alone.


class Right(FileJournal):
    """Keeps every promise, and knows what it has recorded."""

    def __init__(self, directory: Path, *, service: str) -> None:
        super().__init__(directory, service=service)
        self.recorded: set[str] = set()

    def opened(self, session_id: Id, /) -> None:
        super().opened(session_id)
        self.recorded.add(session_id)


class Broken(JournalTests):
    """Plays a journal in a directory."""

    __test__ = False
    journal: ClassVar[type[Right]] = Right
    secrets = ("/journal",)

    @pytest.fixture(autouse=True)
    def _choose_directory(self, tmp_path: Path) -> None:
        self.directory = tmp_path / "journal"

    def make_journal(self, service: str) -> Right:
        return self.journal(self.directory, service=service)

    def outage(self) -> AbstractContextManager[None]:
        return moved_away(self.directory)


@found_by(
    "test_a_killed_process_leaves_orphans_with_what_it_had_adopted[fork]", "and ['scrape:one', "
)
@found_by("test_a_process_that_is_stopped_for_long_loses_nothing", "0 of 1 orphans")
@found_by("test_processes_that_are_killed_at_any_moment_lose_nothing", "recorded sessions are lost")
@found_by("test_valid_ids_are_kept_as_they_are_and_others_refused", "DID NOT")
class RecordsAfterTheFact(Right):
    def opened(self, session_id: Id, /) -> None:
        self.recorded.add(session_id)

    def close(self) -> None:
        for session_id in self.recorded:
            super().opened(session_id)
        super().close()


@found_by("test_a_living_journals_session_is_no_orphan", "['one'] came")
@found_by("test_its_pickle_is_another_journal_with_the_same_storage", "or twice: ['one']")
@found_by("test_what_a_forked_child_opens_is_its_own_and_its_parents_stays", "['childs-first'] is")
class TakesTheLiving(Right):
    def opened(self, session_id: Id, /) -> None:
        with FileJournal(self._directory, service=self._service) as other:
            other.opened(session_id)


@found_by("test_a_closed_journals_sessions_are_orphans", "[] came")
@found_by("test_gone_of_an_unknown_id_changes_nothing", "[] came, and ['two'] is due")
class ForgetsWhenItCloses(Right):
    def close(self) -> None:
        for session_id in self.recorded:
            self.gone(session_id)
        super().close()


@found_by("test_a_sweep_left_half_way_loses_nothing", "or twice: ['")
@found_by("test_two_sweepers_share_the_orphans_and_none_comes_twice", "or twice: ['")
class YieldsBeforeItAdopts(Right):
    def adopt_orphans(self) -> Iterator[str]:
        yield from self.orphans()
        for _ in super().adopt_orphans():
            pass


@found_by("test_a_closed_journals_sessions_are_orphans", "[] came")
class AdoptsWhatItLists(Right):
    def orphans(self) -> list[str]:
        return list(super().adopt_orphans())


@found_by("test_orphans_of_another_service_are_left_alone", "['one'] came, and [] is due")
class KnowsNoLabel(Right):
    def __init__(self, directory: Path, *, service: str) -> None:
        super().__init__(directory, service="")


@found_by("test_an_address_is_one_label_however_it_ends", "'session-3'] is due")
class TakesALabelAsItIs(Right):
    def __init__(self, directory: Path, *, service: str) -> None:
        super().__init__(directory, service=service.removeprefix("https://"))  # no address


@found_by("test_valid_ids_are_kept_as_they_are_and_others_refused", "'A'")
@found_by("test_an_outage_is_a_journal_error_soon_and_it_works_again_later", "secrets in ")
class FoldsCase(Right):
    def opened(self, session_id: Id, /) -> None:
        super().opened(session_id.lower())


@found_by(
    "test_a_scrape_is_recorded_like_a_session",
    "a journal keeps ids of sessions",
)
class RefusesScrapes(Right):
    def opened(self, session_id: Id, /) -> None:
        if session_id.startswith("scrape:"):
            raise InvalidSessionIdError("a journal keeps ids of sessions", session_id)
        super().opened(session_id)


@found_by("test_a_closed_journal_is_a_new_owner_until_it_is_closed_again", "0 of 1 orphans")
class EndsForGood(Right):
    is_closed = False

    def opened(self, session_id: Id, /) -> None:
        if not self.is_closed:
            super().opened(session_id)

    def close(self) -> None:
        self.is_closed = True
        super().close()


@found_by("test_what_is_gone_is_forgotten_whoever_holds_it", "and ['four'] is due")
@found_by("test_any_order_of_calls_loses_nothing", "what was adopted and is gone: {'")
@found_by("test_an_adopted_session_is_its_adopters_until_that_is_closed", "and ['two'] is due")
class ForgetsItsOwnAlone(Right):
    def gone(self, session_id: Id, /) -> None:
        if session_id in self.recorded:
            super().gone(session_id)


@found_by("test_an_outage_is_a_journal_error_soon_and_it_works_again_later", "FileNotFoundError")
class RaisesWhatTheSystemRaises(Right):
    def opened(self, session_id: Id, /) -> None:
        self._record(session_id)


for broken, *_ in FOUND:
    if issubclass(broken, Right):
        name = f"Test{broken.__name__}"
        globals()[name] = type(name, (Broken,), {"journal": broken})
