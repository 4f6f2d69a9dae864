"""How a call treats its transport: what it sends, what it lets pass, what it leaves behind."""

import pytest

from firecrawl_interact.core import (
    AsyncDeleteSession,
    DeleteSession,
    RetryPolicy,
    ServiceUnavailableError,
)

from .scripted_transport import (
    API_KEY,
    DESTROYED,
    RATE_LIMITED,
    SESSION_ID,
    UNAVAILABLE,
    AsyncScriptedTransport,
    Delete,
    ScriptedTransport,
    UseCase,
    both_use_cases,
    both_ways,
    ended,
)


@both_ways
@pytest.mark.parametrize("api_key", [API_KEY, None])
def test_the_request_names_the_session_and_carries_the_key(
    api_key: str | None, delete: Delete
) -> None:
    transport = ScriptedTransport(DESTROYED)
    delete(transport, api_key=api_key)
    (request,) = transport.requests
    assert (request.method, request.path) == ("DELETE", f"/v2/interact/{SESSION_ID}")
    key = {"Authorization": f"Bearer {API_KEY}"} if api_key else {}
    library = {"Accept": "application/json", "Accept-Encoding": "identity"}
    assert dict(request.headers) == {**key, **library}


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


def test_chance_is_a_number_from_0_to_1_unless_told_otherwise() -> None:
    chances = [DeleteSession(ScriptedTransport(), API_KEY).random() for _ in range(100)]
    assert 0 <= min(chances) < 0.5 < max(chances) < 1


def test_cancelling_an_awaited_call_ends_it_at_once() -> None:
    class Cancelled(BaseException):
        pass

    transport = ScriptedTransport(DESTROYED)
    call = AsyncDeleteSession(AsyncScriptedTransport(transport), API_KEY)(SESSION_ID)
    call.send(None)
    with pytest.raises(Cancelled):
        call.throw(Cancelled())
    assert transport.requests == []


@both_use_cases
def test_a_policy_for_one_call_is_for_that_call_alone(use_case: UseCase) -> None:
    transport = ScriptedTransport(UNAVAILABLE, UNAVAILABLE, DESTROYED)
    delete_session = use_case(transport, API_KEY)

    def call(retry: object) -> None:
        ended(delete_session(SESSION_ID, retry=retry))

    with pytest.raises(TypeError, match=r"^retry must be a RetryPolicy, not int"):
        call(3)
    assert transport.requests == []
    with pytest.raises(ServiceUnavailableError) as raised:
        call(RetryPolicy(max_attempts=1, attempt_timeout=7))
    assert raised.value.attempts == 1
    call(None)
    assert transport.timeouts == [7, 90, 90]
