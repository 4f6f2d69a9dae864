"""The journal for tests."""

import uuid

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
