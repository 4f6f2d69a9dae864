"""What is no transport, or one of the other kind, is refused before a request is sent."""

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
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

from .scripted_transport import AsyncScriptedTransport, ScriptedTransport


class HalfAwaited(ScriptedTransport):
    async def sleep(self, seconds: float) -> None:  # type: ignore[override] # the point
        pass


class AwaitedSend(ScriptedTransport):
    async def send(self, request: Request, timeout: float) -> Response:  # type: ignore[override] # the point
        raise NotImplementedError


class No:
    send = monotonic = print


METHODS = "transport must have the methods send, monotonic, sleep, as"
UNAWAITED, AWAITED = "DeleteSession does not await", "AsyncDeleteSession awaits"
TO_AWAIT = (
    "which is a coroutine function (async def): use AsyncDeleteSession, or a blocking transport "
    "such as Urllib3Transport"
)
TO_CALL = (
    "which is not a coroutine function (async def): use DeleteSession, or an asynchronous "
    "transport such as AsyncioTransport"
)
A_CLASS = "transport must be an object, not the class HalfAwaited: pass HalfAwaited()"


@pytest.mark.parametrize(
    ("use_case", "transport", "says"),
    [
        (DeleteSession, AwaitedSend(), f"{UNAWAITED} AwaitedSend.send, {TO_AWAIT}"),
        (DeleteSession, HalfAwaited(), f"{UNAWAITED} HalfAwaited.sleep, {TO_AWAIT}"),
        (AsyncDeleteSession, HalfAwaited(), f"{AWAITED} HalfAwaited.send, {TO_CALL}"),
        (AsyncDeleteSession, AwaitedSend(), f"{AWAITED} AwaitedSend.sleep, {TO_CALL}"),
        (DeleteSession, No(), f"{METHODS} Urllib3Transport has them: No has no sleep"),
        (AsyncDeleteSession, None, f"{METHODS} AsyncioTransport has them: NoneType has no send"),
        (DeleteSession, HalfAwaited, A_CLASS),
    ],
)
def test_another_kind_is_refused_where_the_use_case_is_made_which_can_be_shown(
    use_case: Callable[..., object], transport: object, says: str
) -> None:
    with pytest.raises(TypeError) as raised:
        use_case(transport, "fc-test")
    assert str(raised.value) == says
    half_made = raised.traceback[1].frame.f_locals["self"]
    assert f"Session({transport!r}, api_key='***'" in repr(half_made)


class Example:
    def blocks(self) -> None:
        raise NotImplementedError

    async def __call__(self) -> None:
        raise NotImplementedError

    @staticmethod
    async def is_static() -> None:
        raise NotImplementedError


class Promise:
    def __await__(self) -> Iterator[None]:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (lambda: None, "must return a Response, and returned a NoneType"),
        (Promise, "returned a Promise, which DeleteSession does not await: use AsyncDeleteSession"),
        # A coroutine that is not closed would warn, and fail this test.
        (Example.is_static, "returned a coroutine, which DeleteSession does not await: use Async"),
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
        functools.partial(Example().blocks),
        functools.partial(functools.partial(Example.is_static)),
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
    assert is_coroutine_function(Example())


def test_mocks_of_both_ports_are_taken() -> None:
    DeleteSession(create_autospec(Transport, instance=True), None)
    DeleteSession(MagicMock(), None)
    AsyncDeleteSession(create_autospec(AsyncTransport, instance=True), None)
    AsyncDeleteSession(AsyncMock(monotonic=float), None)
