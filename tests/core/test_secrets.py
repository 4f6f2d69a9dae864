"""The key shows nowhere but in the header that carries it."""

import logging
import pickle
import traceback
from collections.abc import Iterator

import pytest

from firecrawl_interact.core import (
    AsyncDeleteSession,
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    DeleteSession,
    DeleteSessionError,
    DeletionReceipt,
    Request,
    Response,
    RetryPolicy,
    TransportError,
    wire,
)
from firecrawl_interact.core.conversation import Send

from .log_records import log_records
from .package_frames import chain
from .scripted_transport import (
    DESTROYED,
    SESSION_ID,
    AsyncScriptedTransport,
    Delete,
    ScriptedTransport,
    answer,
    both_ways,
    page,
)

KEYS = ["fc-canary0123456789abcdef", "fc+canary/01~23-45._=="]
POLICY = RetryPolicy(max_attempts=2)

all_keys = pytest.mark.parametrize("key", KEYS)


def refusals(key: str) -> Iterator[Response | TransportError]:
    """Answers that send the key back, and failures."""
    for status in (200, 302, 400, 401, 403, 404, 429, 502):
        for said in (key, f"Bearer {key}", f"the key '{key}' and {key}{key}", f"{'x' * 490}{key}"):
            yield answer(status, {"success": False, "error": said})
            yield answer(status, {"success": False, "message": said})
            yield answer(status, {"success": False, "error": "no", "code": said})
            yield answer(status, {"error": "no"}, {"x-request-id": said})
            yield answer(status, said)
            yield answer(status, {"detail": said})
            yield page(status, f"<html>{said}</html>".encode())
            yield page(status, f"{'x' * 90}{said}".encode())
            yield page(status, b"\xff" + said.encode() + b"\xff")
    yield ConnectFailedError("refused", transient=False)
    yield BadResponseError("no HTTP")
    yield ConnectionLostError("reset")


def logged_text(records: list[logging.LogRecord]) -> list[str]:
    return [f"{record.getMessage()} {record.__dict__!r}" for record in records]


def all_that_an_error_says(error: DeleteSessionError) -> Iterator[str]:
    yield from traceback.format_exception(error)
    for one in chain(error):
        yield from (str(one), repr(one), repr(one.args), repr(vars(one)))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield pickle.dumps(error, protocol).decode("latin-1")


@all_keys
@both_ways
def test_no_error_and_no_log_line_tells_the_key_even_if_the_service_does(
    key: str, delete: Delete
) -> None:
    for refusal in refusals(key):
        transport = ScriptedTransport(refusal, refusal)
        with log_records() as records, pytest.raises(DeleteSessionError) as raised:
            delete(transport, api_key=key, retry=POLICY)
        said = "\n".join([*all_that_an_error_says(raised.value), *logged_text(records)])
        assert records
        assert key not in said
        assert "canary" not in said
        assert transport.requests[0].headers["Authorization"] == f"Bearer {key}"


def test_the_key_that_the_service_sends_back_is_masked_and_the_rest_is_kept() -> None:
    key = KEYS[1]
    said = answer(401, {"success": False, "error": f"Token {key} is revoked."})
    with pytest.raises(DeleteSessionError, match=r"HTTP 401: Token \*\*\* is revoked\."):
        DeleteSession(ScriptedTransport(said), key)(SESSION_ID)


def test_without_a_key_nothing_is_masked() -> None:
    said = answer(401, {"success": False, "error": "Token missing"})
    with pytest.raises(DeleteSessionError, match="HTTP 401: Token missing"):
        DeleteSession(ScriptedTransport(said), None)(SESSION_ID)


@all_keys
@both_ways
def test_no_log_line_of_a_success_tells_the_key(key: str, delete: Delete) -> None:
    odd = answer(200, {"success": True, "creditsBilled": key, "sessionDurationMs": [key]})
    with log_records() as records:
        receipt = delete(ScriptedTransport(odd), api_key=key)
    assert len(records) == 3
    assert "canary" not in "".join(logged_text(records))
    assert receipt == DeletionReceipt(session_id=SESSION_ID)


@all_keys
def test_no_repr_tells_the_key(key: str) -> None:
    transport = ScriptedTransport(DESTROYED)
    request = wire.request(SESSION_ID, wire.headers(key))
    shown = [
        DeleteSession(transport, key),
        AsyncDeleteSession(AsyncScriptedTransport(transport), key),
        request,
        Send(request, 90),
        request.__rich_repr__(),
    ]
    assert "canary" not in "".join([*map(repr, shown), *map(str, shown)])


def test_a_use_case_shows_what_it_was_made_from_but_the_key() -> None:
    class Wire(ScriptedTransport):
        def __repr__(self) -> str:
            return "Wire()"

    policy = RetryPolicy(max_attempts=2)
    assert repr(DeleteSession(Wire(), KEYS[0], retry=policy)) == (
        f"DeleteSession(Wire(), api_key='***', retry={policy!r})"
    )
    assert repr(DeleteSession(Wire(), None, retry=policy)) == (
        f"DeleteSession(Wire(), api_key=None, retry={policy!r})"
    )
    over = AsyncScriptedTransport(ScriptedTransport())
    assert repr(AsyncDeleteSession(over, None)).startswith("AsyncDeleteSession(")


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_a_request_shows_the_scheme_but_not_the_credential(name: str) -> None:
    headers = {name: "Bearer canary", "Accept": "application/json"}
    request = Request("DELETE", "/v2/interact/x", headers)
    shown = {name: "Bearer ***", "Accept": "application/json"}
    assert repr(request) == f"Request(method='DELETE', path='/v2/interact/x', headers={shown})"
    assert request.__rich_repr__() == [
        ("method", "DELETE"),
        ("path", "/v2/interact/x"),
        ("headers", shown),
    ]
    assert request.headers is headers
