"""The rate limit that the fake service keeps: so many requests of each team in a fixed minute."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firecrawl_interact import FakeService

from .test_fake_service import UNKNOWN, content, delete, send, stop

pauses = st.lists(st.integers(0, 70_000).map(lambda milliseconds: milliseconds / 1000), max_size=30)


def text_of(consumed: int, wait: int) -> str:
    return (
        f"Rate limit exceeded. Consumed (req/min): {consumed}, Remaining (req/min): 0. Upgrade your"
        f" plan at https://firecrawl.dev/pricing for increased rate limits or please retry after"
        f" {wait}s, resets at Mon Dec 01 2025 22:17:26 GMT+0000 (Coordinated Universal Time)"
    )


def test_the_services_own_counts_what_fails_and_refuses_what_is_more_in_its_own_words() -> None:
    service = FakeService(["fc-test", "fc-other"], rate_limit=2)
    service.advance(7 * 86_400)
    session_id = service.open_session()
    assert [delete(service, UNKNOWN).status, stop(service, UNKNOWN).status] == [404, 404]
    assert send(service, "/nowhere").status == 404  # It does not count,
    assert send(service, "/v2/interact", method="POST").status == 200  # nor does this,
    assert delete(service, session_id, "fc-other").status == 403  # nor what another team sends.
    service.advance(26)
    for consumed in (3, 4):
        response = delete(service, session_id)
        assert (response.status, response.headers["retry-after"]) == (429, "34")
        said = {"success": False, "error": text_of(consumed, 34), "retry_after_seconds": 34}
        assert content(response) == said
    assert service.is_open(session_id)


@pytest.mark.parametrize(("seconds_left", "wait"), [(59.4, 60), (34, 34), (0.1, 1)])
def test_the_wait_is_whole_seconds_and_long_enough(seconds_left: float, wait: int) -> None:
    service = FakeService(rate_limit=0)
    delete(service, UNKNOWN)
    service.advance(60 - seconds_left)
    assert delete(service, UNKNOWN).headers["retry-after"] == str(wait)


def test_an_older_service_names_the_wait_in_its_text_alone_and_rounds_it_down() -> None:
    service = FakeService(rate_limit=0, sends_retry_after=False)
    service.advance(7 * 86_400)
    delete(service, UNKNOWN)
    service.advance(25.6)
    response = delete(service, UNKNOWN)
    assert "retry-after" not in response.headers
    assert content(response) == {"success": False, "error": text_of(2, 34)}


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
        is_accepted = accepted < rate_limit
        assert delete(service, UNKNOWN).status == (404 if is_accepted else 429)
        accepted += is_accepted
