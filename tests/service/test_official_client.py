"""The service's own Python client, firecrawl-py, against the fake on a real socket.

It behaves here as it does with the real service, for better and worse. The page "With firecrawl-py"
says what it does worse than this library: a row of its table that is mended fails here.
"""

import asyncio
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from typing import Any

import pydantic
import pytest
import requests
from firecrawl import (  # type: ignore[import-untyped]  # it is not typed
    AsyncFirecrawl,
    Firecrawl,
)
from firecrawl.v2.types import (  # type: ignore[import-untyped]  # it is not typed
    BrowserCreateResponse,
    BrowserExecuteResponse,
)
from firecrawl.v2.utils.error_handler import (  # type: ignore[import-untyped]  # it is not typed
    FirecrawlError,
    RateLimitError,
    WebsiteNotSupportedError,
)

from firecrawl_interact.adapters import (
    AsyncInMemoryTransport,
    FakeService,
    InMemoryTransport,
    LoopbackService,
    LostResponse,
    NoResponse,
    Reply,
)
from firecrawl_interact.core import (
    AsyncDeleteSession,
    DeleteSession,
    NothingOpenedError,
)

pytestmark = pytest.mark.enable_socket


UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def service() -> FakeService:
    return FakeService(api_keys=["fc-test", "fc-other"])


@pytest.fixture
def api_url(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with LoopbackService(service) as loopback:
        yield loopback.api_url


@pytest.fixture
def client(api_url: str) -> Firecrawl:
    return Firecrawl(api_key="fc-test", api_url=api_url, backoff_factor=0)


@pytest.fixture
def awaited_client(api_url: str) -> AsyncFirecrawl:
    return AsyncFirecrawl("fc-test", api_url=api_url, backoff_factor=0)


def refused(status: int) -> Reply:
    return Reply(status, json={"success": False, "error": "no"})


# What it understands


def done(result: object) -> Any:  # Any: the client is not typed
    """The result of a call, blocking or awaited."""
    return asyncio.run(result) if asyncio.iscoroutine(result) else result


@pytest.mark.parametrize("way", ["client", "awaited_client"])
def test_it_opens_uses_and_ends_sessions_and_raises_over_a_duration_with_a_fraction(
    way: str, service: FakeService, request: pytest.FixtureRequest
) -> None:
    client = request.getfixturevalue(way)
    browser = done(client.browser(ttl=300))
    assert browser.success
    assert done(client.browser_execute(browser.id, "1")).stdout == "done"
    with pytest.raises(pydantic.ValidationError, match="session_duration_ms"):
        done(client.delete_browser(browser.id))
    assert not service.is_open(browser.id)
    again = done(client.delete_browser(browser.id))  # The receipt of a second delete has none.
    assert (again.success, again.status, again.credits_billed) == (True, "stopped", 2)


def test_it_opens_and_ends_the_session_of_a_scrape_blocking_and_awaited(
    service: FakeService, client: Firecrawl, awaited_client: AsyncFirecrawl
) -> None:
    scrape_id = str(uuid.uuid4())
    assert client.interact(scrape_id, prompt="Open the first link.").output == "done"
    assert asyncio.run(awaited_client.interact(scrape_id, code="1")).stdout == "done"
    [session_id] = service.sessions_left_open
    with pytest.raises(pydantic.ValidationError, match="session_duration_ms"):
        client.stop_interaction(scrape_id)
    assert not service.is_open(session_id)
    settled = client.stop_interaction(scrape_id)
    assert (settled.success, settled.credits_billed) == (True, 7)
    assert asyncio.run(awaited_client.stop_interaction(scrape_id)) == settled


# What the page says that it does worse


@pytest.mark.parametrize(
    ("session_id", "fault", "raises"),
    [
        (UNKNOWN, None, pytest.raises(FirecrawlError, match="Browser session not found")),
        ("theirs", None, pytest.raises(WebsiteNotSupportedError, match="Forbidden")),
        ("ours", refused(429), pytest.raises(RateLimitError)),
        ("ours", refused(503), pytest.raises(FirecrawlError)),
        ("ours", refused(504), pytest.raises(FirecrawlError)),
    ],
)
def test_it_makes_no_retry_and_an_error_may_have_an_odd_name(
    service: FakeService,
    client: Firecrawl,
    session_id: str,
    fault: Reply | None,
    raises: AbstractContextManager[object],
) -> None:
    service.open_session("ours")
    service.open_session("theirs", api_key="fc-other")
    if fault is not None:
        service.queue(fault)
    with raises:
        client.delete_browser(session_id)
    assert len(service.requests) == 1
    assert service.sessions_left_open == ["ours", "theirs"]


def test_it_sends_an_id_as_a_part_of_the_path(service: FakeService, client: Firecrawl) -> None:
    with pytest.raises(FirecrawlError):
        client.delete_browser("../../v2/team/x")
    assert service.requests[-1].path == "/v2/team/x"


@pytest.mark.parametrize("status", [401, 404, 502])
def test_its_asynchronous_delete_does_not_look_at_the_status_and_stumbles_over_a_page(
    status: int, service: FakeService, awaited_client: AsyncFirecrawl
) -> None:
    service.queue(*[refused(status)] * (3 if status == 502 else 1))  # It sends two retries then.
    assert not asyncio.run(awaited_client.delete_browser("1")).success
    service.queue(*[Reply(status, b"<html>")] * 3)
    with pytest.raises(json.JSONDecodeError):
        asyncio.run(awaited_client.delete_browser("1"))


def test_each_call_has_a_connection_of_its_own_and_no_timeout_unless_it_is_given_one(
    service: FakeService, client: Firecrawl, api_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[object, object]] = []
    send = requests.Session.send

    def record(session: requests.Session, *arguments: object, **options: object) -> object:
        sent.append((session, options["timeout"]))
        return send(session, *arguments, **options)  # type: ignore[arg-type]  # what it was given

    monkeypatch.setattr(requests.Session, "send", record)
    service.queue(*[Reply(200, json={"success": True})] * 2, *[NoResponse()] * 4)
    client.delete_browser("1")
    client.delete_browser("1")
    [(first, _), (second, _)] = sent
    assert first is not second
    assert [timeout for _, timeout in sent] == [None, None]
    hasty = Firecrawl(api_key="fc-test", api_url=api_url, timeout=0.05, backoff_factor=0)
    with pytest.raises(requests.Timeout):
        hasty.delete_browser("1")


def test_it_does_not_hand_on_the_id_of_a_session_that_belongs_to_a_scrape() -> None:
    assert "session_id" not in BrowserExecuteResponse.model_fields


# What it gives when nothing was opened


@pytest.mark.parametrize(("status", "requests"), [(401, 1), (402, 1), (429, 1), (502, 3)])
def test_a_block_for_which_it_opened_nothing_says_why_in_the_service_s_words(
    status: int,
    requests: int,
    service: FakeService,
    client: Firecrawl,
    awaited_client: AsyncFirecrawl,
) -> None:
    says = {401: "Unauthorized: Invalid token", 402: "Insufficient credits."}
    words = says.get(status, "You have reached the maximum number of concurrent jobs.")
    responses = [Reply(status, json={"success": False, "error": words})] * requests

    service.queue(*responses)
    blocking = DeleteSession(InMemoryTransport(service), "fc-test")
    with pytest.raises(FirecrawlError), blocking.opening(lambda: client.browser(ttl=300)):
        raise NotImplementedError

    async def enter() -> None:
        delete_session = AsyncDeleteSession(AsyncInMemoryTransport(service), "fc-test")
        async with delete_session.opening(lambda: awaited_client.browser(ttl=300)):
            raise NotImplementedError

    service.queue(*responses)
    with pytest.raises(NothingOpenedError, match=re.escape(words.removesuffix("."))) as raised:
        asyncio.run(enter())
    assert isinstance(raised.value.opened, BrowserCreateResponse)
    assert raised.value.opened.success is False
    assert [request.method for request in service.requests] == ["POST"] * 2 * requests


@pytest.mark.parametrize(("max_retries", "opened"), [(3, 3), (1, 1)])
def test_it_may_open_three_sessions_and_return_one_id_unless_it_sends_one_request(
    max_retries: int, opened: int, service: FakeService, api_url: str
) -> None:
    """It repeats the POST after a response that was lost, without an idempotency key."""
    service.queue(LostResponse(), LostResponse())
    client = Firecrawl("fc-test", api_url, max_retries=max_retries, backoff_factor=0)
    with suppress(requests.ConnectionError):
        client.browser(ttl=300)
    assert len(service.sessions_left_open) == opened
