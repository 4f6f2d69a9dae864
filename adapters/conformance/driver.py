"""Drives a blocking and an awaited transport in the same way, and checks how its calls end."""

import asyncio
import inspect
import signal
import threading
import time
from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from traceback import TracebackException
from typing import Any, TypeAlias

from firecrawl_interact.core.transport import (
    AsyncTransport,
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    Request,
    Response,
    TimedOutError,
    Transport,
    TransportError,
)

from .server import FaultServer, SeenRequest

ENOUGH = 10.0  # seconds for a call in which nothing goes wrong
SHORT = 1.0  # seconds: a timeout that is meant to expire; a busy machine connects sooner
OVERTIME = 2.0  # seconds by which a call may miss its timeout: the machine may be busy
KEY = "fc-conformance/key+1=="  # only the server may get it, unchanged
HEADERS: Mapping[str, str] = {
    "Authorization": f"Bearer {KEY}",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
}
SENT = (TimedOutError, ConnectionLostError, BadResponseError)  # The service may have acted.

AnyTransport: TypeAlias = Transport | AsyncTransport
Result: TypeAlias = Response | TransportError
_numbers = count()


def require(is_kept: object, message: str) -> None:
    """Fail a test with what was sent, what came and what should have come."""
    __tracebackhide__ = True
    if not is_kept:
        raise AssertionError(message)


def compare(what: str, came: object, expected: object) -> None:
    """Fail a test if something else came than should have come."""
    __tracebackhide__ = True
    require(came == expected, f"{what}: {came!r} came, and {expected!r} is due")


def described(result: Result) -> str:
    """Say what a call ended in."""
    if isinstance(result, Response):
        return f"a response with status {result.status} and the body {result.body[:100]!r}"
    return f"{result!r}, stale={getattr(result, 'stale', False)}"[:500]


class Driver:
    """A transport under test. One that is awaited runs on an event loop of its own."""

    def __init__(self, transport: AnyTransport) -> None:
        self.transport: Any = transport  # Any: of either kind
        self.is_async: bool = inspect.iscoroutinefunction(transport.send)
        self._runner = asyncio.Runner() if self.is_async else None

    def new_path(self) -> str:
        """Return a path that no other request has, so that each call can recognise its response."""
        return f"/v2/echo/call-{next(_numbers):06}"

    def send(
        self, path: str, timeout: float = ENOUGH, *, headers: Mapping[str, str] = HEADERS
    ) -> Result:
        """Send one request, and return the response or the `TransportError`.

        It is checked that the call ends in time and in nothing else.
        """
        __tracebackhide__ = True
        began = time.monotonic()
        result = self._result(Request("DELETE", path, headers), timeout)
        seconds = time.monotonic() - began
        is_result = isinstance(result, Response | TransportError)
        require(is_result, f"DELETE {path} returned {result!r}: a Response is due")
        came = f"DELETE {path} ended after {seconds:.2f} s, in {described(result)}"
        require(seconds <= timeout + OVERTIME, f"{came}: its timeout is {timeout:g} s")
        return result

    def _result(self, request: Request, timeout: float) -> Result:
        # No frame that an error comes through here has the key.
        try:
            result: Result = self.wait_for(self.transport.send(request, timeout))
        except TransportError as error:
            return error
        return result

    def succeeds(self, path: str, *, headers: Mapping[str, str] = HEADERS) -> Response:
        """Send one request, which must end in a response."""
        __tracebackhide__ = True
        result = self.send(path, headers=headers)
        if isinstance(result, Response):
            return result
        raise unexpected(path, result, "a response")

    def fails(
        self, *kinds: type[TransportError], path: str | None = None, timeout: float = ENOUGH
    ) -> TransportError:
        """Send one request, which must fail in one of these ways, and return its error."""
        __tracebackhide__ = True
        path = path or self.new_path()
        result = self.send(path, timeout)
        if isinstance(result, kinds):
            check_error(result)
            return result
        raise unexpected(path, result, " or ".join(kind.__name__ for kind in kinds))

    def works(self, server: FaultServer, *avoided: int) -> SeenRequest:
        """Check that a call gets its own response, over none of these connections."""
        __tracebackhide__ = True
        path = self.new_path()
        require_own(self.send(path), path)
        requests = [one for one in server.requests if one.target == path]
        compare(f"requests for one DELETE {path}", len(requests), 1)
        number = requests[0].connection
        require(number not in avoided, f"DELETE {path} went over connection {number} once more")
        return requests[0]

    def side_by_side(self, paths: Sequence[str]) -> list[Result]:
        """Send requests for all paths at once."""
        if self._runner is None:
            with ThreadPoolExecutor(len(paths)) as threads:
                return list(threads.map(self.send, paths))

        async def send_all() -> list[Result]:
            requests = [Request("DELETE", path, HEADERS) for path in paths]
            return list(
                await asyncio.gather(*[self.transport.send(one, ENOUGH) for one in requests])
            )

        return self._runner.run(send_all())

    def send_until_interrupted(self) -> object:
        """Send a request during which `interrupt` is called, and return what it ended in."""
        request = Request("DELETE", self.new_path(), HEADERS)
        if self._runner is not None:
            return self._runner.run(self._send_until_cancelled(request))
        handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return self.transport.send(request, ENOUGH)
        except (Exception, KeyboardInterrupt) as end:
            return end
        finally:
            signal.signal(signal.SIGINT, handler)

    async def _send_until_cancelled(self, request: Request) -> object:
        self._call = asyncio.ensure_future(awaited(self.transport.send(request, ENOUGH)))
        return (await asyncio.gather(self._call, return_exceptions=True))[0]

    def interrupt(self) -> None:
        """Press Ctrl-C, or cancel the call that is awaited, from another thread."""
        if self._runner is None:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        else:
            self._runner.get_loop().call_soon_threadsafe(self._call.cancel)

    def wait_for(self, result: Any) -> Any:  # Any: whatever a method returns
        """Return a result, or await it on the event loop of this transport."""
        if self._runner is not None:
            return self._runner.run(awaited(result))
        require(not inspect.isawaitable(result), "one method blocks, another one is awaited")
        return result

    def pause(self, seconds: float) -> None:
        """Let time pass, on the event loop if there is one."""
        if self.is_async:
            self.wait_for(asyncio.sleep(seconds))
        else:
            time.sleep(seconds)

    def close_transport(self) -> bool:
        """Close the transport. Return False if it cannot be closed: the port asks for no close."""
        close = getattr(self.transport, "aclose", None) or getattr(self.transport, "close", None)
        if close is not None:
            self.wait_for(close())
        return close is not None

    def close(self) -> None:
        """Close the transport, and end its event loop."""
        self.close_transport()
        if self._runner is not None:
            self._runner.close()


async def awaited(result: Any) -> Any:  # Any: as in `wait_for`
    """Await what may be awaitable."""
    return await result if isinstance(result, Awaitable) else result


def require_own(result: Result, path: str) -> None:
    """Check that a result is the response to the request for this path."""
    __tracebackhide__ = True
    if not isinstance(result, Response) or path.encode() not in result.body:
        raise unexpected(path, result, "its own response")


def unexpected(path: str, result: Result, expected: str) -> AssertionError:
    """Return the failure of a test: what was sent, what came and what should have come."""
    failure = AssertionError(f"DELETE {path} ended in {described(result)}: {expected} is due")
    failure.__cause__ = result if isinstance(result, TransportError) else None
    return failure


def check_error(error: TransportError) -> None:
    """Check that an error is of one kind, says so, has a short message and its cause."""
    __tracebackhide__ = True
    kinds = [kind for kind in (ConnectFailedError, *SENT) if isinstance(error, kind)]
    compare(f"the number of kinds of {error!r}", len(kinds), 1)
    compare(f"sent of {error!r}", error.sent, kinds[0].sent)
    length = len(str(error))
    require(0 < length <= 1000, f"a message of {length} characters: {error!r:.200}")
    has_cause = error.__cause__ is not None or error.sent
    require(has_cause, f"{error!r} has no __cause__: the library's own exception is due")


def shows_key(error: TransportError) -> list[str]:
    """List the lines that show the key in a full traceback, as error trackers send it."""
    part = KEY[:12]  # A message that is cut may end in the middle of the key.
    lines = TracebackException.from_exception(error, capture_locals=True).format()
    return [line.strip().partition(part)[0] + "***" for line in lines if part in line]
