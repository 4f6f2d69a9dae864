"""The key shows nowhere but in the header that carries it."""

import logging
import pickle
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType

import pytest

import firecrawl_interact.core
from firecrawl_interact.adapters import InMemoryJournal
from firecrawl_interact.core import (
    AsyncDeleteSession,
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    DeleteSession,
    DeleteSessionError,
    Request,
    Response,
    RetryPolicy,
    TransportError,
    wire,
)
from firecrawl_interact.core.conversation import Send
from firecrawl_interact.core.headers import request_headers

from .log_records import log_records
from .scripted_transport import (
    DESTROYED,
    SESSION_ID,
    AsyncScriptedTransport,
    Delete,
    ScriptedTransport,
    both_ways,
    delete_blocking,
    page,
    response,
    run,
)
from .steps import at_each_line

CANARY = "fc-canary0123456789abcdef"
KEYS = [CANARY, "fc+canary/01~23-45._=="]
POLICY = RetryPolicy(max_attempts=2)
ONE_ATTEMPT = RetryPolicy(max_attempts=1)
PACKAGE = str(Path(firecrawl_interact.core.__file__).parent)

all_keys = pytest.mark.parametrize("key", KEYS)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, with its causes and contexts."""
    if error is not None:
        yield error
        yield from chain(error.__cause__)
        yield from chain(error.__context__)


def shown_locals(error: BaseException) -> str:
    """The locals in our frames, through causes and contexts, as error trackers print them."""
    shown: list[str] = []
    for one in chain(error):
        for frame, _ in traceback.walk_tb(one.__traceback__):
            if frame.f_code.co_filename.startswith(PACKAGE):
                for name, value in frame.f_locals.items():
                    with suppress(AttributeError):  # an object that is half made
                        shown.append(f"{name}={value!r}")
    assert shown, "no frame of ours: nothing was checked"
    return "\n".join(shown)


def failures(key: str) -> Iterator[Response | TransportError]:
    """Responses that send the key back, and failures of the transport."""
    for status in (200, 302, 401, 404, 429, 502):
        for said in (key, f"Bearer {key}", f"the key '{key}' and {key}{key}", f"{'x' * 490}{key}"):
            yield response(status, {"success": False, "error": said})
            yield response(status, {"success": False, "message": said})
            yield response(status, {"success": False, "error": "no", "code": said})
            yield response(status, {"error": "no"}, {"x-request-id": said})
            yield response(status, said)
            yield response(status, {"detail": said})
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
def test_no_error_and_no_log_line_shows_the_key_even_if_the_service_does(
    key: str, delete: Delete
) -> None:
    for failure in failures(key):
        transport = ScriptedTransport(failure, failure)
        with log_records() as records, pytest.raises(DeleteSessionError) as raised:
            delete(transport, api_key=key, retry=POLICY)
        said = "\n".join([*all_that_an_error_says(raised.value), *logged_text(records)])
        assert records
        assert key not in said
        assert "canary" not in said
        assert transport.requests[0].headers["Authorization"] == f"Bearer {key}"


@pytest.mark.parametrize(
    "said",
    [
        {"success": False, "error": f"no {CANARY}"},
        {"success": False, "error": "no", "code": CANARY, "message": CANARY},
        {"success": True, "status": CANARY},
        [CANARY],
    ],
    ids=ascii,
)
@pytest.mark.parametrize("status", [200, 401, 404, 429])
@pytest.mark.parametrize("is_awaited", [False, True], ids=["blocking", "awaited"])
def test_no_variable_of_ours_shows_a_secret_at_any_line_of_a_call(
    is_awaited: bool, status: int, said: object
) -> None:
    transport = ScriptedTransport(
        response(status, said, dict.fromkeys(["x-request-id", "x-key"], CANARY))
    )
    headers = {"X-Token": "my-canary-of-the-user-s"}
    blocking = DeleteSession(transport, CANARY, headers=headers, retry=ONE_ATTEMPT)
    over = AsyncScriptedTransport(transport)
    awaited = AsyncDeleteSession(over, CANARY, headers=headers, retry=ONE_ATTEMPT)
    shown: set[str] = set()

    def look(frame: FrameType) -> None:
        where = frame.f_code.co_qualname
        for name, value in frame.f_locals.items():
            with suppress(AttributeError):  # an error that is half made
                shown.add(f"{where}: {name}={value!r}")

    with suppress(DeleteSessionError), at_each_line(look):
        run(awaited(SESSION_ID)) if is_awaited else blocking(SESSION_ID)
    assert any(text.startswith("converse: headers=RequestHeaders(") for text in shown)
    assert not [text for text in shown if "canary" in text]


def test_the_key_that_the_service_sends_back_is_masked_and_the_rest_is_kept() -> None:
    key = KEYS[1]
    said = response(401, {"success": False, "error": f"Token {key} is revoked."})
    with pytest.raises(DeleteSessionError, match=r"HTTP 401: Token \*\*\* is revoked\."):
        DeleteSession(ScriptedTransport(said), key)(SESSION_ID)


def test_a_receipt_does_not_show_the_key_that_the_service_sends_back() -> None:
    said = response(200, {"success": True, "status": CANARY})
    assert delete_blocking(ScriptedTransport(said), api_key=CANARY).status == "***"


@all_keys
def test_no_repr_shows_the_key(key: str) -> None:
    transport = ScriptedTransport(DESTROYED)
    request = wire.request(SESSION_ID, request_headers(key))
    shown = [
        DeleteSession(transport, key),
        AsyncDeleteSession(AsyncScriptedTransport(transport), key),
        request,
        Send(request, 90),
        request.__rich_repr__(),
        Request("DELETE", "/x", {"Authorization": key}),
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
    shown = repr(AsyncDeleteSession(over, None, journal=InMemoryJournal()))
    assert shown.startswith("AsyncDeleteSession(")
    assert shown.endswith(f", journal={InMemoryJournal()!r})")


def test_a_request_and_a_response_show_the_names_of_headers_and_no_value() -> None:
    request = Request("DELETE", "/v2/interact/x", {"Authorization": "Bearer canary"})
    headers = {"Authorization": "***"}
    assert repr(request) == f"Request(method='DELETE', path='/v2/interact/x', headers={headers})"
    response = Response(401, {"x-request-id": "canary"}, b"canary")
    shown = [("status", 401), ("headers", {"x-request-id": "***"}), ("body", "<6 bytes>")]
    assert response.__rich_repr__() == shown
    assert repr(response) == f"Response({', '.join(f'{name}={value!r}' for name, value in shown)})"
