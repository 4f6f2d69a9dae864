"""Which ids are sent: those that can only name one session, and that a service may have made."""

import re
import reprlib
import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firecrawl_interact.core import InvalidSessionIdError, SessionFate

from .scripted_transport import (
    DESTROYED,
    SESSION_ID,
    Delete,
    ScriptedTransport,
    Sly,
    both_ways,
    delete_blocking,
)

PREFIX = "/v2/interact/"

ids = (
    st.text(max_size=30)
    | st.text("./%?#\\ \t\r\n0aé2e~_-", max_size=10)
    | st.text(st.characters(codec="ascii"), max_size=300)
    | st.from_regex(r"[A-Za-z0-9._~-]{1,300}", fullmatch=True)
)


@pytest.mark.parametrize(
    ("session_id", "problem"),
    [
        ("", "it is empty"),
        (".", "it means another path (RFC 3986, 5.2.4)"),
        ("..", "it means another path (RFC 3986, 5.2.4)"),
        ("x" * 121, "it is longer than 120 characters"),
        (f'"{SESSION_ID}",', "it has the character '\"'"),
        ("a b", "it has the character ' '"),
        ("https://x/a", "it has the character ':'"),
        ("a\n", "it has the character '\\n'"),
        ("../crawl/abc", "it has the character '/'"),
        ("%2e%2e", "it has the character '%'"),
        ("a\\b", "it has the character '\\\\'"),
        ("a+b", "it has the character '+'"),
        ("é", "it has the character '\\xe9'"),
        ("a\0b", "it has the character '\\x00'"),
        ("a\ud800", "it has the character '\\ud800'"),
        ("\u0661", "it has the character '\\u0661'"),
    ],
    ids=ascii,
)
@both_ways
def test_an_id_that_no_service_made_is_refused_with_what_is_wrong_before_anything_is_sent(
    session_id: str, problem: str, delete: Delete
) -> None:
    transport = ScriptedTransport()
    with pytest.raises(InvalidSessionIdError) as raised:
        delete(transport, session_id)
    assert raised.value.args[0] == f"the id cannot be sent: {problem}"
    assert transport.requests == []
    error = raised.value
    assert (error.session_id, error.session_fate) == (session_id, SessionFate.UNTOUCHED)
    assert (error.attempts, error.transient) == (0, False)
    assert str(error).isprintable()
    assert str(error).endswith(error.advice)


@pytest.mark.parametrize(
    "no_id", [None, 7, 1.5, True, b"abc", ["abc"], object()], ids=lambda it: type(it).__name__
)
@both_ways
def test_an_id_of_another_type_is_refused_before_anything_is_sent(
    no_id: object, delete: Delete
) -> None:
    transport = ScriptedTransport()
    kind = type(no_id).__name__
    with pytest.raises(
        InvalidSessionIdError, match=f": a session id is a str or a uuid.UUID, not {kind}"
    ) as raised:
        delete(transport, no_id)  # type: ignore[arg-type] # the point
    assert transport.requests == []
    assert raised.value.session_id == reprlib.repr(no_id)


@given(ids)
@example("a\n")
@example("...")
@example("A.b_c~d-9")
@example("x" * 120)
def test_an_id_is_sent_as_it_is_or_refused_by_one_rule(session_id: str) -> None:
    transport = ScriptedTransport(DESTROYED)
    sendable = re.fullmatch(r"[A-Za-z0-9\-._~]{1,120}", session_id)
    if sendable and session_id not in {".", ".."}:
        assert delete_blocking(transport, session_id).session_id == session_id
        assert [request.path for request in transport.requests] == [PREFIX + session_id]
    else:
        with pytest.raises(InvalidSessionIdError):
            delete_blocking(transport, session_id)
        assert transport.requests == []


@given(st.uuids())
def test_a_uuid_is_sent_in_its_usual_form(session_id: uuid.UUID) -> None:
    transport = ScriptedTransport(DESTROYED)
    assert delete_blocking(transport, session_id).session_id == str(session_id)
    assert transport.requests[0].path == PREFIX + str(session_id)


def test_a_subclass_of_str_cannot_be_another_id_after_it_was_checked() -> None:
    transport = ScriptedTransport(DESTROYED)
    receipt = delete_blocking(transport, Sly("abc"))
    assert transport.requests[0].path == PREFIX + "abc"
    assert (receipt.session_id, type(receipt.session_id)) == ("abc", str)


@pytest.mark.parametrize(("length", "shown"), [(80, "x" * 79 + "\\n"), (81, "x" * 77 + "...")])
def test_an_id_is_cut_in_the_words_beyond_80_characters(length: int, shown: str) -> None:
    session_id = "x" * (length - 1) + "\n"
    with pytest.raises(InvalidSessionIdError) as raised:
        delete_blocking(ScriptedTransport(), session_id)
    assert str(raised.value).startswith(f"Session '{shown}': ")
    assert raised.value.session_id == session_id


@both_ways
def test_an_id_that_cannot_even_be_shown_is_refused(delete: Delete) -> None:
    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    with pytest.raises(InvalidSessionIdError):
        delete(ScriptedTransport(), Shy())  # type: ignore[arg-type] # the point
