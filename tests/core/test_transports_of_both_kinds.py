"""What a transport may be: of which kind it is, and what it may return."""

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from unittest.mock import AsyncMock, MagicMock, Mock, create_autospec

import pytest

from firecrawl_interact.core import (
    AsyncDeleteSession,
    AsyncTransport,
    DeleteManySessions,
    DeleteSession,
    Response,
    SessionFate,
    Transport,
)
from firecrawl_interact.core.arguments import is_coroutine_function

from .scripted_transport import AsyncScriptedTransport, ScriptedTransport
from .side_by_side import unchecked


class Example:
    def blocks(self) -> None:
        raise NotImplementedError

    async def __call__(self) -> None:
        raise NotImplementedError

    def __await__(self) -> Iterator[None]:
        raise NotImplementedError

    @staticmethod
    async def is_static() -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (lambda: None, "must return a Response, and returned a NoneType"),
        (lambda: Response(200, {}, unchecked("{}")), "must return bytes as a body, and returned"),
        (Example, "must return a Response, and returned a Example"),
        # A coroutine that is not closed would warn, and fail this test.
        (Example.is_static, "returned a coroutine, which is not awaited: use Async"),
    ],
)
def test_a_send_that_returns_no_response_says_so(returned: Callable[[], object], says: str) -> None:
    send = Mock(side_effect=lambda request, timeout: returned())
    delete_session = DeleteSession(Mock(ScriptedTransport(), send=send, monotonic=float), "fc-test")
    with pytest.raises(TypeError, match=f"the transport's send {says}"):
        delete_session("a")
    with DeleteManySessions(delete_session, concurrency=2)(["a", "b"]) as deletions:
        fates = [next(deletions).session_fate, next(deletions).session_fate]
        with pytest.raises(RuntimeError, match="no request can be sent") as raised:
            next(deletions)
    assert fates == [SessionFate.UNKNOWN, SessionFate.UNKNOWN]
    assert says in str(raised.value.__cause__)


@pytest.mark.parametrize(
    "function",
    [
        Example().blocks,
        Example().__call__,
        Example.is_static,
        partial(Example().blocks),
        partial(Example.is_static),
        print,
        Mock(),
        AsyncMock(),
        Mock(spec=AsyncScriptedTransport).send,
        Mock(spec=ScriptedTransport).send,
        create_autospec(AsyncTransport, instance=True).send,
        getattr(inspect, "markcoroutinefunction", partial)(lambda: None),  # 3.12 has it
    ],
    ids=lambda function: getattr(function, "__qualname__", type(function).__name__),
)
def test_a_coroutine_function_is_what_inspect_calls_one(function: Callable[..., object]) -> None:
    assert is_coroutine_function(function) is inspect.iscoroutinefunction(function)


def test_an_object_that_is_called_and_awaited_counts_too() -> None:
    assert is_coroutine_function(Example())


def test_mocks_of_both_ports_are_taken() -> None:
    DeleteSession(create_autospec(Transport, instance=True), None)
    DeleteSession(MagicMock(), None)
    AsyncDeleteSession(create_autospec(AsyncTransport, instance=True), None)
    AsyncDeleteSession(AsyncMock(monotonic=float), None)
