"""A transport around another one, and its test."""

from firecrawl_interact import DeleteSession, FakeService, InMemoryTransport
from firecrawl_interact.core import Request, Response, Transport


class MeasuringTransport:
    """Passes requests on, and keeps the seconds of each."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.seconds: list[float] = []

    def send(self, request: Request, timeout: float) -> Response:
        """Send one request, and measure it."""
        began = self.transport.monotonic()
        try:
            return self.transport.send(request, timeout)
        finally:
            self.seconds.append(self.transport.monotonic() - began)

    def monotonic(self) -> float:
        """Return the time in seconds."""
        return self.transport.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self.transport.sleep(seconds)


def test_it_measures_each_request() -> None:
    """The clock of a fake is exact."""
    service = FakeService(["fc-test"], latency=2)
    measuring = MeasuringTransport(InMemoryTransport(service))
    DeleteSession(measuring, api_key="fc-test")(service.open_session())
    assert measuring.seconds == [2.0]
