"""Rate limiters of several kinds, and runs against them on a virtual clock."""

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from firecrawl_interact.core import RetryPolicy
from firecrawl_interact.core.pacing import RateLimitGate

MINUTE = 60.0
ROUNDING = 1e-9
"""Seconds. Times are floats: two that are nearer to each other are the same."""


class Limiter(Protocol):
    """What a service limits its clients by. All times are in seconds."""

    def wait(self, now: float) -> float:
        """Return the seconds until a request would be accepted. This counts as no request."""

    def request(self, now: float) -> float:
        """Count a request. Return 0 if it is accepted, else the seconds until one would be."""


class AdjustableLimiter(Limiter, Protocol):
    """A limiter that can get another limit."""

    def adjust(self, now: float, limit: int) -> None:
        """Allow so many requests a minute from now on."""


class FixedWindow:
    """Accepts so many a minute. The minute begins with a request or, aligned, at some second."""

    def __init__(self, limit: int, second: float | None = None) -> None:
        self.limit, self.second, self.ends_at, self.requests = limit, second, -math.inf, 0

    def wait(self, now: float) -> float:
        is_open = now + ROUNDING >= self.ends_at or self.requests < self.limit
        return 0.0 if is_open else self.ends_at - now

    def request(self, now: float) -> float:
        if now + ROUNDING >= self.ends_at:
            began_at = now
            if self.second is not None:
                began_at = self.second + MINUTE * math.floor((now - self.second) / MINUTE + 1e-6)
            self.ends_at, self.requests = began_at + MINUTE, 0
        wait = self.wait(now)
        self.requests += 1
        return wait

    def adjust(self, now: float, limit: int) -> None:
        self.limit = limit


class SlidingWindow:
    """Accepts no more than the limit within any minute."""

    def __init__(self, limit: int) -> None:
        self.limit, self.accepted = limit, deque[float]()

    def wait(self, now: float) -> float:
        while self.accepted and self.accepted[0] + MINUTE <= now + ROUNDING:
            self.accepted.popleft()
        surplus = len(self.accepted) - self.limit
        return 0.0 if surplus < 0 else self.accepted[surplus] + MINUTE - now

    def request(self, now: float) -> float:
        wait = self.wait(now)
        if not wait:
            self.accepted.append(now)
        return wait

    def adjust(self, now: float, limit: int) -> None:
        self.limit = limit


class TokenBucket:
    """Accepts so many at once, the burst, and then evenly spaced ones. Gateways often do so."""

    def __init__(self, limit: int, burst: float) -> None:
        self.limit, self.burst, self.tokens, self.counted_at = limit, burst, burst, 0.0

    def _tokens_at(self, now: float) -> float:
        added = (now - self.counted_at) * self.limit / MINUTE
        return min(self.burst, self.tokens + added)

    def wait(self, now: float) -> float:
        tokens = self._tokens_at(now)
        return 0.0 if tokens >= 1 - 1e-7 else (1 - tokens) * MINUTE / self.limit

    def request(self, now: float) -> float:
        wait = self.wait(now)
        self.tokens, self.counted_at = self._tokens_at(now) - (not wait), now
        return wait

    def adjust(self, now: float, limit: int) -> None:
        tokens = self._tokens_at(now)
        self.burst = 1 if self.burst == 1 else max(1, self.burst * limit / self.limit)
        self.tokens, self.counted_at, self.limit = min(self.burst, tokens), now, limit


class Changing:
    """A limiter that gets another limit at some time."""

    def __init__(self, limiter: AdjustableLimiter, changes_at: float, limit: int) -> None:
        self.limiter, self.changes_at, self.limit = limiter, changes_at, limit

    def wait(self, now: float) -> float:
        if now + ROUNDING < self.changes_at:
            return min(self.limiter.wait(now), self.changes_at - now)
        if self.changes_at < math.inf:
            self.limiter.adjust(self.changes_at, self.limit)
            self.changes_at = math.inf
        return self.limiter.wait(now)

    def request(self, now: float) -> float:
        self.wait(now)
        return self.limiter.request(now)


class Shared:
    """A limiter that another client uses too: so many requests a minute, evenly or in bursts."""

    def __init__(self, limiter: Limiter, others: int, *, in_bursts: bool) -> None:
        self.limiter, self.others, self.in_bursts, self.sent = limiter, others, in_bursts, 0

    def wait(self, now: float) -> float:
        while (sent_at := self._others_next()) <= now + ROUNDING:
            self.limiter.request(sent_at)
            self.sent += 1
        return self.limiter.wait(now)

    def request(self, now: float) -> float:
        self.wait(now)
        return self.limiter.request(now)

    def _others_next(self) -> float:
        minutes = self.sent // self.others if self.in_bursts else self.sent / self.others
        return minutes * MINUTE


NamedWait = Callable[[float], float | None]

RIGHT_WAITS: dict[str, NamedWait] = {
    "exact": lambda wait: wait,
    "rounded up": math.ceil,
    "rounded": lambda wait: (math.floor(wait + 0.5) or 1) + 0.5,  # the text, and half a second
}
"""What a service may name as the time to wait, by the time that is right."""
WRONG_WAITS: dict[str, NamedWait] = {
    "half": lambda wait: wait / 2,
    "rounded down": math.floor,
    "0 s": lambda _: 0.0,
    "1 s": lambda _: 1.0,
}
NO_WAIT: dict[str, NamedWait] = {"none": lambda _: None}


class Load(NamedTuple):
    """What a run has to do. Latencies are in seconds."""

    sessions: int
    concurrency: int
    latency: float
    latency_of_429: float = 0.2


def shortest_time(limiter: Limiter, load: Load) -> float:
    """Return the seconds that a client needs if it knows when it would be accepted."""
    now, free_at = 0.0, [0.0] * load.concurrency
    for _ in range(load.sessions):
        now = max(now, heapq.heappop(free_at))
        while wait := limiter.wait(now):
            now += max(wait, ROUNDING)
        limiter.request(now)
        heapq.heappush(free_at, now + load.latency)
    return max(free_at)


class Run(NamedTuple):
    """What came of a run."""

    seconds: float
    """How long it took. Infinite: it gave up."""
    limited: int
    """Responses with status 429, without those for requests in flight at the first."""


class _InFlight(NamedTuple):
    ends_at: float
    number: int
    sent_at: float
    wait: float  # 0: accepted


def run(limiter: Limiter, load: Load, named_wait: NamedWait) -> Run:
    """Send requests as a scheduler does that asks the gate."""
    retry = RetryPolicy()
    gate = RateLimitGate(retry, random.Random(1).random)  # noqa: S311 - no secret
    now = accepted_at = 0.0
    waiting, limited, in_flight_at_first = load.sessions, 0, 0
    in_flight: list[_InFlight] = []
    while waiting or in_flight:
        may_send = waiting > 0 and len(in_flight) < load.concurrency
        if may_send and gate.next_send_at <= now + ROUNDING:
            number = gate.note_sent(now)
            wait = limiter.request(now)
            latency = load.latency_of_429 if wait else load.latency
            heapq.heappush(in_flight, _InFlight(now + latency, number, now, wait))
            waiting -= 1
            continue
        ends_at = in_flight[0].ends_at if in_flight else math.inf
        now = max(now, min(ends_at, gate.next_send_at if may_send else math.inf))
        while in_flight and in_flight[0].ends_at <= now:
            _, number, sent_at, wait = heapq.heappop(in_flight)
            if not wait:
                gate.note_accepted(number)
                accepted_at = now
                continue
            in_flight_at_first = in_flight_at_first or number + len(in_flight)
            limited += number > in_flight_at_first
            waiting += 1
            latency = now - sent_at
            gate.note_limited(number, latency=latency, now=now, retry_after=named_wait(wait))
            if now - accepted_at > retry.deadline:
                return Run(math.inf, limited)
    return Run(now, limited)
