"""After one or two events and then a calm and truthful service, every call knows what is so."""

import re

import pytest

from .events import told_of_each
from .figures import PAGE

pytestmark = pytest.mark.usefixtures("quiet_log")


@pytest.mark.parametrize(("name", "in_a_row"), [("one event", 1), ("two events", 2)])
def test_a_call_knows_what_is_so_and_the_page_shows_what_that_costs(
    name: str, in_a_row: int
) -> None:
    told = told_of_each(in_a_row)
    assert not [one for one in told if one.is_unknown or one.is_wrong or not one.is_ended]

    page = PAGE.read_text(encoding="utf-8")
    table = page.partition(f"<!-- rivals: {name} -->")[2].partition("<!--")[0]
    of_this_library = dict(re.findall(r"^\| ([^|-][^|]*) \| +([^|]+) \|", table, re.MULTILINE))
    calls = len(told)
    assert of_this_library == {
        f"% of {calls:,} calls": "1",
        "gone, but it is not: cautious": "0",
        "gone, but it is not: usual": "0",
        "do not know: cautious": "0",
        "not gone, but it is: usual": "0",
        "hang": "0",
        "raise after success": "0",
        "end the session": "100",
        "requests a call": f"{sum(one.requests for one in told) / calls:.1f}",
        "seconds a call": f"{sum(one.seconds for one in told) / calls:.1f}",
    }, "the page is out of date: run make rivals"
