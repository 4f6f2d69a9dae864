"""The journal for tests."""

import pickle
import uuid

import pytest

from firecrawl_interact.adapters import InMemoryJournal


def test_shows_what_is_left_open_in_the_order_in_which_it_was_opened() -> None:
    journal = InMemoryJournal()
    for session_id in ("three", "one", "two"):
        journal.opened(session_id)
    journal.gone("one")
    assert journal.sessions_left_open == ["three", "two"]


def test_gone_means_nothing_for_an_id_that_is_not_held() -> None:
    journal = InMemoryJournal()
    journal.gone("one")
    assert journal.sessions_left_open == []


def test_an_id_may_be_a_uuid() -> None:
    journal = InMemoryJournal()
    session_id = uuid.uuid4()
    journal.opened(session_id)
    assert journal.sessions_left_open == [str(session_id)]
    journal.gone(session_id)
    assert journal.sessions_left_open == []


def test_the_repr_shows_what_is_left_open() -> None:
    journal = InMemoryJournal()
    journal.opened("one")
    assert repr(journal) == "InMemoryJournal(sessions_left_open=['one'])"


def test_what_a_closed_journal_had_open_is_adopted_by_one_beside_it() -> None:
    dead = InMemoryJournal()
    dead.opened("one")
    beside, elsewhere = InMemoryJournal(dead), InMemoryJournal(dead, service="https://b")
    dead.close()
    assert elsewhere.orphans() == []
    assert beside.orphans() == list(beside.adopt_orphans()) == ["one"]
    assert beside.sessions_left_open == ["one"]


def test_it_says_why_it_cannot_be_pickled() -> None:
    with pytest.raises(TypeError, match="nothing of it outlives its process"):
        pickle.dumps(InMemoryJournal())
