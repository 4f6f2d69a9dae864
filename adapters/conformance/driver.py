"""Drives blocking and asynchronous transports in the same way."""

import asyncio
import inspect
import pickle
import signal
import threading
import time
import unittest
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from types import FrameType
from typing import Literal, TypeAlias, TypeVar

from firecrawl_interact.core.transport import (
    AsyncTransport,
    Request,
    Response,
    Transport,
    TransportError,
)

from .expectations import BrokenPromiseError, Result, Severity, describe, require

ENOUGH_TIME = 5.0
"""Seconds for a call in which nothing goes wrong."""
OVERTIME = 1.0
"""Seconds by which a call may miss its timeout."""
KEY = "fc-conformance/key+1=="
"""The credential of every request: only the server may get it, unchanged."""
HEADERS: Mapping[str, str] = {
    "Authorization": f"Bearer {KEY}",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
}

AnyTransport: TypeAlias = Transport | AsyncTransport
Kind: TypeAlias = Literal["blocking", "async"]

_T = TypeVar("_T")


class Driver:
    """A transport under test. An asynchronous one runs on an event loop in a thread."""

    def __init__(self, transport: AnyTransport) -> None:
        self.transport = transport
        self.kind: Kind = "async" if inspect.iscoroutinefunction(transport.send) else "blocking"
        self._loop: _LoopThread | None = _LoopThread() if self.kind == "async" else None

    def send(
        self, path: str, timeout: float = ENOUGH_TIME, *, headers: Mapping[str, str] = HEADERS
    ) -> Result:
        """Send one request, and return the response or the `TransportError`.

        Raises:
            AssertionError: it took too long, or raised another exception.
        """
        request = Request("DELETE", path, headers)
        began = time.monotonic()
        own_began = self.monotonic()
        result: Result
        try:
            result = self._run(lambda: self.transport.send(request, timeout))
        except TransportError as error:
            result = error
        except Exception as error:
            # The use case passes it on: nobody learns what became of the session.
            raise BrokenPromiseError(
                f"send raised {type(error).__name__}({error}), which is no TransportError",
                Severity.MAY_LOSE_SESSIONS,
            ) from error
        seconds = max(time.monotonic() - began, self.monotonic() - own_began)
        require(
            seconds <= timeout + OVERTIME,
            f"after {seconds:.2f} s instead of {timeout} s: {describe(result)}",
            Severity.MAY_HANG,
        )
        require(
            isinstance(result, Response | TransportError),
            f"send returned {type(result).__name__}, which is no Response",
        )
        return result

    def send_until_interrupted(
        self, path: str, raised: type[BaseException] = KeyboardInterrupt
    ) -> str:
        """Send a request during which `interrupt` is called, and describe what `send` raised.

        A signal's handler raises `raised` in a blocking call. An asynchronous one is cancelled.

        Raises:
            unittest.SkipTest: no call can be interrupted here.
        """
        request = Request("DELETE", path, HEADERS)
        if self._loop is None:
            return _interrupted(lambda: self.transport.send(request, ENOUGH_TIME), raised)
        return self._loop.run(self._cancelled(request))

    def interrupt(self) -> None:
        """Interrupt the call under way, from another thread."""
        if self._loop is None:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        else:
            self._loop.loop.call_soon_threadsafe(self._call.cancel)

    def monotonic(self) -> float:
        """Return the time of the transport's clock."""
        return self._run(self.transport.monotonic)

    def sleep(self, seconds: float) -> None:
        """Let the transport wait."""
        self._run(lambda: self.transport.sleep(seconds))

    def pickled(self) -> AnyTransport:
        """Return a pickled and unpickled copy of the transport."""
        try:
            copy: AnyTransport = pickle.loads(pickle.dumps(self.transport))  # noqa: S301 - its own
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}") from error
        return copy

    def unfinished_tasks(self) -> int:
        """Count the tasks that are left on the event loop."""
        return len(asyncio.all_tasks(self._loop.loop)) if self._loop else 0

    def close_transport(self) -> bool:
        """Close the transport. Return False if it has no `close`: the port asks for none."""
        transport: object = self.transport
        close = getattr(transport, "aclose", None) or getattr(transport, "close", None)
        if close is None:
            return False
        try:
            self._run(close)
        except Exception as error:
            raise AssertionError(f"close raised {type(error).__name__}({error})") from error
        return True

    def close(self) -> None:
        """Close the transport, and end the event loop."""
        try:
            self.close_transport()
        finally:
            if self._loop:
                self._loop.close()

    async def _cancelled(self, request: Request) -> str:
        call = _awaited(lambda: self.transport.send(request, ENOUGH_TIME))
        self._call = asyncio.ensure_future(call)
        try:
            return describe(await self._call)
        except asyncio.CancelledError:
            return "CancelledError"
        except Exception as error:
            return describe(error)

    def _run(self, call: Callable[[], _T | Awaitable[_T]]) -> _T:
        if self._loop is not None:
            return self._loop.run(_awaited(call))
        result = call()
        require(
            not inspect.isawaitable(result),
            "one method of the transport blocks, another one is awaited",
        )
        return result  # type: ignore[return-value]  # not an Awaitable: see above


class _LoopThread:
    """An event loop that runs all the time, as a program's does."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self.loop = self._runner.get_loop()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def _live(self) -> None:
        with self._runner:  # Its end cancels the tasks that are left.
            self.loop.run_forever()

    def run(self, coroutine: Coroutine[object, None, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()


async def _awaited(call: Callable[[], _T | Awaitable[_T]]) -> _T:
    result = call()
    return await result if isinstance(result, Awaitable) else result


def _interrupted(
    send: Callable[[], Response | Awaitable[Response]], raised: type[BaseException]
) -> str:
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, "pthread_kill"):
        raise unittest.SkipTest("only a POSIX system's main thread can be interrupted")

    def handle(_number: int, _interrupted: FrameType | None) -> None:
        raise raised

    before = signal.signal(signal.SIGINT, handle)
    seen = ""
    try:
        try:
            seen = describe(send())
        except raised:
            raise
        except Exception as error:
            seen = describe(error)
        time.sleep(0.01)  # An interrupt that comes after `send` is raised here.
    except raised:
        return seen or raised.__name__
    finally:
        signal.signal(signal.SIGINT, before)
    return seen
