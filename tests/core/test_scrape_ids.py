"""The session of a scrape, named by `scrape_id=`."""

import logging
import uuid
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from firecrawl_interact import DeleteSession, FakeService, InMemoryTransport, Reply, core

from .scripted_transport import log_records

SCRAPE_ID = str(uuid.UUID(int=7))


class AnsweredError(Exception):
    """An error of a client, with the status of the response."""

    def __init__(self, status_code: int) -> None:
        super().__init__(status_code)
        self.status_code = status_code


def use_case(service: FakeService, **options: Any) -> Any:  # Any: mistakes are played as well
    return DeleteSession(InMemoryTransport(service), "fc-test", **options)


@pytest.mark.parametrize("scrape_id", [SCRAPE_ID, uuid.UUID(SCRAPE_ID)])
def test_a_call_deletes_the_session_of_a_scrape(scrape_id: object) -> None:
    service = FakeService()
    service.open_session(scrape_id=SCRAPE_ID)
    assert use_case(service)(scrape_id=scrape_id).session_id == f"scrape:{SCRAPE_ID}"
    assert service.sessions_left_open == []


@pytest.mark.parametrize(
    ("no_id", "says"),
    [
        (None, "scrape_id is None"),
        ("", "it is empty"),
        ("None", "stands for a value that is missing"),
        (f"scrape:{SCRAPE_ID}", "begins with scrape: already"),
        (SimpleNamespace(metadata=1), "Pass its metadata.scrape_id"),
        (SimpleNamespace(scrape_id=1), "Pass its scrape_id"),
        (7, "must be a str or a UUID, not int"),
    ],
)
def test_what_names_no_scrape_is_refused(no_id: object, says: str) -> None:
    with pytest.raises(core.InvalidSessionIdError, match=says):
        use_case(FakeService())(scrape_id=no_id)


def test_both_ids_or_none_are_refused() -> None:
    delete_session = use_case(FakeService())
    for arguments in ({}, {"session_id": "a", "scrape_id": "a"}):
        with pytest.raises(TypeError, match="pass either session_id or scrape_id="):
            delete_session(**arguments)
    with pytest.raises(TypeError, match="leave out missing_ok="):
        delete_session.on_exit(scrape_id=SCRAPE_ID, missing_ok=True)


def test_a_block_that_raised_asks_for_a_minute() -> None:
    service = FakeService()
    block = use_case(service).on_exit(scrape_id=SCRAPE_ID)
    with pytest.raises(KeyboardInterrupt), block:
        raise KeyboardInterrupt
    assert block.outcome.session_fate is core.SessionFate.GONE
    assert service.monotonic() == pytest.approx(60, abs=1)
    assert len(service.requests) <= 8


def test_a_block_that_did_not_begin_asks_once() -> None:
    """Its `interact` was not called, so nothing can be opening."""
    service, journal = FakeService(), Mock(spec=["opened", "gone"])
    journal.opened.side_effect = core.JournalError("the disk is full")
    block = use_case(service, journal=journal).on_exit(scrape_id=SCRAPE_ID)
    with pytest.raises(core.JournalError), block:
        raise NotImplementedError
    assert (len(service.requests), service.monotonic()) == (1, 0)


@pytest.mark.parametrize(
    "error", [NameError(), AssertionError(), *map(AnsweredError, (400, 402, 404, 499))]
)
def test_a_mistake_and_an_answer_are_not_waited_for(error: Exception) -> None:
    service = FakeService()
    with pytest.raises(type(error)), use_case(service).on_exit(scrape_id=SCRAPE_ID):
        raise error
    assert (len(service.requests), service.monotonic()) == (1, 0)


@pytest.mark.parametrize("error", [ValueError(), *map(AnsweredError, (399, 500))])
def test_what_is_no_answer_is_waited_for(error: Exception) -> None:
    service = FakeService()
    service.queue(Reply(503), Reply(503))
    with (
        log_records(logging.WARNING) as records,
        pytest.raises(type(error)),
        use_case(service, random=lambda: 1).on_exit(scrape_id=SCRAPE_ID),
    ):
        raise error
    # The pauses after the two 503 were 1 s and 2 s.
    says = "Firecrawl may still be opening it, so the delete looks for it for up to 57 s"
    assert [says in record.getMessage() for record in records] == [True]
    assert service.monotonic() == pytest.approx(60, abs=0.001)


def test_a_session_that_opens_meanwhile_is_deleted() -> None:
    class Opening(InMemoryTransport):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if service.monotonic() > 5 and not service.sessions_left_open:
                service.open_session(scrape_id=SCRAPE_ID)

    service = FakeService()
    with (
        pytest.raises(AnsweredError),
        DeleteSession(Opening(service), "fc-test").on_exit(scrape_id=SCRAPE_ID) as block,
    ):
        raise AnsweredError(504)
    assert (block.receipt is not None, service.sessions_left_open) == (True, [])


def test_a_block_that_may_not_ask_again_leaves_the_fate_unknown() -> None:
    once = core.RetryPolicy(max_attempts=1)
    block = use_case(FakeService()).on_exit(scrape_id=SCRAPE_ID, retry=once)
    with pytest.raises(KeyboardInterrupt), block:
        raise KeyboardInterrupt
    assert block.outcome.session_fate is core.SessionFate.UNKNOWN


def test_the_id_of_a_scrape_without_its_keyword_is_warned_of() -> None:
    delete_session = use_case(FakeService())
    with log_records(logging.WARNING) as records:
        with delete_session.on_exit(SCRAPE_ID, missing_ok=True):
            pass
        with delete_session.on_exit(scrape_id=SCRAPE_ID):
            pass
    assert [record.getMessage().endswith("as scrape_ids=.") for record in records] == [True]


def test_a_run_of_scrapes_deletes_their_sessions() -> None:
    service = FakeService()
    service.open_session(scrape_id=SCRAPE_ID)
    never_used = uuid.UUID(int=8)
    deletions = use_case(service).many(scrape_ids=[SCRAPE_ID, never_used, None])
    outcomes = {type(outcome): outcome for outcome in deletions}
    assert outcomes[core.DeletionReceipt].session_id == f"scrape:{SCRAPE_ID}"
    assert outcomes[core.SessionNotFoundError].session_id == f"scrape:{never_used}"
    assert outcomes[core.InvalidSessionIdError].session_id == "<NoneType>"
    assert service.sessions_left_open == []
