"""The session of a scrape, named by `scrape_id=`."""

import uuid
from types import SimpleNamespace
from typing import Any

import pytest

from firecrawl_interact import DeleteSession, FakeService, InMemoryTransport, core

SCRAPE_ID = str(uuid.UUID(int=7))


def use_case(service: FakeService) -> Any:  # Any: mistakes are played as well
    return DeleteSession(InMemoryTransport(service), "fc-test")


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
