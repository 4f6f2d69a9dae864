"""Ids that name a scrape: `scrape:` and its id stand for the session of that scrape."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from firecrawl_interact.adapters import (
    AsyncInMemoryTransport,
    FakeService,
    InMemoryTransport,
    LostResponse,
)
from firecrawl_interact.core import (
    AsyncDeleteSession,
    DeleteManySessions,
    DeleteSession,
    InvalidSessionIdError,
    Outcome,
    checked_session_id,
)

from .log_records import log_records

SCRAPE = "550e8400-e29b-41d4-a716-446655440000"
SESSION_ID = f"scrape:{SCRAPE}"


class StrictJournal:
    """It takes sessions alone, as each journal does."""

    def opened(self, session_id: str, /) -> None:
        raise AssertionError(session_id)

    gone = opened


def blocking(service: FakeService) -> DeleteSession:
    return DeleteSession(InMemoryTransport(service), "fc-test", journal=StrictJournal())


def on_a_loop(service: FakeService) -> AsyncDeleteSession:
    return AsyncDeleteSession(AsyncInMemoryTransport(service), "fc-test", journal=StrictJournal())


def awaited_on_exit(service: FakeService) -> Outcome | None:
    async def main() -> Outcome | None:
        async with on_a_loop(service).on_exit(SESSION_ID) as ending:
            pass
        return ending.outcome

    return asyncio.run(main())


def by_run(service: FakeService) -> Outcome | None:
    [outcome] = DeleteManySessions(blocking(service))([SESSION_ID])
    return outcome


@pytest.mark.parametrize("delete", [awaited_on_exit, by_run])
def test_the_session_of_a_scrape_is_destroyed_and_no_journal_hears_of_it(
    delete: Callable[[FakeService], Outcome | None],
) -> None:
    service = FakeService()
    own, other = service.open_session(scrape_id=SCRAPE), service.open_session()
    service.queue(LostResponse(), session_id=SESSION_ID)
    with log_records(logging.WARNING) as records:
        outcome = delete(service)
    assert outcome is not None
    assert (outcome.session_id, outcome.session_fate, outcome.attempts) == (SESSION_ID, "gone", 2)
    assert service.sessions_left_open == [other]
    assert not service.is_open(own)
    assert {request.path for request in service.requests} == {f"/v2/scrape/{SCRAPE}/interact"}
    assert not any("journal" in record.getMessage() for record in records)


def test_a_block_stands_around_what_opens_the_session() -> None:
    service = FakeService()
    delete_session = DeleteSession(InMemoryTransport(service), "fc-test")
    with delete_session.on_exit(SESSION_ID, missing_ok=True) as ending:
        service.open_session(scrape_id=SCRAPE)
    assert ending.receipt
    assert service.sessions_left_open == []
    with delete_session.on_exit("scrape:00000000-0000-4000-8000-000000000000", missing_ok=True):
        pass  # Nothing was opened.


def test_whoever_keeps_ids_refuses_the_id_of_a_scrape_and_says_why() -> None:
    reason = "the id of a scrape names no session for long: the next one has the same"
    with pytest.raises(InvalidSessionIdError, match=reason):
        checked_session_id(SESSION_ID)
    assert checked_session_id(SESSION_ID, may_be_scrape=True) == SESSION_ID
