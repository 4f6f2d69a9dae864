"""Headers of the user's own: sent with every request, shown nowhere."""

import pickle
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
