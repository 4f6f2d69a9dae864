"""The rate limits that runs are measured with keep their own rules."""

import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .rate_limit_kinds import RateLimit, Usage, Window

WINDOWS: list[Window] = ["fixed", "aligned", "sliding"]
pauses = st.lists(st.integers(0, 70_000).map(lambda milliseconds: milliseconds / 1000), max_size=30)


def accepted_after(limit: RateLimit, pauses: list[float]) -> Iterator[tuple[float, bool]]:
    """Give when each request came, and whether it was accepted. It would be after its wait."""
    usage, now = Usage(), 0.0
    for pause in pauses:
        now += pause
        wait = usage.count_request(limit, now)
        assert 0 <= wait <= 60 + 1e-6  # of floats
        yield now, wait == 0


@pytest.mark.parametrize("window", WINDOWS)
@given(requests=st.integers(0, 5), pauses=pauses)
def test_a_window_accepts_so_many(window: Window, requests: int, pauses: list[float]) -> None:
    accepted_at: list[float] = []
    began = -math.inf
    for now, accepted in accepted_after(RateLimit(requests, window=window), pauses):
        if now - began > 60 - 1e-6:
            began = now
        minute = math.floor(now / 60 + 1e-9) * 60
        since = {"fixed": began, "aligned": minute, "sliding": now - 60 + 2e-6}[window]
        assert accepted == (sum(at > since - 1e-6 for at in accepted_at) < requests)
        accepted_at += [now] * accepted


@given(requests=st.integers(1, 60), burst=st.integers(1, 5), pauses=pauses)
def test_a_bucket_accepts_what_it_holds_and_fills_evenly(
    requests: int, burst: int, pauses: list[float]
) -> None:
    tokens, filled_at = float(burst), 0.0
    for now, accepted in accepted_after(RateLimit(requests, burst=burst), pauses):
        tokens = min(burst, tokens + (now - filled_at) * requests / 60)
        filled_at = now
        assert accepted == (tokens > 1 - 1e-6)
        tokens -= accepted
