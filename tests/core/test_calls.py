"""How a call treats its transport: what it sends, what it lets pass, what it leaves behind."""

from typing import Protocol

import pytest

from firecrawl_interact.core import (
    AsyncDeleteSession,
    DeleteSession,
    RetryPolicy,
    ServiceUnavailableError,
    UnauthorizedError,
)

from .scripted_transport import (
    API_KEY,
    DESTROYED,
    RATE_LIMITED,
    SESSION_ID,
    UNAUTHORIZED,
    UNAVAILABLE,
    AsyncScriptedTransport,
    Delete,
    ScriptedTransport,
    both_ways,
    run,
)


class Call(Protocol):
    def __call__(self, transport: ScriptedTransport, *, retry: RetryPolicy | None) -> object: ...


def call_blocking(transport: ScriptedTransport, *, retry: RetryPolicy | None) -> object:
    return DeleteSession(transport, API_KEY)(SESSION_ID, retry=retry)


def call_awaited(transport: ScriptedTransport, *, retry: RetryPolicy | None) -> object:
    over = AsyncScriptedTransport(transport)
    return run(AsyncDeleteSession(over, API_KEY)(SESSION_ID, retry=retry))


calls = pytest.mark.parametrize("call", [call_blocking, call_awaited], ids=["blocking", "awaited"])


@both_ways
def test_the_request_names_the_session_and_carries_the_key(delete: Delete) -> None:
    transport = ScriptedTransport(DESTROYED)
    delete(transport)
    (request,) = transport.requests
    assert (request.method, request.path) == ("DELETE", f"/v2/interact/{SESSION_ID}")
    assert dict(request.headers) == {
        "Authorization": f"Bearer {API_KEY}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }


@both_ways
def test_without_a_key_the_request_carries_none(delete: Delete) -> None:
    transport = ScriptedTransport(DESTROYED)
    delete(transport, api_key=None)
    (request,) = transport.requests
    assert dict(request.headers) == {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }


@both_ways
def test_every_attempt_sends_the_same_request(delete: Delete) -> None:
    transport = ScriptedTransport(UNAVAILABLE, RATE_LIMITED, DESTROYED)
    delete(transport)
    assert transport.requests[1:] == transport.requests[:1] * 2


@both_ways
@pytest.mark.parametrize("fault", [KeyboardInterrupt(), RuntimeError("a bug")], ids=repr)
def test_what_is_no_transport_error_passes_untouched(fault: BaseException, delete: Delete) -> None:
    transport = ScriptedTransport(fault)
    with pytest.raises(type(fault)) as raised:
        delete(transport)
    assert raised.value is fault
    assert len(transport.requests) == 1


def test_cancelling_an_awaited_call_ends_it_at_once() -> None:
    class Cancelled(BaseException):
        pass

    transport = ScriptedTransport(DESTROYED)
    call = AsyncDeleteSession(AsyncScriptedTransport(transport), API_KEY)(SESSION_ID)
    call.send(None)
    with pytest.raises(Cancelled):
        call.throw(Cancelled())
    assert transport.requests == []


def test_one_use_case_destroys_many_sessions_and_is_not_changed_by_a_failure() -> None:
    transport = ScriptedTransport(DESTROYED, UNAUTHORIZED, DESTROYED)
    delete_session = DeleteSession(transport, API_KEY)
    assert delete_session("a").session_id == "a"
    with pytest.raises(UnauthorizedError) as raised:
        delete_session("b")
    assert raised.value.session_id == "b"
    assert delete_session("c").session_id == "c"
    assert [request.path[-1] for request in transport.requests] == ["a", "b", "c"]


def test_a_policy_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^retry must be a RetryPolicy, not int"):
        DeleteSession(ScriptedTransport(), API_KEY, retry=3)  # type: ignore[arg-type] # the point


def test_randomness_that_is_no_function_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^random must be a function, not 5"):
        DeleteSession(ScriptedTransport(), API_KEY, random=5)  # type: ignore[arg-type] # the point


@calls
def test_a_policy_for_one_call_is_for_that_call_alone(call: Call) -> None:
    transport = ScriptedTransport(UNAVAILABLE, UNAVAILABLE, DESTROYED)
    with pytest.raises(ServiceUnavailableError) as raised:
        call(transport, retry=RetryPolicy(max_attempts=1, attempt_timeout=7))
    assert raised.value.attempts == 1
    call(transport, retry=None)
    assert transport.timeouts == [7, 90, 90]


@calls
def test_a_policy_for_one_call_that_is_none_is_refused_before_anything_is_sent(
    call: Call,
) -> None:
    transport = ScriptedTransport()
    with pytest.raises(TypeError, match=r"^retry must be a RetryPolicy, not int"):
        call(transport, retry=3)  # type: ignore[arg-type] # the point
    assert transport.requests == []


def test_its_own_randomness_spreads_the_retries_out() -> None:
    waits = set()
    for _ in range(5):
        transport = ScriptedTransport(UNAVAILABLE, DESTROYED)
        DeleteSession(transport, API_KEY)(SESSION_ID)
        waits.update(transport.sleeps)
    assert len(waits) > 1
    assert all(0.5 <= wait <= 1 for wait in waits)
