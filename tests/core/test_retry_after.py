"""How long the service asks to wait, and in which forms."""

import pytest

from firecrawl_interact.core import RateLimitError

from .scripted_transport import error_of, response

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
FORMS = [DATE, "Sunday, 06-Nov-94 08:49:37 GMT"]  # RFC 9110, 5.6.7, but for asctime's


def asked(header: str | None = None, date: str | None = DATE, *, said: str = "") -> float | None:
    """The seconds that a response asks for, as its error gives them."""
    headers = {"retry-after": header, "date": date}
    given_headers = {name: value for name, value in headers.items() if value is not None}
    busy = response(429, {"success": False, "error": said}, given_headers)
    return error_of(RateLimitError, busy).retry_after


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("00010", 10.0),
        (" \t7 ", 7.0),
        ("999999999", 999_999_999.0),
        ("Sun, 06 Nov 1994 10:49:38 +0200", 1.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Mon, 06 Nov 1995 08:49:38 GMT", 31_536_001.0),
        ("Sunday, 06-Nov-94 08:49:38 GMT", 1.0),
    ],
)
@pytest.mark.parametrize("date", FORMS)
def test_retry_after_is_seconds_or_a_date_counted_from_the_response_s_own(
    header: str, seconds: float, date: str
) -> None:
    assert asked(header, date) == seconds


NEITHER = [
    *("", "-1", "1.5", "inf", "1e3", "1_0", "5, 7", "\u0665", "\u00a07", "9" * 10, "soon"),
    "Fri, 31 Dec 100000 23:59:59 GMT",
    "Sun Nov  6 08:49:38 1994",
    "Sun, 06 Nov 1994 99:99:99 GMT",
    "Sun, 06 Nov 1994 99999999999999999999:49:37 GMT",
]


@pytest.mark.parametrize(
    ("header", "date"),
    [*((header, DATE) for header in NEITHER), (DATE, None), (DATE, ""), (DATE, "784111777")],
    ids=lambda text: ascii(text)[:40],
)
def test_what_is_neither_is_ignored_and_the_text_counts_in_its_place(
    header: str, date: str | None
) -> None:
    assert asked(header, date) is None
    assert asked(header, date, said="please retry after 34s, resets at noon") == 34.5


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("Rate limit exceeded. Upgrade your plan or please retry after 34s, resets at noon", 34.5),
        ("retry after 2 s", 2.5),
        ("RETRY AFTER 60S.", 60.5),
        ("retry after 0s", 0.5),
        ("retry after 999999999s", 999_999_999.5),
        ("retry after 9999999999s", None),
        ("retry after -2s", None),
        ("retry after 2m", None),
        ("retry after \u0662s", None),
    ],
)
def test_without_the_header_the_text_names_the_wait_rounded_to_whole_seconds(
    said: str, seconds: float | None
) -> None:
    assert asked(None, said=said) == seconds
