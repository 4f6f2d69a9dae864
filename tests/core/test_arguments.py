"""What callers may pass. What would lose a session in silence is refused, and names no secret."""

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

from firecrawl_interact.adapters import AsyncioTransport, Urllib3Transport
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
    ScriptedTransport,
    delete_blocking,
    error_of,
)

CANARY = "canary-0123"
Call: TypeAlias = Callable[[], object]


def later(function: Callable[..., object], *given: object, **named: object) -> Call:
    return partial(function, *given, **named)


over = partial(later, DeleteSession, api_key=CANARY)
awaits = partial(later, AsyncDeleteSession, api_key=CANARY)
key = partial(later, DeleteSession, ScriptedTransport())
policy = partial(later, RetryPolicy)
seconds = partial(later, check_seconds, "timeout")


def headers(value: object) -> Call:
    return later(DeleteSession, ScriptedTransport(), CANARY, headers=value)


IS_AWAITED = "must be a coroutine function (async def). Take AsyncioTransport(). DeleteSession"
BLOCKS = "must be an ordinary function. Take Urllib3Transport(). AsyncDeleteSession takes those"
NO_KEY = "the API key is empty, or has what no key has: white space or a line end around it, quot"
NO_VALUE = "headers: the value of X-Team has a character that a header cannot carry, or white space"
MORE_THAN_0 = "must be seconds, more than 0 and finite, not"

WRONG_TRANSPORTS: list[tuple[Call, str]] = [
    (over(AsyncioTransport()), f"transport: AsyncioTransport.send {BLOCKS}"),
    (awaits(Urllib3Transport()), f"transport: Urllib3Transport.send {IS_AWAITED}"),
    (over(None), f"transport: NoneType.send {BLOCKS}"),
    (awaits(None), f"transport: NoneType.send {IS_AWAITED}"),
    (over("https://api.firecrawl.dev"), f"transport: str.send {BLOCKS}"),
]
WRONG_VALUES: list[tuple[Call, str]] = [
    *(
        (key(text.replace("k", CANARY)), NO_KEY)
        for text in (
            "",
            "k\n",
            " k",
            "\tk",
            "k\r\nX: y",
            "k k",
            "ké",
            "=k",
            "k:",
            "Bearer k",
            '"k"',
        )
    ),
    *(
        (headers({name: CANARY}), f"headers: {name} is for the library or its transport to set")
        for name in ("Authorization", "accept", "Content-Length", "HOST", "TE", "User-Agent")
    ),
    *(
        (headers({name: CANARY}), "headers: a name is empty, or has a character that it cannot")
        for name in ("", "X Team", f"X-Team: {CANARY}", "X-Team\n", "X-Tëam")
    ),
    *(
        (headers({"X-Team": value.replace("k", CANARY)}), NO_VALUE)
        for value in ("k\r\nX: y", "k\n", " k", "ké", "k\0")
    ),
    (seconds(0), "timeout must be seconds, more than 0 and finite, not 0"),
    (seconds(math.nan), "timeout must be seconds, more than 0 and finite, not nan"),
    (seconds(math.inf), "timeout must be seconds, more than 0 and finite, not inf"),
    (seconds(-1, may_be_zero=True), "timeout must be seconds, at least 0 and finite, not -1"),
    (later(check_count, "pool_size", 0), "pool_size must be at least 1, not 0"),
    (policy(max_attempts=0), "max_attempts must be at least 1, not 0"),
    (policy(deadline=0), f"deadline {MORE_THAN_0} 0"),
    (policy(first_pause=-1), "first_pause must be seconds, at least 0 and finite, not -1"),
    (
        policy(longest_pause=math.nan),
        "longest_pause must be seconds, at least 0 and finite, not nan",
    ),
]
REFUSED: list[tuple[type[Exception], Call, str]] = [
    *((TypeError, *row) for row in WRONG_TRANSPORTS),
    *((ValueError, *row) for row in WRONG_VALUES),
]


@pytest.mark.parametrize(("kind", "call", "says"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_work_is_refused_and_no_secret_is_quoted(
    kind: type[Exception], call: Call, says: str
) -> None:
    with pytest.raises(kind) as raised:
        call()
    assert str(raised.value).startswith(says)
    shown = [repr(raised.value), *traceback.format_exception(raised.value)]
    assert CANARY not in "".join(shown)


@given(st.text() | st.from_regex(r"[A-Za-z0-9._~+/-]{1,20}={0,3}.?", fullmatch=True))
def test_every_key_is_refused_or_stands_in_the_header_as_it_is(api_key: str) -> None:
    transport = ScriptedTransport(DESTROYED)
    if re.fullmatch(r"[A-Za-z0-9\-._~+/]+=*", api_key):
        delete_blocking(transport, api_key=api_key)
        assert transport.requests[0].headers["Authorization"] == f"Bearer {api_key}"
    else:
        with pytest.raises(InvalidApiKeyError):
            delete_blocking(transport, api_key=api_key)


# Ids: those that can only name one session, and that a service may have made

ANOTHER_PATH = "it means another path (RFC 3986, 5.2.4)"


@pytest.mark.parametrize(
    ("session_id", "problem"),
    [
        ("", "it is empty"),
        (".", ANOTHER_PATH),
        ("..", ANOTHER_PATH),
        ("x" * 121, "it is longer than 120 characters"),
        (f'"{SESSION_ID}"', "it has the character '\"'"),
        (f"{SESSION_ID},", "it has the character ','"),
        (f"{SESSION_ID} {SESSION_ID}", "it has the character ' '"),
        (f'["{SESSION_ID}"]', "it has the character '['"),
        ("../crawl/abc", "it has the character '/'"),
        ("a\n", "it has the character '\\n'"),
        ("é", "it has the character '\\xe9'"),
        ("a\ud800", "it has the character '\\ud800'"),
        ("scrape:", "it is empty"),
        ("scrape:a/b", "it has the character '/'"),
        ("scrape:scrape:a", "it has the character ':'"),
        ("scrape:..", ANOTHER_PATH),
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


@pytest.mark.parametrize(
    "no_id",
    [None, 7, b"a-secret", SimpleNamespace(id="a-secret"), {"id": "a-secret"}, ["a-secret"]],
)
def test_another_object_in_its_place_is_refused_and_nothing_but_its_type_is_shown(
    no_id: object,
) -> None:
    error = error_of(InvalidSessionIdError, session_id=no_id)
    kind = type(no_id).__name__
    assert error.args[0] == f"a session id is a str or a uuid.UUID, not {kind}"
    assert error.session_id == f"<{kind}>"
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
    is_sendable = re.fullmatch(r"[A-Za-z0-9\-._~]{1,120}", text) and text not in {".", ".."}
    if is_sendable:
        transport = ScriptedTransport(DESTROYED)
        assert delete_blocking(transport, session_id).session_id == text
        assert [request.path for request in transport.requests] == [f"/v2/interact/{text}"]
    else:
        error_of(InvalidSessionIdError, session_id=session_id)  # without a request
