"""Each journal keeps every promise of the port, and the kit finds each that breaks one."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from firecrawl_interact.adapters import FileJournal, InMemoryJournal
from firecrawl_interact.adapters.conformance import JOURNAL_CASES, JournalCase, check_journal

from .broken_journals import FOUND, Broken

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.skipif(sys.platform == "win32", reason="it has no fork"),
]
cases = pytest.mark.parametrize("case", JOURNAL_CASES, ids=str)
BY_NAME = {case.name: case for case in JOURNAL_CASES}


@contextmanager
def moved_away(directory: Path) -> Iterator[None]:
    """Let a directory be elsewhere, as one that is not mounted."""
    elsewhere = directory.rename(directory.with_name("elsewhere"))
    try:
        yield
    finally:
        elsewhere.rename(directory)


@cases
def test_a_directory_keeps_every_promise(case: JournalCase, tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    make = partial(FileJournal, str(tmp_path / "journal"))
    secrets = ["not in a path"]
    case.run(make, outage=lambda: moved_away(tmp_path / "journal"), secrets=secrets)


def test_memory_keeps_every_promise_of_one_process() -> None:
    first = InMemoryJournal()
    report = check_journal(partial(InMemoryJournal, first))
    assert len(report.passed) == 14
    assert all("cannot be pickled" in why or "pass " in why for why in report.skipped.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broken", "name"), [pytest.param(*row, id=f"{row[0].__name__}-{row[1]}") for row in FOUND]
)
def test_a_broken_journal_is_found(broken: type[Broken], name: str, tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    directory = str(tmp_path / "journal")
    with pytest.raises(AssertionError, match=r"^Promised: "):
        BY_NAME[name].run(
            partial(broken, directory),
            outage=lambda: moved_away(tmp_path / "journal"),
            secrets=[directory],
        )


def test_a_broken_journal_stands_for_each_case() -> None:
    # The journals without a watch stand for the last one, where a PostgreSQL is.
    assert {name for _, name in FOUND} | {"an-outage-makes-no-orphan"} == set(BY_NAME)


def test_the_kit_says_what_is_kept_and_what_is_not(tmp_path: Path) -> None:
    class NeverForgets(FileJournal):
        def gone(self, session_id: object, /) -> None:
            pass

    with pytest.raises(AssertionError) as raised:
        check_journal(
            partial(NeverForgets, tmp_path), known=["a-sweep-left-half-way-loses-nothing"]
        )
    first, *lines = str(raised.value).splitlines()
    assert re.search(r"^\d+ promises kept, \d broken, 1 known to be broken, \d+ cases not", first)
    assert any(line.startswith("  what-is-gone-is-no-orphan: Promised: ") for line in lines)


def test_known_names_cases_only(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="known names cases that do not exist: a-case"):
        check_journal(partial(FileJournal, tmp_path), known=["a-case"])
