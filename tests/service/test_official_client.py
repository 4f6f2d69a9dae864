"""The service's own Python client (firecrawl-py) against the fake on a real socket.

It behaves here as it does with the real service, for better and worse.
"""

import asyncio
from collections.abc import Iterator

import pydantic
import pytest
from firecrawl import (  # type: ignore[import-untyped]  # it is not typed
    AsyncFirecrawl,
    Firecrawl,
)
from firecrawl.v2.utils.error_handler import (  # type: ignore[import-untyped]  # it is not typed
    FirecrawlError,
    UnauthorizedError,
    WebsiteNotSupportedError,
)

from firecrawl_interact.adapters.fake_service import FakeService
from firecrawl_interact.adapters.fake_service.faults import LostResponse, Reply
from firecrawl_interact.adapters.loopback import LoopbackService

pytestmark = pytest.mark.enable_socket


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
def ended(service: FakeService, client: Firecrawl) -> str:
    """Give the id of a session that the client has destroyed before."""
    session_id = service.open_session()
    with pytest.raises(pydantic.ValidationError):
        client.delete_browser(session_id)
    return session_id


def test_it_destroys_a_session_and_stumbles_over_the_duration(
    service: FakeService, client: Firecrawl
) -> None:
    session_id = service.open_session()
    with pytest.raises(pydantic.ValidationError, match="session_duration_ms"):
        client.delete_browser(session_id)
    assert not service.is_open(session_id)


def test_it_reads_the_receipt_of_a_second_delete(ended: str, client: Firecrawl) -> None:
    receipt = client.delete_browser(ended)
    assert (receipt.success, receipt.status, receipt.credits_billed) == (True, "stopped", 2)


def test_its_asynchronous_twin_does_too(ended: str, api_url: str) -> None:
    receipt = asyncio.run(AsyncFirecrawl("fc-test", api_url=api_url).delete_browser(ended))
    assert (receipt.success, receipt.status, receipt.credits_billed) == (True, "stopped", 2)


def test_it_reads_the_receipt_after_a_response_was_lost(
    service: FakeService, client: Firecrawl
) -> None:
    session_id = service.open_session()
    service.queue(LostResponse())
    assert client.delete_browser(session_id).success
    assert len(service.requests) == 2


def test_it_sends_a_retry_while_the_browser_is_stopping(
    service: FakeService, ended: str, client: Firecrawl
) -> None:
    service.queue(Reply(502, b'{"success":false,"error":"Browser is still stopping."}'))
    assert client.delete_browser(ended).success


def test_it_hears_that_a_session_is_unknown(client: Firecrawl) -> None:
    with pytest.raises(FirecrawlError, match=r"404\. Browser session not found\."):
        client.delete_browser("unknown")


def test_it_hears_that_a_session_is_another_teams(service: FakeService, client: Firecrawl) -> None:
    session_id = service.open_session(api_key="fc-other")
    with pytest.raises(WebsiteNotSupportedError, match=r"Forbidden\."):
        client.delete_browser(session_id)
    assert service.is_open(session_id)


def test_it_hears_that_its_key_is_unknown(api_url: str) -> None:
    with pytest.raises(UnauthorizedError, match="Unauthorized: Invalid token"):
        Firecrawl(api_key="fc-unknown", api_url=api_url).delete_browser("1")
