"""Text from elsewhere, made safe to show."""

import pytest

from firecrawl_interact.core.printable import printable, without_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a session", "a session"),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}", "\N{LATIN SMALL LETTER E WITH ACUTE}"),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}\n", "\N{LATIN SMALL LETTER E WITH ACUTE}\\n"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}", "\\u202e"),
    ],
)
def test_what_is_not_printable_alone_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    "name",
    [
        "Accept",
        "Accept-Encoding",
        "Connection",
        "Content-Length",
        "Content-Type",
        "Date",
        "Host",
        "Retry-After",
        "Transfer-Encoding",
        "User-Agent",
    ],
)
def test_headers_that_hold_no_secret_are_shown(name: str) -> None:
    assert without_secrets({name: "a value"}) == {name: "a value"}
