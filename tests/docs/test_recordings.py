"""What the page says of vcrpy: a recording plays back, holds no key, and lets nothing else out."""

import asyncio
from pathlib import Path

import pytest
import vcr  # type: ignore[import-untyped]  # it is not typed
from vcr.errors import (  # type: ignore[import-untyped]  # see above
    CannotOverwriteExistingCassetteException,
)

from firecrawl_interact.adapters import AsyncioTransport, FakeService, Urllib3Transport
from firecrawl_interact.core import (
    AsyncDeleteSession,
    DeleteSession,
    DeletionReceipt,
    RetryPolicy,
)

pytestmark = pytest.mark.enable_socket

ONCE = RetryPolicy(max_attempts=1)


def blocking(session_id: str) -> DeletionReceipt:
    with Urllib3Transport() as transport:
        return DeleteSession(transport, "fc-...", retry=ONCE)(session_id)


def awaited(session_id: str) -> DeletionReceipt:
    async def delete() -> DeletionReceipt:
        async with AsyncioTransport() as transport:
            return await AsyncDeleteSession(transport, "fc-...", retry=ONCE)(session_id)

    return asyncio.run(delete())


def test_a_recording_plays_back(firecrawl: FakeService, tmp_path: Path) -> None:
    recorder = vcr.VCR(filter_headers=["authorization"])
    cassette = tmp_path / "delete-session.yaml"
    session_id = firecrawl.open_session()
    with recorder.use_cassette(str(cassette)):
        recorded = blocking(session_id)
    assert "fc-..." not in cassette.read_text(encoding="utf-8")
    with recorder.use_cassette(str(cassette)):
        assert blocking(session_id) == recorded
        with pytest.raises(CannotOverwriteExistingCassetteException):
            blocking("another-session")
    assert len(firecrawl.requests) == 1


def test_an_awaited_call_is_not_recorded_and_goes_out(
    firecrawl: FakeService, tmp_path: Path
) -> None:
    cassette = tmp_path / "delete-session.yaml"
    with vcr.use_cassette(str(cassette), record_mode="none"):
        awaited(firecrawl.open_session())
    assert len(firecrawl.requests) == 1
    assert not cassette.exists()
