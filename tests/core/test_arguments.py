"""What callers may pass: what cannot work is refused, and a secret in it is never quoted."""

import math
import re
import traceback
import uuid
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import TypeAlias

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firecrawl_interact.core import (
    AsyncDeleteSession,
    DeleteSession,
    InvalidApiKeyError,
    InvalidSessionIdError,
    RetryPolicy,
    SessionFate,
)
from firecrawl_interact.core.arguments import check_count, check_seconds

from .scripted_transport import (
    DESTROYED,
    SESSION_ID,
    AsyncScriptedTransport,
    ScriptedTransport,
    Sly,
    SlyUUID,
    delete_blocking,
    error_of,
)
from .test_secrets import shown_locals

CANARY = "canary-0123"


class HalfAwaited(ScriptedTransport):
    async def sleep(self, seconds: float) -> None:  # type: ignore[override] # the point
        raise NotImplementedError


Call: TypeAlias = Callable[[], object]


def later(function: Callable[..., object], *given: object, **named: object) -> Call:
    return partial(function, *given, **named)


key = partial(later, DeleteSession, ScriptedTransport())
use_case = partial(later, DeleteSession, ScriptedTransport(), CANARY)
policy = partial(later, RetryPolicy)
over = partial(later, DeleteSession, api_key=CANARY)
awaits = partial(later, AsyncDeleteSession, api_key=CANARY)
seconds = partial(later, check_seconds, "timeout")
count = partial(later, check_count, "pool_size")


def headers(value: object) -> Call:
    return use_case(headers=value)


NO_NAME = "headers: a name has a character that a header's name cannot have, or is empty"
NO_VALUE = "headers: the value of X-Team has a character that a header cannot carry, or white space"
NO_KEY = "the API key has a character that an Authorization header cannot carry. Pass the key"
NO_CLOCK = SimpleNamespace(send=print, sleep=print)
IS_AWAITED = "must be a coroutine function (async def). Take AsyncioTransport(). DeleteSession"
BLOCKS = "must be an ordinary function. Take Urllib3Transport(). AsyncDeleteSession takes those"
TO_A_DAY = "must be seconds, more than 0 and at most 86,400, not"

WRONG_TYPES: list[tuple[Call, str]] = [
    *((seconds(value), f"timeout must be seconds, not {value!r}") for value in (True, "1", 1j)),
    *((count(value), f"pool_size must be an int, not {value!r}") for value in (True, 1.0, None)),
    (policy(max_attempts=1.0), "max_attempts must be an int, not 1.0"),
    (policy(deadline="8"), "deadline must be seconds, not '8'"),
    (use_case(retry=0), "retry must be a RetryPolicy, not int"),
    (use_case(retry=RetryPolicy), "retry must be an object, not the class RetryPolicy: pass Retr"),
    (use_case(random=5), "random must be a function, not 5"),
    *(
        (use_case(on_outcome=hook), "on_outcome must be an ordinary function, not ")
        for hook in (7, HalfAwaited().sleep)
    ),
    (
        over(AsyncScriptedTransport(ScriptedTransport())),
        f"transport: AsyncScriptedTransport.send {BLOCKS}",
    ),
    (awaits(ScriptedTransport()), f"transport: ScriptedTransport.send {IS_AWAITED}"),
    (over(HalfAwaited()), f"transport: HalfAwaited.sleep {BLOCKS}"),
    (awaits(HalfAwaited()), f"transport: HalfAwaited.send {IS_AWAITED}"),
    (over(NO_CLOCK), f"transport: SimpleNamespace.monotonic {BLOCKS}"),
    (awaits(None), f"transport: NoneType.send {IS_AWAITED}"),
    (
        over(ScriptedTransport),
        "transport must be an object, not the class ScriptedTransport: pass ScriptedTransport()",
    ),
    (headers({"X-Team": [CANARY]}), "headers: the value of X-Team must be a str, not list"),
    (headers({5: CANARY}), "headers: a name must be a str, not int"),
    (headers([("X-Team", CANARY)]), "headers must be a mapping, not list"),
]
WRONG_VALUES: list[tuple[Call, str]] = [
    (seconds(0), "timeout must be seconds, more than 0 and finite, not 0"),
    (seconds(math.nan), "timeout must be seconds, more than 0 and finite, not nan"),
    (seconds(math.inf), "timeout must be seconds, more than 0 and finite, not inf"),
    (seconds(-1, may_be_zero=True), "timeout must be seconds, at least 0 and finite, not -1"),
    (seconds(86_401, longest=86_400), f"timeout {TO_A_DAY} 86401"),
    (count(0), "pool_size must be at least 1, not 0"),
    (policy(max_attempts=0), "max_attempts must be at least 1, not 0"),
    *(
        (policy(**{name: value}), f"{name} {TO_A_DAY} {value}")
        for name in ("attempt_timeout", "deadline")
        for value in (0, math.nan, 86_400.1)
    ),
    *(
        (policy(**{name: value}), f"{name} must be seconds, at least 0 and at most 86,400, not")
        for name in ("first_pause", "longest_pause")
        for value in (-0.001, math.nan, 86_400.1)
    ),
    (key(""), "the API key is empty. Pass the key as the service shows it. A service"),
    *(
        (key(character.replace("k", CANARY)), NO_KEY)
        for character in ("k\r\nX: y", "k\0", "k k", "ké", "=k", "k=x", "k:", "B k", "bearerk k")
    ),
    *(
        (key(text.replace("k", CANARY)), f"the API key {odd}. Pass the key as the service shows it")
        for odd, texts in {
            "has white space around it, such as a line end": ("k\n", "k ", "\tk", " k\nk", "\n"),
            "begins with Bearer, which the library adds": ("Bearer k", "bearer k\nk"),
            "stands in quotes": ('"k"', "'k'", '"k'),
        }.items()
        for text in texts
    ),
    *(
        (key(value), f"an API key is a str or None, not {type(value).__name__}.")
        for value in (CANARY.encode(), [CANARY], True)
    ),
    *(
        (headers({name: CANARY}), f"headers: {name} is for the library or its transport to set")
        for name in (
            *("Authorization", "accept", "Accept-Encoding", "Connection", "Content-Length"),
            *("Expect", "HOST", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection"),
            *("TE", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent"),
        )
    ),
    *(
        (headers({"X-Good": "a", name: CANARY}), NO_NAME)
        for name in ("", "X Team", f"X-Team: {CANARY}", "X-Team\n", "X-Tëam")
    ),
    *(
        (headers({"X-Team": value.replace("k", CANARY)}), NO_VALUE)
        for value in ("k\r\nX: y", "k\n", " k", "ké", "k\0")
    ),
    (headers({"X-Team": "a", "x-team": CANARY}), "headers: x-team comes twice"),
]
REFUSED = [(TypeError, *row) for row in WRONG_TYPES] + [(ValueError, *row) for row in WRONG_VALUES]


@pytest.mark.parametrize(("kind", "call", "says"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_work_is_refused_and_no_secret_is_quoted(
    kind: type[Exception], call: Call, says: str
) -> None:
    with pytest.raises(kind) as raised:
        call()
    assert str(raised.value).startswith(says)
    shown = [repr(raised.value), *traceback.format_exception(raised.value)]
    shown += [shown_locals(raised.value), *map(repr, vars(raised.value).values())]
    assert CANARY not in "".join(shown)


@pytest.mark.parametrize("kind", [DeleteSession, AsyncDeleteSession])
def test_a_missing_argument_is_named_with_the_public_class(kind: Callable[..., object]) -> None:
    with pytest.raises(TypeError, match=r"^DeleteSession\.__init__\(\) missing 1 .*: 'api_key'$"):
        kind(ScriptedTransport())


def test_the_use_case_that_could_not_be_made_can_be_shown() -> None:
    with pytest.raises(TypeError) as raised:
        over(None)()
    assert "self=DeleteSession(None, api_key='***'" in shown_locals(raised.value)


def test_the_least_and_the_most_are_taken() -> None:
    check_count("pool_size", 1)
    for value in (5e-324, 1, 1.7e308):
        check_seconds("timeout", value)
    for name in ("attempt_timeout", "deadline", "first_pause", "longest_pause"):
        for value in (0.001, 86_400):
            assert getattr(RetryPolicy(**{name: value}), name) == value  # type: ignore[arg-type] # it may be any


@given(st.text() | st.from_regex(r"[A-Za-z0-9._~+/-]{1,20}={0,3}.?", fullmatch=True))
def test_every_key_is_refused_or_stands_in_the_header_as_it_is(api_key: str) -> None:
    transport = ScriptedTransport(DESTROYED)
    if re.fullmatch(r"[A-Za-z0-9\-._~+/]+=*", api_key):
        delete_blocking(transport, api_key=api_key)
        assert transport.requests[0].headers["Authorization"] == f"Bearer {api_key}"
    else:
        with pytest.raises(InvalidApiKeyError):
            delete_blocking(transport, api_key=api_key)


def test_a_subclass_cannot_send_another_text_than_was_checked() -> None:
    transport = ScriptedTransport(*[DESTROYED] * 3)
    delete_session = DeleteSession(transport, Sly("abc"), headers={Sly("X-Team"): Sly("a")})
    receipt = delete_session(Sly("id"))
    [request] = transport.requests
    assert request.path == "/v2/interact/id"
    assert (request.headers["Authorization"], request.headers["X-Team"]) == ("Bearer abc", "a")
    assert {type(text) for pair in request.headers.items() for text in pair} == {str}
    assert (receipt.session_id, type(receipt.session_id)) == ("id", str)
    assert delete_session(SlyUUID(SESSION_ID)).session_id == SESSION_ID
    with delete_session.on_exit(Sly("id")) as block:
        assert block.session_id == "id"
    assert transport.requests[1].path == f"/v2/interact/{SESSION_ID}"


# Ids: those that can only name one session, and that a service may have made

ANOTHER_PATH = "it means another path (RFC 3986, 5.2.4)"


@pytest.mark.parametrize(
    ("session_id", "problem"),
    [
        ("", "it is empty"),
        (".", ANOTHER_PATH),
        ("..", ANOTHER_PATH),
        ("x" * 121, "it is longer than 120 characters"),
        (f'"{SESSION_ID}",', "it has the character '\"'"),
        ("../crawl/abc", "it has the character '/'"),
        ("a\n", "it has the character '\\n'"),
        ("a\\b", "it has the character '\\\\'"),
        ("é", "it has the character '\\xe9'"),
        ("a\ud800", "it has the character '\\ud800'"),
        ("scrape:", "it is empty"),
        ("scrape:a/b", "it has the character '/'"),
        ("scrape:scrape:a", "it has the character ':'"),
        ("scrape:..", ANOTHER_PATH),
        (f"scrape:{'a' * 121}", "it is longer than 120 characters"),
        ("Scrape:a", "it has the character ':'"),
    ],
    ids=ascii,
)
def test_an_id_that_no_service_made_is_refused_with_what_is_wrong(
    session_id: str, problem: str
) -> None:
    error = error_of(InvalidSessionIdError, session_id=session_id)
    assert error.args[0] == f"the id cannot be sent: {problem}"
    assert (error.session_id, error.session_fate) == (session_id, SessionFate.UNTOUCHED)
    assert (error.attempts, error.transient) == (0, False)
    assert str(error).isprintable()
    assert str(error).endswith(error.advice)
    assert error.advice.startswith("Pass each id alone, as the service gave it")


@pytest.mark.parametrize(
    ("no_id", "advice"),
    [
        *((no_id, InvalidSessionIdError.advice) for no_id in (None, 7, True, b"a-secret")),
        (SimpleNamespace(id="a-secret"), "Pass its .id."),
        (SimpleNamespace(id=None), InvalidSessionIdError.advice),
        ({"id": "x", "token": "a-secret"}, 'Pass its ["id"].'),
        (["a-secret"], "Pass one id. DeleteManySessions takes many."),
        ({"session": "a-secret"}, "Pass one id. DeleteManySessions takes many."),
    ],
)
def test_an_id_of_another_type_is_refused_and_nothing_but_its_type_is_shown(
    no_id: object, advice: str
) -> None:
    error = error_of(InvalidSessionIdError, session_id=no_id)
    kind = type(no_id).__name__
    assert error.args[0] == f"a session id is a str or a uuid.UUID, not {kind}"
    assert (error.session_id, error.advice) == (f"<{kind}>", advice)
    assert "a-secret" not in f"{error} {error!r}"


@given(
    st.text(max_size=30)
    | st.text("./%?#\\ \t\r\n0aé2e~_-", max_size=10)
    | st.text(st.characters(codec="ascii"), max_size=300)
    | st.from_regex(r"[A-Za-z0-9._~-]{1,300}", fullmatch=True)
    | st.uuids()
)
@example("a\n")
@example("...")
@example("A.b_c~d-9")
@example("x" * 120)
def test_an_id_is_sent_as_it_is_or_refused_by_one_rule(session_id: str | uuid.UUID) -> None:
    text = str(session_id)
    if re.fullmatch(r"[A-Za-z0-9\-._~]{1,120}", text) and text not in {".", ".."}:
        transport = ScriptedTransport(DESTROYED)
        assert delete_blocking(transport, session_id).session_id == text
        assert [request.path for request in transport.requests] == [f"/v2/interact/{text}"]
    else:
        error_of(InvalidSessionIdError, session_id=session_id)  # without a request
