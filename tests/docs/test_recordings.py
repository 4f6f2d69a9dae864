"""What the page says of vcrpy: a recording plays back, holds no key, and lets nothing else out."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import vcr  # type: ignore[import-untyped]  # it is not typed

from firecrawl_interact.adapters import AsyncioTransport, FakeService, Urllib3Transport
from firecrawl_interact.core import (
    AsyncDeleteSession,
    DeleteSession,
    DeletionReceipt,
    RetryPolicy,
    UnreachableError,
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


@pytest.mark.parametrize("delete", [blocking, awaited])
def test_a_recording_plays_back(
    delete: Callable[[str], DeletionReceipt], firecrawl: FakeService, tmp_path: Path
) -> None:
    recorder = vcr.VCR(filter_headers=["authorization"])
    cassette = tmp_path / "delete-session.yaml"
    session_id = firecrawl.open_session()
    with recorder.use_cassette(str(cassette)):
        recorded = delete(session_id)
    assert "fc-..." not in cassette.read_text(encoding="utf-8")
    with recorder.use_cassette(str(cassette)):
        assert delete(session_id) == recorded
        with pytest.raises(UnreachableError):
            delete("another-session")
    assert len(firecrawl.requests) == 1
