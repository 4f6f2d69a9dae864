from collections.abc import Iterator

import pytest

from firecrawl_interact import LoopbackService

from .commands import KEY, Run, WatchedService


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[WatchedService]:
    """A service that the environment points to, and knows the key of."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    service = WatchedService([KEY, "fc-another-team"])
    with LoopbackService(service) as loopback:
        monkeypatch.setenv("FIRECRAWL_API_KEY", KEY)
        monkeypatch.setenv("FIRECRAWL_API_URL", f"{loopback.api_url}/v2")
        yield service
        service.responds.set()


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    return Run(capfd)
