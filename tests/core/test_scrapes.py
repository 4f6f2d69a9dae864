"""Ids that name a scrape: `scrape:` and its id stand for the session of that scrape."""

import asyncio
import logging
import re
from collections.abc import Callable
from typing import TypeAlias

import pytest

from firecrawl_interact.adapters import (
    AsyncInMemoryTransport,
    FakeService,
    Fault,
    InMemoryJournal,
    InMemoryTransport,
    LostResponse,
    Reply,
)
from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    BadRequestError,
    DeleteManySessions,
    DeleteSession,
    DeleteSessionError,
    DeletionReceipt,
    ForbiddenError,
    InvalidSessionIdError,
    NothingOpenedError,
    Outcome,
    SessionFate,
    SessionNotFoundError,
    checked_session_id,
)

from .log_records import log_records
from .side_by_side import listed

SCRAPE = "550e8400-e29b-41d4-a716-446655440000"
SESSION_ID = f"scrape:{SCRAPE}"
NOT_SENDABLE = {
    "scrape:": "the id cannot be sent: it is empty",
    "scrape:a:b": "the id cannot be sent: it has the character ':'",
    "scrape:scrape:a": "the id cannot be sent: it has the character ':'",
    "scrape:a/b": "the id cannot be sent: it has the character '/'",
    "scrape:..": "the id cannot be sent: it means another path (RFC 3986, 5.2.4)",
    f"scrape:{'a' * 121}": "the id cannot be sent: it is longer than 120 characters",
    "Scrape:a": "the id cannot be sent: it has the character ':'",
    ":a": "the id cannot be sent: it has the character ':'",
}

Delete: TypeAlias = Callable[[FakeService, str], DeletionReceipt]


class StrictJournal:
    """It takes sessions alone, as each journal does."""

    def opened(self, session_id: str, /) -> None:
        raise AssertionError(session_id)

    gone = opened


def blocking(service: FakeService) -> DeleteSession:
    return DeleteSession(InMemoryTransport(service), "fc-test", journal=StrictJournal())


def on_a_loop(service: FakeService) -> AsyncDeleteSession:
    return AsyncDeleteSession(AsyncInMemoryTransport(service), "fc-test", journal=StrictJournal())


def called(service: FakeService, session_id: str) -> DeletionReceipt:
    return blocking(service)(session_id)


def awaited_on_exit(service: FakeService, session_id: str) -> DeletionReceipt:
    async def main() -> Outcome | None:
        async with on_a_loop(service).on_exit(session_id) as ending:
            pass
        return ending.outcome

    return receipt_of(asyncio.run(main()))


def by_run(service: FakeService, session_id: str) -> DeletionReceipt:
    [outcome] = DeleteManySessions(blocking(service))([session_id])
    return receipt_of(outcome)


def by_awaited_run(service: FakeService, session_id: str) -> DeletionReceipt:
    [outcome] = asyncio.run(listed(AsyncDeleteManySessions(on_a_loop(service))([session_id])))
    return receipt_of(outcome)


def receipt_of(outcome: Outcome | None) -> DeletionReceipt:
    if isinstance(outcome, DeleteSessionError):
        raise outcome
    assert outcome is not None
    return outcome


in_each_way = pytest.mark.parametrize("delete", [called, awaited_on_exit, by_run, by_awaited_run])


@in_each_way
@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        (None, 1),
        (Reply(429, json={"success": False, "error": "Please retry after 5s, resets at ..."}), 2),
        (Reply(502, json={"success": False, "error": "Hangar is unavailable."}), 2),
        (LostResponse(), 2),
    ],
    ids=["nothing", "429", "502", "a lost response"],
)
def test_the_session_of_a_scrape_is_destroyed_and_no_journal_hears_of_it(
    delete: Delete, fault: Fault | None, attempts: int
) -> None:
    service = FakeService()
    own, other = service.open_session(scrape_id=SCRAPE), service.open_session()
    if fault is not None:
        service.queue(fault, session_id=SESSION_ID)
    with log_records(logging.WARNING) as records:
        receipt = delete(service, SESSION_ID)
    assert (receipt.session_id, receipt.credits_billed, receipt.attempts) == (
        SESSION_ID,
        2,
        attempts,
    )
    assert service.sessions_left_open == [other]
    assert not service.is_open(own)
    assert {request.path for request in service.requests} == {f"/v2/scrape/{SCRAPE}/interact"}
    assert not any("journal" in record.getMessage() for record in records)


def test_one_delete_ends_one_session_and_a_retry_may_end_the_next_one() -> None:
    service = FakeService()
    service.open_session(scrape_id=SCRAPE)
    service.queue(LostResponse())
    delete_session = DeleteSession(InMemoryTransport(service), "fc-test")
    service.open_session(scrape_id=SCRAPE)
    receipt = delete_session(SESSION_ID)
    assert receipt.attempts == 2
    assert service.sessions_left_open == []


def test_a_block_stands_around_what_opens_the_session() -> None:
    service = FakeService()
    delete_session = DeleteSession(InMemoryTransport(service), "fc-test")
    with delete_session.on_exit(SESSION_ID, missing_ok=True) as ending:
        service.open_session(scrape_id=SCRAPE)
    assert ending.receipt
    assert service.sessions_left_open == []
    with delete_session.on_exit("scrape:00000000-0000-4000-8000-000000000000", missing_ok=True):
        pass  # Nothing was opened.


@pytest.mark.parametrize(
    ("session_id", "error", "fate"),
    [
        (f"scrape:{SCRAPE}", SessionNotFoundError, SessionFate.GONE),
        ("scrape:session-1", BadRequestError, SessionFate.UNTOUCHED),
        ("scrape:theirs", ForbiddenError, SessionFate.UNTOUCHED),
    ],
)
def test_a_scrape_without_a_session_is_not_found_and_one_of_others_is_forbidden(
    session_id: str, error: type[Exception], fate: SessionFate
) -> None:
    service = FakeService(["fc-test", "fc-other"])
    service.open_session(api_key="fc-other", scrape_id="theirs")
    with pytest.raises(error) as caught:
        called(service, session_id)
    assert caught.value.session_fate is fate  # type: ignore[attr-defined]  # it is one of ours
    assert len(service.sessions_left_open) == 1


@in_each_way
@pytest.mark.parametrize(("session_id", "reason"), NOT_SENDABLE.items())
def test_what_cannot_be_the_id_of_a_scrape_is_refused_before_anything_is_sent(
    delete: Delete, session_id: str, reason: str
) -> None:
    service = FakeService()
    with pytest.raises(InvalidSessionIdError, match=re.escape(reason)) as caught:
        delete(service, session_id)
    assert caught.value.session_id == session_id
    assert service.requests == []


def test_whoever_keeps_ids_refuses_the_id_of_a_scrape_and_says_why() -> None:
    reason = "the id of a scrape names no session for long: the next one has the same"
    with pytest.raises(InvalidSessionIdError, match=reason):
        checked_session_id(SESSION_ID)
    with pytest.raises(InvalidSessionIdError, match=reason):
        InMemoryJournal().opened(SESSION_ID)
    assert checked_session_id(SESSION_ID, may_be_scrape=True) == SESSION_ID


def test_an_opener_does_not_give_the_id_of_a_scrape() -> None:
    service = FakeService()
    delete_session = DeleteSession(InMemoryTransport(service), "fc-test")
    opening = delete_session.opening(lambda: SESSION_ID, id_of=str)
    with pytest.raises(NothingOpenedError, match="without an id that can be sent"), opening:
        pass
    assert service.requests == []
