"""Each journal keeps every promise of the port, and the kit finds each that breaks one."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from firecrawl_interact.adapters import FileJournal, InMemoryJournal
from firecrawl_interact.adapters.conformance import JOURNAL_CASES, JournalCase, check_journal

from ..postgres import PASSWORD, Postgres, ShortLease, odd_connection
from .broken_journals import FOUND, Broken, NeverWatches, SweepsOnce

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
    directory = tmp_path / "journal"
    make, outage = partial(FileJournal, str(directory)), partial(moved_away, directory)
    case.run(make, outage=outage, secrets=["not in a path"])


def test_memory_keeps_every_promise_of_one_process() -> None:
    first = InMemoryJournal()
    report = check_journal(partial(InMemoryJournal, first))
    assert len(report.passed) == 16
    reasons = "nothing of it outlives its process|pass (outage|secrets)="
    assert all(re.search(reasons, why) for why in report.skipped.values())


@cases
def test_postgresql_keeps_every_promise(case: JournalCase, postgres: Postgres) -> None:
    make = partial(ShortLease, postgres.url)
    case.run(make, patience=2, outage=postgres.stopped, secrets=[PASSWORD])


@pytest.mark.parametrize("name", ["an-outage-is-a-journal-error", "an-outage-makes-no-orphan"])
def test_a_postgresql_that_is_frozen_is_an_outage(name: str, postgres: Postgres) -> None:
    make = partial(ShortLease, postgres.url)
    BY_NAME[name].run(make, patience=2, outage=postgres.frozen, secrets=[PASSWORD])


@pytest.mark.parametrize("is_url", [True, False], ids=["URL", "function"])
@pytest.mark.parametrize(
    "name",
    [
        "a-living-journals-session-is-no-orphan",
        "an-adopted-session-is-its-adopters",
        "two-threads-share-the-orphans",
        "every-sendable-id-is-kept-as-it-is",
        "a-killed-process-leaves-orphans",
    ],
)
def test_database_and_connections_may_be_set_up_in_any_way(
    name: str, postgres: Postgres, *, is_url: bool
) -> None:
    url = postgres.odd_database()
    database = url if is_url else partial(odd_connection, url)
    BY_NAME[name].run(partial(ShortLease, database), patience=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broken", "name"), [pytest.param(*row, id=f"{row[0].__name__}-{row[1]}") for row in FOUND]
)
def test_a_broken_journal_is_found(broken: type[Broken], name: str, tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    make, outage = partial(broken, str(directory)), partial(moved_away, directory)
    with pytest.raises(AssertionError, match=r"^Promised: "):
        BY_NAME[name].run(make, outage=outage, secrets=[str(directory)])


@pytest.mark.slow
def test_an_order_of_calls_that_loses_a_session_is_the_shortest(tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as raised:
        BY_NAME["any-order-of-calls-loses-nothing"].run(
            partial(SweepsOnce, str(tmp_path / "journal"))
        )
    text = str(raised.value)
    assert "Seen: ['one'] is lost, after " in text
    calls = re.findall(r"state\.step\(method='(\w+)'", text)
    # Either the end of each example adopts once more, or the order itself does.
    assert sorted(calls) in (["adopt", "opened"], ["adopt", "adopt", "close", "opened"])


def test_a_broken_journal_stands_for_each_case() -> None:
    # Tests of their own play a broken journal for these two.
    others = {"any-order-of-calls-loses-nothing", "an-outage-makes-no-orphan"}
    assert {name for _, name in FOUND} | others == set(BY_NAME)


def test_a_script_without_a_guard_is_told_that_it_needs_one(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    code = f"""from functools import partial
from firecrawl_interact.adapters import FileJournal
from firecrawl_interact.adapters.conformance import JOURNAL_CASES
[case] = [case for case in JOURNAL_CASES if case.name == "a-killed-process-leaves-orphans"]
case.run(partial(FileJournal, {str(tmp_path)!r}))"""
    script.write_text(code, encoding="utf-8")
    command = [sys.executable, str(script)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    advice = 'A script that plays this case needs `if __name__ == "__main__":`'
    assert f"Seen: a process that has the journal has died. {advice}." in done.stderr


def test_a_lease_without_a_watch_is_found(postgres: Postgres) -> None:
    case = BY_NAME["an-outage-makes-no-orphan"]
    with pytest.raises(AssertionError, match=r"the orphans are \['one'\] instead of \[\]"):
        case.run(partial(NeverWatches, postgres.url), patience=2, outage=postgres.stopped)
