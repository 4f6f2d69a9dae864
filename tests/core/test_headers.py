"""Headers of the user's own: sent with every request, shown nowhere."""

import pickle
import traceback
from collections.abc import Callable, Mapping
from types import MappingProxyType

import pytest

from firecrawl_interact.core import DeleteSession, Response
from firecrawl_interact.core.headers import printable

from .scripted_transport import (
    API_KEY,
    DESTROYED,
    SESSION_ID,
    UNAVAILABLE,
    ScriptedTransport,
    Sly,
)

CANARY = "canary-0123"


def use_case(headers: object, *script: Response) -> DeleteSession:
    return DeleteSession(ScriptedTransport(*script), API_KEY, headers=headers)  # type: ignore[arg-type] # wrong ones too


@pytest.mark.parametrize("mapping", [dict, MappingProxyType])
def test_they_are_sent_with_every_request(
    mapping: Callable[[dict[str, str]], Mapping[str, str]],
) -> None:
    transport = ScriptedTransport(UNAVAILABLE, DESTROYED)
    headers = mapping({"X-Team": "a b", "x-empty": ""})
    DeleteSession(transport, API_KEY, headers=headers)(SESSION_ID)
    assert [dict(request.headers) for request in transport.requests] == 2 * [
        {
            "Authorization": f"Bearer {API_KEY}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "X-Team": "a b",
            "x-empty": "",
        }
    ]


def test_a_later_change_of_the_mapping_changes_nothing() -> None:
    transport = ScriptedTransport(DESTROYED)
    headers = {"X-Team": "a"}
    delete_session = DeleteSession(transport, None, headers=headers)
    headers["X-Team"] = "b\r\nX-Injected: c"
    delete_session(SESSION_ID)
    assert transport.requests[0].headers["X-Team"] == "a"


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "accept",
        "Accept-Encoding",
        "Connection",
        "Content-Length",
        "Expect",
        "HOST",
        "Keep-Alive",
        "Proxy-Authorization",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "User-Agent",
    ],
)
def test_a_name_that_is_not_for_users_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"^headers: {name} is for the library or its transport"):
        use_case({name: CANARY})


@pytest.mark.parametrize(
    ("headers", "error", "says"),
    [
        ({"": CANARY}, ValueError, "headers: a name has a character that a header's name"),
        ({"X Team": CANARY}, ValueError, "headers: a name has a character that"),
        ({f"X-Team: {CANARY}": ""}, ValueError, "headers: a name has a character that"),
        ({"X-Team\n": CANARY}, ValueError, "headers: a name has a character that"),
        ({"X-Tëam": CANARY}, ValueError, "headers: a name has a character that"),
        ({"X-Team": f"{CANARY}\r\nX: y"}, ValueError, "headers: the value of X-Team has a char"),
        ({"X-Team": f"{CANARY}\n"}, ValueError, "headers: the value of X-Team has a character"),
        ({"X-Team": f" {CANARY}"}, ValueError, "headers: the value of X-Team has a character"),
        ({"X-Team": f"{CANARY}é"}, ValueError, "headers: the value of X-Team has a character"),
        ({"X-Team": f"{CANARY}\0"}, ValueError, "headers: the value of X-Team has a character"),
        ({"X-Team": "a", "x-team": CANARY}, ValueError, "headers: x-team comes twice"),
        ({"X-Team": [CANARY]}, TypeError, "headers: the value of X-Team must be a str, not list"),
        ({5: CANARY}, TypeError, "headers: a name must be a str, not int"),
        ([("X-Team", CANARY)], TypeError, "headers must be a mapping, not list"),
    ],
    ids=ascii,
)
def test_what_cannot_be_sent_is_refused_and_never_quoted(
    headers: object, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=f"^{says}") as raised:
        use_case(headers)
    assert CANARY not in "".join(traceback.format_exception(raised.value))


def test_a_subclass_of_str_cannot_send_another_value_than_was_checked() -> None:
    transport = ScriptedTransport(DESTROYED)
    DeleteSession(transport, None, headers={Sly("X-Team"): Sly("a")})(SESSION_ID)
    (request,) = transport.requests
    assert request.headers["X-Team"] == "a"
    assert {type(text) for pair in request.headers.items() for text in pair} == {str}


def test_the_headers_are_a_mapping_that_shows_no_value() -> None:
    headers = use_case({"X-Team": CANARY}).headers
    assert [*headers] == ["Authorization", "Accept", "Accept-Encoding", "X-Team"]
    assert len(headers) == 4
    assert headers.own_names == ["X-Team"]
    assert repr(headers) == (
        "RequestHeaders({'Authorization': '***', 'Accept': '***', 'Accept-Encoding': '***', "
        "'X-Team': '***'})"
    )
    assert pickle.loads(pickle.dumps(headers)) == headers  # noqa: S301 - our own


def test_a_use_case_shows_the_names_and_no_value() -> None:
    shown = repr(use_case({"X-Team": CANARY}))
    assert shown.startswith("DeleteSession(<")
    assert shown.endswith(", headers={'X-Team': '***'})")
    assert CANARY not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a session", "a session"),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}\n", "\N{LATIN SMALL LETTER E WITH ACUTE}\\n"),
        ("\x1b[2J\N{RIGHT-TO-LEFT OVERRIDE}", "\\x1b[2J\\u202e"),
    ],
)
def test_what_is_not_printable_alone_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
