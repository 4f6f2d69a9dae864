"""The key and the values of the user's headers show nowhere but in the headers that carry them."""

import json
import pickle
import traceback
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pytest

from firecrawl_interact import core
from firecrawl_interact.adapters import InMemoryJournal
from firecrawl_interact.core import (
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    DeleteSession,
    DeleteSessionError,
    Response,
    RetryPolicy,
    Send,
    TransportError,
    request_headers,
    wire,
)

from .log_records import log_records
from .scripted_transport import (
    SESSION_ID,
    ScriptedTransport,
    UseCase,
    both_use_cases,
    delete_blocking,
    ended,
    error_of,
    response,
)
from .test_fuzzed_responses import all_that_is_held

FOLDER = core.__path__[0]
CANARY = "fc-canary0123456789abcdef"
OWN = 'the "canary" of a user'
PATH = r'\\canary\/share "of-a-user"'  # It looks like an escaped text.


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
            if frame.f_code.co_filename.startswith(FOLDER):
                for name, value in frame.f_locals.items():
                    with suppress(AttributeError):  # an object that is half made
                        shown.append(f"{name}={value!r}")
    assert shown, "no frame of ours: nothing was checked"
    return "\n".join(shown)


def failures(secret: str) -> Iterator[Response | TransportError]:
    """Responses that send a secret back, and failures of the transport."""
    for status in (200, 302, 401, 404, 429, 502):
        for form in ("{0}", "Bearer {0}", "the key '{0}' and {0}{0}", "x" * 490 + "{0}"):
            said = form.format(secret)
            yield response(status, {"success": False, "error": said})
            yield response(status, {"success": False, "message": said})
            yield response(status, {"success": False, "error": "no", "code": said})
            yield response(status, {"error": "no"}, {"x-request-id": said})
            yield response(status, said)
            yield response(status, {"detail": said})
            yield Response(status, {}, f"<html>{said}</html>".encode())
            yield Response(status, {}, json.dumps([said]).replace("/", "\\/").encode())
            yield Response(status, {}, f"{'x' * 90}{said}".encode())
            yield Response(status, {}, b"\xff" + said.encode() + b"\xff")
    yield ConnectFailedError("refused", transient=False)
    yield BadResponseError("no HTTP")
    yield ConnectionLostError("reset")


@pytest.mark.parametrize(
    ("key", "own"),
    [
        (CANARY, "x"),
        ("fc+canary/01~23-45._==", "x"),
        (None, OWN),
        ("canary01", "canary01-of-a-user"),  # The key stands in the escaped value as it is.
        (CANARY, PATH),
    ],
)
def test_no_error_and_no_log_line_shows_a_secret_even_if_the_service_does(
    key: str | None, own: str
) -> None:
    for failure in failures(max(key or "", own, key=len)):
        use_case = partial(DeleteSession, headers={"X-Gateway-Token": own})
        with log_records() as records:
            error = error_of(DeleteSessionError, failure, failure, api_key=key, use_case=use_case)
        assert records
        logged = [f"{record.getMessage()} {record.__dict__!r}" for record in records]
        said = "\n".join([*traceback.format_exception(error), *all_that_is_held(error), *logged])
        assert "canary" not in said
        assert "of-a-user" not in said


@pytest.mark.parametrize(
    "said",
    [
        {"success": False, "error": f"no {CANARY} {OWN}"},
        {"success": False, "error": "no", "code": CANARY, "message": OWN},
        {"success": True, "status": OWN},
        [CANARY, OWN],
    ],
    ids=ascii,
)
@pytest.mark.parametrize("status", [200, 401, 404, 429])
@both_use_cases
def test_no_variable_of_ours_in_a_traceback_shows_a_secret_that_the_service_sends_back(
    use_case: UseCase, status: int, said: object
) -> None:
    transport = ScriptedTransport(
        response(status, said, dict.fromkeys(["x-request-id", "x-key"], CANARY))
    )
    headers, once = {"X-Token": OWN}, RetryPolicy(max_attempts=1)
    delete_session = use_case(transport, CANARY, headers=headers, retry=once)
    try:
        ended(delete_session(SESSION_ID))
    except DeleteSessionError as error:
        assert "canary" not in shown_locals(error)


def test_a_secret_that_the_service_sends_back_is_masked_and_the_rest_is_kept() -> None:
    mask = request_headers(None, {"X-Token": "8 signs.", "X-Team": "7 signs"}).mask
    assert mask("8 signs. 8 signs, 7 signs") == "*** 8 signs, 7 signs"
    assert request_headers(None).mask("all") == "all"
    revoked = response(401, {"success": False, "error": f"Token {CANARY} is revoked."})
    assert ": Token *** is revoked. " in str(error_of(DeleteSessionError, revoked, api_key=CANARY))
    stopped = response(200, {"success": True, "status": f"no {CANARY}"})
    assert delete_blocking(ScriptedTransport(stopped), api_key=CANARY).status == "no ***"


# What objects show


class Wire(ScriptedTransport):
    def __repr__(self) -> str:
        return "Wire()"


POLICY = RetryPolicy(max_attempts=2)
HEADERS = request_headers(CANARY, {"X-Team": CANARY})
REQUEST = wire.request("x", HEADERS)
HIDDEN = "{'Authorization': '***', 'Accept': '***', 'Accept-Encoding': '***', 'X-Team': '***'}"
SHOWN = f"Request(method='DELETE', path='/v2/interact/x', headers={HIDDEN})"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (
            DeleteSession(Wire(), CANARY, retry=POLICY),
            f"DeleteSession(Wire(), api_key='***', retry={POLICY!r})",
        ),
        (
            DeleteSession(Wire(), None, headers={"X-Team": CANARY}, journal=InMemoryJournal()),
            f"DeleteSession(Wire(), api_key=None, retry={RetryPolicy()!r}, "
            f"journal={InMemoryJournal()!r})",
        ),
        (HEADERS, f"RequestHeaders({HIDDEN})"),
        (REQUEST, SHOWN),
        (Send(REQUEST, 90), f"Send(request={SHOWN}, timeout=90)"),
        (
            Response(401, {"x-request-id": CANARY}, b"canary"),
            "Response(status=401, headers={'x-request-id': '***'}, body='<6 bytes>')",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_shows_what_it_was_made_from_and_no_secret(value: object, shown: str) -> None:
    assert repr(value) == str(value) == shown


def test_rich_and_a_pickle_have_the_same_of_a_request() -> None:
    shown = Response(401, {"x-request-id": CANARY}, b"canary").__rich_repr__()
    assert shown == [("status", 401), ("headers", {"x-request-id": "***"}), ("body", "<6 bytes>")]
    assert pickle.loads(pickle.dumps(HEADERS)) == HEADERS  # noqa: S301 - our own
    assert len(HEADERS) == 4
