"""A transport that plays a script, on a clock that only it moves, and both ways to call it."""

import asyncio
import json
import logging
import sys
import uuid
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from logging.handlers import BufferingHandler
from typing import Any, TypeAlias, TypeVar

import pytest

from firecrawl_interact import core

SESSION_ID = "550e8400-e29b-41d4-a716-446655440000"
API_KEY = "fc-0123456789abcdef0123456789abcdef"

_T = TypeVar("_T")
_ErrorT = TypeVar("_ErrorT", bound=core.DeleteSessionError)


def response(
    status: int, content: object = None, headers: Mapping[str, str] | None = None
) -> core.Response:
    """A response with this JSON as its body."""
    return core.Response(status, headers or {}, json.dumps(content).encode())


DESTROYED = response(200, {"success": True})
UNAVAILABLE = response(502, {"success": False, "error": "Hangar is unavailable."})
NOT_FOUND = response(404, {"success": False, "error": "Session not found."})
UNAUTHORIZED = response(401, {"success": False, "error": "Unauthorized: Invalid token"})


class ScriptedTransport:
    """Plays responses and failures in order, and records what was asked of it."""

    def __init__(self, *script: core.Response | BaseException) -> None:
        self._script = iter(script)
        self.now = 1_000_000.0
        self.requests: list[core.Request] = []
        self.timeouts: list[float] = []
        self.sleeps: list[float] = []
        self.closed = 0  # how often

    def send(self, request: core.Request, timeout: float) -> core.Response:
        self.requests.append(request)
        self.timeouts.append(timeout)
        outcome = next(self._script, None)
        assert outcome is not None, "one request more than the script has endings"
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    def close(self) -> None:
        self.closed += 1


class AsyncScriptedTransport:
    """The same script, or what else a blocking transport does, awaited.

    Each call waits for one turn, as real I/O would.
    """

    def __init__(self, blocking: core.Transport) -> None:
        self._blocking = blocking

    async def send(self, request: core.Request, timeout: float) -> core.Response:
        await asyncio.sleep(0)
        return self._blocking.send(request, timeout)

    def monotonic(self) -> float:
        return self._blocking.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self._blocking.sleep(seconds)

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        getattr(self._blocking, "close", lambda: None)()


UseCase: TypeAlias = Callable[..., Any]  # Any: `DeleteSession`, or `awaited` in its place


def awaited(transport: core.Transport, *arguments: Any, **others: Any) -> core.AsyncDeleteSession:
    """Make an `AsyncDeleteSession` of what makes a `DeleteSession`."""  # Any: whatever that takes
    return core.AsyncDeleteSession(AsyncScriptedTransport(transport), *arguments, **others)


def ended(result: _T | Coroutine[None, None, _T]) -> _T:
    """Return what a call has given, or awaited gives."""
    return asyncio.run(result) if isinstance(result, Coroutine) else result


def play(block: Any, work: Callable[[], object]) -> object:  # Any: of either kind
    """Do something in a `with` block, or in an `async with` block, and return what that gives."""

    async def main() -> object:
        async with block as given:
            work()
        return given

    if hasattr(block, "__aenter__"):
        return asyncio.run(main())
    with block as given:
        work()
    return given


def delete_blocking(
    transport: core.Transport,
    session_id: str | uuid.UUID = SESSION_ID,
    *,
    api_key: str | None = API_KEY,
    retry: core.RetryPolicy = core.RetryPolicy(),  # noqa: B008 - immutable
) -> core.DeletionReceipt:
    """Make one blocking call."""
    return core.DeleteSession(transport, api_key, retry=retry, random=lambda: 0.5)(session_id)


def error_of(
    kind: type[_ErrorT], *script: core.Response | BaseException, **options: Any
) -> _ErrorT:  # Any: as `delete_blocking` has them, and what a type checker would refuse
    """Make a call that has one attempt for each step of a script, and return what it raises."""
    policy = core.RetryPolicy(max_attempts=max(1, len(script)))
    with pytest.raises(kind) as raised:
        delete_blocking(ScriptedTransport(*script), retry=policy, **options)
    return raised.value


@contextmanager
def log_records(level: int = logging.DEBUG) -> Iterator[list[logging.LogRecord]]:
    """Collect what the library logs. Unlike `caplog`, it starts anew for each example."""
    logger, recorder = logging.getLogger("firecrawl_interact"), BufferingHandler(sys.maxsize)
    before = logger.level
    logger.setLevel(level)
    logger.addHandler(recorder)
    try:
        yield recorder.buffer
    finally:
        logger.removeHandler(recorder)
        logger.setLevel(before)
