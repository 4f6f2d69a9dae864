"""What the journals have from one place, and what they have in common beyond the kit."""

import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from firecrawl_interact.adapters import FileJournal, InMemoryJournal, PostgresJournal
from firecrawl_interact.core import JournalError

from ..postgres import Postgres, ShortLease

pytestmark = pytest.mark.enable_socket
MakeJournal = Callable[..., FileJournal | PostgresJournal]


@pytest.fixture(params=["a directory", pytest.param("PostgreSQL", marks=pytest.mark.slow)])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> MakeJournal:
    """Makes journals that share a storage."""
    if request.param == "a directory":
        return partial(FileJournal, tmp_path)
    postgres: Postgres = request.getfixturevalue("postgres")
    return partial(ShortLease, postgres.odd_database())


def test_what_is_left_alone_is_counted(make: MakeJournal) -> None:
    dead = (("https://b/Path", "one"), ("https://b/Path", "two"), (None, "three"), ("a", "four"))
    for service, session_id in dead:
        with make(service=service) as journal:
            journal.opened(session_id)
    with (
        make(service="a") as living,
        make(service="https://b/Path") as elsewhere,
        make(service="a") as journal,
    ):
        for owner, session_id in ((living, "5"), (living, "6"), (elsewhere, "7"), (journal, "8")):
            owner.opened(session_id)
        journal.opened("one")
        journal.gone("one")  # Another label has one, too.
        assert journal.left_alone() == (2, {"https://b/Path": 2, None: 1}, [])


@pytest.mark.parametrize(
    ("label", "normalized"),
    [
        ("HTTPS://API.Example:443/Path/v2/", "https://api.example/Path"),
        ("http://api.example:80", "http://api.example"),
        ("https://[0:0::1]:8443/v2", "https://[::1]:8443"),
        ("https://no address", "https://no address"),
        ("API.Example/v2", "API.Example/v2"),
        ("/v2", "/v2"),
        ("", None),
    ],
)
def test_a_label_that_is_an_address_is_written_as_transports_write_it(
    make: MakeJournal, label: str, normalized: str | None
) -> None:
    with make(service=label) as journal:
        journal.opened("one")
    with make(service="another") as other:
        assert other.left_alone().other_services == {normalized: 1}
    with make(service=normalized) as sweeper:
        assert list(sweeper.adopt_orphans()) == ["one"]


@pytest.mark.parametrize(
    ("make", "argument", "message"),
    [
        (InMemoryJournal, {"service": 5}, "service must be a str, not int"),
        (InMemoryJournal, {"sharing": "https://a"}, "must be an InMemoryJournal, not str"),
        (PostgresJournal, {"database": None}, r"URL that .* as pool\.connection"),
    ],
)
def test_what_no_journal_is_made_of_is_named(
    make: Callable[..., object], argument: dict[str, object], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        make(**argument)


def test_memory_shows_what_is_left_open_in_the_order_in_which_it_was_opened() -> None:
    journal, session_id, gone = InMemoryJournal(), uuid.uuid4(), uuid.uuid4()
    for one in ("three", gone, session_id):
        journal.opened(one)
    journal.gone(gone)
    InMemoryJournal(journal, service="another").opened("one")
    assert journal.sessions_left_open == ["three", str(session_id)]


def test_what_another_thread_adopts_is_not_yielded_before_it_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, file = InMemoryJournal(), FileJournal(tmp_path)
    for dead, journal in ((memory, InMemoryJournal(memory)), (file, FileJournal(tmp_path))):
        dead.opened("one")
        dead.close()
        lock = MagicMock()
        monkeypatch.setattr(journal, "_lock", lock)
        # What it has waited for: another sweeper was faster.
        lock.__enter__.side_effect = journal._adopted.clear
        assert list(journal.adopt_orphans()) == []
        assert lock.__enter__.call_count == 2


def test_in_a_child_each_open_journal_begins_anew_and_a_closed_one_stays_closed() -> None:
    closed, *journals = [InMemoryJournal() for _ in range(4)]
    closed.close()
    postgres = PostgresJournal("postgresql://127.0.0.1:1/db")
    postgres._held["its parent's"] = object()
    for journal in journals:
        journal._adopted.add("its parent's")
    if not (child := os.fork()):
        with suppress(JournalError):
            closed.opened("one")
            os._exit(1)
        os._exit(any(journal._adopted for journal in journals) or bool(postgres._held))
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("record", [InMemoryJournal.opened, InMemoryJournal.gone])
@pytest.mark.parametrize("service", [None, ""])
def test_what_is_opened_or_gone_before_it_is_yielded_is_not_yielded(
    record: Callable[[InMemoryJournal, str], None], service: str | None
) -> None:
    dead = InMemoryJournal(service=service)
    dead.opened("one")
    dead.opened("two")
    dead.close()
    journal = InMemoryJournal(dead)
    orphans = journal.adopt_orphans()
    [rest] = {"one", "two"} - {next(orphans)}
    record(journal, rest)
    assert list(orphans) == []
