"""The service's own Python client, firecrawl-py, against the fake on a real socket.

It behaves here as it does with the real service, for better and worse.
"""

import asyncio
import json
import uuid
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest

from firecrawl_interact import (
    AsyncDeleteSession,
    AsyncInMemoryTransport,
    FakeService,
    LoopbackService,
    NothingOpenedError,
    Reply,
)

from ..core.scripted_transport import ended

pytestmark = pytest.mark.enable_socket
Untyped: TypeAlias = Any  # as all of firecrawl-py


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def api_url(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with LoopbackService(service) as loopback:
        yield loopback.api_url


@pytest.fixture(scope="session")
def firecrawl() -> Untyped:
    """The client, whose import takes a second."""
    import firecrawl  # type: ignore[import-untyped]  # it is not typed

    return firecrawl


@pytest.fixture
def client(firecrawl: Untyped, api_url: str) -> Untyped:
    return firecrawl.Firecrawl("fc-test", api_url, backoff_factor=0)


@pytest.fixture
def awaited_client(firecrawl: Untyped, api_url: str) -> Untyped:
    return firecrawl.AsyncFirecrawl("fc-test", api_url=api_url, backoff_factor=0)


# What it understands


@pytest.mark.parametrize("way", ["client", "awaited_client"])
def test_it_raises_over_a_duration_with_a_fraction(
    way: str, service: FakeService, request: pytest.FixtureRequest
) -> None:
    client = request.getfixturevalue(way)
    browser = ended(client.browser(ttl=300))
    assert browser.success
    assert ended(client.browser_execute(browser.id, "1")).stdout == "done"
    with pytest.raises(ValueError, match="session_duration_ms"):
        ended(client.delete_browser(browser.id))
    assert not service.is_open(browser.id)
    again = ended(client.delete_browser(browser.id))  # The receipt of a second delete has none.
    assert (again.success, again.status, again.credits_billed) == (True, "stopped", 2)


def test_it_opens_and_ends_the_session_of_a_scrape(
    service: FakeService, client: Untyped, awaited_client: Untyped
) -> None:
    scrape_id = str(uuid.uuid4())
    assert client.interact(scrape_id, prompt="Open the first link.").output == "done"
    assert asyncio.run(awaited_client.interact(scrape_id, code="1")).stdout == "done"
    [session_id] = service.sessions_left_open
    with pytest.raises(ValueError, match="session_duration_ms"):
        client.stop_interaction(scrape_id)
    assert not service.is_open(session_id)
    settled = client.stop_interaction(scrape_id)
    assert (settled.success, settled.credits_billed) == (True, 7)
    assert asyncio.run(awaited_client.stop_interaction(scrape_id)) == settled
    assert client.interact(scrape_id, code="1").stdout == "done"  # in another session


# What it makes of failures

FAILURE = {"success": False, "error": "No."}


@pytest.mark.parametrize("status", [401, 404, 502, 503])
def test_its_awaited_delete_returns_failures_as_objects(
    status: int, service: FakeService, awaited_client: Untyped
) -> None:
    session_id = service.open_session()
    repeats = 3 if status == 502 else 1
    service.queue(*[Reply(status, json=FAILURE)] * repeats, *[Reply(status, b"<html>")] * repeats)
    assert asyncio.run(awaited_client.delete_browser(session_id)).success is False
    with pytest.raises(json.JSONDecodeError):
        asyncio.run(awaited_client.delete_browser(session_id))
    assert service.is_open(session_id)


@pytest.mark.parametrize(
    ("way", "call", "statuses"),
    [
        ("client", "delete_browser", [503, 504]),
        ("client", "stop_interaction", [401, 404, 429, 503, 504]),
        ("awaited_client", "stop_interaction", [401, 404, 429, 503, 504]),
    ],
)
def test_its_other_deletes_raise_at_once(
    way: str, call: str, statuses: list[int], service: FakeService, request: pytest.FixtureRequest
) -> None:
    delete = getattr(request.getfixturevalue(way), call)
    for status in statuses:
        service.queue(Reply(status, json=FAILURE))
        with pytest.raises(Exception, match="No"):
            ended(delete(str(uuid.uuid4())))
    assert len(service.requests) == len(statuses)
    service.queue(Reply(200, json=FAILURE))
    assert ended(delete(str(uuid.uuid4()))).success is False


# What it gives when nothing was opened


@pytest.mark.parametrize(("status", "requests"), [(402, 1), (502, 3)])
def test_a_block_without_a_session_says_why_in_its_words(
    status: int, requests: int, service: FakeService, awaited_client: Untyped
) -> None:
    words = "Insufficient credits."
    service.queue(*[Reply(status, json={"success": False, "error": words})] * requests)

    async def enter() -> None:
        delete_session = AsyncDeleteSession(AsyncInMemoryTransport(service), "fc-test")
        async with delete_session.opening(lambda: awaited_client.browser(ttl=300)):
            raise NotImplementedError

    with pytest.raises(NothingOpenedError, match="Insufficient credits") as raised:
        asyncio.run(enter())
    assert type(raised.value.opened).__name__ == "BrowserCreateResponse"
    assert [request.method for request in service.requests] == ["POST"] * requests
