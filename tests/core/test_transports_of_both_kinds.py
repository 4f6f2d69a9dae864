"""A transport of the wrong kind is refused where the use case is made, and nothing is sent."""

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import TypeAlias
from unittest.mock import AsyncMock, MagicMock, Mock, create_autospec

import pytest

from firecrawl_interact.core import (
    AsyncDeleteSession,
    AsyncTransport,
    DeleteManySessions,
    DeleteSession,
    Request,
    Response,
    SessionFate,
    Transport,
)
from firecrawl_interact.core.asyncio_tasks import is_coroutine_function

from .scripted_transport import DESTROYED, AsyncScriptedTransport, ScriptedTransport

UseCase: TypeAlias = type[DeleteSession | AsyncDeleteSession]


def made(use_case: UseCase, transport: object) -> object:
    return use_case(transport, "fc-test")  # type: ignore[arg-type] # the point


def test_the_use_case_that_could_not_be_made_can_be_shown() -> None:
    with pytest.raises(TypeError) as raised:
        made(DeleteSession, None)
    [shown] = [
        repr(entry.frame.f_locals["self"])
        for entry in raised.traceback
        if "self" in entry.frame.f_locals
    ]
    assert shown.startswith("DeleteSession(None, api_key='***'")


class ReturnsACoroutine(ScriptedTransport):
    def send(self, request: Request, timeout: float) -> Response:
        return AsyncScriptedTransport(self).send(request, timeout)  # type: ignore[return-value] # the point


class Promise:
    def __await__(self) -> Iterator[None]:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (None, "send must return a Response, and returned a NoneType"),
        (Promise(), "send returned a Promise, which DeleteSession does not await"),
    ],
)
def test_a_send_that_returns_no_response_says_so(returned: object, says: str) -> None:
    transport = Mock(ScriptedTransport(), send=Mock(return_value=returned), monotonic=float)
    with pytest.raises(TypeError, match=says):
        DeleteSession(transport, "fc-test")("a")
    with DeleteManySessions(DeleteSession(transport, "fc-test"), concurrency=2)(
        ["a", "b"]
    ) as deletions:
        fates = [next(deletions).session_fate, next(deletions).session_fate]
        with pytest.raises(RuntimeError, match="no request can be sent") as raised:
            next(deletions)
    assert fates == [SessionFate.UNKNOWN, SessionFate.UNKNOWN]
    assert says in str(raised.value.__cause__)


def test_a_blocking_send_that_returns_a_coroutine_sends_nothing_and_says_so() -> None:
    transport = ReturnsACoroutine(DESTROYED)
    with pytest.raises(TypeError, match=r"send returned a coroutine, which .* use AsyncDelete"):
        # A coroutine that is not closed would warn, and fail this test.
        DeleteSession(transport, "fc-test")("a")
    assert transport.requests == []


# What counts as a coroutine function


class Example:
    def blocks(self) -> None:
        raise NotImplementedError

    async def is_awaited(self) -> None:
        raise NotImplementedError

    @staticmethod
    async def is_static() -> None:
        raise NotImplementedError


class Called:
    async def __call__(self) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    "function",
    [
        Example().blocks,
        Example().is_awaited,
        Example.is_static,
        functools.partial(Example().blocks),
        functools.partial(functools.partial(Example().is_awaited)),
        print,
        Mock(),
        MagicMock(),
        AsyncMock(),
        Mock(spec=AsyncScriptedTransport).send,
        Mock(spec=ScriptedTransport).send,
        create_autospec(AsyncTransport, instance=True).send,
        create_autospec(AsyncScriptedTransport).send,
    ],
    ids=lambda function: getattr(function, "__qualname__", type(function).__name__),
)
def test_a_coroutine_function_is_what_inspect_calls_one(function: Callable[..., object]) -> None:
    assert is_coroutine_function(function) is inspect.iscoroutinefunction(function)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="older Pythons cannot mark")
def test_a_function_that_is_marked_counts_as_inspect_says() -> None:
    marked = getattr(inspect, "markcoroutinefunction")(lambda: None)  # noqa: B009 - 3.12 has it
    assert is_coroutine_function(marked)


def test_an_object_that_is_called_and_awaited_counts_too() -> None:
    assert is_coroutine_function(Called())


def test_mocks_of_both_ports_are_taken() -> None:
    DeleteSession(create_autospec(Transport, instance=True), None)
    DeleteSession(MagicMock(), None)
    AsyncDeleteSession(create_autospec(AsyncTransport, instance=True), None)
    AsyncDeleteSession(AsyncMock(monotonic=float), None)
