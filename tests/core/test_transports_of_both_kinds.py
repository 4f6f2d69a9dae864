"""A transport of the wrong kind is refused where the use case is made, and nothing is sent."""

import functools
import inspect
import sys
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, MagicMock, Mock, create_autospec

import pytest

from firecrawl_interact.adapters import AsyncInMemoryTransport, FakeService, InMemoryTransport
from firecrawl_interact.core import (
    AsyncDeleteSession,
    AsyncTransport,
    DeleteManySessions,
    DeleteSession,
    Request,
    Response,
    SessionFate,
    Transport,
    UnreachableError,
)
from firecrawl_interact.core.journal import is_coroutine_function

from .scripted_transport import DESTROYED, AsyncScriptedTransport, ScriptedTransport


def made(use_case: type[DeleteSession | AsyncDeleteSession], transport: object) -> object:
    return use_case(transport, "fc-test")  # type: ignore[arg-type] # the point


def test_a_transport_that_must_be_awaited_is_refused_by_the_use_case_that_does_not() -> None:
    with pytest.raises(TypeError) as raised:
        made(DeleteSession, AsyncInMemoryTransport(FakeService()))
    assert str(raised.value) == (
        "DeleteSession does not await AsyncInMemoryTransport.send, which is a coroutine function: "
        "use AsyncDeleteSession, or a blocking transport such as Urllib3Transport"
    )


def test_a_blocking_transport_is_refused_by_the_use_case_that_awaits() -> None:
    with pytest.raises(TypeError) as raised:
        made(AsyncDeleteSession, InMemoryTransport(FakeService()))
    assert str(raised.value) == (
        "AsyncDeleteSession awaits InMemoryTransport.send, which is not a coroutine function "
        "(async def): use DeleteSession, or an asynchronous transport such as AsyncioTransport"
    )


class HalfAwaited(ScriptedTransport):
    async def sleep(self, seconds: float) -> None:  # type: ignore[override] # the point
        pass


@pytest.mark.parametrize(
    ("use_case", "says"),
    [
        (DeleteSession, "does not await HalfAwaited.sleep, which is a coroutine function"),
        (AsyncDeleteSession, "awaits HalfAwaited.send, which is not a coroutine function"),
    ],
)
def test_a_transport_of_both_kinds_is_refused_by_both(
    use_case: type[DeleteSession | AsyncDeleteSession], says: str
) -> None:
    with pytest.raises(TypeError, match=says):
        made(use_case, HalfAwaited())


@pytest.mark.parametrize("use_case", [DeleteSession, AsyncDeleteSession])
@pytest.mark.parametrize("verb", ["send", "monotonic", "sleep"])
def test_what_lacks_a_method_is_refused(
    use_case: type[DeleteSession | AsyncDeleteSession], verb: str
) -> None:
    over = ScriptedTransport() if use_case is DeleteSession else AsyncMock()
    methods = {name: getattr(over, name) for name in ("send", "monotonic", "sleep")}
    del methods[verb]
    with pytest.raises(TypeError, match=f": SimpleNamespace has no {verb}$"):
        made(use_case, SimpleNamespace(**methods))


@pytest.mark.parametrize("no_transport", ["https://api.firecrawl.dev", None, 5], ids=repr)
def test_what_is_no_transport_at_all_is_refused(no_transport: object) -> None:
    with pytest.raises(TypeError, match=r"as Urllib3Transport has them: .* has no send"):
        made(DeleteSession, no_transport)


def test_a_class_in_the_place_of_its_object_is_refused() -> None:
    with pytest.raises(TypeError, match=r"not the class ScriptedTransport: pass Scripted.*\(\)$"):
        made(DeleteSession, ScriptedTransport)


def test_the_use_case_that_could_not_be_made_can_be_shown_() -> None:
    with pytest.raises(TypeError) as raised:
        made(DeleteSession, None)
    assert raised.tb.tb_next is not None
    assert "None" in repr(raised.traceback[-2].frame.f_locals["self"])


class ReturnsACoroutine(ScriptedTransport):
    def send(self, request: Request, timeout: float) -> Response:
        send = super().send

        async def respond() -> Response:
            return send(request, timeout)

        return respond()  # type: ignore[return-value] # the point


def test_a_blocking_send_that_returns_a_coroutine_sends_nothing_and_says_so() -> None:
    transport = ReturnsACoroutine(DESTROYED)
    with pytest.raises(TypeError, match=r"send returned a coroutine, which .* use AsyncDelete"):
        # A coroutine that is not closed would warn, and fail this test.
        DeleteSession(transport, "fc-test")("a")
    assert transport.requests == []


def test_in_a_run_such_a_send_ends_the_run() -> None:
    transport = ReturnsACoroutine(DESTROYED)
    delete_session = DeleteSession(transport, "fc-test")
    with DeleteManySessions(delete_session, concurrency=1)(["a", "b"]) as deletions:
        (outcome,) = [next(deletions)]
        with pytest.raises(RuntimeError, match="no request can be sent") as raised:
            next(deletions)
    assert isinstance(outcome, UnreachableError)
    assert "use AsyncDeleteSession" in str(raised.value.__cause__)
    assert transport.requests == []


def test_a_blocking_send_that_returns_another_awaitable_says_so() -> None:
    class Promise:
        def __await__(self) -> None:
            raise NotImplementedError

    transport = Mock(ScriptedTransport(), send=Mock(return_value=Promise()), monotonic=float)
    with pytest.raises(TypeError, match="send returned a Promise, which DeleteSession does not"):
        DeleteSession(transport, "fc-test")("a")


class ReturnsNothing(ScriptedTransport):
    def send(self, request: Request, timeout: float) -> Response:
        super().send(request, timeout)
        return None  # type: ignore[return-value] # the point


def test_a_send_that_returns_no_response_says_so() -> None:
    with pytest.raises(TypeError, match="send must return a Response, and returned a NoneType"):
        DeleteSession(ReturnsNothing(DESTROYED), "fc-test")("a")


def test_in_a_run_each_session_of_such_a_send_has_its_outcome() -> None:
    delete_session = DeleteSession(ReturnsNothing(DESTROYED, DESTROYED), "fc-test")
    with DeleteManySessions(delete_session, concurrency=2)(["a", "b"]) as deletions:
        outcomes = [next(deletions), next(deletions)]
        with pytest.raises(RuntimeError, match="no request can be sent") as raised:
            next(deletions)
    fates = [outcome.session_fate for outcome in outcomes]
    assert fates == [SessionFate.UNKNOWN, SessionFate.UNKNOWN]
    assert "must return a Response" in str(raised.value.__cause__)


# What counts as a coroutine function


class Example:
    def blocks(self) -> None:
        raise NotImplementedError

    async def is_awaited(self) -> None:
        raise NotImplementedError

    @staticmethod
    async def is_static() -> None:
        raise NotImplementedError

    @classmethod
    async def is_of_the_class(cls) -> None:
        raise NotImplementedError

    def wraps(self) -> Coroutine[Any, Any, None]:
        return self.is_awaited()


def decorated(function: Callable[[], object]) -> Callable[[], object]:
    @functools.wraps(function)
    def wrapper() -> object:
        return function()

    return wrapper


example = Example()


@pytest.mark.parametrize(
    "function",
    [
        example.blocks,
        example.is_awaited,
        example.is_static,
        example.is_of_the_class,
        example.wraps,
        Example.is_awaited,
        functools.partial(example.blocks),
        functools.partial(functools.partial(example.is_awaited)),
        decorated(example.blocks),
        decorated(example.is_awaited),
        lambda: None,
        print,
        len,
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
    class Called:
        async def __call__(self) -> None:
            raise NotImplementedError

    assert is_coroutine_function(Called())


def test_mocks_of_both_ports_are_taken() -> None:
    assert not is_coroutine_function(create_autospec(Transport, instance=True).send)
    DeleteSession(create_autospec(Transport, instance=True), None)
    DeleteSession(MagicMock(), None)
    AsyncDeleteSession(create_autospec(AsyncTransport, instance=True), None)
    AsyncDeleteSession(AsyncMock(), None)
