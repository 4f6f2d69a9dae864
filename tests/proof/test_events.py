"""After one or two events and then a calm and truthful service, every call knows what is so."""

import math
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
from .schedules import Meets, play


def meets(service: EventfulService) -> Iterator[Meets]:
    while True:
        comes = service.meet()
        yield comes, math.inf if isinstance(comes, TimedOutError) else A_RESPONSE, False


@pytest.mark.parametrize("in_a_row", [1, 2])
def test_a_call_knows_what_is_so(in_a_row: int) -> None:
    calls = requests = 0
    for events in product(all_events(), repeat=in_a_row):
        service = EventfulService(events)
        call = play(RetryPolicy(), meets(service))
        assert isinstance(call.outcome, DeletionReceipt | SessionNotFoundError), events
        assert not service.is_live, events
        calls, requests = calls + 1, requests + service.requests
    assert requests <= (in_a_row + 1) * calls
