"""The rate limit that the fake service keeps: so many requests of each team in a fixed minute."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firecrawl_interact.adapters import FakeService
from firecrawl_interact.core import Request

from .test_fake_service import UNKNOWN, content, delete, failure, send

pauses = st.lists(st.integers(0, 70_000).map(lambda milliseconds: milliseconds / 1000), max_size=30)


def is_accepted(service: FakeService) -> bool:
    status = delete(service, UNKNOWN).status
    assert status in (404, 429)
    return status == 404


def test_the_services_own_counts_what_fails_and_refuses_what_is_more_in_its_own_words() -> None:
    service = FakeService(rate_limit=2)
    service.advance(7 * 86_400)
    session_id = service.open_session()
    assert [delete(service, name).status for name in (UNKNOWN, "session-1")] == [404, 500]
    assert send(service, "/nowhere").status == 404  # It does not count.
    service.advance(26)
    for consumed in (3, 4):
        response = delete(service, session_id)
        assert response.status == 429
        assert "retry-after" not in response.headers
        assert content(response) == failure(
            f"Rate limit exceeded. Consumed (req/min): {consumed}, Remaining (req/min): 0. Upgrade"
            " your plan at https://firecrawl.dev/pricing for increased rate limits or please retry"
            " after 34s, resets at Mon Dec 01 2025 22:17:26 GMT+0000 (Coordinated Universal Time)"
        )
    assert service.is_open(session_id)


@pytest.mark.parametrize(
    ("known", "keys", "statuses"),
    [
        (["fc-a", "fc-b"], ["fc-a", "fc-b", "fc-a", "fc-other"], [404, 404, 429, 401]),
        ([], ["fc-a", "fc-b"], [404, 429]),  # without sign-in
    ],
)
def test_the_services_own_is_each_teams_own_and_comes_after_the_key(
    known: list[str], keys: list[str], statuses: list[int]
) -> None:
    service = FakeService(known, rate_limit=1)
    assert [delete(service, UNKNOWN, key).status for key in keys] == statuses


@pytest.mark.parametrize(
    ("passed", "said"), [(0, 60), (25.4, 35), (25.5, 35), (25.6, 34), (58.6, 1), (59.8, 1)]
)
def test_the_wait_that_it_says_is_rounded_as_the_service_does(passed: float, said: int) -> None:
    service = FakeService(rate_limit=1)
    assert is_accepted(service)
    service.advance(passed)
    error = content(delete(service, UNKNOWN))["error"]
    assert re.findall(r"retry after (\d+)s", str(error)) == [str(said)]


@given(rate_limit=st.integers(0, 5), pauses=pauses)
def test_a_minute_begins_with_a_request_and_accepts_so_many(
    rate_limit: int, pauses: list[float]
) -> None:
    service = FakeService(rate_limit=rate_limit)
    accepted, began = 0, -math.inf
    for pause in pauses:
        service.advance(pause)
        if service.monotonic() - began > 60 - 1e-6:
            accepted, began = 0, service.monotonic()
        assert is_accepted(service) == (accepted < rate_limit)
        accepted += accepted < rate_limit


def test_what_opens_a_session_does_not_count() -> None:
    service = FakeService(rate_limit=1)
    opening = Request("POST", "/v2/interact", {"Authorization": "Bearer fc-test"})
    assert [service.respond(opening)[0].status for _ in range(3)] == [200, 200, 200]
    assert is_accepted(service)
    assert not is_accepted(service)


def test_a_limit_that_changes_holds_from_the_next_request_on_and_for_what_was_sent_before() -> None:
    service = FakeService(rate_limit=1)
    accepted = [is_accepted(service), is_accepted(service)]
    service.rate_limit = 4
    accepted += [is_accepted(service), is_accepted(service), is_accepted(service)]
    service.rate_limit = None
    accepted += [is_accepted(service)]
    assert accepted == [True, False, True, True, False, True]
