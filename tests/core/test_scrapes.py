"""Ids that name a scrape: `scrape:` and its id stand for the session of that scrape."""

import logging
from collections.abc import Callable

import pytest

from firecrawl_interact.adapters import FakeService, InMemoryTransport, LostResponse
from firecrawl_interact.core import (
    DeleteManySessions,
    DeleteSession,
    InvalidSessionIdError,
    Outcome,
    checked_session_id,
)

from .scripted_transport import log_records

SCRAPE = "550e8400-e29b-41d4-a716-446655440000"
SESSION_ID = f"scrape:{SCRAPE}"


class StrictJournal:
    """It takes sessions alone, as each journal does."""

    def opened(self, session_id: str, /) -> None:
        raise AssertionError(session_id)

    gone = opened


def by_block(delete_session: DeleteSession) -> Outcome | None:
    with delete_session.on_exit(SESSION_ID) as block:
        pass
    return block.outcome


def by_run(delete_session: DeleteSession) -> Outcome | None:
    return next(DeleteManySessions(delete_session)([SESSION_ID]))


@pytest.mark.parametrize("delete", [by_block, by_run])
def test_no_journal_hears_of_a_scrape(delete: Callable[[DeleteSession], Outcome | None]) -> None:
    service = FakeService()
    delete_session = DeleteSession(InMemoryTransport(service), "fc-test", journal=StrictJournal())
    own, other = service.open_session(scrape_id=SCRAPE), service.open_session()
    service.queue(LostResponse(), session_id=SESSION_ID)
    with log_records(logging.WARNING) as records:
        outcome = delete(delete_session)
    assert outcome is not None
    assert (outcome.session_id, outcome.session_fate, outcome.attempts) == (SESSION_ID, "gone", 2)
    assert service.sessions_left_open == [other]
    assert not service.is_open(own)
    assert {request.path for request in service.requests} == {f"/v2/scrape/{SCRAPE}/interact"}
    assert not any("journal" in record.getMessage() for record in records)


def test_whoever_keeps_ids_refuses_the_id_of_a_scrape_and_says_why() -> None:
    reason = "the id of a scrape names no session for long: the next one has the same"
    with pytest.raises(InvalidSessionIdError, match=reason):
        checked_session_id(SESSION_ID)
    assert checked_session_id(SESSION_ID, may_be_scrape=True) == SESSION_ID
