"""Which ids are sent: those that can only name one session, and that a service may have made."""

import re
import reprlib
import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firecrawl_interact.core import InvalidSessionIdError, SessionFate

from .scripted_transport import DESTROYED, SESSION_ID, ScriptedTransport, delete_blocking, error_of

JSON = "this looks like JSON: pass each id alone, as jq -r '.[]' writes them"
ANOTHER_PATH = "it means another path (RFC 3986, 5.2.4)"
NO_URL = "pass the id alone, without a URL around it"
NO_SPACE = "remove the white space around the id"


def refused(session_id: object) -> InvalidSessionIdError:
    """The error for an id before which nothing is sent."""
    return error_of(InvalidSessionIdError, session_id=session_id)


@pytest.mark.parametrize(
    ("session_id", "problem"),
    [
        ("", "it is empty"),
        (".", ANOTHER_PATH),
        ("..", ANOTHER_PATH),
        ("x" * 121, "it is longer than 120 characters"),
        (f'"{SESSION_ID}",', "it has the character '\"' (jq writes it around each id: use jq -r)"),
        ("a,", "it has the character ',' (it comes from a list: pass each id alone)"),
        ("a b", "it has the character ' ' (these may be several ids: pass each alone)"),
        ("https://x/a", f"it has the character ':' ({NO_URL})"),
        ("../crawl/abc", f"it has the character '/' ({NO_URL})"),
        ('["a"]', f"it has the character '[' ({JSON})"),
        (" a", f"it has the character ' ' ({NO_SPACE})"),
        ("a\n", f"it has the character '\\n' ({NO_SPACE})"),
        ("a#b", "it has the character '#' (a comment is not a part of the id)"),
        ("%2e%2e", "it has the character '%'"),
        ("a\\b", "it has the character '\\\\'"),
        ("é", "it has the character '\\xe9'"),
        ("a\0b", "it has the character '\\x00'"),
        ("a\ud800", "it has the character '\\ud800'"),
        ("\u0661", "it has the character '\\u0661'"),
    ],
    ids=ascii,
)
def test_an_id_that_no_service_made_is_refused_with_what_is_wrong(
    session_id: str, problem: str
) -> None:
    error = refused(session_id)
    assert error.args[0] == f"the id cannot be sent: {problem}"
    assert (error.session_id, error.session_fate) == (session_id, SessionFate.UNTOUCHED)
    assert (error.attempts, error.transient) == (0, False)
    assert str(error).isprintable()
    assert str(error).endswith(error.advice)


class Shy:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "no_id", [None, 7, True, b"abc", ["abc"], Shy()], ids=lambda it: type(it).__name__
)
def test_an_id_of_another_type_is_refused_even_if_it_cannot_be_shown(no_id: object) -> None:
    error = refused(no_id)
    kind = type(no_id).__name__
    assert error.args[0] == f"a session id is a str or a uuid.UUID, not {kind}"
    assert error.session_id == reprlib.repr(no_id)


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
        assert refused(session_id).session_id == text
