"""The key and the values of the user's headers show nowhere but in the headers that carry them."""

import json
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from firecrawl_interact import core
from firecrawl_interact.adapters import InMemoryJournal

from .scripted_transport import (
    SESSION_ID,
    ScriptedTransport,
    UseCase,
    delete_blocking,
    ended,
    log_records,
    response,
)
from .test_fuzzed_responses import all_that_is_held

CANARY = "fc-canary0123456789abcdef"
OWN = 'the "canary" of a user'
PATH = r'\\canary\/share "of-a-user"'  # It looks like an escaped text.
ONCE = core.RetryPolicy(max_attempts=1)


def shown_locals(error: BaseException | None) -> str:
    """The locals in our frames, through causes and contexts, as error trackers print them."""
    if error is None:
        return ""
    shown = [
        f"{name}={value!r}"
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename.startswith(core.__path__[0])
        for name, value in frame.f_locals.items()
    ]
    return "\n".join([*shown, shown_locals(error.__cause__), shown_locals(error.__context__)])


def failures(secret: str) -> Iterator[core.Response | core.TransportError]:
    """Responses that send a secret back, and failures of the transport."""
    for status in (200, 302, 401, 404, 429, 502):
        for form in ("{0}", "the key '{0}' and {0}{0}", "x" * 490 + "{0}"):
            said = form.format(secret)
            yield response(status, {"success": False, "error": said})
            yield response(status, {"success": False, "message": said})
            yield response(status, {"success": False, "error": "no", "code": said})
            yield response(status, {"error": "no"}, {"x-request-id": said, "x-key": said})
            yield response(status, {"detail": said})
            yield core.Response(status, {}, f"<html>{said}</html>".encode())
            yield core.Response(status, {}, json.dumps([said]).encode())
            yield core.Response(status, {}, f"{'x' * 90}{said}".encode())
            yield core.Response(status, {}, b"\xff" + said.encode() + b"\xff")
    yield core.ConnectFailedError("refused", transient=False)
    yield core.BadResponseError("no HTTP")


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
def test_a_secret_that_comes_back_is_shown_nowhere(
    key: str | None, own: str, use_case: UseCase
) -> None:
    for failure in failures(max(key or "", own, key=len)):
        transport = ScriptedTransport(failure, failure)
        delete_session = use_case(transport, key, headers={"X-Token": own}, retry=ONCE)
        with log_records() as records, pytest.raises(core.DeleteSessionError) as raised:
            ended(delete_session(SESSION_ID))
        error, variables = raised.value, shown_locals(raised.value)
        assert records
        assert "delete_session" in variables or "self=" in variables
        logged = [f"{record.getMessage()} {record.__dict__!r}" for record in records]
        formatted = traceback.format_exception(error)
        said = "\n".join([*formatted, *all_that_is_held(error), *logged, variables])
        assert "canary" not in said
        assert "of-a-user" not in said


@pytest.mark.parametrize(
    "options",
    [{"headers": {"X-Team": "k\n"}}, {"headers": {"X-Team": 1}}, {"retry": 1}, {"journal": "/"}],
    ids=repr,
)
def test_a_refused_arguments_traceback_has_no_key(
    options: dict[str, Any],
) -> None:
    with pytest.raises((TypeError, ValueError)) as raised:
        core.DeleteSession(ScriptedTransport(), CANARY, **options)
    frames = [frame for frame, _ in traceback.walk_tb(raised.tb)][1:]  # without this one
    shown = [frame.f_locals[name] for frame in frames for name in {*frame.f_locals} - {"self"}]
    assert shown
    assert "canary" not in repr(shown)


def test_a_secret_in_a_message_is_masked() -> None:
    mask = core.request_headers(None, {"X-Token": "8 signs.", "X-Team": "7 signs"}).mask
    assert mask("8 signs. 8 signs, 7 signs") == "*** 8 signs, 7 signs"
    assert core.request_headers(None).mask("all") == "all"
    stopped = response(200, {"success": True, "status": f"no {CANARY}"})
    assert delete_blocking(ScriptedTransport(stopped), api_key=CANARY).status == "no ***"


# What objects show


HEADERS = core.request_headers(CANARY, {"X-Team": CANARY})
OTHERS: Any = {"headers": {"X-Team": CANARY}, "journal": InMemoryJournal()}  # Any: of two types


@pytest.mark.parametrize(
    "value",
    [
        core.DeleteSession(ScriptedTransport(), CANARY),
        core.DeleteSession(ScriptedTransport(), None, **OTHERS),
        HEADERS,
        core.wire.request("x", HEADERS),
        core.Response(401, {"x-request-id": CANARY}, b"canary"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_shows_no_secret(value: object) -> None:
    assert repr(value).startswith(f"{type(value).__name__}(")
    assert "canary" not in f"{value!r}{value}"


def test_sentry_prints_no_header_values() -> None:
    assert HEADERS.__sentry_repr__() == repr(HEADERS)
