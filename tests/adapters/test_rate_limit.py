"""The rate limits that the fake service keeps: the service's own, and those of other kinds."""

import math
import re
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firecrawl_interact.adapters import FakeService, RateLimit
from firecrawl_interact.adapters.fakes.service.rate_limit import Window

from .test_fake_service import content, delete, failure, send

WINDOWS: list[Window] = ["fixed", "aligned", "sliding"]
limits = partial(st.builds, RateLimit, retry_after=st.just(math.ceil))
pauses = st.lists(st.integers(0, 70_000).map(lambda milliseconds: milliseconds / 1000), max_size=30)


def is_taken(service: FakeService) -> bool:
    status = delete(service, "unknown").status
    assert status in (404, 429)
    return status == 404


def seconds_to_wait(service: FakeService) -> int | None:
    """The seconds that the text of a refused request gives."""
    response = delete(service, "unknown")
    assert response.status == 429
    found = re.search(r"retry after (\d+)s", str(content(response)["error"]))
    return None if found is None else int(found[1])


def taken_after(limit: RateLimit, pauses: list[float]) -> list[tuple[float, bool]]:
    """When each request came, and whether it was taken."""
    service = FakeService(rate_limit=limit)
    came = []
    for pause in pauses:
        service.sleep(pause)
        came.append((service.monotonic(), is_taken(service)))
    return came


def test_the_services_own_counts_what_fails_and_refuses_what_is_more_in_its_own_words() -> None:
    service = FakeService(rate_limit=2)
    session_id = service.open_session()
    assert [delete(service, "unknown").status, send(service, "/nowhere").status] == [404, 404]
    service.sleep(26)
    for consumed in (3, 4):
        response = delete(service, session_id)
        assert response.status == 429
        assert "retry-after" not in response.headers
        assert content(response) == failure(
            f"Rate limit exceeded. Consumed (req/min): {consumed}, Remaining (req/min): 0. Upgrade"
            " your plan at https://firecrawl.dev/pricing for increased rate limits or please retry"
            " after 34s, resets at Mon Nov 24 2025 22:17:26 GMT+0000 (Coordinated Universal Time)"
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
    assert [delete(service, "1", key).status for key in keys] == statuses


@pytest.mark.parametrize(
    ("retry_after", "passed", "said"),
    [
        *(
            (RateLimit(1).retry_after, passed, said)
            for passed, said in ((0, 60), (25.4, 35), (25.5, 35), (25.6, 34), (58.6, 1), (59.8, 1))
        ),
        (math.floor, 18.75, 41),
        (math.ceil, 18.75, 42),
        (lambda seconds: round(seconds / 2), 18.75, 21),
        (lambda _: 0, 18.75, 0),
        (lambda _: 3600, 18.75, 3600),
        (lambda _: None, 18.75, None),
    ],
)
def test_the_wait_that_it_says_is_rounded_as_the_service_does_or_any_or_none(
    retry_after: Callable[[float], int | None], passed: float, said: int | None
) -> None:
    service = FakeService(rate_limit=RateLimit(1, retry_after=retry_after))
    assert is_taken(service)
    service.sleep(passed)
    assert seconds_to_wait(service) == said


@pytest.mark.parametrize("window", WINDOWS)
@given(rate_limit=st.integers(0, 5), pauses=pauses)
def test_a_limit_of_a_window_takes_so_many_in_it(
    window: Window, rate_limit: int, pauses: list[float]
) -> None:
    taken_at: list[float] = []
    began = -math.inf
    for now, taken in taken_after(RateLimit(rate_limit, window=window), pauses):
        if now - began > 60 - 1e-6:
            began = now
        minute = math.floor(now / 60 + 1e-9) * 60
        since = {"fixed": began, "aligned": minute, "sliding": now - 60 + 2e-6}[window]
        assert taken == (sum(at > since - 1e-6 for at in taken_at) < rate_limit)
        taken_at += [now] * taken


@given(rate_limit=st.integers(1, 60), burst=st.integers(1, 5), pauses=pauses)
def test_a_limit_of_a_bucket_takes_what_it_holds_and_fills_evenly(
    rate_limit: int, burst: int, pauses: list[float]
) -> None:
    tokens, filled_at = float(burst), 0.0
    for now, taken in taken_after(RateLimit(rate_limit, burst=burst), pauses):
        tokens = min(burst, tokens + (now - filled_at) * rate_limit / 60)
        filled_at = now
        assert taken == (tokens > 1 - 1e-6)
        tokens -= taken


@pytest.mark.parametrize(
    ("limit", "pauses", "taken"),
    [
        (RateLimit(1, seconds=5), [0, 4.9, 0.1], [1, 0, 1]),
        # In spite of the rounding of floats, it is over then.
        *((RateLimit(1, window=window), [0, 60 - 1e-9], [1, 1]) for window in WINDOWS),
        (RateLimit(1, burst=1), [0, 60 - 1e-9], [1, 1]),
    ],
    ids=repr,
)
def test_a_limit_takes_these(limit: RateLimit, pauses: list[float], taken: list[int]) -> None:
    assert [was_taken for _, was_taken in taken_after(limit, pauses)] == taken


@given(
    limit=limits(requests=st.integers(1, 3), window=st.sampled_from(WINDOWS))
    | limits(requests=st.integers(1, 100), burst=st.integers(1, 3)),
    start=st.floats(0, 1e6),
    pauses=pauses,
    pieces=st.integers(1, 7),
)
def test_a_limit_takes_a_request_after_the_wait_if_it_is_rounded_up(
    limit: RateLimit, start: float, pauses: list[float], pieces: int
) -> None:
    service = FakeService(rate_limit=limit)
    service.sleep(start)
    for pause in pauses:
        service.sleep(pause)
        if not is_taken(service):
            wait = seconds_to_wait(service)
            assert wait is not None
            assert 0 <= wait <= 60
            for _ in range(pieces):
                service.sleep(wait / pieces)
            assert is_taken(service)


def test_a_limit_that_changes_holds_from_the_next_request_on() -> None:
    service = FakeService(rate_limit=1)
    taken = [is_taken(service), is_taken(service)]
    service.rate_limit = 4
    assert service.rate_limit == RateLimit(4)
    taken += [is_taken(service), is_taken(service), is_taken(service)]
    service.rate_limit = None
    taken += [is_taken(service)]
    assert taken == [True, False, True, True, False, True]


@pytest.mark.parametrize(("window", "wait"), [("fixed", 57), ("aligned", 57), ("sliding", 59)])
def test_a_limit_that_changes_waits_for_what_was_taken_before(window: Window, wait: int) -> None:
    service = FakeService(rate_limit=RateLimit(4, window=window))
    for _ in range(3):
        assert is_taken(service)
        service.sleep(1)
    service.rate_limit = RateLimit(1, window=window)
    assert seconds_to_wait(service) == wait


def test_it_shows_what_is_particular_about_it() -> None:
    assert repr(RateLimit(10)) == "RateLimit(requests=10)"
    assert repr(RateLimit(600, burst=1)) == "RateLimit(requests=600, burst=1)"
