"""Transports to a `FakeService` in the same process, without sockets or real waits.

They fail as real ones do, with the same kinds of `TransportError`. A request takes the latency of
its response on the service's clock, or its timeout if there is no response.
"""

import math
from typing import Self

from firecrawl_interact.core.transport import (
    MAX_BODY_BYTES,
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    Request,
    Response,
    TimedOutError,
    TransportError,
)

from .service import FakeService, faults
from .service.clock import ClockQueue


class _InMemory:
    api_url = "in memory"  #: a label for journals: no sweep of a real service takes their sessions

    def __init__(self, service: FakeService) -> None:
        if not isinstance(service, FakeService):
            raise TypeError(f"service must be a FakeService, not {type(service).__name__}")
        self._service = service
        self._is_closed = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._service!r})"

    def monotonic(self) -> float:
        """Return the service's time, in seconds."""
        return self._service.monotonic()

    def _begin(self, request: Request, timeout: float) -> tuple[float, Response | TransportError]:
        """Send the request. Return the seconds until its end, and its response or error."""
        if self._is_closed:
            return 0, ConnectFailedError(
                "this transport was used after it was closed", transient=False
            )
        response, fault = self._service.respond(request)
        if isinstance(fault, faults.NoConnection):
            return 0, ConnectFailedError("no connection to the service")
        if isinstance(fault, faults.HeldResponse):
            return math.inf, TimedOutError("the request was held")
        seconds = self._service.latency
        if isinstance(fault, faults.DrippedResponse):
            seconds += fault.seconds_per_byte * len(response.body)
        if isinstance(fault, faults.NoResponse) or seconds > timeout:
            return timeout, TimedOutError(f"no whole response within {timeout:g} s")
        if isinstance(fault, faults.LostResponse):
            return seconds, ConnectionLostError("the connection ended before the response")
        if len(response.body) > MAX_BODY_BYTES:
            return seconds, BadResponseError(f"more than {MAX_BODY_BYTES} bytes in the body")
        encoding = response.headers.get("content-encoding", "").lower()
        if encoding not in ("", "identity") and response.status not in faults.BODILESS:
            return seconds, BadResponseError("the body is encoded, which was not requested")
        return seconds, response


class InMemoryTransport(_InMemory):
    """A `Transport` to a `FakeService`. It cannot be pickled, since its service cannot.

    Requests of several threads wait side by side, and the shortest wait ends first. In a run nobody
    really waits. Threads of your own have a quarter of a second to begin what they do at a time.

    Args:
        service: the service that it reaches; many transports may share one.
    """

    def send(self, request: Request, timeout: float) -> Response:
        """Send one request, within `timeout` seconds of the service's clock.

        Raises:
            TransportError: as a real transport raises it: for a fault, after `timeout` seconds,
                for a body above `MAX_BODY_BYTES` or compressed, and after `close`.
        """
        seconds, end = self._begin(request, timeout)
        self.sleep(seconds)
        if isinstance(end, TransportError):
            raise end
        return end

    def sleep(self, seconds: float) -> None:
        """Wait for this number of seconds of the service's clock."""
        self._service.clock.wait(seconds)

    def new_queue(self) -> ClockQueue[object]:
        """Return a queue for the threads of a run: who waits for an item lets time pass."""
        return ClockQueue(self._service.clock)

    def close(self) -> None:
        """From now on `send` raises a `ConnectFailedError` that is not transient."""
        self._is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class AsyncInMemoryTransport(_InMemory):
    """An `AsyncTransport` to a `FakeService`, otherwise like `InMemoryTransport`.

    Each `send` and `sleep` lets the other tasks run, and can be cancelled: a request that is
    cancelled at once is not sent. Of several waits the shortest ends first. Who waits for something
    else, such as a socket, holds no time up. It knows asyncio and trio, and anyio on both.

    Args:
        service: the service that it reaches; many transports may share one.
    """

    async def send(self, request: Request, timeout: float) -> Response:
        """Send one request, as `InMemoryTransport.send` does, with the same errors."""
        await self.sleep(0)
        seconds, end = self._begin(request, timeout)
        await self.sleep(seconds)
        if isinstance(end, TransportError):
            raise end
        return end

    async def sleep(self, seconds: float) -> None:
        """Wait for this number of seconds of the service's clock, beside other tasks."""
        await self._service.clock.wait_in_task(seconds)

    async def aclose(self) -> None:
        """From now on `send` raises a `ConnectFailedError` that is not transient."""
        self._is_closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()
