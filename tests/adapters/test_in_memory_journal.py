"""What only a journal for tests has, and what all have from one place. The kit checks the rest."""

import pickle
import uuid
from collections.abc import Callable

import pytest

from firecrawl_interact.adapters import InMemoryJournal


def test_it_shows_what_is_left_open_in_the_order_in_which_it_was_opened() -> None:
    journal, session_id = InMemoryJournal(), uuid.uuid4()
    for one in ("three", "one", session_id):
        journal.opened(one)
    journal.gone("one")
    assert journal.sessions_left_open == ["three", str(session_id)]
    assert repr(journal) == f"InMemoryJournal(sessions_left_open=['three', '{session_id}'])"


def test_it_says_why_it_cannot_be_pickled() -> None:
    with pytest.raises(TypeError, match="nothing of it outlives its process"):
        pickle.dumps(InMemoryJournal())


@pytest.mark.parametrize("record", [InMemoryJournal.opened, InMemoryJournal.gone])
def test_what_is_opened_or_gone_before_it_is_yielded_is_not_yielded(
    record: Callable[[InMemoryJournal, str], None],
) -> None:
    dead = InMemoryJournal()
    dead.opened("one")
    dead.opened("two")
    dead.close()
    journal = InMemoryJournal(dead)
    orphans = journal.adopt_orphans()
    [rest] = {"one", "two"} - {next(orphans)}
    record(journal, rest)
    assert list(orphans) == []


def test_a_service_that_is_no_label_is_refused() -> None:
    with pytest.raises(TypeError, match="service must be a str or None, not int"):
        InMemoryJournal(service=1)  # type: ignore[arg-type] # the mistake


@pytest.mark.parametrize("service", [None, "", "/v2/"])
def test_a_label_may_be_nothing(service: str | None) -> None:
    dead = InMemoryJournal(service=service)
    dead.opened("one")
    dead.close()
    assert InMemoryJournal(dead).orphans() == ["one"]
