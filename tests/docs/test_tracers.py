"""What Sentry and OpenTelemetry see of a delete, as the page says: the id and no key."""

import asyncio
import json
from collections.abc import Callable, Iterator

import pytest
import sentry_sdk
from opentelemetry import trace
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.envelope import Envelope
from sentry_sdk.serializer import serialize
from sentry_sdk.transport import Transport as SentryTransport

from firecrawl_interact.adapters import (
    AsyncioTransport,
    FakeService,
    LoopbackService,
    LostResponse,
    NoConnection,
    Reply,
    Urllib3Transport,
)
from firecrawl_interact.core import (
    AsyncDeleteSession,
    DeleteSession,
    DeleteSessionError,
    RetryPolicy,
    request_headers,
)

from .pages import blocks, text_of

pytestmark = pytest.mark.enable_socket

KEY = "-".join(["fc", "the", "key"])  # in no line of source, which Sentry sends too
QUICK = RetryPolicy(first_pause=0, max_attempts=2)
PAGE = blocks(text_of("docs/observability.md"), "python")
[TRACING] = [code for code in PAGE if "class TracingTransport" in code]


@pytest.fixture
def service() -> FakeService:
    return FakeService([KEY])


@pytest.fixture
def api_url(service: FakeService) -> Iterator[str]:
    with LoopbackService(service) as loopback:
        yield loopback.api_url


def destroy(api_url: str, session_id: str) -> None:
    with Urllib3Transport(api_url) as transport:
        DeleteSession(transport, KEY, retry=QUICK)(session_id)


def destroy_awaited(api_url: str, session_id: str) -> None:
    page: dict[str, type] = {}
    exec(TRACING.partition("async def main")[0], page)  # noqa: S102 - the page's code

    async def main() -> None:
        async with AsyncioTransport(api_url) as transport:
            tracing = page["TracingTransport"](transport, api_url)
            await AsyncDeleteSession(tracing, KEY, retry=QUICK)(session_id)

    asyncio.run(main())


class Sentry(SentryTransport):
    """What would be sent to Sentry."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        event = envelope.get_event()
        if event is not None:
            self.events.append(json.dumps(event, default=repr))


@pytest.fixture
def sentry() -> Iterator[Sentry]:
    transport = Sentry()
    with sentry_sdk.isolation_scope():
        sentry_sdk.init(dsn="https://key@sentry.example/1", transport=transport)
        yield transport
        sentry_sdk.get_client().close(timeout=0)
        sentry_sdk.init()


def test_sentry_is_sent_the_error_and_the_warnings_and_no_key(
    service: FakeService, api_url: str, sentry: Sentry
) -> None:
    service.queue(NoConnection(), Reply(503))
    with pytest.raises(DeleteSessionError) as caught:
        destroy(api_url, service.open_session())
    sentry_sdk.capture_exception(caught.value)
    [event] = sentry.events
    assert "ServiceUnavailableError" in event
    assert "retry in" in event  # a breadcrumb
    assert KEY not in event


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    URLLib3Instrumentor().instrument(tracer_provider=provider)
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield exporter
    URLLib3Instrumentor().uninstrument()


def test_a_variable_with_the_headers_shows_sentry_no_value() -> None:
    headers = request_headers(KEY, {"X-Token": "canary"})
    shown = str(serialize({"headers": headers}, is_vars=True))
    assert "***" in shown
    assert KEY not in shown
    assert "canary" not in shown


@pytest.mark.parametrize("delete", [destroy, destroy_awaited])
def test_each_attempt_is_a_span_with_the_id_and_no_key(
    delete: Callable[[str, str], None],
    service: FakeService,
    api_url: str,
    spans: InMemorySpanExporter,
) -> None:
    session_id = service.open_session()
    service.queue(LostResponse())
    delete(api_url, session_id)
    first, second = (str(span.to_json()) for span in spans.get_finished_spans())
    assert '"exception.type"' in first
    assert f"{api_url}/v2/interact/{session_id}" in second
    assert '_code": 200' in second
    assert KEY not in first + second
    assert "traceparent" in {name.lower() for name in service.requests[-1].headers}
