"""Which keys are sent, and that a refused one is never quoted."""

import re
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firecrawl_interact.core import DeleteSession, InvalidApiKeyError

from .scripted_transport import (
    DESTROYED,
    ScriptedTransport,
    Sly,
    delete_blocking,
)

CANARY = "fc-canary"


REFUSED = [
    f"{CANARY}\r\nX-Injected: y",
    f"{CANARY}\n",
    f"{CANARY}\0",
    f"{CANARY} ",
    f"{CANARY} {CANARY}",
    f"{CANARY}é",
    f"={CANARY}",
    f"{CANARY}=x",
    f"{CANARY}:",
    f"Bearer {CANARY}",
]


@pytest.mark.parametrize("api_key", REFUSED, ids=ascii)
def test_a_key_that_no_header_can_carry_is_refused_and_never_quoted(api_key: str) -> None:
    with pytest.raises(InvalidApiKeyError, match=r"^the API key has a character that") as raised:
        DeleteSession(ScriptedTransport(), api_key)
    everything = [str(raised.value), repr(raised.value), *map(repr, vars(raised.value).values())]
    assert CANARY not in "".join([*everything, *traceback.format_exception(raised.value)])


def test_a_key_is_refused_before_any_call_is_made() -> None:
    with pytest.raises(InvalidApiKeyError) as raised:
        DeleteSession(ScriptedTransport(), "")
    assert str(raised.value) == (
        "the API key is empty. "
        "Pass the key as the service shows it, or None for a service without sign-in."
    )


def test_a_subclass_of_str_cannot_send_another_key_than_was_checked() -> None:
    transport = ScriptedTransport(DESTROYED)
    delete_blocking(transport, api_key=Sly("abc"))
    assert transport.requests[0].headers["Authorization"] == "Bearer abc"


@pytest.mark.parametrize("no_key", [7, b"fc-canary", ["fc-canary"], True], ids=repr)
def test_a_key_of_another_type_is_refused_by_its_type_alone(no_key: object) -> None:
    kind = type(no_key).__name__
    with pytest.raises(InvalidApiKeyError) as raised:
        DeleteSession(ScriptedTransport(), no_key)  # type: ignore[arg-type] # the point
    assert str(raised.value).startswith(f"an API key is a str or None, not {kind}.")


@given(st.text() | st.from_regex(r"[A-Za-z0-9._~+/-]{1,20}={0,3}.?", fullmatch=True))
def test_every_key_is_refused_or_stands_in_the_header_as_it_is(api_key: str) -> None:
    transport = ScriptedTransport(DESTROYED)
    if re.fullmatch(r"[A-Za-z0-9\-._~+/]+=*", api_key):
        delete_blocking(transport, api_key=api_key)
        assert transport.requests[0].headers["Authorization"] == f"Bearer {api_key}"
    else:
        with pytest.raises(InvalidApiKeyError):
            delete_blocking(transport, api_key=api_key)
        assert transport.requests == []
