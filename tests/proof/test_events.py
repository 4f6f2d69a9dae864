"""After one or two events and then a calm and truthful service, every call knows what is so."""

import math
import re
from collections.abc import Iterator
from itertools import product

import pytest

from firecrawl_interact.core import (
    DeletionReceipt,
    RetryPolicy,
    SessionNotFoundError,
    TimedOutError,
)

from .events import A_RESPONSE, EventfulService, all_events
from .figures import PAGE
from .schedules import Meets, play


def meets(service: EventfulService) -> Iterator[Meets]:
    while True:
        comes = service.meet()
        yield comes, math.inf if isinstance(comes, TimedOutError) else A_RESPONSE, False


@pytest.mark.parametrize(("name", "in_a_row"), [("one event", 1), ("two events", 2)])
def test_a_call_knows_what_is_so_and_the_page_shows_what_that_costs(
    name: str, in_a_row: int
) -> None:
    calls = requests = 0
    seconds = 0.0
    for events in product(all_events(), repeat=in_a_row):
        service = EventfulService(events)
        call = play(RetryPolicy(), meets(service))
        assert isinstance(call.outcome, DeletionReceipt | SessionNotFoundError), events
        assert not service.is_live, events
        calls, requests, seconds = calls + 1, requests + service.requests, seconds + call.ended

    page = PAGE.read_text(encoding="utf-8")
    table = page.partition(f"<!-- rivals: {name} -->")[2].partition("<!--")[0]
    of_this_library = dict(re.findall(r"^\| ([^|-][^|]*) \| +([^|]+) \|", table, re.MULTILINE))
    assert of_this_library == {
        f"% of {calls:,} calls": "1",
        "gone, but it is not: cautious": "0",
        "gone, but it is not: usual": "0",
        "do not know: cautious": "0",
        "not gone, but it is: usual": "0",
        "hang": "0",
        "raise after success": "0",
        "end the session": "100",
        "requests a call": f"{requests / calls:.1f}",
        "seconds a call": f"{seconds / calls:.1f}",
    }, "the page is out of date: run make rivals"
