"""Which ids are sent, and that an id can only ever name one session."""

import re
import reprlib
import unicodedata
import uuid
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firecrawl_interact.core import DeleteSession, InvalidSessionIdError

from .scripted_transport import (
    API_KEY,
    DESTROYED,
    SESSION_ID,
    Delete,
    ScriptedTransport,
    both_ways,
    delete_blocking,
)

PREFIX = "/v2/interact/"

ids = (
    st.text(max_size=30)
    | st.text("./%?#\\ \t\r\n0aé2e", max_size=10)
    | st.text(st.characters(codec="ascii"), max_size=300)
)


@pytest.mark.parametrize(
    ("session_id", "segment"),
    [
        (SESSION_ID, SESSION_ID),
        ("session-1", "session-1"),
        ("A.b_c~d-9", "A.b_c~d-9"),
        ("...", "..."),
        ("%2e%2e", "%252e%252e"),
        ("%2E.", "%252E."),
        ("../crawl/abc", "..%2Fcrawl%2Fabc"),
        ("..\\x", "..%5Cx"),
        ("a/b", "a%2Fb"),
        ("//h/x", "%2F%2Fh%2Fx"),
        ("https://elsewhere.example/", "https%3A%2F%2Felsewhere.example%2F"),
        ("a?x=1", "a%3Fx%3D1"),
        ("a#f", "a%23f"),
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("é", "%C3%A9"),
        ("🦊", "%F0%9F%A6%8A"),
        ("x" * 256, "x" * 256),
    ],
)
@both_ways
def test_an_id_is_one_segment_of_the_path(session_id: str, segment: str, delete: Delete) -> None:
    transport = ScriptedTransport(DESTROYED)
    assert delete(transport, session_id).session_id == session_id
    assert [request.path for request in transport.requests] == [PREFIX + segment]


@pytest.mark.parametrize(
    ("session_id", "problem"),
    [
        ("", "it is empty"),
        (".", "it means another path"),
        ("..", "it means another path"),
        (" ", "it has space around it"),
        (" a", "it has space around it"),
        ("a ", "it has space around it"),
        ("a\n", "it has space around it"),
        ("a\u2003", "it has space around it"),
        ("a\r\nX: 1", "it has a control character"),
        ("a\tb", "it has a control character"),
        ("a\0b", "it has a control character"),
        ("a\x1fb", "it has a control character"),
        ("a\x7fb", "it has a control character"),
        ("a\x85b", "it has a control character"),
        ("a\x9fb", "it has a control character"),
        ("a\ud800", "it has a control character or half a surrogate pair"),
        ("\udfff", "it has a control character or half a surrogate pair"),
        ("x" * 257, "it is longer than 256 characters"),
    ],
)
@both_ways
def test_an_id_that_cannot_be_sent_is_refused_before_anything_is_sent(
    session_id: str, problem: str, delete: Delete
) -> None:
    transport = ScriptedTransport()
    with pytest.raises(
        InvalidSessionIdError, match=f": the id cannot be sent: {problem}"
    ) as raised:
        delete(transport, session_id)
    assert transport.requests == []
    assert raised.value.session_id == session_id
    assert str(raised.value).isprintable()


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
@example(".")
@example("..")
@example("%2e%2e")
@example("a\u00a0")
def test_every_id_is_refused_or_names_exactly_itself(session_id: str) -> None:
    transport = ScriptedTransport(DESTROYED)
    try:
        delete_blocking(transport, session_id)
    except InvalidSessionIdError:
        assert transport.requests == []
        return
    (request,) = transport.requests
    segment = request.path.removeprefix(PREFIX)
    assert request.path == PREFIX + segment
    assert re.fullmatch(r"(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+", segment)
    assert segment not in {".", ".."}
    assert unquote(segment, errors="strict") == session_id


@given(ids)
def test_an_id_changes_nothing_but_the_last_segment(session_id: str) -> None:
    transport = ScriptedTransport(DESTROYED, DESTROYED)
    delete_session = DeleteSession(transport, API_KEY)
    delete_session("another")
    try:
        delete_session(session_id)
    except InvalidSessionIdError:
        return
    known, request = transport.requests
    assert request.method == known.method
    assert request.headers == known.headers
    assert request.path.rpartition("/")[0] == known.path.rpartition("/")[0]


@given(ids)
def test_only_what_cannot_name_one_session_is_refused(session_id: str) -> None:
    sendable = (
        0 < len(session_id) <= 256
        and session_id not in {".", ".."}
        and session_id == session_id.strip()
        and not {unicodedata.category(character) for character in session_id} & {"Cc", "Cs"}
    )
    transport = ScriptedTransport(DESTROYED)
    if sendable:
        assert delete_blocking(transport, session_id).session_id == session_id
    else:
        with pytest.raises(InvalidSessionIdError):
            delete_blocking(transport, session_id)


@given(st.uuids())
def test_a_uuid_is_sent_in_its_usual_form(session_id: uuid.UUID) -> None:
    transport = ScriptedTransport(DESTROYED)
    assert delete_blocking(transport, session_id).session_id == str(session_id)
    assert transport.requests[0].path == PREFIX + str(session_id)


def test_a_subclass_of_str_cannot_be_another_id_after_it_was_checked() -> None:
    class Sly(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "../../v2/crawl/abc"

        __format__ = __repr__ = __str__  # type: ignore[assignment] # it does not play by the rules

    transport = ScriptedTransport(DESTROYED)
    receipt = delete_blocking(transport, Sly("abc"))
    assert transport.requests[0].path == PREFIX + "abc"
    assert (receipt.session_id, type(receipt.session_id)) == ("abc", str)


def test_a_long_id_is_cut_in_the_words_but_whole_in_the_attribute() -> None:
    with pytest.raises(InvalidSessionIdError) as raised:
        delete_blocking(ScriptedTransport(), "x" * 1_000)
    assert raised.value.session_id == "x" * 1_000
    assert str(raised.value).startswith(f"Session '{'x' * 77}...': the id cannot be sent")


@pytest.mark.parametrize(("length", "shown"), [(80, "x" * 79 + "\\n"), (81, "x" * 77 + "...")])
def test_an_id_is_cut_in_the_words_beyond_80_characters(length: int, shown: str) -> None:
    with pytest.raises(InvalidSessionIdError) as raised:
        delete_blocking(ScriptedTransport(), "x" * (length - 1) + "\n")
    assert str(raised.value).startswith(f"Session '{shown}': ")


@both_ways
def test_an_id_that_cannot_even_be_shown_is_refused(delete: Delete) -> None:
    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    with pytest.raises(InvalidSessionIdError):
        delete(ScriptedTransport(), Shy())  # type: ignore[arg-type] # the point
