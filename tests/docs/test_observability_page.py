"""What the log, Sentry, OpenTelemetry and vcrpy see of a delete: what the page says, and no key."""

import asyncio
import json
from pathlib import Path

import pytest
import sentry_sdk
import vcr  # type: ignore[import-untyped]  # it is not typed
from opentelemetry import trace
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.serializer import serialize

from firecrawl_interact import adapters
from firecrawl_interact.core import DeleteSessionError, RetryPolicy, request_headers

from .pages import blocks, open_sessions_of, run_python, sections

pytestmark = pytest.mark.enable_socket

PAGE = "docs/observability.md"
SECTIONS = dict(sections(PAGE))
[LOGGING] = blocks(SECTIONS["The log"], "python")
KEY = "-".join(["fc", "the", "key"])  # in no line of source, which Sentry sends too


def test_the_log_reads_as_the_page_shows_it_if_logging_is_set_up(tmp_path: Path) -> None:
    assert [run_python(LOGGING, tmp_path)] == blocks(SECTIONS["The log"], "text")
    quiet = [line for line in LOGGING.splitlines() if not line.startswith("logging.")]
    assert not run_python("\n".join(quiet), tmp_path)


def test_sentry_is_sent_the_error_and_the_warnings_and_no_key(
    service: adapters.FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    monkeypatch.setenv("FIRECRAWL_API_KEY", KEY)
    service.queue(adapters.NoConnection(), adapters.Reply(503))
    retry = RetryPolicy(first_pause=0, max_attempts=2)
    with (
        sentry_sdk.isolation_scope(),
        adapters.delete_session_from_environment(retry=retry) as delete,
    ):
        sentry_sdk.init(
            dsn="https://key@sentry.example/1",
            before_send=lambda event, hint: events.append(json.dumps(event, default=repr)),
        )
        with pytest.raises(DeleteSessionError) as caught:
            delete(service.open_session())
        sentry_sdk.capture_exception(caught.value)
        sentry_sdk.init()
    [event] = events
    assert "ServiceUnavailableError" in event
    assert "retry in" in event  # a breadcrumb
    assert KEY not in event


def test_a_variable_with_the_headers_shows_sentry_no_value() -> None:
    headers = request_headers(KEY, {"X-Token": "canary"})
    shown = str(serialize({"headers": headers}, is_vars=True))
    assert "***" in shown
    assert KEY not in shown
    assert "canary" not in shown


def test_each_attempt_blocking_or_awaited_is_a_span_with_the_id_and_no_key(
    firecrawl: adapters.FakeService,
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    open_sessions_of(PAGE, firecrawl)
    blocking, awaited, _ = blocks(SECTIONS["OpenTelemetry"], "python")
    for code in (blocking, awaited):
        firecrawl.queue(adapters.LostResponse())
        exporter.clear()
        exec(code, {})  # noqa: S102 - the page's
        first, second, *_ = (str(span.to_json()) for span in exporter.get_finished_spans())
        assert '"exception.type"' in first
        assert f"https://api.firecrawl.dev{firecrawl.requests[-1].path}" in second
        assert '_code": 200' in second
        assert "fc-..." not in first + second
        assert "traceparent" in {name.lower() for name in firecrawl.requests[-1].headers}
    URLLib3Instrumentor().uninstrument()


def test_a_recording_plays_a_blocking_call_back_and_holds_no_key(
    firecrawl: adapters.FakeService, tmp_path: Path
) -> None:
    async def delete_awaited() -> None:
        async with adapters.async_delete_session_from_environment() as delete_session:
            await delete_session(session_id)

    recorder = vcr.VCR(filter_headers=["authorization"])
    cassette = tmp_path / "delete-session.yaml"
    session_id = firecrawl.open_session()
    with adapters.delete_session_from_environment() as delete_session:
        with recorder.use_cassette(str(cassette)):
            recorded = delete_session(session_id)
        with recorder.use_cassette(str(cassette), record_mode="none"):
            assert delete_session(session_id) == recorded
            assert len(firecrawl.requests) == 1
            asyncio.run(delete_awaited())
            assert len(firecrawl.requests) == 2  # It goes out.
    text = cassette.read_text(encoding="utf-8")
    assert "fc-..." not in text
    assert text.count("- request:") == 1
