"""Our transports keep every promise of the port."""

import asyncio
import ssl
from collections.abc import Iterator

import pytest

from firecrawl_interact import AsyncioTransport, Urllib3Transport
from firecrawl_interact.adapters.conformance import TransportTests

pytestmark = pytest.mark.enable_socket


class TestUrllib3Transport(TransportTests):
    def make_transport(
        self, api_url: str, ssl_context: ssl.SSLContext | None = None
    ) -> Urllib3Transport:
        return Urllib3Transport(api_url, ssl_context=ssl_context)


class TestAsyncioTransport(TransportTests):
    def make_transport(
        self, api_url: str, ssl_context: ssl.SSLContext | None = None
    ) -> AsyncioTransport:
        return AsyncioTransport(api_url, ssl_context=ssl_context)


@pytest.mark.slow
class TestAsyncioTransportOnUvloop(TestAsyncioTransport):
    @pytest.fixture(autouse=True)
    def _uvloop(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        uvloop = pytest.importorskip("uvloop")
        monkeypatch.setattr(asyncio.events, "new_event_loop", uvloop.new_event_loop)
        yield
        assert type(asyncio.events.new_event_loop()).__module__ == "uvloop"
