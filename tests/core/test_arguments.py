"""What callers may pass: what cannot work is refused, and a secret in it is never quoted."""

import math
import re
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firecrawl_interact.core import DeleteSession, InvalidApiKeyError, RetryPolicy
from firecrawl_interact.core.retry import check_count, check_seconds

from .scripted_transport import DESTROYED, ScriptedTransport, Sly, delete_blocking
from .test_secrets import shown_locals

CANARY = "canary-0123"


def key(value: Any) -> Callable[[], object]:  # Any: also what a type checker would refuse
    return lambda: DeleteSession(ScriptedTransport(), value)


def use_case(**options: Any) -> Callable[[], object]:  # Any: as above
    return lambda: DeleteSession(ScriptedTransport(), CANARY, **options)


def headers(value: object) -> Callable[[], object]:
    return use_case(headers=value)


def policy(**values: Any) -> Callable[[], object]:  # Any: as above
    return lambda: RetryPolicy(**values)


def seconds(value: object, **options: Any) -> Callable[[], object]:  # Any: of several types
    return lambda: check_seconds("timeout", value, **options)


def count(value: object) -> Callable[[], object]:
    return lambda: check_count("pool_size", value)


NO_NAME = "headers: a name has a character that a header's name cannot have, or is empty"
NO_VALUE = "headers: the value of X-Team has a character that a header cannot carry, or white space"
NO_KEY = (
    "the API key has a character that an Authorization header cannot carry. Pass the key as the"
)
TO_A_DAY = "must be seconds, more than 0 and at most 86,400, not"

WRONG_TYPES: list[tuple[Callable[[], object], str]] = [
    *((seconds(value), f"timeout must be seconds, not {value!r}") for value in (True, "1", 1j)),
    *((count(value), f"pool_size must be an int, not {value!r}") for value in (True, 1.0, None)),
    (policy(max_attempts=1.0), "max_attempts must be an int, not 1.0"),
    (policy(deadline="8"), "deadline must be seconds, not '8'"),
    (use_case(retry=3), "retry must be a RetryPolicy, not int"),
    (use_case(random=5), "random must be a function, not 5"),
    (headers({"X-Team": [CANARY]}), "headers: the value of X-Team must be a str, not list"),
    (headers({5: CANARY}), "headers: a name must be a str, not int"),
    (headers([("X-Team", CANARY)]), "headers must be a mapping, not list"),
]
WRONG_VALUES: list[tuple[Callable[[], object], str]] = [
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
    (key(""), "the API key is empty. Pass the key as the service shows it, or None for a service"),
    *(
        (key(character.replace("k", CANARY)), NO_KEY)
        for character in ("k\r\nX: y", "k\n", "k\0", "k ", "k k", "ké", "=k", "k=x", "k:", "B k")
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
        (headers({name: CANARY}), NO_NAME)
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
    kind: type[Exception], call: Callable[[], object], says: str
) -> None:
    with pytest.raises(kind) as raised:
        call()
    assert str(raised.value).startswith(says)
    shown = [repr(raised.value), *traceback.format_exception(raised.value)]
    shown += [shown_locals(raised.value), *map(repr, vars(raised.value).values())]
    assert CANARY not in "".join(shown)


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


def test_a_subclass_of_str_cannot_send_another_text_than_was_checked() -> None:
    transport = ScriptedTransport(DESTROYED)
    delete_session = DeleteSession(transport, Sly("abc"), headers={Sly("X-Team"): Sly("a")})
    receipt = delete_session(Sly("id"))
    [request] = transport.requests
    assert request.path == "/v2/interact/id"
    assert (request.headers["Authorization"], request.headers["X-Team"]) == ("Bearer abc", "a")
    assert {type(text) for pair in request.headers.items() for text in pair} == {str}
    assert (receipt.session_id, type(receipt.session_id)) == ("id", str)
