"""Transports to a `FakeService` in the same process, without sockets or real waits.

They fail as real ones do, with the same kinds of `TransportError`. A request advances the
service's clock by the latency of its response, or by the timeout if there is none.
"""

import math
import sys
from typing import Self

from firecrawl_interact.core.shielding import runs_on_asyncio
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

from .service import FakeService, TimedResponse
from .service.faults import NoConnection, NoResponse


class _InMemory:
    def __init__(self, service: FakeService) -> None:
        self._service = service
        self._closed = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._service!r})"

    def monotonic(self) -> float:
        """Return the service's time, in seconds."""
        return self._service.monotonic()

    def _handle(self, request: Request, timeout: float) -> tuple[float, Response | TransportError]:
        """Send the request. Return its duration in seconds, and its response or error."""
        if self._closed:
            return 0, ConnectFailedError("this transport is closed", transient=False)
        result = self._service.respond(request)
        if isinstance(result, NoConnection):
            return 0, ConnectFailedError("no connection to the service")
        seconds = math.inf if isinstance(result, NoResponse) else self._service.latency
        if isinstance(result, TimedResponse):
            seconds += result.seconds_per_byte * len(result.response.body)
        if seconds > timeout:
            return timeout, TimedOutError(f"no whole response within {timeout:g} s")
        if not isinstance(result, TimedResponse):
            return seconds, ConnectionLostError("the connection ended before the response")
        if len(result.response.body) > MAX_BODY_BYTES:
            return seconds, BadResponseError(f"more than {MAX_BODY_BYTES} bytes in the body")
        if result.response.headers.get("content-encoding", "identity") != "identity":
            return seconds, BadResponseError("the body is encoded, which was not requested")
        return seconds, result.response


class InMemoryTransport(_InMemory):
    """A `Transport` to a `FakeService`. It cannot be pickled, since its service cannot.

    Args:
        service: the service that it reaches; many transports may share one.
    """

    def send(self, request: Request, timeout: float) -> Response:
        """Send one request, within `timeout` seconds of the service's clock.

        Raises:
            ConnectFailedError: for `NoConnection`, or after `close()` (then not transient).
            TimedOutError: for `NoResponse`, or a response later than `timeout` seconds.
            ConnectionLostError: for `LostResponse`.
            BadResponseError: the body is larger than `MAX_BODY_BYTES`, or compressed.
        """
        seconds, end = self._handle(request, timeout)
        self.sleep(seconds)
        if isinstance(end, TransportError):
            raise end
        return end

    def sleep(self, seconds: float) -> None:
        """Advance the service's clock by this number of seconds."""
        self._service.sleep(seconds)

    def close(self) -> None:
        """From now on `send` raises a `ConnectFailedError` that is not transient."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class AsyncInMemoryTransport(_InMemory):
    """An `AsyncTransport` to a `FakeService`, otherwise like `InMemoryTransport`.

    Under asyncio, each `send` and `sleep` lets the other tasks run, and of several waits the
    shortest ends first. Under any other event loop, each wait advances the clock at once. While a
    `LoopbackService` serves the same service, a wait is real and blocks the loop.

    Args:
        service: the service that it reaches; many transports may share one.
    """

    async def send(self, request: Request, timeout: float) -> Response:
        """Send one request, as `InMemoryTransport.send` does, with the same errors."""
        seconds, end = self._handle(request, timeout)
        await self.sleep(seconds)
        if isinstance(end, TransportError):
            raise end
        return end

    async def sleep(self, seconds: float) -> None:
        """Advance the service's clock by so many seconds, after other tasks' shorter waits."""
        # A program that runs asyncio has imported it.
        if "asyncio" in sys.modules and runs_on_asyncio():
            await self._service.clock.sleep_beside_others(seconds)
        else:
            self._service.sleep(seconds)

    async def aclose(self) -> None:
        """From now on `send` raises a `ConnectFailedError` that is not transient."""
        self._closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()
